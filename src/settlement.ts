/**
 * The end of a call, gathered while it runs and carried out exactly once: the budget settles what was used, the task
 * turns its pending entry into the outcome, the trail records it. One of them failing never keeps the others from
 * happening; a reservation that could not be settled expires, an intent without outcome shows as `interrupted`.
 */
import type {
  Admitted,
  Arrival,
  Attempt,
  Decision,
  Finding,
  IdempotencyFact,
  Outcome,
  ProposedCall,
  Target,
  Told,
  Underway,
  Usage,
} from './call.ts';
import { newId } from './clock.ts';
import { type Denial, type DenialMembers, denialMembers, isDenial } from './denial.ts';
import { saidFailed } from './outcome.ts';
import { type Climb, within } from './stage.ts';

/** Reason of an abort where the client went away: there is nobody to tell. */
export const clientGone = Symbol('client gone');

/**
 * The call with an AbortController that its client, when it leaves, does not reach: a write that can be repeated under its
 * key goes on to its end, or nobody would know what came of it. Kills and deadlines still end it. Any other call is itself.
 */
export function outlivingClient(call: Admitted & Partial<IdempotencyFact>): Admitted {
  const { kind, effect } = call.resolved.operation;
  if (call.idempotency?.state !== 'first' || kind === 'model' || effect === 'read') return call;
  const abort = new AbortController();
  const follow = () => {
    const { reason } = call.abort.signal;
    if (reason !== clientGone) abort.abort(reason);
  };
  if (call.abort.signal.aborted) follow();
  else call.abort.signal.addEventListener('abort', follow, { once: true });
  return { ...call, abort };
}

/** Why a call was aborted by the gate: a kill, its deadline; undefined if it was not, or its client left. */
export function abortDenial(call: Underway): Denial | undefined {
  const { reason } = call.abort.signal;
  return isDenial(reason) ? reason : undefined;
}

/** A denial as the agent of `call` is told, with all that is known of the call. */
export function membersOf(call: Underway, denial: Denial): DenialMembers {
  return denialMembers(denial, {
    call_id: call.id,
    decision_id: call.decision?.id,
    task_id: call.caller?.taskId,
    trace_id: call.trace.traceId,
  });
}

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
  /** Whether it said that the call failed, under a status that does not. */
  readonly failed?: boolean;
  /** Ids that stand for what lies at the provider. */
  readonly givenIds?: readonly string[];
  /** The whole answer, where a later request may name it. */
  readonly told?: Told | undefined;
}

export class Settlement {
  /** The call as far as it came; the runner keeps it up to date. */
  call: Underway;
  status = 0;
  target: Target | null = null;
  #pages: number | undefined;
  readonly attempts: Attempt[] = [];
  answerFindings: readonly Finding[] = [];
  answerDecision: Decision | null = null;
  /** Whether a stream of this call is being read; then its end is the end of the call. */
  flowing = false;
  /** How long it waited in line before it was refused. */
  waitedMs = 0;
  #heard: Heard = { usage: null, proposals: [], text: '' };
  #outsideMs = 0;
  #ended: Promise<void> | undefined;
  readonly #onEnd: (() => void)[];
  readonly #settlers: Settlers;
  readonly #climb: Climb;
  readonly #client: AbortSignal;

  /** A room may take as long to settle as a stage to admit (`climb.stageMs`); then the agent waits no longer. */
  constructor(settlers: Settlers, climb: Climb, arrival: Arrival, onEnd: () => void) {
    this.#settlers = settlers;
    this.#climb = climb;
    this.call = arrival;
    this.#client = arrival.abort.signal;
    this.#onEnd = [onEnd];
  }

  heard({ usage, proposals, text, givenIds, told, failed }: Heard): void {
    const last = this.attempts.at(-1);
    if (failed === true && last !== undefined) this.attempts.splice(-1, 1, { ...last, error: saidFailed });
    this.#heard = { usage, proposals, text, told, ...(givenIds === undefined ? {} : { givenIds }) };
  }

  /** What its agent gets: the head, and of how many pages the body is the first where it is no more than that. */
  answered({ head, pages }: { readonly head: { readonly status: number }; readonly pages?: number }): void {
    this.status = head.status;
    this.#pages = pages;
  }

  /** Something to undo when the call ends, however it ends. */
  onEnd(undo: () => void): void {
    this.#onEnd.push(undo);
  }

