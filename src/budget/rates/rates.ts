/**
 * Limits by time of agents, tenants and routes: a call takes one request, and the tokens that were reserved for it, of
 * every limit that it is under, or of none; what it has not used goes back when it ends. Where a limit has no more it
 * waits in line. Limits of one tenant lie in its slot of the store and those of a route alone in the route's, so these
 * are two steps: what the first has taken goes back where the second refuses.
 */
import type { Arrival, EntryFact, OperationFact, ProposedFact, RatesFact, ReservationFact } from '../../call.ts';
import type { Clock } from '../../clock.ts';
import { type Denial, deny, isDenial } from '../../denial.ts';
import type { RateHold, RateState } from '../../rate.ts';
import type { BucketState, RateStore, TakeResult } from '../../store/rates.ts';
import { ownerlessKey, storeKey } from '../../store/store.ts';
import type { QueueConfig, RateConfig } from './section.ts';
import type { Blocked, NotPassed, Turnstile } from './turnstile.ts';
import { amountText, inOrder, wordOf } from './words.ts';

export type RatedCall = Arrival & OperationFact & EntryFact & ReservationFact & Partial<ProposedFact>;

/** Told of what limits do, for the metrics; `limit` is one of few words. */
export interface RateNews {
  limited(limit: string): void;
  waited(ms: number): void;
}

export interface RateLimitsParts {
  readonly store: RateStore;
  readonly clock: Clock;
  readonly rules: readonly RateConfig[];
  readonly queue: QueueConfig;
  readonly turnstile: Turnstile;
  readonly news: RateNews;
}

const perMs = { second: 1000, minute: 60_000, hour: 3_600_000 } as const;
/** An agent that set a deadline is told that it waits in vain so long before it. */
const beforeDeadlineMs = 25;

interface Rule {
  readonly hold: RateHold;
  readonly name: string;
  readonly per: RateConfig['per'];
  readonly partition: string;
  readonly ofTenant: boolean;
}

interface Taken {
  readonly held: readonly RateHold[];
  readonly states: readonly RateState[];
}

/** How long `call` may wait: as the configuration says, and within what its agent gave it. */
export function patienceMs({ wait_ms: waitMs }: QueueConfig, call: Arrival, clock: Clock): number {
  const { deadlineMs, startMs } = call;
  if (deadlineMs === null) return waitMs;
  return Math.max(0, Math.min(waitMs, deadlineMs - (clock.monotonicMs() - startMs) - beforeDeadlineMs));
}

/** How the task of `call` stands in line. */
export function placeOf({ priority }: QueueConfig, call: EntryFact & Partial<ProposedFact>) {
  const { id, purpose } = call.entry.task.record;
  const turns = Object.hasOwn(priority, purpose) ? (priority[purpose] as number) : 1;
  return { task: id, turns, bytes: call.proposed?.canonical.length ?? 0 };
}

export class RateLimits {
  readonly #parts: RateLimitsParts;

  constructor(parts: RateLimitsParts) {
    this.#parts = parts;
  }

  /** How much longer than without limits a call may take, in milliseconds. */
  get waitMsMax(): number {
    return this.#parts.rules.length === 0 ? 0 : this.#parts.queue.wait_ms;
  }

  /** Whether any limit is for such a call. */
  isUnder(call: RatedCall): boolean {
    return this.#rulesOf(call).length > 0;
  }

  /**
   * Takes what `call` may need of all its limits, as soon as its turn has come. Denies `rate_limited` with when to come
   * again. Rejects with `StoreUnavailable`.
   */
  async admit(call: RatedCall): Promise<RatesFact | Denial> {
    const rules = this.#rulesOf(call);
    if (rules.length === 0) return { rates: { held: [], states: [], waitedMs: 0 } };
    const { queue, turnstile, clock, news } = this.#parts;
    let states: readonly RateState[] = [];
    const outcome = await turnstile.pass<Taken>({
      ...placeOf(queue, call),
      waitMs: patienceMs(queue, call, clock),
      signal: call.abort.signal,
      lines: rules.map(({ hold }) => hold.key),
      attempt: async () => {
        const tried = await this.#take(rules);
        if ('states' in tried) ({ states } = tried);
        return 'blocked' in tried ? { blocked: tried.blocked } : { passed: tried };
      },
      undo: ({ held }) => void this.#giveBack(held).catch(() => undefined),
    });
    if (outcome.waitedMs > 0) news.waited(outcome.waitedMs);
    if ('passed' in outcome) return { rates: { ...outcome.passed, waitedMs: outcome.waitedMs } };
    const rule = rules.find(({ hold }) => hold.key === outcome.blocked.line) as Rule;
    if (outcome.why !== 'left') news.limited(rule.name);
    const { reason } = call.abort.signal;
    if (outcome.why === 'left' && isDenial(reason)) return reason;
    return denyRate(rule, outcome.why, outcome.blocked, { rates: states, waitedMs: outcome.waitedMs });
  }

  /** Puts right what was taken: to `tokens` where it was sent, all of it back where it was not. */
  async settle(held: readonly RateHold[], used: { readonly tokens: number } | 'unsent'): Promise<void> {
    const changes = held.map((hold) => {
      if (used === 'unsent') return { ...hold, amount: -hold.amount };
      return { ...hold, amount: hold.unit === 'tokens' ? used.tokens - hold.amount : 0 };
    });
    await this.#correct(changes.filter(({ amount }) => amount !== 0));
  }

