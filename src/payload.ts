/**
 * The outside of a call: JSON, the operations there are, what would be sent, what comes back, and where it may go.
 * These are the types that `wire/` makes and the other rooms read; `call.ts` hands them on with the facts.
 */
import type { Denial } from './denial.ts';

// ── JSON ────────────────────────────────────────────────────────────────────────────────────────────────────────
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [member: string]: Json;
}

// ── Operations and payloads ─────────────────────────────────────────────────────────────────────────────────────
export type CallKind = 'model' | 'tool' | 'agent';
export type Effect = 'read' | 'write' | 'delete';
/** What a task catches by reading: text that anybody may have written, and data that not everybody may see. */
export type ReadLabel = 'untrusted' | 'private';

/** One thing that can be called. */
export interface Operation {
  /** `{route}.{operationId}`, `{route}.chat`, … */
  readonly name: string;
  readonly route: string;
  readonly kind: CallKind;
  readonly effect: Effect;
  readonly summary: string;
  readonly inputSchema: JsonObject | null;
  /** Dotted paths into the arguments whose values become facts of the history. */
  readonly remember: readonly string[];
  /** The taint that a task catches by calling it. What the routing table does not say reads `untrusted`. */
  readonly reads: readonly ReadLabel[];
  /** Whether what is sent leaves the trust domain. What the routing table does not say sends `outside`. */
  readonly sends: 'inside' | 'outside';
}

/** The operations there are; filled at start by the dialects, asked by wire, policy and audit. */
export interface OperationRegistry {
  get(name: string): Operation | undefined;
  /** The operations of one route, in a stable order; empty for a route that does not exist. */
  ofRoute(route: string): readonly Operation[];
  all(): readonly Operation[];
  route(name: string): Route | undefined;
}

/** A piece of text in what is sent or answered, and the way to change it. `where` is a JSON pointer. */
export interface Segment {
  readonly where: string;
  /** As it stands now: after `write`, what was written. */
  readonly text: string;
  write(text: string): void;
}

/** A tool that a model request brings along; `kind` other than `function` acts at the provider, outside the gate. */
export interface ModelTool {
  readonly name: string;
  readonly kind: string;
}

/** What only model calls have. */
export interface ModelAsk {
  readonly name: string;
  /** As asked for by the client; null where it named none. */
  readonly maxTokens: number | null;
  readonly tools: readonly ModelTool[];
  /** Never less than the tokens of the prompt as any byte-level tokenizer counts them. */
  readonly promptTokensMax: number;
  /** False where the request asks for nothing to be written to the provider's cache; left out: it may be. */
  readonly cacheWrites?: boolean;
  /** How many answers are asked for at once (OpenAI `n`); each may be `maxTokens` long. */
  readonly choices: number;
}

/** The request a target gets. `path` begins with `/` and holds the query. */
export interface OutboundRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | null;
}

/**
 * What would be sent, decided on and changed only by the obligations of the decision. What nothing changed is
 * encoded byte for byte as the agent sent it, where the wire format lets it.
 */
export interface Payload {
  /** Canonical arguments, as the target would get them: what the policy sees. */
  readonly args: JsonObject;
  /** Everything that would be sent, as one JSON document: what commitments are made over. */
  document(): Json;
  readonly method: string;
  readonly path: string;
  readonly stream: boolean;
  readonly model: ModelAsk | null;
  segments(): readonly Segment[];
  /** Takes the value at a JSON pointer away, if it is there (obligation `drop`). */
  drop(where: string): void;
  /** Lowers the tokens a model may answer with (obligation `max_tokens`, or a small budget). */
  limitTokens(maxTokens: number): void;
  /** Judges the arguments again, after obligations have changed them. */
  validate(): Denial | undefined;
  encode(target: Target): OutboundRequest;
  /** Reads a whole answer, also one that is not what the surface promises; what is no JSON has one text, and no body. */
  readAnswer(head: AnswerHead, body: Buffer): Answer;
  /** Reads an answer while it flows. Bytes that nothing changes go out as they came. */
  readStream(head: AnswerHead, body: AsyncIterable<Uint8Array>): AnswerStream;
}

/** A request as the wire understood it, before anybody knows who calls. */
export interface WireRequest {
  readonly kind: CallKind;
  readonly route: string;
  /** Finds the one operation, validates, makes the arguments canonical. Denies 404 or 422. */
  resolve(registry: OperationRegistry): Resolved | Denial;
}

export interface Resolved {
  readonly operation: Operation;
  readonly payload: Payload;
}

// ── Answers ─────────────────────────────────────────────────────────────────────────────────────────────────────
export interface AnswerHead {
  readonly status: number;
  /** Lower-case names; only those that may reach an agent. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Tokens as the provider counted them; integers. `outputTokens` includes hidden reasoning. */
export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedInputTokens: number;
  /** Of the input, what the provider wrote to its cache; left out where it told of none. */
  readonly cacheWriteTokens?: number;
  /** Of what was written, that which stays for an hour and not for minutes. */
  readonly cacheWriteHourTokens?: number;
  /** Of the output, hidden reasoning; left out where the provider told of none. */
  readonly reasoningTokens?: number;
}

