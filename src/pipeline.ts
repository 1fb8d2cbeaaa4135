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
  CachedAnswer,
  Decision,
  Finding,
  Json,
  Spending,
  Target,
  Underway,
  UpstreamAnswer,
} from './call.ts';
import type { Clock } from './clock.ts';
import { type Denial, type DenialMembers, deny, isDenial } from './denial.ts';
import { Exchange, type ExchangeRooms } from './exchange.ts';
import {
  beginOf,
  CutOff,
  Flow,
  type FlowCount,
  FlowFault,
  type FlowInspection,
  flowOf,
  isUnmet,
  readWhole,
} from './flow.ts';
import { abortDenial, clientGone, membersOf, outlivingClient, Settlement, type Settlers } from './settlement.ts';
import { type Climb, climb, type Ladder, within } from './stage.ts';

/** What the server sends. A body that flows is read to its end or closed. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | AsyncIterable<Uint8Array>;
}

/** A buffered answer as its agent gets it. */
export type EncodedAnswer = ReturnType<Answer['encode']> & { readonly pages?: number };

/** The rooms as the pipeline calls them; `main.ts` puts them in. */
export interface Rooms {
  readonly admission: Ladder<Arrival, Admitted>;
  readonly exchange: ExchangeRooms;
  readonly response: {
    /** A whole answer as its route asks for it; denies what does not fit its document. */
    readonly read: (call: Admitted, upstream: UpstreamAnswer, bytes: Buffer) => Answer | Denial;
    readonly readsWhole?: (call: Admitted) => boolean;
    readonly inspect: (answer: Answer) => readonly Finding[];
    readonly decide: (call: Admitted, head: AnswerHead, body: Json, findings: readonly Finding[]) => Decision;
    /** Denies what the decision refuses, redacts what it says, and taints the task before the first byte of it. */
    readonly obey: (
      call: Admitted,
      answer: Answer | null,
      findings: readonly Finding[],
      decision: Decision,
      head: AnswerHead,
    ) => Promise<Denial | undefined>;
    /** The answer as it goes out, once it may: whole, or its first page. */
    readonly page: (call: Admitted, encoded: EncodedAnswer) => Promise<EncodedAnswer | Denial>;
    /** Obeys the decision on an answer's head while the answer flows. */
    readonly flow: (call: Admitted, decision: Decision) => FlowInspection;
  };
  /** Counts the tokens of an answer that flows against what was reserved for it. */
  readonly count: (call: Admitted) => FlowCount;
  readonly settlement: Settlers;
  /** What is left of the task's budget, for the headers of the answer. */
  readonly remaining: (call: Underway) => Promise<Spending | undefined>;
  /** Registers a running call under its task, so that a kill finds it; gives the function that takes it out. */
  readonly running: (call: Admitted) => () => void;
  readonly encodeDenial: (call: Underway, denial: Denial, members: DenialMembers) => Reply;
  /** `lastNumber`: of the last event read of the stream, where the surface numbers them. */
  readonly encodeDenialFrame: (
    call: Underway,
    denial: Denial,
    members: DenialMembers,
    lastNumber?: number,
  ) => Uint8Array;
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

export class Pipeline {
  readonly #rooms: Rooms;
  readonly #clock: Clock;
  readonly #climb: Climb;
  readonly #exchanges: Exchange;
  readonly #answerBytesMax: number;
  readonly #faulted: PipelineOptions['faulted'];

  constructor(options: PipelineOptions) {
    this.#rooms = options.rooms;
    this.#clock = options.clock;
    this.#climb = { clock: options.clock, stageMs: options.stageMs, faulted: options.faulted };
    this.#exchanges = new Exchange({ ...options, rooms: options.rooms.exchange });
    this.#answerBytesMax = options.answerBytesMax;
    this.#faulted = options.faulted;
  }

