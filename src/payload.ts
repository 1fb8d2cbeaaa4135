/**
 * The outside of a call: JSON, the operations there are, what would be sent, what comes back, and where it may go.
 * These are the types that `wire/` makes and the other rooms read; `call.ts` hands them on with the facts.
 */
import type { AnswerFlow, AnswerStream } from './answer-stream.ts';
import type { McpSpoken } from './conversation.ts';
import type { Denial, DenialMembers } from './denial.ts';
import type { MinuteLimits, TargetKey } from './rate.ts';
import type { Recall, Told } from './recall.ts';

export type * from './answer-stream.ts';
export type * from './attempt.ts';
export type * from './conversation.ts';
export type * from './recall.ts';

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
  /** What a call of it costs, in micro-dollars, whatever its target says; absent where that has the word. */
  readonly callMicroUsd?: number;
  /** Whether what is sent leaves the trust domain. What the routing table does not say sends `outside`. */
  readonly sends: 'inside' | 'outside';
  /** Of an MCP tool whose definition is no longer the accepted one: `blocked` is neither listed nor called. Absent: it is. */
  readonly drift?: 'blocked' | 'flagged';
  /** Whether the provider may keep an answer where the client does not say; absent: it may not. */
  readonly keepsUnasked?: boolean;
  /** Whether the gate remembers answers that their client takes for kept; absent: it does, where the payload can say so. */
  readonly remembersAnswers?: boolean;
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

/** Whose requests a model target takes: the wire format, whoever runs it. */
export type ModelApi = 'openai' | 'anthropic';

/** What becomes prompt of a model request, for whoever counts its tokens. */
export interface PromptParts {
  readonly texts: readonly string[];
  /** A bound for all that is no text: images, files, and what the provider puts around messages and tools. */
  readonly otherTokens: number;
}

/** What only model calls have. */
export interface ModelAsk {
  readonly name: string;
  /** As asked for by the client; null where it named none. */
  readonly maxTokens: number | null;
  readonly tools: readonly ModelTool[];
  /** Never less than the tokens of the prompt as any byte-level tokenizer counts them. */
  readonly promptTokensMax: number;
  /** The same for a tokenizer; left out where there is nothing to count but the bound. */
  readonly prompt?: PromptParts;
  /** False where the request asks for nothing to be written to the provider's cache; left out: it may be. */
  readonly cacheWrites?: boolean;
  /** Ways of being served that it asks for and that are priced apart, such as `priority`; left out: none. */
  readonly services?: readonly string[];
  /** How many answers are asked for at once (OpenAI `n`); each may be `maxTokens` long. */
  readonly choices: number;
  /** The prompt as `target` is sent it, where that is in another API than the client's; else undefined. */
  readonly translatedFor?: (
    target: Partial<Pick<Target, 'api'>>,
  ) => Pick<ModelAsk, 'promptTokensMax' | 'prompt' | 'cacheWrites'> | undefined;
}

/** The request a target gets. `path` begins with `/` and holds the query. */
export interface OutboundRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | null;
}

/** An id in a request that its provider gave somebody before: it stands for what lies there. `where` is a JSON pointer. */
export interface NamedId {
  readonly where: string;
  readonly id: string;
  /**
   * What of the answer that gave it becomes prompt again: all that was said until then, or no more than that answer. Left
   * out for what is no part of an answer.
   */
  readonly standsFor?: 'conversation' | 'answer';
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
  /** The ids in it that stand for what lies at the provider. Left out: there can be none. */
  namedIds?(): readonly NamedId[];
  /** Told how many tokens all that becomes prompt again has at most, where that is known of every id. */
  namedTokens?(tokens: number): void;
  /** What its client takes for kept at the provider. Left out: there is no such thing. */
  readonly recall?: Recall | undefined;
  /** Takes the value at a JSON pointer away, if it is there (obligation `drop`). */
  drop(where: string): void;
  /** Lowers the tokens a model may answer with (obligation `max_tokens`, or a small budget). */
  limitTokens(maxTokens: number): void;
  /** Judges the arguments again, after obligations have changed them. */
  validate(): Denial | undefined;
  /**
   * Why `target` cannot be sent this: it speaks another API, and what was asked for has no place there. Undefined where
   * it can; a payload without the method goes to any target of its route.
   */
  unfit?(target: Target): Denial | undefined;
  /** Only for a target that it fits. */
  encode(target: Target): OutboundRequest;
  /**
   * Reads a whole answer of `target`, also one that is not what the surface promises; what is no JSON has one text, and
   * no body.
   */
  readAnswer(head: AnswerHead, body: Buffer, target: Target): Answer;
  /** Whether such an answer may pass while it flows. Left out: an event stream does, where `stream` asks for it. */
  flows?(head: AnswerHead): AnswerFlow;
  /** Reads an answer of `target` while it flows. Bytes that nothing changes go out as they came. */
  readStream(head: AnswerHead, body: AsyncIterable<Uint8Array>, target: Target): AnswerStream;
}

