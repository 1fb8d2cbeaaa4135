/**
 * The payload of a messages request, and of one that only asks how long its prompt is. Bytes: what nothing changed goes
 * out as it came, but for the value of `model` (the route's name becomes the target's). Once an obligation has changed
 * the body it is serialised anew. Parameters that travel as headers are members of the document, and never of the body.
 */
import type {
  Answer,
  AnswerHead,
  AnswerStream,
  Json,
  JsonObject,
  ModelAsk,
  OutboundRequest,
  Payload,
  Segment,
  Target,
} from '../../../call.ts';
import { type Denial, deny } from '../../../denial.ts';
import { objectOf } from '../../json-value.ts';
import { withMembers } from '../../members.ts';
import { EditableJson } from '../../segments.ts';
import { CountAnswer, MessageAnswer } from './answer.ts';
import { isCutShort, readAsk, readCountAsk } from './ask.ts';
import { classify } from './classify.ts';
import { headerParams, messagesFaults } from './faults.ts';
import { type MessagesParams, paramHeaders } from './params.ts';
import { readMessageStream } from './stream.ts';

/** Not arguments but content: the policy sees findings of it, not the text. */
const contentFields = ['messages', 'system', 'tools'];
/** The fewest tokens of thinking that can be asked for. */
const thinkingTokensMin = 1024;

export interface MessagesRequest {
  readonly route: string;
  /** The JSON text that `body` was read from. */
  readonly text: string;
  readonly body: JsonObject;
  readonly params: MessagesParams;
}

abstract class PromptPayload implements Payload {
  readonly method = 'POST';
  /** Relative to the target's `url`, which is what the provider's SDK takes: without `/v1`. */
  abstract readonly path: string;
  abstract readonly stream: boolean;
  protected readonly request: MessagesRequest;
  protected readonly edited: EditableJson;
  #ask: { readonly version: number; readonly ask: ModelAsk } | null = null;

  constructor(request: MessagesRequest) {
    this.request = request;
    this.edited = new EditableJson({ ...request.body, ...request.params.members }, classify);
  }

  protected get body(): JsonObject {
    return objectOf(this.edited.value);
  }

  protected abstract ask(body: JsonObject): ModelAsk;
  abstract limitTokens(maxTokens: number): void;
  abstract readAnswer(head: AnswerHead, body: Buffer): Answer;
  abstract readStream(head: AnswerHead, body: AsyncIterable<Uint8Array>): AnswerStream;

  get args(): JsonObject {
    return Object.fromEntries(Object.entries(this.body).filter(([name]) => !contentFields.includes(name)));
  }

  get model(): ModelAsk {
    const { version } = this.edited;
    if (this.#ask?.version !== version) this.#ask = { version, ask: this.ask(this.body) };
    return this.#ask.ask;
  }

  /** As the agent sent it, and as obligations changed it; `model` is the route's name. */
  document(): Json {
    return this.edited.value;
  }

  segments(): readonly Segment[] {
    return this.edited.segments();
  }

  drop(where: string): void {
    this.edited.drop(where);
  }

  /** Denies `args_invalid`, with every fault as a reason. */
  validate(): Denial | undefined {
    const reasons = messagesFaults(this.body);
    if (reasons.length > 0) return deny('args_invalid', 'the request is not one of messages', { reasons });
    if (!isCutShort(this.model)) return undefined;
    return deny('args_invalid', 'the request has too many fields and features that act outside the gate');
  }

  encode(target: Target): OutboundRequest {
    const document = this.body;
    const names = Object.keys(document).filter((name) => !Object.hasOwn(headerParams, name));
    const text = this.edited.changed
      ? JSON.stringify(Object.fromEntries(names.map((name) => [name, document[name]])))
      : this.request.text;
    const model = target.model ?? this.request.route;
    const body = document.model === model ? text : withMembers(text, { model: JSON.stringify(model) });
    return {
      method: this.method,
      path: this.request.params.beta ? `${this.path}?beta=true` : this.path,
      headers: {
        'content-type': 'application/json',
        accept: this.stream ? 'text/event-stream' : 'application/json',
        ...paramHeaders(this.request.params, document),
      },
      body: Buffer.from(body),
    };
  }
}

export class MessagesPayload extends PromptPayload {
  readonly path = '/v1/messages';

  get stream(): boolean {
    return this.body.stream === true;
  }

  protected ask(body: JsonObject): ModelAsk {
    return readAsk(this.request.route, body);
  }

  /** Lowers `max_tokens`, or sets it. A model may not be told to think for longer than it may answer: that goes along. */
  limitTokens(maxTokens: number): void {
    const { max_tokens: asked, thinking } = this.body;
    if (typeof asked !== 'number' || asked > maxTokens) this.edited.set('max_tokens', maxTokens);
    const { budget_tokens: budget } = objectOf(thinking);
    if (typeof budget !== 'number' || budget < maxTokens) return;
    const fits = maxTokens > thinkingTokensMin;
    const less: JsonObject = fits ? { ...objectOf(thinking), budget_tokens: maxTokens - 1 } : { type: 'disabled' };
    this.edited.set('thinking', less);
  }

  readAnswer(head: AnswerHead, body: Buffer): Answer {
    return new MessageAnswer(this.request.route, head, body);
  }

  readStream(_head: AnswerHead, body: AsyncIterable<Uint8Array>): AnswerStream {
    return readMessageStream(body, this.request.route);
  }
}

export class CountPayload extends PromptPayload {
  readonly path = '/v1/messages/count_tokens';
  readonly stream = false;

  protected ask(body: JsonObject): ModelAsk {
    return readCountAsk(this.request.route, body);
  }

  /** A count answers in no tokens. */
  limitTokens(): void {}

  readAnswer(head: AnswerHead, body: Buffer): Answer {
    return new CountAnswer(head, body);
  }

  /** It is never asked to stream. */
  readStream(_head: AnswerHead, body: AsyncIterable<Uint8Array>): AnswerStream {
    return readMessageStream(body, this.request.route);
  }
}