  /** Runs what waits for a target; its time is not the gate's overhead. */
  async outside<T>(wait: () => Promise<T>): Promise<T> {
    const { clock } = this.#climb;
    const startMs = clock.monotonicMs();
    try {
      return await wait();
    } finally {
      this.#outsideMs += clock.monotonicMs() - startMs;
    }
  }

  /** What the gate itself has taken so far, in milliseconds. */
  overheadMs(): number {
    const waitedMs = this.#outsideMs + this.waitedMs + (this.call.rates?.waitedMs ?? 0);
    return Math.max(0, this.#climb.clock.monotonicMs() - this.call.startMs - waitedMs);
  }

  /**
   * Settles. A second time gives the promise of the first and does nothing. Never rejects. Where the client of a call
   * that was sent has left, that is the outcome, whatever broke because of it.
   */
  end(denial: Denial | null): Promise<void> {
    if (this.#ended === undefined) {
      const broke = denial === null || denial.code === 'upstream_error';
      const left = this.#client.reason === clientGone && this.call.intent !== undefined && broke;
      if (left) this.status = 499;
      this.#ended = this.#settle(left ? null : denial);
    }
    return this.#ended;
  }

  /** Settles if the call is given up before anybody has begun to read its stream: nothing else would then end it. */
  endIfUnread(): void {
    const { signal } = this.call.abort;
    const end = () => {
      if (!this.flowing) void this.end(abortDenial(this.call) ?? null);
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  }

  async #settle(denial: Denial | null): Promise<void> {
    for (const undo of this.#onEnd) await this.#guarded('running', async () => undo());
    const { clock } = this.#climb;
    const spoke =
      this.call.resolved?.operation.kind === 'model' &&
      // What it said the first time is remembered, and not said twice.
      this.call.idempotency?.state !== 'repeat' &&
      (this.#heard.text !== '' || this.#heard.proposals.length > 0);
    let outcome: Outcome = {
      ...this.#heard,
      // Who was given a kept answer has used nothing.
      ...(this.call.cache?.state === 'hit' ? { usage: null } : {}),
      denial,
      status: this.status,
      target: this.target,
      ...(this.#pages === undefined ? {} : { pages: this.#pages }),
      attempts: this.attempts,
      costMicroUsd: this.#costAtMost(),
      thoughtId: spoke ? newId(clock, 'thought') : null,
      answerFindings: this.answerFindings,
      answerDecision: this.answerDecision,
      latencyMs: clock.monotonicMs() - this.call.startMs,
      overheadMs: this.overheadMs(),
    };
    await this.#guarded('budget', async () => {
      const costMicroUsd: unknown = await this.#settlers.budget(this.call, outcome);
      if (!Number.isSafeInteger(costMicroUsd)) throw new Error('the budget room gave no amount');
      outcome = { ...outcome, costMicroUsd: costMicroUsd as number };
    });
    await Promise.all([
      this.#guarded('task', () => this.#settlers.task(this.call, outcome)),
      this.#guarded('audit', () => this.#settlers.audit(this.call, outcome)),
      this.#guarded('cache', () => this.#keep(outcome)),
      this.#guarded('idempotency', () => this.#mark(outcome)),
    ]);
    this.call.watch?.ended(this.call, outcome);
  }

  /** An answer that was taken down may be kept, now that it is known how its call has ended. */
  async #keep(outcome: Outcome): Promise<void> {
    const { cache } = this.call;
    if (cache?.state === 'miss') await cache.keeping.settled(outcome);
  }

  /** Those that repeat the call are told by its mark how it has ended. */
  async #mark(outcome: Outcome): Promise<void> {
    const { idempotency } = this.call;
    if (idempotency?.state === 'first') await idempotency.keeping.settled(outcome);
  }

  /** What stands in the records where the budget room cannot say: all that was held, if anything was sent. */
  #costAtMost(): number {
    return this.attempts.some(({ sent }) => sent) ? (this.call.reservation?.costMicroUsd ?? 0) : 0;
  }

  async #guarded(room: string, settle: () => Promise<void>): Promise<void> {
    const { clock, stageMs, faulted } = this.#climb;
    try {
      await within(clock, stageMs, settle());
    } catch (fault) {
      faulted(`${room} settlement`, fault);
    }
  }
}