/** A request as the wire understood it, before anybody knows who calls. */
export interface WireRequest {
  readonly kind: CallKind;
  readonly route: string;
  /** Finds the one operation, validates, makes the arguments canonical. Denies 404 or 422. */
  resolve(registry: OperationRegistry): Resolved | Denial;
  /** A denial as this very request is answered with it. Left out: as its surface does. */
  denial?(
    denial: Denial,
    members: DenialMembers,
  ): { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: Buffer };
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
  /** Ways of being served that are priced apart, as the provider says; left out where it says nothing of them. */
  readonly services?: readonly string[];
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
  /** Whether it says that the call failed, where its status does not: results of MCP do. Left out: it does not. */
  readonly failed?: boolean;
  /** Ids that stand for what lies at the provider, as `Payload.namedIds` may name them later. Left out: none. */
  readonly givenIds?: readonly string[];
  /** The answer as it stands, where a later request may name it. Left out: none may. */
  readonly told?: Told | undefined;
  encode(): { readonly head: AnswerHead; readonly body: Buffer };
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
  /** What the tokens of a call cost that is served in such a way, in percent of the rates; beside those of the gate. */
  readonly servicePercent?: Readonly<Record<string, number>>;
  readonly callMicroUsd: number;
  /** Where the price comes from, for the trail: `config`, or the name of a list with its date. */
  readonly version: string;
}

/** A tokenizer that is known, and how much more, in percent, a model counts that has another one. */
export interface Tokenizer {
  readonly encoding: 'o200k_base' | 'cl100k_base';
  readonly marginPercent: number;
}

export interface Target {
  readonly name: string;
  readonly route: string;
  readonly kind: CallKind;
  readonly cloud: string;
  readonly region: string;
  /** Who runs it: `openai`, `azure`, `bedrock`, …; the kind of the route for what is no model. */
  readonly provider: string;
  /** Null for what is no model. */
  readonly api: ModelApi | null;
  /** The version of its API that the provider is asked for; left out: the current one, or what the client asks for. */
  readonly apiVersion?: string;
  /** What its requests carry besides, names in lower case; no secrets. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Empty for a target that is a program of this machine. */
  readonly url: string;
  /** Of an MCP target that the gate starts itself: the program, its arguments, and all of its environment. */
  readonly program?: {
    readonly command: string;
    readonly args: readonly string[];
    readonly env: Readonly<Record<string, string>>;
    readonly cwd?: string;
  };
  /** Of an MCP target, once it is known: how it is spoken to. */
  readonly mcp?: McpSpoken;
  readonly model: string | null;
  readonly weight: number;
  /** Name of the credential the gate adds, of several the one of this try; null for none. */
  readonly credential: string | null;
  /** The credentials that are used in turn, where there are several or they have limits. */
  readonly keys?: readonly TargetKey[];
  /** What it can take of all gateways together; `concurrency`: of this one. */
  readonly limits?: MinuteLimits & { readonly concurrency?: number };
  readonly maxOutputTokens: number;
  /** What its prompts are counted by before they are sent; left out: by their bytes. */
  readonly tokenizer?: Tokenizer;
  readonly price: Price;
  readonly timeoutMs: { readonly connect: number; readonly firstByte: number; readonly total: number };
  /** Whether the target is of the trust domain, and gets a Txn-Token and the trace context. */
  readonly txnToken: boolean;
}

/** What becomes of the results of a route before they reach its agent. Members that are left out change nothing. */
export interface ResultSettings {
  /** What is longer goes out in pages. */
  readonly maxBytes?: number;
  readonly htmlAsText?: true;
}

export interface Route {
  readonly name: string;
  readonly kind: 'model' | 'http' | 'mcp' | 'agent';
  readonly targets: readonly Target[];
  readonly result?: ResultSettings;
  /** Whether good answers must fit their document; left out: they need not. */
  readonly responses?: 'observe' | 'enforce';
}

// ── Exchange ────────────────────────────────────────────────────────────────────────────────────────────────────
/** An answer whose head has come. Whoever has it reads `body` to the end or aborts the call. */
export interface UpstreamAnswer {
  readonly target: Target;
  readonly head: AnswerHead;
  readonly body: AsyncIterable<Uint8Array>;
}
