/**
 * The payload of a messages request, and of one that only asks how long its prompt is. Bytes: what nothing changed goes
 * out as it came, but for the value of `model` (the route's name becomes the target's). Once an obligation has changed
 * the body it is serialised anew. Parameters that travel as headers are members of the document, and never of the body.
 * A target of chat completions gets a chat completion request, and what it answers is a message before anybody looks at it.
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
import { EditableJson } from '../../segments.ts';
import { messageAnswer } from '../../translate/answers.ts';
import { eventsOfChat } from '../../translate/chat-chunks.ts';
import type { Translated } from '../../translate/chat-request.ts';
import { chatRequestOf } from '../../translate/messages-request.ts';
import { denyUnfit } from '../../translate/unfit.ts';
import { withoutUnsigned } from '../../translate/unsigned.ts';
import { promptOf } from '../openai/ask.ts';
import { CountAnswer, MessageAnswer } from './answer.ts';
import { isCutShort, readAsk, readCountAsk } from './ask.ts';
import { classify } from './classify.ts';
import { headerParams, messagesFaults } from './faults.ts';
import { keepsMessages, namedIds } from './ids.ts';
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
  abstract unfit(target: Target): Denial | undefined;
  abstract readAnswer(head: AnswerHead, body: Buffer, target: Target): Answer;
  abstract readStream(head: AnswerHead, body: AsyncIterable<Uint8Array>, target: Target): AnswerStream;

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

  namedIds(): readonly NamedId[] {
    return namedIds(this.body);
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
    const document = withoutUnsigned(this.body);
    const names = Object.keys(document).filter((name) => !Object.hasOwn(headerParams, name));
    const text =
      this.edited.changed || document !== this.body
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
  #translation: Translated | null = null;
  /** Whether less thinking was asked for than the client did, to keep a limit. */
  #thinksLess = false;

  get stream(): boolean {
    return this.body.stream === true;
  }

  protected ask(body: JsonObject): ModelAsk {
    const translatedFor: ModelAsk['translatedFor'] = (target) => {
      // The provider of such a target writes to its cache unasked.
      return target.api === 'openai' ? { ...this.#translated().prompt, cacheWrites: true } : undefined;
    };
    return { ...readAsk(this.request.route, body), translatedFor };
  }

  /** As a chat completion request, with the bound that its prompt has there. */
  #translated(): Translated {
    const { version } = this.edited;
    if (this.#translation?.version !== version) {
      const translation = chatRequestOf(this.body);
      this.#translation = { ...translation, version, prompt: promptOf(translation.body) };
    }
    return this.#translation;
  }

  unfit(target: Target): Denial | undefined {
    if (target.api !== 'openai') return undefined;
    // Lowered or not, this is what the client asked for: a target that did not fit before does not fit now.
    const { thinking } = this.request.body;
    const reasons = this.#thinksLess ? chatRequestOf({ ...this.body, thinking: thinking ?? null }).reasons : null;
    return denyUnfit(target, reasons ?? this.#translated().reasons);
  }

  override encode(target: Target): OutboundRequest {
    if (target.api !== 'openai') return super.encode(target);
    return {
      method: this.method,
      path: '/chat/completions',
      headers: {
        'content-type': 'application/json',
        accept: this.stream ? 'text/event-stream' : 'application/json',
      },
      body: Buffer.from(JSON.stringify({ model: target.model ?? this.request.route, ...this.#translated().body })),
    };
  }

  /** Lowers `max_tokens`, or sets it. A model may not be told to think for longer than it may answer: that goes along. */
  limitTokens(maxTokens: number): void {
    const { max_tokens: asked, thinking } = this.body;
    if (typeof asked !== 'number' || asked > maxTokens) this.edited.set('max_tokens', maxTokens);
    const { budget_tokens: budget } = objectOf(thinking);
    if (typeof budget !== 'number' || budget < maxTokens) return;
    const fits = maxTokens > thinkingTokensMin;
    const less: JsonObject = fits ? { ...objectOf(thinking), budget_tokens: maxTokens - 1 } : { type: 'disabled' };
    this.#thinksLess = true;
    this.edited.set('thinking', less);
  }

  readAnswer(head: AnswerHead, body: Buffer, target: Target): Answer {
    const read = target.api === 'openai' ? messageAnswer(head, body) : { head, body };
    return new MessageAnswer(this.request.route, read.head, read.body, keepsMessages(this.body));
  }

  readStream(_head: AnswerHead, body: AsyncIterable<Uint8Array>, target: Target): AnswerStream {
    const events = target.api === 'openai' ? eventsOfChat(body) : body;
    return readMessageStream(events, this.request.route, keepsMessages(this.body));
  }
}

export class CountPayload extends PromptPayload {
  readonly path = '/v1/messages/count_tokens';
  readonly stream = false;

  protected ask(body: JsonObject): ModelAsk {
    return readCountAsk(this.request.route, body);
  }

  /** No other API counts. */
  unfit(target: Target): Denial | undefined {
    if (target.api !== 'openai') return undefined;
    return denyUnfit(target, [{ code: 'unfit', message: 'tokens are not counted there', path: '/model' }]);
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
