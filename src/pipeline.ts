/**
 * The order: admission, exchange, return, settlement (docs/architecture.md shows the ladder). This page says what
 * comes after what and nothing else; what each step does is in its room. Settlement happens once for every call,
 * however it ends: answered, denied, failed, aborted, or left by its client.
 */
import type {
  Admitted,
  Answer,
  AnswerHead,
  Arrival,
  Attempt,
  Decision,
  Finding,
  Frame,
  Json,
  Spending,
  Target,
  Underway,
  UpstreamAnswer,
} from './call.ts';
import type { Clock } from './clock.ts';
import { Denial, type DenialMembers, denialMembers, deny, isDenial } from './denial.ts';
import { Settlement, type Settlers } from './settlement.ts';
import { type Climb, climb, type Ladder, within } from './stage.ts';
import { StreamRecord } from './wire/stream-record.ts';

/** What the server sends. A body that flows is read to its end or closed. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | AsyncIterable<Uint8Array>;
}

/** One try at one target: its answer's head, or why there is none. */
export type Tried =
  | { readonly answer: UpstreamAnswer; readonly attempt: Attempt }
  | { readonly failed: Attempt; readonly denial: Denial };

/** The rooms as the pipeline calls them; `main.ts` puts them in. */
export interface Rooms {
  readonly admission: Ladder<Arrival, Admitted>;
  readonly exchange: {
    /** Calls `attempt` if the breaker of the target is closed, and counts how it went. */
    readonly guarded: (call: Admitted, target: Target, attempt: () => Promise<Tried>) => Promise<Tried | Denial>;
    /** Told of a target that broke off after its head had come; says what that means to the agent. */
    readonly brokeOff: (target: Target, fault: unknown) => Denial;
    readonly stillAlive: (call: Admitted) => Promise<Denial | undefined>;
    readonly attempt: (call: Admitted, target: Target) => Promise<Tried>;
  };
  readonly response: {
    readonly inspect: (answer: Answer) => readonly Finding[];
    readonly decide: (call: Admitted, head: AnswerHead, body: Json, findings: readonly Finding[]) => Decision;
    /** Denies what the decision refuses, and redacts what it says. */
    readonly obey: (
      call: Admitted,
      answer: Answer | null,
      findings: readonly Finding[],
      decision: Decision,
    ) => Denial | undefined;
  };
  readonly settlement: Settlers;
  /** What is left of the task's budget, for the headers of the answer. */
  readonly remaining: (call: Underway) => Promise<Spending | undefined>;
  /** Registers a running call under its task, so that a kill finds it; gives the function that takes it out. */
  readonly running: (taskId: string, abort: AbortController) => () => void;
  readonly encodeDenial: (surface: string, denial: Denial, members: DenialMembers) => Reply;
  readonly encodeDenialFrame: (surface: string, denial: Denial, members: DenialMembers) => Uint8Array;
  /** Headers that every answer to a call carries. */
  readonly headers: (call: Underway, remaining: Spending | undefined, overheadMs: number) => Record<string, string>;
}

export interface PipelineOptions {
  readonly rooms: Rooms;
  readonly clock: Clock;
  /** How long one stage may take, in milliseconds. */
  readonly stageMs: number;
  /** The most that is buffered of one answer. */
  readonly answerBytesMax: number;
  readonly faulted: (where: string, fault: unknown) => void;
}

/** Reason of an abort where the client went away: there is nobody to tell. */
export const clientGone = Symbol('client gone');

export class Pipeline {
  readonly #rooms: Rooms;
  readonly #clock: Clock;
  readonly #climb: Climb;
  readonly #answerBytesMax: number;
  readonly #faulted: PipelineOptions['faulted'];

  constructor(options: PipelineOptions) {
    this.#rooms = options.rooms;
    this.#clock = options.clock;
    this.#climb = { clock: options.clock, stageMs: options.stageMs, faulted: options.faulted };
    this.#answerBytesMax = options.answerBytesMax;
    this.#faulted = options.faulted;
  }

