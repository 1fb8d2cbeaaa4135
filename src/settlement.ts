/**
 * The end of a call, gathered while it runs and carried out exactly once: the budget settles what was used, the task
 * turns its pending entry into the outcome, the trail records it. One of them failing never keeps the others from
 * happening; a reservation that could not be settled expires, an intent without outcome shows as `interrupted`.
 */
import type { Arrival, Attempt, Finding, Outcome, ProposedCall, Target, Underway, Usage } from './call.ts';
import { type Clock, newId } from './clock.ts';
import type { Denial } from './denial.ts';

export interface Settlers {
  readonly budget: (call: Underway, outcome: Outcome) => Promise<number>;
  readonly task: (call: Underway, outcome: Outcome) => Promise<void>;
  readonly audit: (call: Underway, outcome: Outcome) => Promise<void>;
}

/** What was heard of an answer, whole or as far as it flowed. */
export interface Heard {
  readonly usage: Usage | null;
  readonly proposals: readonly ProposedCall[];
  readonly text: string;
}

export class Settlement {
  /** The call as far as it came; the runner keeps it up to date. */
  call: Underway;
  status = 0;
  target: Target | null = null;
  readonly attempts: Attempt[] = [];
  answerFindings: readonly Finding[] = [];
  #heard: Heard = { usage: null, proposals: [], text: '' };
  #outsideMs = 0;
  #ended: Promise<void> | undefined;
  readonly #onEnd: (() => void)[];
  readonly #settlers: Settlers;
  readonly #clock: Clock;
  readonly #faulted: (where: string, fault: unknown) => void;

  constructor(
    settlers: Settlers,
    clock: Clock,
    arrival: Arrival,
    faulted: (where: string, fault: unknown) => void,
    onEnd: () => void,
  ) {
    this.#settlers = settlers;
    this.#clock = clock;
    this.call = arrival;
    this.#faulted = faulted;
    this.#onEnd = [onEnd];
  }

  heard(heard: Heard): void {
    this.#heard = heard;
  }

  /** Something to undo when the call ends, however it ends. */
  onEnd(undo: () => void): void {
    this.#onEnd.push(undo);
  }

  /** Runs what waits for a target; its time is not the gate's overhead. */
  async outside<T>(wait: () => Promise<T>): Promise<T> {
    const startMs = this.#clock.monotonicMs();
    try {
      return await wait();
    } finally {
      this.#outsideMs += this.#clock.monotonicMs() - startMs;
    }
  }

  /** What the gate itself has taken so far, in milliseconds. */
  overheadMs(): number {
    return Math.max(0, this.#clock.monotonicMs() - this.call.startMs - this.#outsideMs);
  }

  /** Settles. A second time gives the promise of the first and does nothing. Never rejects. */
  end(denial: Denial | null): Promise<void> {
    this.#ended ??= this.#settle(denial);
    return this.#ended;
  }

  async #settle(denial: Denial | null): Promise<void> {
    for (const undo of this.#onEnd) undo();
    const spoke =
      this.call.resolved?.operation.kind === 'model' && (this.#heard.text !== '' || this.#heard.proposals.length > 0);
    let outcome: Outcome = {
      ...this.#heard,
      denial,
      status: this.status,
      target: this.target,
      attempts: this.attempts,
      costMicroUsd: 0,
      thoughtId: spoke ? newId(this.#clock, 'thought') : null,
      answerFindings: this.answerFindings,
      latencyMs: this.#clock.monotonicMs() - this.call.startMs,
      overheadMs: this.overheadMs(),
    };
    await this.#guarded('budget', async () => {
      outcome = { ...outcome, costMicroUsd: await this.#settlers.budget(this.call, outcome) };
    });
    await Promise.all([
      this.#guarded('task', () => this.#settlers.task(this.call, outcome)),
      this.#guarded('audit', () => this.#settlers.audit(this.call, outcome)),
    ]);
  }

  async #guarded(room: string, settle: () => Promise<void>): Promise<void> {
    try {
      await settle();
    } catch (fault) {
      this.#faulted(`${room} settlement`, fault);
    }
  }
}
