/**
 * Decides recorded inputs again, of tasks, calls and answers, with a bundle that is not in force, and says what would
 * have changed, and how far that can be trusted. What a reader would get wrong: each call is decided on the history it
 * really had. A call that the candidate would have denied stands in the history of the calls after it, as it did, and
 * so does the answer to it.
 */
import type { JsonObject } from '../../call.ts';
import type { Phase } from '../instance.ts';
import type { Answer, ReplayCandidate } from './candidate.ts';
import { changeOf } from './change.ts';
import { ChangeGroups } from './groups.ts';
import type { ReplayedDecision } from './kept.ts';
import { type Archive, noArchive, Rebuilding, type Rebuilt } from './rebuilding.ts';
import {
  answerSaid,
  isRedacted,
  type Recorded,
  type ReplayedEvent,
  recordedOf,
  type Said,
  withOthers,
} from './recorded.ts';

export type { ReplayedDecision } from './kept.ts';

const revisionsMax = 100;
const problemsMax = 5;

/** What replaying needs of a candidate. */
export type Deciding = Pick<ReplayCandidate, 'decide' | 'revision' | 'unusedInput'>;

const phases: ReadonlySet<unknown> = new Set<Phase>(['task', 'call', 'response']);

function phaseOf({ phase }: JsonObject): Phase | null {
  return phases.has(phase) ? (phase as Phase) : null;
}

const isRefusedShape = (said: Said): boolean => !said.allow && said.codes?.includes('input_invalid') === true;

/** Takes decisions page by page, so that a trail of any length fits; bounded in what it remembers. */
export class Replay {
  readonly #candidate: Deciding;
  readonly #rebuilding: Rebuilding;
  readonly #groups = new ChangeGroups();
  readonly #revisions = new Map<string, number>();
  readonly #problems = new Map<string, number>();
  readonly #decided: Record<Phase, number> = { task: 0, call: 0, response: 0 };
  readonly #left = { none: 0, erased: 0, cut: 0, unreadable: 0, other_shape: 0, untold: 0, left_out: 0 };
  /** By part, how often it could not be put back. */
  readonly #missing = new Map<string, number>();
  readonly #redacted = { decided: 0, sensitive: 0 };
  readonly #own = { decided: 0, changed: 0 };
  #recorded = 0;
  #rebuilt = 0;
  #answersNotRecorded = 0;
  #gate = 0;

  /** `archive`: where to look for what was left out of an input. */
  constructor(candidate: Deciding, archive: Archive = noArchive) {
    this.#candidate = candidate;
    this.#rebuilding = new Rebuilding(archive, candidate.unusedInput);
  }

  /** Decides one recorded decision again. An event without one counts for nothing. */
  add({ event, input }: ReplayedDecision): void {
    if (event.type === 'outcome') {
      this.#answer({ event, input });
      return;
    }
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
    const whole = this.#rebuilding.input(event, input.text);
    if (whole === null) this.#shapeless('it is no document of a phase');
    else this.#decide(event, recorded, whole);
  }

  /** An outcome tells of an answer that was decided on, of one before such were kept, or of none. */
  #answer({ event, input }: ReplayedDecision): void {
    if (input.state === 'none' || input.state === 'erased') {
      if ((event.attempts.at(-1)?.status ?? null) !== null) this.#answersNotRecorded += 1;
      return;
    }
    this.#recorded += 1;
    const whole = input.state === 'kept' ? this.#rebuilding.answer(event, input.text) : { state: input.state };
    if (!('state' in whole)) {
      const said = answerSaid(whole.decision);
      if (said !== null) this.#decide(withRevision(event, whole.decision), said, whole);
      else this.#shapeless('it is no decision about an answer');
    } else if (whole.state === 'shapeless') this.#shapeless('it is no document of an answer');
    else this.#left[whole.state] += 1;
  }

  #decide(event: ReplayedEvent, recorded: Said, whole: Rebuilt): void {
    const { document, parts, missing, twofold } = whole;
    if (missing.length > 0) {
      this.#left.left_out += 1;
      for (const part of missing) this.#missing.set(part, (this.#missing.get(part) ?? 0) + 1);
      return;
    }
    const phase = phaseOf(document);
    if (phase === null) {
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
    if (parts.length > 0) this.#rebuilt += 1;
    this.#compare(event, recorded, now, { phase, document, twofold });
  }

  #compare(
    event: ReplayedEvent,
    before: Said,
    now: Exclude<Answer, { problem: string }>,
    { phase, document, twofold }: { readonly phase: Phase; readonly document: JsonObject; readonly twofold: boolean },
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
    if (revision === this.#candidate.revision && !redacted && !twofold) {
      this.#own.decided += 1;
      this.#own.changed += Number(change !== null);
    }
    if (change === null) return;
    const { codes: becomes, messages } = now;
    this.#groups.add({ event, phase, redacted }, change, { was: before.codes, becomes, messages });
  }

  #shapeless(problem: string): void {
    this.#left.other_shape += 1;
    if (this.#problems.has(problem) || this.#problems.size < problemsMax) {
      this.#problems.set(problem, (this.#problems.get(problem) ?? 0) + 1);
    }
  }

  /** What was found so far. */
  report() {
    const { none, erased, cut, unreadable, other_shape, untold, left_out: leftOut } = this.#left;
    const left = none + erased + cut + unreadable + other_shape + untold + leftOut;
    const decided = this.#decided.task + this.#decided.call + this.#decided.response;
    return {
      revision: this.#candidate.revision,
      recorded: this.#recorded,
      decided,
      decided_calls: this.#decided.call,
      decided_tasks: this.#decided.task,
      decided_answers: this.#decided.response,
      /** Decided on inputs in which parts that had been left out were put back, out of the rest of the trail. */
      rebuilt: this.#rebuilt,
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
        /** The candidate refers to parts that the input was built without, and the trail does not tell them exactly. */
        left_out_decisions: leftOut,
        left_out: Object.fromEntries([...this.#missing].sort()),
        /** Answers that came and of which nothing is kept: erased, or of a trail before they were; not in the rate. */
        answers_not_recorded: this.#answersNotRecorded,
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

/** An event of an answer, with the revision that decided it and not the one of its call. */
function withRevision(event: ReplayedEvent, { revision }: JsonObject): ReplayedEvent {
  const { decision } = event;
  if (decision === null || typeof revision !== 'string') return event;
  return { ...event, decision: { ...decision, revision } };
}

export type ReplayReport = ReturnType<Replay['report']>;