  /** Takes one call all the way. Never rejects; a call that flows is settled when its stream ends. */
  async run(arrival: Arrival): Promise<Reply> {
    const deadline = this.#deadline(arrival);
    const settlement = new Settlement(this.#rooms.settlement, this.#clock, arrival, this.#faulted, () => deadline());
    try {
      return await this.#admit(arrival, settlement);
    } catch (fault) {
      this.#faulted('pipeline', fault);
      return this.#refuse(settlement, deny('upstream_error', 'The gate could not complete this call.'));
    }
  }

  async #admit(arrival: Arrival, settlement: Settlement): Promise<Reply> {
    const climbed = await climb(this.#rooms.admission, arrival, this.#climb);
    settlement.call = climbed.call;
    if (climbed.denial !== undefined) return this.#refuse(settlement, climbed.denial);
    const call = climbed.call as Admitted;
    settlement.onEnd(this.#rooms.running(call.caller.taskId, call.abort));
    return this.#exchange(call, settlement);
  }

  async #exchange(call: Admitted, settlement: Settlement): Promise<Reply> {
    let denial: Denial = deny('upstream_unavailable', 'No target of the route can be reached.');
    for (const target of call.targets) {
      const dead = await this.#alive(call);
      if (dead !== undefined) return this.#refuse(settlement, dead);
      const tried = await settlement.outside(() => this.#try(call, target));
      if (isDenial(tried)) {
        denial = tried;
        continue;
      }
      settlement.target = target;
      if ('answer' in tried) {
        settlement.attempts.push(tried.attempt);
        return this.#answer(call, tried.answer, settlement);
      }
      settlement.attempts.push(tried.failed);
      denial = tried.denial;
      // Only what certainly did nothing, or does nothing but read, may be tried elsewhere.
      const again = !tried.failed.sent || call.resolved.operation.effect === 'read';
      if (call.abort.signal.aborted || !again) break;
    }
    return this.#refuse(settlement, abortDenial(call) ?? denial);
  }

  async #alive(call: Admitted): Promise<Denial | undefined> {
    try {
      const alive = within(this.#clock, this.#climb.stageMs, this.#rooms.exchange.stillAlive(call));
      return abortDenial(call) ?? (await alive);
    } catch (fault) {
      this.#faulted('task', fault);
      return deny('store_unavailable', 'Whether the task still lives cannot be told.');
    }
  }

  /** One target. A fault here counts as sent: whether the target got anything is then not known. */
  async #try(call: Admitted, target: Target): Promise<Tried | Denial> {
    const startMs = this.#clock.monotonicMs();
    const { guarded, attempt } = this.#rooms.exchange;
    const limitMs = target.timeoutMs.total + this.#climb.stageMs;
    try {
      const tried = await within(
        this.#clock,
        limitMs,
        guarded(call, target, () => attempt(call, target)),
      );
      if (isDenial(tried) || isTried(tried)) return tried;
      throw new Error('the attempt gave neither an answer nor a failure');
    } catch (fault) {
      this.#faulted('upstream', fault);
      const latencyMs = this.#clock.monotonicMs() - startMs;
      const failed = { target: target.name, status: null, error: 'fault', latencyMs, sent: true };
      const denial = deny('upstream_error', 'The gate could not complete the call to the target.');
      call.abort.abort(denial);
      return { failed, denial };
    }
  }

  async #answer(call: Admitted, answer: UpstreamAnswer, settlement: Settlement): Promise<Reply> {
    const flows = (answer.head.headers['content-type'] ?? '').startsWith('text/event-stream');
    if (!flows || !call.resolved.payload.stream) return this.#buffered(call, answer, settlement);
    const denial = this.#judge(call, answer.head, null, settlement);
    if (denial !== undefined) {
      call.abort.abort(denial);
      return this.#refuse(settlement, denial);
    }
    settlement.status = answer.head.status;
    const headers = { ...answer.head.headers, ...(await this.#headers(call, settlement)) };
    return { status: answer.head.status, headers, body: this.#flow(call, answer, settlement) };
  }

  async #buffered(call: Admitted, upstream: UpstreamAnswer, settlement: Settlement): Promise<Reply> {
    const bytes = await settlement.outside(() => this.#collect(upstream));
    if (isDenial(bytes)) {
      call.abort.abort(bytes);
      return this.#refuse(settlement, abortDenial(call) ?? bytes);
    }
    const answer = call.resolved.payload.readAnswer(upstream.head, bytes);
    settlement.heard({ usage: answer.usage, proposals: answer.proposals, text: answer.text });
    const denial = this.#judge(call, answer.head, answer, settlement);
    if (denial !== undefined) return this.#refuse(settlement, denial);
    const { head, body } = answer.encode();
    settlement.status = head.status;
    await settlement.end(null);
    return { status: head.status, headers: { ...head.headers, ...(await this.#headers(call, settlement)) }, body };
  }

  /** Inspection and policy on the way back; whatever goes wrong there, the answer does not pass. */
  #judge(call: Admitted, head: AnswerHead, answer: Answer | null, settlement: Settlement): Denial | undefined {
    const { inspect, decide, obey } = this.#rooms.response;
    try {
      const findings = answer === null ? [] : inspect(answer);
      settlement.answerFindings = findings;
      return obey(call, answer, findings, decide(call, head, answer?.body ?? null, findings));
    } catch (fault) {
      this.#faulted('response', fault);
      return deny('policy_unavailable', 'Whether the answer may pass cannot be told.', { retryable: false });
    }
  }

  /** The whole body within the bound, or why there is none. */
  async #collect(upstream: UpstreamAnswer): Promise<Buffer | Denial> {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    try {
      for await (const chunk of upstream.body) {
        bytes += chunk.length;
        if (bytes > this.#answerBytesMax) {
          return deny('upstream_error', `The target answered with more than ${this.#answerBytesMax} bytes.`, {
            retryable: false,
          });
        }
        chunks.push(chunk);
      }
    } catch (fault) {
      return this.#rooms.exchange.brokeOff(upstream.target, fault);
    }
    return Buffer.concat(chunks);
  }

  /**
   * The answer while it flows. From the event that ends it on, frames are held until the call is settled, so that an
   * agent that acts on the answer at once finds its thought remembered and its budget charged.
   */
  async *#flow(call: Admitted, upstream: UpstreamAnswer, settlement: Settlement): AsyncIterable<Uint8Array> {
    const record = new StreamRecord();
    const held: Uint8Array[] = [];
    let denial: Denial | null = null;
    let complete = false;
    try {
      for await (const frame of call.resolved.payload.readStream(upstream.head, upstream.body)) {
        record.add(frame);
        if (held.length > 0 || ends(frame)) held.push(frame.bytes);
        else if (frame.bytes.length > 0) yield frame.bytes;
      }
      complete = true;
    } catch (fault) {
      denial = abortDenial(call) ?? this.#rooms.exchange.brokeOff(upstream.target, fault);
    } finally {
      // Also when the client leaves: then the generator is closed at its last `yield`.
      if (!complete && !call.abort.signal.aborted) call.abort.abort(denial ?? clientGone);
      settlement.heard(record.summary());
      await this.#end(settlement, denial);
    }
    if (denial === null) yield* held;
    else yield this.#rooms.encodeDenialFrame(call.surface, denial, membersOf(call, denial));
  }

  async #refuse(settlement: Settlement, denial: Denial): Promise<Reply> {
    const { call } = settlement;
    settlement.status = denial.status;
    await this.#end(settlement, denial);
    const reply = this.#rooms.encodeDenial(call.surface, denial, membersOf(call, denial));
    return { ...reply, headers: { ...reply.headers, ...(await this.#headers(call, settlement)) } };
  }

  /** Settles. Where the client has left, that is the outcome, whatever broke because of it. */
  #end(settlement: Settlement, denial: Denial | null): Promise<void> {
    const { call } = settlement;
    const broke = denial === null || denial.code === 'upstream_error';
    const left = call.abort.signal.reason === clientGone && call.intent !== undefined && broke;
    if (!left) return settlement.end(denial);
    settlement.status = 499;
    return settlement.end(null);
  }

  async #headers(call: Underway, settlement: Settlement): Promise<Record<string, string>> {
    let remaining: Spending | undefined;
    try {
      remaining = await this.#rooms.remaining(call);
    } catch (fault) {
      this.#faulted('budget', fault);
    }
    return this.#rooms.headers(call, remaining, settlement.overheadMs());
  }

  #deadline(arrival: Arrival): () => void {
    if (arrival.deadlineMs === null) return () => undefined;
    const late = deny(
      'upstream_timeout',
      `The call did not end within the ${arrival.deadlineMs} ms the agent gave it.`,
    );
    const timer = this.#clock.after(arrival.deadlineMs, () => arrival.abort.abort(late));
    return () => timer.cancel();
  }
}

/** Why a call was aborted by the gate: a kill, its deadline; undefined if it was not, or its client left. */
function abortDenial(call: Underway): Denial | undefined {
  const { reason } = call.abort.signal;
  return reason instanceof Denial ? reason : undefined;
}

function isTried(value: unknown): value is Tried {
  const tried = value as Partial<{ answer: UpstreamAnswer; attempt: Attempt; failed: Attempt; denial: unknown }> | null;
  if (typeof tried !== 'object' || tried === null) return false;
  if (tried.answer !== undefined) return Number.isInteger(tried.answer.head?.status) && tried.attempt !== undefined;
  return typeof tried.failed?.sent === 'boolean' && isDenial(tried.denial);
}

function ends(frame: Frame): boolean {
  return frame.events.some(({ type }) => type === 'end');
}

function membersOf(call: Underway, denial: Denial): DenialMembers {
  return denialMembers(denial, {
    call_id: call.id,
    decision_id: call.decision?.id,
    task_id: call.caller?.taskId,
    trace_id: call.trace.traceId,
  });
}