export interface ProposedCall {
  readonly id: string;
  readonly name: string;
  /** The arguments as the model wrote them: JSON text, not always valid. */
  readonly arguments: string;
}

/** A buffered answer. */
export interface Answer {
  readonly head: AnswerHead;
  /** The parsed body where it is JSON, else null. */
  readonly body: Json;
  segments(): readonly Segment[];
  drop(where: string): void;
  readonly usage: Usage | null;
  readonly proposals: readonly ProposedCall[];
  readonly text: string;
  encode(): { readonly head: AnswerHead; readonly body: Buffer };
}

export type StreamEvent =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'reasoning'; readonly text: string }
  | {
      readonly type: 'tool_arguments';
      /** Which of the parallel proposals of this answer. */
      readonly index: number;
      readonly id?: string;
      readonly name?: string;
      readonly text: string;
    }
  | { readonly type: 'usage'; readonly usage: Usage }
  | { readonly type: 'end'; readonly reason: string };

/** Text in a frame. What a frame says without a piece (ids, roles, the model) is not for inspection. */
export interface Piece {
  /** JSON pointer to where the whole text stands in a buffered answer. */
  readonly where: string;
  readonly text: string;
  /**
   * `flow`: goes on in the next piece of the same place. `json`: the same, and the whole is a JSON text whose own
   * strings are the texts. `whole`: complete in itself.
   */
  readonly reading: 'flow' | 'json' | 'whole';
}

/** One piece of a stream on the wire with what it means; a frame without bytes is counted and not passed on. */
export interface Frame {
  readonly bytes: Uint8Array;
  readonly events: readonly StreamEvent[];
  /** All text in the frame, in its order. */
  pieces(): readonly Piece[];
  /** The frame with other texts in place of its pieces', in their order: encoded anew, its events with it. */
  rewrite(texts: readonly string[]): Frame;
}

/** Why the gate ends a stream early, as its agent is told: `{code, message}`. */
export interface StreamCut {
  readonly code: string;
  readonly message: string;
  /** What was counted, for an agent that asked for usage. */
  readonly usage: Usage;
}

/** An answer while it flows. Read once; leaving the loop early closes what it is read from. */
export interface AnswerStream extends AsyncIterable<Frame> {
  /** The bytes that end the answer properly where the gate cuts it at its limit, after the frames read so far. */
  cut(why: StreamCut): Uint8Array;
}

// ── Routes and targets ──────────────────────────────────────────────────────────────────────────────────────────
/** What tokens cost by their kind: integer micro-dollars for a million (so 2.5 USD per million is 2,500,000). */
export interface Rates {
  readonly inputMicroUsdPerMtok: number;
  readonly outputMicroUsdPerMtok: number;
  readonly cachedInputMicroUsdPerMtok: number;
  readonly cacheWriteMicroUsdPerMtok: number;
  readonly cacheWriteHourMicroUsdPerMtok: number;
  readonly reasoningMicroUsdPerMtok: number;
}

/** Rates of a call whose whole input, cached or not, is longer than `aboveInputTokens`: for all its tokens. */
export interface Tier extends Rates {
  readonly aboveInputTokens: number;
}

/** What a target costs: the rates of short inputs, those of longer ones in rising order, and micro-dollars a call. */
export interface Price extends Rates {
  readonly tiers: readonly Tier[];
  readonly callMicroUsd: number;
  /** Where the price comes from, for the trail: `config`, or the name of a list with its date. */
  readonly version: string;
}

export interface Target {
  readonly name: string;
  readonly route: string;
  readonly kind: CallKind;
  readonly cloud: string;
  readonly region: string;
  readonly provider: string;
  readonly url: string;
  readonly model: string | null;
  readonly weight: number;
  /** Name of the credential the gate adds; null for none. */
  readonly credential: string | null;
  readonly maxOutputTokens: number;
  readonly price: Price;
  readonly timeoutMs: { readonly connect: number; readonly firstByte: number; readonly total: number };
  /** Whether the target is of the trust domain, and gets a Txn-Token and the trace context. */
  readonly txnToken: boolean;
}

export interface Route {
  readonly name: string;
  readonly kind: 'model' | 'http' | 'mcp' | 'agent';
  readonly targets: readonly Target[];
}

// ── Exchange ────────────────────────────────────────────────────────────────────────────────────────────────────
export interface Attempt {
  readonly target: string;
  readonly status: number | null;
  readonly error: string | null;
  readonly latencyMs: number;
  /** Whether any byte of the request may have reached the target. */
  readonly sent: boolean;
  /** How long the target asked to be left alone (`retry-after` in seconds, of a 429 or 503), in milliseconds. */
  readonly retryAfterMs?: number;
  readonly span?: AttemptSpan;
}

/** The span of one attempt, as the target was told of it. */
export interface AttemptSpan {
  readonly id: string;
  /** On the monotonic clock. */
  readonly startMs: number;
  /** The trace that a target outside the trust domain was given in place of ours. */
  readonly outside?: { readonly traceId: string; readonly spanId: string };
}

/** An answer whose head has come. Whoever has it reads `body` to the end or aborts the call. */
export interface UpstreamAnswer {
  readonly target: Target;
  readonly head: AnswerHead;
  readonly body: AsyncIterable<Uint8Array>;
}