  /** Takes one call all the way. Never rejects; a call that flows is settled when its stream ends. */
  async run(arrival: Arrival): Promise<Reply> {
    const deadline = this.#deadline(arrival);
    const settlement = new Settlement(this.#rooms.settlement, this.#climb, arrival, () => deadline());
    try {
      return await this.#admit(arrival, settlement);
    } catch (fault) {
      this.#faulted('pipeline', fault);
      const denial = deny('upstream_error', 'The gate could not complete this call.');
      // Whatever a target still sends for it, nobody reads any more.
      arrival.abort.abort(denial);
      return this.#refuse(settlement, denial);
    }
  }

  async #admit(arrival: Arrival, settlement: Settlement): Promise<Reply> {
    const { watch } = arrival;
    const watched = watch === undefined ? this.#climb : { ...this.#climb, timed: watch.stage };
    const climbed = await climb(this.#rooms.admission, arrival, watched);
    settlement.call = climbed.call;
    if (climbed.denial !== undefined) return this.#refuse(settlement, climbed.denial);
    const call = outlivingClient(climbed.call as Admitted);
    settlement.call = call;
    settlement.onEnd(this.#rooms.running(call));
    return this.#exchange(call, settlement);
  }

  async #exchange(call: Admitted, settlement: Settlement): Promise<Reply> {
    if (call.cache.state === 'hit') return this.#kept(call, call.cache.kept, settlement);
    const answer = await this.#exchanges.run(call, settlement);
    return isDenial(answer) ? this.#refuse(settlement, answer) : this.#answer(call, answer, settlement);
  }

  /** A kept answer goes the way of a new one, but for the target: it is the one attempt that is not sent. */
  async #kept(call: Admitted, { answer, attempt }: CachedAnswer, settlement: Settlement): Promise<Reply> {
    const dead = await this.#exchanges.alive(call);
    if (dead !== undefined) return this.#refuse(settlement, dead);
    settlement.target = answer.target;
    settlement.attempts.push(attempt);
    return this.#answer(call, answer, settlement);
  }

