/** Changes, put together by what changes, the rules it comes from, the agent and the operation. */
import type { Phase } from '../instance.ts';
import type { Change } from './change.ts';
import type { ReplayedEvent } from './recorded.ts';

const examplesMax = 3;
/** Beyond it changes are counted and not told apart; agents and operations are few, but nobody promised. */
const groupsMax = 2_000;

export interface ChangeExample {
  readonly call: string | null;
  readonly task: string | null;
  readonly time: string;
  /** Codes that were recorded; null where the event does not tell why it was allowed. */
  readonly was: readonly string[] | null;
  readonly becomes: readonly string[];
  /** What the agent would read. */
  readonly messages: readonly string[];
}

export interface ChangeGroup {
  /** What was decided on: a task, a call, or the response to one. */
  readonly phase: Phase;
  readonly change: Change['kind'];
  readonly rules: readonly string[];
  /** `issuer/id`: equal ids of two issuers are two agents. */
  readonly agent: string;
  readonly operation: string;
  readonly count: number;
  /** How many of them were decided on redacted values. */
  readonly redacted: number;
  readonly examples: readonly ChangeExample[];
}

export interface Tally {
  readonly name: string;
  readonly count: number;
}

/** What weighs most comes first: what is let through that was not, then what is stopped. */
const weights: Readonly<Record<string, number>> = {
  deny_to_allow: 0,
  approval_to_allow: 1,
  deny_to_approval: 2,
  allow_to_deny: 3,
  approval_to_deny: 4,
  allow_to_approval: 5,
  obligations: 6,
  reasons: 7,
};

const byName = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);

export function agentOf({ agent, issuer }: Pick<ReplayedEvent, 'agent' | 'issuer'>): string {
  return `${issuer ?? '?'}/${agent ?? '?'}`;
}

type Grown = { -readonly [Name in keyof ChangeGroup]: ChangeGroup[Name] } & { examples: ChangeExample[] };

export class ChangeGroups {
  readonly #groups = new Map<string, Grown>();
  readonly #tallies = { kind: new Map<string, number>(), rule: new Map<string, number>() };
  readonly #who = { agent: new Map<string, number>(), operation: new Map<string, number>() };
  #count = 0;
  #redacted = 0;
  #beyond = 0;

  add(
    { event, phase, redacted }: { readonly event: ReplayedEvent; readonly phase: Phase; readonly redacted: boolean },
    change: Change,
    about: Omit<ChangeExample, 'call' | 'task' | 'time'>,
  ): void {
    const [agent, operation] = [agentOf(event), event.operation ?? '?'];
    this.#count += 1;
    this.#redacted += Number(redacted);
    const tally = (counts: Map<string, number>, name: string) => {
      if (counts.has(name) || counts.size < groupsMax) counts.set(name, (counts.get(name) ?? 0) + 1);
    };
    tally(this.#tallies.kind, change.kind);
    for (const rule of change.rules) tally(this.#tallies.rule, rule);
    tally(this.#who.agent, agent);
    tally(this.#who.operation, operation);
    const key = JSON.stringify([phase, change.kind, change.rules, agent, operation]);
    let group = this.#groups.get(key);
    if (group === undefined) {
      if (this.#groups.size >= groupsMax) {
        this.#beyond += 1;
        return;
      }
      const { kind, rules } = change;
      group = { phase, change: kind, rules, agent, operation, count: 0, redacted: 0, examples: [] };
      this.#groups.set(key, group);
    }
    group.count += 1;
    group.redacted += Number(redacted);
    const { call, task, time } = event;
    if (group.examples.length < examplesMax) group.examples.push({ call, task, time, ...about });
  }

  get count(): number {
    return this.#count;
  }

  document() {
    const tallies = (counts: ReadonlyMap<string, number>): Tally[] =>
      [...counts]
        .map(([name, count]) => ({ name, count }))
        .sort((left, right) => right.count - left.count || byName(left.name, right.name));
    const groups: ChangeGroup[] = [...this.#groups.values()].sort(
      (left, right) =>
        (weights[left.change] ?? 9) - (weights[right.change] ?? 9) ||
        right.count - left.count ||
        byName(left.rules.join(), right.rules.join()) ||
        byName(left.agent + left.operation, right.agent + right.operation),
    );
    return {
      changed: this.#count,
      changed_on_redacted: this.#redacted,
      by_change: tallies(this.#tallies.kind),
      /** A change that two rules bring about counts for each of them. */
      by_rule: tallies(this.#tallies.rule),
      by_agent: tallies(this.#who.agent),
      by_operation: tallies(this.#who.operation),
      groups,
      groups_left_out: this.#beyond,
    };
  }
}