  #rulesOf(call: RatedCall): readonly Rule[] {
    return this.#parts.rules.flatMap((rule) => rulesOf(rule, call));
  }

  async #take(rules: readonly Rule[]): Promise<Taken | { blocked: Blocked; states: readonly RateState[] }> {
    const held: RateHold[] = [];
    const states: RateState[] = [];
    for (const ofTenant of [true, false]) {
      const group = rules.filter((rule) => rule.ofTenant === ofTenant);
      if (group.length === 0) continue;
      const result: TakeResult = await this.#parts.store.take(group.map(({ hold }) => hold));
      states.push(...result.states.map((state, index) => this.#stateOf(group[index] as Rule, state)));
      if (!result.ok) {
        if (held.length > 0) await this.#giveBack(held);
        const { hold } = group[result.bucket] as Rule;
        return { blocked: { line: hold.key, waitMs: result.waitMs }, states };
      }
      held.push(...group.map(({ hold }) => hold));
    }
    return { held, states };
  }

  #giveBack(held: readonly RateHold[]): Promise<void> {
    return this.settle(held, 'unsent');
  }

  async #correct(changes: readonly RateHold[]): Promise<void> {
    const slots = Map.groupBy(changes, ({ key }) => key.slice(0, key.indexOf('}')));
    for (const ofSlot of slots.values()) await this.#parts.store.correct(ofSlot);
    for (const { key, amount } of changes) if (amount < 0) this.#parts.turnstile.wake(key);
  }

  #stateOf({ hold, name, partition }: Rule, { remaining, fullMs }: BucketState): RateState {
    const { unit, refill, perMs: windowMs } = hold;
    return {
      name,
      unit,
      quota: refill,
      perMs: windowMs,
      remaining,
      fullMs,
      atMs: this.#parts.clock.nowMs(),
      partition,
    };
  }
}

/** The limits that one rule sets for `call`: by requests, by tokens where it may use any. */
function rulesOf(rule: RateConfig, call: RatedCall): Rule[] {
  const { record } = call.entry.task;
  const { route } = call.resolved.operation;
  const by = inOrder(rule.by);
  const own: Readonly<Record<(typeof by)[number], string>> = {
    agent: `${record.agent.issuer}/${record.agent.id}`,
    tenant: record.tenant,
    route,
  };
  const word = wordOf(by);
  const ofTenant = by.includes('agent') || by.includes('tenant');
  const values = by.map((subject) => encodeURIComponent(own[subject]));
  const partition = by.map((subject) => `${subject}=${subject === 'agent' ? record.agent.id : own[subject]}`).join(';');
  const keyOf = (unit: string): string => {
    const parts = ['rate', word, rule.per, ...values, unit];
    return ofTenant ? storeKey(record.tenant, ...parts) : ownerlessKey(route, ...parts);
  };
  const ruleOf = (unit: RateHold['unit'], quota: number, capacity: number, amount: number): Rule => ({
    hold: { unit, key: keyOf(unit), refill: quota, perMs: perMs[rule.per], capacity, amount },
    ...{ name: `${word}_${unit}`, per: rule.per, partition, ofTenant },
  });
  const { requests, tokens, burst } = rule;
  const needed = call.reservation.tokens;
  return [
    ...(requests === undefined ? [] : [ruleOf('requests', requests, burst ?? requests, 1)]),
    ...(tokens === undefined || needed === 0 ? [] : [ruleOf('tokens', tokens, tokens, needed)]),
  ];
}

const whose: Readonly<Record<string, string>> = {
  agent: 'this agent, over all its tasks',
  tenant: 'this tenant, over all its agents',
  route: 'this route, whoever calls it',
  agent_tenant: 'this agent, over all its tasks',
  agent_route: 'this agent on this route',
  tenant_route: 'this tenant on this route',
  agent_tenant_route: 'this agent on this route',
};

function denyRate(
  { name, hold, per, ...rule }: Rule,
  why: NotPassed,
  { waitMs }: Blocked,
  more: { readonly rates: readonly RateState[]; readonly waitedMs: number },
): Denial {
  const subject = whose[name.slice(0, -hold.unit.length - 1)] ?? rule.partition;
  const limit = `${amountText(hold.refill, hold.unit, per)} for ${subject}`;
  const never = waitMs === Number.POSITIVE_INFINITY;
  const message = never
    ? `This call may need up to ${hold.amount} ${hold.unit}, and the limit is ${limit}. Ask for a shorter answer, or send less.`
    : `The limit of ${limit} is reached.${why === 'full' ? ' There is no more room to wait.' : ''} Come again later, with fewer calls at once.`;
  const reasons = [
    { code: name, message: `limit ${hold.refill} ${hold.unit} a ${per}, asked for ${hold.amount}` },
    ...(why === 'full' ? [{ code: 'queue_full', message: 'As many calls wait for this limit as may.' }] : []),
    ...(why === 'left' ? [{ code: 'client_left', message: 'The client left while its call waited.' }] : []),
  ];
  return deny('rate_limited', message, {
    ...more,
    reasons,
    ...(never ? { retryable: false } : { retryAfterMs: Math.max(1, waitMs) }),
  });
}
