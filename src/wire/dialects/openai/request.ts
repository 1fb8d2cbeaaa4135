/**
 * The payload of a chat completion. Bytes: what nothing changed goes out as it came, but for the value of `model` (the
 * route's name becomes the target's) and, on streams, `stream_options` (usage is always asked for). Once an obligation
 * has changed the request it is serialised anew. A target of the messages API gets a messages request, and what it
 * answers is a chat completion before anybody looks at it.
 */
import type {
  Answer,
  AnswerHead,
  AnswerStream,
  Json,
  JsonObject,
  ModelAsk,
  NamedId,
  OutboundRequest,
  Payload,
  Segment,
  Target,
} from '../../../call.ts';
import { type Denial, deny } from '../../../denial.ts';
import { objectOf } from '../../json-value.ts';
import { withMembers } from '../../members.ts';
import { EditableJson, type Reading } from '../../segments.ts';
import { completionAnswer } from '../../translate/answers.ts';
import { messagesRequestOf, type Translated } from '../../translate/chat-request.ts';
import { chunksOfMessage } from '../../translate/message-events.ts';
import { denyUnfit } from '../../translate/unfit.ts';
import { promptOf } from '../anthropic/bound.ts';
import { noParams, paramHeaders } from '../anthropic/params.ts';
import { ChatAnswer } from './answer.ts';
import { readAsk } from './ask.ts';
import { chatFaults } from './faults.ts';
import { namedIds } from './ids.ts';
import { readChatStream } from './stream.ts';

/** Not arguments but content: the policy sees findings of it, not the text. */
const contentFields = ['messages', 'tools', 'functions'];

export class ChatPayload implements Payload {
  readonly method = 'POST';
  /** Relative to the target's `url`, which ends in `/v1` or what the provider has in its place. */
  readonly path = '/chat/completions';
  readonly #route: string;
  readonly #text: string;
  readonly #document: EditableJson;
  #ask: { readonly version: number; readonly ask: ModelAsk } | null = null;
  #translation: Translated | null = null;

  /** `text` is the JSON text that `body` was read from. */
  constructor(route: string, text: string, body: JsonObject) {
    this.#route = route;
    this.#text = text;
    this.#document = new EditableJson(body, classify);
  }

  get #body(): JsonObject {
    return objectOf(this.#document.value);
  }

  get args(): JsonObject {
    return Object.fromEntries(Object.entries(this.#body).filter(([name]) => !contentFields.includes(name)));
  }

  get stream(): boolean {
    return this.#body.stream === true;
  }

  get model(): ModelAsk {
    const { version } = this.#document;
    if (this.#ask?.version !== version) {
      const translatedFor: ModelAsk['translatedFor'] = (target) =>
        target.api === 'anthropic' ? this.#translated().prompt : undefined;
      this.#ask = { version, ask: { ...readAsk(this.#route, this.#body), translatedFor } };
    }
    return this.#ask.ask;
  }

  /** As a messages request, with the bound that its prompt has there. */
  #translated(): Translated {
    const { version } = this.#document;
    if (this.#translation?.version !== version) {
      const translation = messagesRequestOf(this.#body);
      this.#translation = { ...translation, version, prompt: promptOf(translation.body) };
    }
    return this.#translation;
  }

  /** The body as the agent sent it, and as obligations changed it; `model` is the route's name. */
  document(): Json {
    return this.#document.value;
  }

  segments(): readonly Segment[] {
    return this.#document.segments();
  }

  namedIds(): readonly NamedId[] {
    return namedIds(this.#body);
  }

  drop(where: string): void {
    this.#document.drop(where);
  }

  /** Lowers the limits that are there; where there is none, sets `max_completion_tokens`, the current name. */
  limitTokens(maxTokens: number): void {
    const body = this.#body;
    const named = ['max_completion_tokens', 'max_tokens'].filter((name) => typeof body[name] === 'number');
    for (const name of named) if ((body[name] as number) > maxTokens) this.#document.set(name, maxTokens);
    if (named.length === 0) this.#document.set('max_completion_tokens', maxTokens);
  }

  /** Denies `args_invalid`, with every fault as a reason. */
  validate(): Denial | undefined {
    const reasons = chatFaults(this.#body);
    return reasons.length === 0 ? undefined : deny('args_invalid', 'the request is not a chat completion', { reasons });
  }

  unfit(target: Target): Denial | undefined {
    return target.api === 'anthropic' ? denyUnfit(target, this.#translated().reasons) : undefined;
  }

  encode(target: Target): OutboundRequest {
    if (target.api === 'anthropic') return this.#encodeMessages(target);
    const body = this.#body;
    const changes: Record<string, string> = {};
    const model = target.model ?? this.#route;
    if (body.model !== model) changes.model = JSON.stringify(model);
    if (this.stream && !this.#asksUsage()) {
      changes.stream_options = JSON.stringify({ ...objectOf(body.stream_options), include_usage: true });
    }
    const text = this.#document.changed ? JSON.stringify(body) : this.#text;
    return {
      method: this.method,
      path: this.path,
      headers: {
        'content-type': 'application/json',
        accept: this.stream ? 'text/event-stream' : 'application/json',
      },
      body: Buffer.from(Object.keys(changes).length === 0 ? text : withMembers(text, changes)),
    };
  }

  /** The API demands a limit: where the client named none, it is the target's own. */
  #encodeMessages(target: Target): OutboundRequest {
    const model = target.model ?? this.#route;
    const max_tokens = this.model.maxTokens ?? target.maxOutputTokens;
    return {
      method: this.method,
      path: '/v1/messages',
      headers: {
        'content-type': 'application/json',
        accept: this.stream ? 'text/event-stream' : 'application/json',
        ...paramHeaders(noParams, {}),
      },
      body: Buffer.from(JSON.stringify({ model, max_tokens, ...this.#translated().body })),
    };
  }

  readAnswer(head: AnswerHead, body: Buffer, target: Target): Answer {
    const read = target.api === 'anthropic' ? completionAnswer(head, body) : { head, body };
    return new ChatAnswer(this.#route, read.head, read.body);
  }

  readStream(head: AnswerHead, body: AsyncIterable<Uint8Array>, target: Target): AnswerStream {
    const chunks = target.api === 'anthropic' ? chunksOfMessage(body) : body;
    return readChatStream(head, chunks, { route: this.#route, usage: this.#asksUsage() });
  }

  /** Whether the client itself asked for the usage chunk at the end of a stream. */
  #asksUsage(): boolean {
    return objectOf(this.#body.stream_options).include_usage === true;
  }
}

/** Where a message has media, and nothing that a model is given as text. */
const mediaPlace = /^\/messages\/\d+\/content\/\d+\/[a-z_]+\/(?:url|data|file_data)$/;
const dataUrl = /^data:[\w.+-]+\/[\w.+-]+;base64,[A-Za-z0-9+/]*={0,2}$/;
const base64 = /^[A-Za-z0-9+/]{64,}={0,2}$/;

/**
 * Everything is text; base64 of files, where messages have it and where it looks like it, where it holds one. The
 * arguments of a tool call are JSON text.
 */
function classify(text: string, key: string | number, where: string): Reading {
  if (where === '/model') return 'skip';
  if (key === 'arguments') return 'json';
  if (!mediaPlace.test(where)) return 'text';
  return dataUrl.test(text) || (key !== 'url' && base64.test(text)) ? 'base64' : 'text';
}