  async #answer(call: Admitted, answer: UpstreamAnswer, settlement: Settlement): Promise<Reply> {
    const flows = flowOf(call.resolved.payload, answer.head, this.#rooms.response.readsWhole?.(call));
    if (flows === 'never') return this.#buffered(call, answer, settlement);
    if (flows === 'always') return this.#streamed(call, answer, settlement);
    const begun = await settlement.outside(() => this.#read(call, answer, beginOf));
    if (isDenial(begun)) {
      call.abort.abort(begun);
      return this.#refuse(settlement, begun);
    }
    const rest = { ...answer, body: begun.body };
    return begun.whole ? this.#buffered(call, rest, settlement) : this.#streamed(call, rest, settlement);
  }

  async #streamed(call: Admitted, answer: UpstreamAnswer, settlement: Settlement): Promise<Reply> {
    const flow = await this.#flowOf(call, answer, settlement);
    if (isDenial(flow)) {
      // What a tool would only have sent bit by bit can be read whole, for changes that a stream cannot be made.
      if (call.resolved.payload.flows !== undefined && isUnmet(flow)) return this.#buffered(call, answer, settlement);
      call.abort.abort(flow);
      return this.#refuse(settlement, flow);
    }
    settlement.status = answer.head.status;
    const headers = { ...answer.head.headers, ...(await this.#headers(call, settlement)) };
    settlement.endIfUnread();
    return { status: answer.head.status, headers, body: this.#flow(call, answer, flow, settlement) };
  }

  async #buffered(call: Admitted, upstream: UpstreamAnswer, settlement: Settlement): Promise<Reply> {
    const bytes = await settlement.outside(() => this.#read(call, upstream, readWhole));
    if (isDenial(bytes)) {
      call.abort.abort(bytes);
      return this.#refuse(settlement, bytes);
    }
    const answer = this.#rooms.response.read(call, upstream, bytes);
    if (isDenial(answer)) return this.#refuse(settlement, answer);
    // An answer that does not pass has cost what it cost, and was never said.
    settlement.heard({ usage: answer.usage, proposals: [], text: '' });
    const denial = await this.#judge(call, answer.head, answer, settlement);
    if (denial !== undefined) return this.#refuse(settlement, denial);
    const paged = await this.#page(call, answer.encode());
    if (isDenial(paged)) return this.#refuse(settlement, paged);
    settlement.heard(answer);
    const { head, body } = paged;
    settlement.answered(paged);
    await settlement.end(null);
    return { status: head.status, headers: { ...head.headers, ...(await this.#headers(call, settlement)) }, body };
  }

  /** Inspection and policy on the way back; whatever goes wrong there, the answer does not pass. */
  async #judge(
    call: Admitted,
    head: AnswerHead,
    answer: Answer | null,
    settlement: Settlement,
  ): Promise<Denial | undefined> {
    const { inspect, decide, obey } = this.#rooms.response;
    const startMs = this.#clock.monotonicMs();
    try {
      const findings = answer === null ? [] : inspect(answer);
      if (!Array.isArray(findings)) throw new Error('inspection gave no list of findings');
      settlement.answerFindings = findings;
      const decision = decide(call, head, answer?.body ?? null, findings);
      const obeyed = obey(call, answer, findings, decision, head);
      const denial = await within(this.#clock, this.#climb.stageMs, obeyed);
      if (denial !== undefined && !isDenial(denial)) throw new Error('obeying gave no denial');
      // Only a decision that could be obeyed is one.
      settlement.answerDecision = decision;
      return denial;
    } catch (fault) {
      return this.#unjudged(fault);
    } finally {
      call.watch?.stage('response', startMs, this.#clock.monotonicMs(), null);
    }
  }

  /** What cannot be kept in pages does not pass as a whole either. */
  async #page(call: Admitted, encoded: EncodedAnswer): Promise<EncodedAnswer | Denial> {
    try {
      return await within(this.#clock, this.#climb.stageMs, this.#rooms.response.page(call, encoded));
    } catch (fault) {
      this.#faulted('response', fault);
      return deny('store_unavailable', 'The result is too long, and its rest cannot be kept now.');
    }
  }

  #unjudged(fault: unknown): Denial {
    this.#faulted('response', fault);
    return deny('policy_unavailable', 'Whether the answer may pass cannot be told.', { retryable: false });
  }

  /** The body, or its beginning, within the bound; or why there is none. */
  async #read<T>(
    call: Admitted,
    { body, target }: UpstreamAnswer,
    read: (body: UpstreamAnswer['body'], bytesMax: number) => Promise<T>,
  ): Promise<T | Denial> {
    try {
      return await read(body, this.#answerBytesMax);
    } catch (fault) {
      return this.#broken(call, target, fault);
    }
  }

  /** What a body that ended early means; one that the gate or the client gave up says nothing of its target. */
  #broken(call: Admitted, target: Target, fault: unknown): Denial {
    if (call.abort.signal.aborted) return abortDenial(call) ?? deny('upstream_error', 'The call was given up.');
    try {
      const denial: unknown = this.#rooms.exchange.brokeOff(target, fault);
      if (isDenial(denial)) return denial;
      throw new Error('the target broke off, and there is no denial for it');
    } catch (broken) {
      this.#faulted('breaker', broken);
      return deny('upstream_error', 'The target broke off.');
    }
  }

  /** The way of a stream, if the policy lets it pass; whatever goes wrong here, it does not. */
  async #flowOf(call: Admitted, upstream: UpstreamAnswer, settlement: Settlement): Promise<Flow | Denial> {
    const denial = await this.#judge(call, upstream.head, null, settlement);
    if (denial !== undefined) return denial;
    try {
      const stream = call.resolved.payload.readStream(upstream.head, upstream.body, upstream.target);
      const inspection = this.#rooms.response.flow(call, settlement.answerDecision as Decision);
      return new Flow(stream, inspection, this.#rooms.count(call));
    } catch (fault) {
      return this.#unjudged(fault);
    }
  }

  /**
   * The answer while it flows. From the event that ends it on, frames are held until the call is settled, so that an
   * agent that acts on the answer at once finds its thought remembered and its budget charged.
   */
  async *#flow(
    call: Admitted,
    upstream: UpstreamAnswer,
    flow: Flow,
    settlement: Settlement,
  ): AsyncIterable<Uint8Array> {
    settlement.flowing = true;
    let denial: Denial | null = null;
    try {
      for await (const frame of flow.stream) {
        yield* flow.take(frame);
        if (flow.stopped !== null) break;
      }
      if (flow.stopped === null) yield* flow.end();
      denial = flow.stopped;
    } catch (fault) {
      denial = fault instanceof FlowFault ? this.#unjudged(fault.cause) : this.#broken(call, upstream.target, fault);
    } finally {
      // Also when the client leaves: then the generator is closed at its last `yield`.
      if (!flow.complete && !call.abort.signal.aborted) call.abort.abort(denial ?? clientGone);
      flow.tell(settlement, (fault) => this.#faulted('response', fault));
      await settlement.end(denial);
    }
    if (denial === null || denial === flow.cut) yield* flow.held;
    else {
      const frame = this.#rooms.encodeDenialFrame(call, denial, membersOf(call, denial), flow.stream.lastNumber);
      if (frame.length === 0) throw new CutOff('the answer ends here, and is not whole');
      yield frame;
    }
  }

  async #refuse(settlement: Settlement, denial: Denial): Promise<Reply> {
    const { call } = settlement;
    settlement.status = denial.status;
    settlement.waitedMs = call.rates === undefined ? (denial.details.waitedMs ?? 0) : 0;
    await settlement.end(denial);
    const reply = this.#rooms.encodeDenial(call, denial, membersOf(call, denial));
    return { ...reply, headers: { ...reply.headers, ...(await this.#headers(call, settlement)) } };
  }

  async #headers(call: Underway, settlement: Settlement): Promise<Record<string, string>> {
    let remaining: Spending | undefined;
    try {
      remaining = await within(this.#clock, this.#climb.stageMs, this.#rooms.remaining(call));
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
