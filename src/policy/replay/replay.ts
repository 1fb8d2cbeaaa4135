/**
 * Decides recorded inputs again, with a bundle that is not in force, and says what would have changed, and how far
 * that can be trusted. What a reader would get wrong: each call is decided on the history it really had. A call that
 * the candidate would have denied stands in the history of the calls after it, as it did.
 */
import type { JsonObject } from '../../call.ts';
import type { Phase } from '../instance.ts';
import type { Answer, ReplayCandidate } from './candidate.ts';
import { changeOf } from './change.ts';
import { ChangeGroups } from './groups.ts';
import { isRedacted, type Recorded, type ReplayedEvent, recordedOf, type Said, withOthers } from './recorded.ts';

const revisionsMax = 100;
const problemsMax = 5;

/** An event with what is left of its input; as `RecordedEvent` of the audit room. */
export interface ReplayedDecision {
  readonly event: ReplayedEvent;
  readonly input:
    | { readonly state: 'kept'; readonly text: string }
    | { readonly state: 'cut' | 'erased' | 'none' | 'unreadable' };
}

const phases: ReadonlySet<unknown> = new Set<Phase>(['task', 'call', 'response']);

function phaseOf(input: JsonObject | null): Phase | null {
  const phase = input?.phase;
  return phases.has(phase) ? (phase as Phase) : null;
}

function parsed(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : null;
  } catch {
    return null;
  }
}

const isRefusedShape = (said: Said): boolean => !said.allow && said.codes?.includes('input_invalid') === true;

/** Takes decisions page by page, so that a trail of any length fits; bounded in what it remembers. */
export class Replay {
  readonly #candidate: Pick<ReplayCandidate, 'decide' | 'revision'>;
  readonly #groups = new ChangeGroups();
  readonly #revisions = new Map<string, number>();
  readonly #problems = new Map<string, number>();
  readonly #decided: Record<Phase, number> = { task: 0, call: 0, response: 0 };
  readonly #left = { none: 0, erased: 0, cut: 0, unreadable: 0, other_shape: 0, untold: 0 };
  readonly #redacted = { decided: 0, sensitive: 0 };
  readonly #own = { decided: 0, changed: 0 };
  #recorded = 0;
  #gate = 0;

  constructor(candidate: Pick<ReplayCandidate, 'decide' | 'revision'>) {
    this.#candidate = candidate;
  }

  /** Decides one recorded decision again. An event without one counts for nothing. */
  add({ event, input }: ReplayedDecision): void {
    const recorded: Recorded = recordedOf(event);
    if (recorded === 'unasked') return;
    this.#recorded += 1;
    if (recorded === 'gate') {
      this.#gate += 1;
      return;
    }
    if (recorded === 'untold') {
      this.#left.untold += 1;
      return;
    }
    if (input.state !== 'kept') {
      this.#left[input.state] += 1;
      return;
    }
    const document = parsed(input.text);
    const phase = phaseOf(document);
    if (document === null || phase === null) {
      this.#shapeless('it is no document of a phase');
      return;
    }
    const now = this.#candidate.decide(phase, document);
    if ('problem' in now) {
      if (isRefusedShape(recorded)) this.#decided[phase] += 1;
      else this.#shapeless(now.problem);
      return;
    }
    this.#decided[phase] += 1;
    this.#compare(event, recorded, now, { phase, document });
  }

  #compare(
    event: ReplayedEvent,
    before: Said,
    now: Exclude<Answer, { problem: string }>,
    { phase, document }: { readonly phase: Phase; readonly document: JsonObject },
  ): void {
    const redacted = isRedacted(document);
    const change = changeOf(before, now);
    if (redacted) {
      this.#redacted.decided += 1;
      const other = this.#candidate.decide(phase, withOthers(document));
      if ('problem' in other || changeOf(now, other) !== null) this.#redacted.sensitive += 1;
    }
    const revision = event.decision?.revision ?? 'unknown';
    if (this.#revisions.has(revision) || this.#revisions.size < revisionsMax) {
      this.#revisions.set(revision, (this.#revisions.get(revision) ?? 0) + 1);
    }
    if (revision === this.#candidate.revision && !redacted) {
      this.#own.decided += 1;
      this.#own.changed += Number(change !== null);
    }
    if (change === null) return;
    const { codes: becomes, messages } = now;
    this.#groups.add(event, change, { was: before.codes, becomes, messages }, redacted);
  }

  #shapeless(problem: string): void {
    this.#left.other_shape += 1;
    if (this.#problems.has(problem) || this.#problems.size < problemsMax) {
      this.#problems.set(problem, (this.#problems.get(problem) ?? 0) + 1);
    }
  }

  /** What was found so far. */
  report() {
    const { none, erased, cut, unreadable, other_shape, untold } = this.#left;
    const left = none + erased + cut + unreadable + other_shape + untold;
    const decided = this.#decided.task + this.#decided.call + this.#decided.response;
    return {
      revision: this.#candidate.revision,
      recorded: this.#recorded,
      decided,
      decided_calls: this.#decided.call,
      decided_tasks: this.#decided.task,
      /** Refusals of the gate itself, such as `not_in_task`: it would make them again. */
      refused_by_gate: this.#gate,
      ...this.#groups.document(),
      uncertain: {
        /** Of what the policy was asked, the share that could not be decided again, 0 to 1. */
        undecided_rate: left + decided === 0 ? 0 : left / (left + decided),
        not_recorded: none,
        erased,
        cut,
        unreadable,
        /** The gate failed before it looked at the decision, so that nothing tells what it was. */
        decision_unknown: untold,
        other_shape,
        problems: [...this.#problems].map(([problem, count]) => ({ problem, count })),
        /** Decided on redacted values; `sensitive`: other values in their place would be decided otherwise. */
        redacted: { ...this.#redacted },
      },
      recorded_revisions: [...this.#revisions].map(([revision, count]) => ({ revision, count })),
      /** Unredacted inputs that the candidate's own revision had decided: here nothing may change. */
      same_revision: { ...this.#own },
    };
  }
}

export type ReplayReport = ReturnType<Replay['report']>;
