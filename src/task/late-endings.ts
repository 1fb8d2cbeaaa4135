/**
 * How calls ended, written into the records of their tasks: at once if the store can take it, else later. What a reader
 * would get wrong: an ending may be told more than once, because a write that was given up on may have been made all the
 * same; `endHistory` counts it once. What still waits when the gate stops is logged, and stands in the trail.
 */
import type { EntryFact, GivenId, TaskRecord, Thought, ThoughtMatch, WrapUp } from '../call.ts';
import type { Clock, TaskId } from '../clock.ts';
import { deny, isDenial } from '../denial.ts';
import { endState } from '../outcome.ts';
import { RetryQueue } from '../store/retry-queue.ts';
import { StoreUnavailable } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import { type Ending, endHistory, enterHistory } from './history.ts';
import { withGivenIds } from './provider-ids.ts';
import type { Tasks } from './tasks.ts';
import { addThought, markUsed } from './thoughts.ts';

const firstRetryMs = 1_000;
const longestRetryMs = 30_000;
/** How many may wait; an entry beyond stays pending in its task, and the log says so. */
const waitingMax = 10_000;
const atOnce = 32;

/** How one call ended, as its task keeps it. */
export interface CallEnding extends Ending {
  readonly tenant: string;
  readonly taskId: TaskId;
  /** The thought that proposed the call; what was denied gives it back. */
  readonly proposedBy: ThoughtMatch | null;
  /** What a model said in the answer. */
  readonly said: Thought | null;
  /** The entry of the call where it never got into the history: the store was away. */
  readonly unwritten?: EntryFact['entry']['unwritten'];
  /** Ids that its provider gave in the answer. */
  readonly given: readonly GivenId[];
  /** What the call says of the last turn of its task: granted, open to the next call, or made. Absent for nothing. */
  readonly wrapUp?: WrapUp;
}

export interface LateEndingsParts {
  readonly tasks: Pick<Tasks, 'update'>;
  readonly clock: Clock;
  readonly log: Log;
}

export class LateEndings implements AsyncDisposable {
  readonly #parts: LateEndingsParts;
  readonly #waiting: RetryQueue<CallEnding>;

  constructor(parts: LateEndingsParts) {
    const { clock, log } = parts;
    this.#parts = parts;
    this.#waiting = new RetryQueue({
      ...{ clock, atOnce, firstMs: firstRetryMs, longestMs: longestRetryMs },
      attempt: (ending) => this.#madeOrFaulty(ending),
      emptied: () => log('info', 'all endings that waited for the store are made'),
    });
  }

  /** How many endings wait for the store. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Settles now if the store can, later if it is away or others keep writing the record. Rejects for what is a fault. */
  async settle(ending: CallEnding): Promise<void> {
    if (!(await this.#made(ending))) this.later(ending);
  }

  /** Settles later: for a call of which nobody knows whether it has entered its history. */
  later(ending: CallEnding): void {
    const { log } = this.#parts;
    if (this.#waiting.size >= waitingMax) {
      log('error', 'a call stays pending in its task: too many wait', { task: ending.taskId, call: ending.callId });
      return;
    }
    if (this.#waiting.size === 0) log('warn', 'endings of calls could not be written; they wait for the store');
    this.#waiting.add(ending.callId, ending);
  }

  /** One last try; what remains is logged. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#waiting[Symbol.asyncDispose]();
    for (const [callId, { taskId }] of this.#waiting.entries()) {
      this.#parts.log('error', 'a call stays pending in its task', { task: taskId, call: callId });
    }
  }

  /** A fault is not tried again: it would come back for ever. */
  async #madeOrFaulty(ending: CallEnding): Promise<boolean> {
    try {
      return await this.#made(ending);
    } catch (fault) {
      const { taskId, callId } = ending;
      this.#parts.log('error', 'a call stays pending in its task', { task: taskId, call: callId, fault: `${fault}` });
      return true;
    }
  }

  /** False if it is worth trying again. A task whose record is gone has nothing to settle. */
  async #made(ending: CallEnding): Promise<boolean> {
    const { tenant, taskId } = ending;
    try {
      const settled = await this.#parts.tasks.update(tenant, taskId, (current) =>
        current === undefined ? deny('task_unknown', 'The record of the task is gone.') : withEnding(current, ending),
      );
      return !isDenial(settled) || settled.code === 'task_unknown';
    } catch (fault) {
      if (fault instanceof StoreUnavailable) return false;
      throw fault;
    }
  }
}

/** The record with the entry of a call that was made while it could not be written. */
function withEntry(record: TaskRecord, { unwritten, callId }: CallEnding): TaskRecord {
  if (unwritten === undefined || record.history.some((entry) => entry.callId === callId)) return record;
  return enterHistory(record, unwritten.entry, unwritten.historyMax);
}

/** The record with the call ended in it; the very same record if that is known there already. */
function withEnding(record: TaskRecord, ending: CallEnding): TaskRecord {
  const ended = endHistory(withEntry(record, ending), ending);
  if (ended === record) return record;
  const { proposedBy, said, outcome, callId, given } = ending;
  let next = withGivenIds(ended, given);
  if (proposedBy !== null && endState(outcome) === 'denied') {
    next = { ...next, thoughts: markUsed(next, proposedBy, callId, 'give back') };
  }
  next = withWrapUp(next, ending.wrapUp);
  return said === null ? next : { ...next, thoughts: addThought(next, said) };
}

/** A turn that was made stays made, and one that is open stays open; else the last decision has the word. */
function withWrapUp(record: TaskRecord, wrapUp: WrapUp | undefined): TaskRecord {
  const before = record.wrapUp?.state;
  if (wrapUp === undefined || before === 'done') return record;
  const state = wrapUp.state === 'granted' && before === 'open' ? 'open' : wrapUp.state;
  return { ...record, wrapUp: { ...wrapUp, state } };
}
