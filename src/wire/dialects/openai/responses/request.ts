/**
 * The payload of a responses request. Bytes: what nothing changed goes out as it came, but for the value of `model` (the
 * route's name becomes the target's) and what keeps the provider from storing the answer. What a reader would get wrong:
 * where a client says nothing of `store` the provider would keep everything, so the gate says `false` in its place, unless
 * the routing table lets it be kept. Then reasoning is asked for in its encrypted form, so that the client can pass it on
 * in the next request all the same. What it then names by an id, as if it had been kept, the gate puts in place if it
 * remembers it (`recall`); reasoning that nobody can fill in is left out.
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
  Recall,
  Recalled,
  Segment,
  Target,
} from '../../../../call.ts';
import { type Denial, deny, isDenial } from '../../../../denial.ts';
import { parseJsonText } from '../../../json.ts';
import { listOf, objectOf, textOf } from '../../../json-value.ts';
import { withMembers } from '../../../members.ts';
import { EditableJson } from '../../../segments.ts';
import { denyUnfit } from '../../../translate/unfit.ts';
import { ResponseAnswer } from './answer.ts';
import { isCutShort, readAsk } from './ask.ts';
import { classify } from './classify.ts';
import { responsesFaults } from './faults.ts';
import { isHollow, keepsResponse, namedIds } from './ids.ts';
import { isReasoner } from './reasoners.ts';
import { filled, inputItems, wantedIn, withReferences } from './recall.ts';
import { readResponseStream } from './stream.ts';

/** Not arguments but content: the policy sees findings of it, not the text. */
const contentFields = ['input', 'instructions', 'tools'];
/** How many ids one request may name. */
const namedMax = 512;
const encryptedReasoning = 'reasoning.encrypted_content';

export interface ResponsesRequest {
  readonly route: string;
  /** The JSON text that `body` was read from. */
  readonly text: string;
  readonly body: JsonObject;
  /** Whether the provider may keep the response where the client does not say. */
  readonly keepsUnasked: boolean;
  /** False where the gate does not remember what the client takes for kept. */
  readonly remembers?: boolean;
}

export class ResponsesPayload implements Payload {
  readonly method = 'POST';
  /** Relative to the target's `url`, which ends in `/v1` or what the provider has in its place. */
  readonly path = '/responses';
  readonly #route: string;
  #text: string;
  readonly #keepsUnasked: boolean;
  readonly #remembers: boolean;
  #document: EditableJson;
  /** The ids of what was put in place of them. */
  #filledIds: ReadonlySet<string> = new Set();
  /** How many tokens the answers that it refers to have; null where that is not known. */
  #namedTokens: number | null = null;
  #ask: { readonly version: number; readonly ask: ModelAsk } | null = null;

  constructor({ route, text, body, keepsUnasked, remembers = true }: ResponsesRequest) {
    this.#route = route;
    this.#text = text;
    this.#keepsUnasked = keepsUnasked;
    this.#remembers = remembers && !keepsUnasked;
    this.#document = new EditableJson(body, classify);
  }

  get #body(): JsonObject {
    return objectOf(this.#document.value);
  }

  /** Whether the client says nothing of `store`, and so nothing is kept. */
  get #forgets(): boolean {
    return !this.#keepsUnasked && (this.#body.store ?? null) === null;
  }

  /** The body with what silence means there. */
  get #meant(): JsonObject {
    const body = this.#body;
    if (this.#forgets) return hasHollow(body) ? { ...body, input: listOf(body.input).filter(isFilled) } : body;
    return (body.store ?? null) === null ? { ...body, store: true } : body;
  }

  /** Of a stored prompt, what is put into it is content. */
  get args(): JsonObject {
    const args = Object.fromEntries(Object.entries(this.#body).filter(([name]) => !contentFields.includes(name)));
    if (typeof args.prompt !== 'object' || args.prompt === null) return args;
    const { variables: _content, ...prompt } = objectOf(args.prompt);
    return { ...args, prompt };
  }

  get stream(): boolean {
    return this.#body.stream === true;
  }

  get model(): ModelAsk {
    const { version } = this.#document;
    if (this.#ask?.version !== version)
      this.#ask = { version, ask: readAsk(this.#route, this.#meant, this.#namedTokens) };
    return this.#ask.ask;
  }

  /** The body as the agent sent it, and as obligations changed it; `model` is the route's name. */
  document(): Json {
    return this.#document.value;
  }

  segments(): readonly Segment[] {
    return this.#document.segments();
  }

  namedIds(): readonly NamedId[] {
    return namedIds(this.#body, this.#forgets);
  }

  namedTokens(tokens: number): void {
    this.#namedTokens = tokens;
    this.#ask = null;
  }

  get recall(): Recall | undefined {
    if (!this.#remembers) return undefined;
    return {
      wanted: () => wantedIn(this.#body),
      fill: (found, bytesMax) => this.#fill(found, bytesMax),
      remembers: this.#forgets && !keepsResponse(this.#body),
      conversation: () => {
        const { previous_response_id: before = null } = this.#body;
        return before === null ? withReferences(inputItems(this.#body), this.#filledIds) : null;
      },
    };
  }

  #fill(found: Recalled, bytesMax: number): number | Denial {
    const done = filled(this.#body, found, bytesMax);
    if (done === null) return 0;
    if (isDenial(done)) return done;
    const gone = done.continued ? { previous_response_id: null } : {};
    const text = withMembers(this.#text, { ...gone, input: JSON.stringify(done.input) });
    // What came in was bounded; with what has joined it, it must be again.
    const read = parseJsonText(text);
    if ('fault' in read)
      return deny('too_large', `with what it names by ids the request cannot be read: ${read.fault.message}`);
    this.#text = text;
    this.#document = new EditableJson(read.value, classify);
    this.#filledIds = done.ids;
    this.#ask = null;
    return this.validate() ?? done.count;
  }

  drop(where: string): void {
    this.#document.drop(where);
  }

  limitTokens(maxTokens: number): void {
    const asked = this.#body.max_output_tokens;
    if (typeof asked !== 'number' || asked > maxTokens) this.#document.set('max_output_tokens', maxTokens);
  }

  /** Denies `args_invalid`, with every fault as a reason. */
  validate(): Denial | undefined {
    const reasons = responsesFaults(this.#body);
    if (reasons.length > 0) return deny('args_invalid', 'the request is not one for a response', { reasons });
    if (isCutShort(this.model)) {
      return deny('args_invalid', 'the request has too many fields that act outside the gate');
    }
    if (this.namedIds().length <= namedMax) return undefined;
    return deny('args_invalid', `the request names more than ${namedMax} things that lie at the provider`);
  }

  /** Nothing is translated into another API. */
  unfit(target: Target): Denial | undefined {
    if (target.api === 'openai') return undefined;
    return denyUnfit(target, [{ code: 'unfit', message: 'responses are not made there', path: '/model' }]);
  }

  encode(target: Target): OutboundRequest {
    const body = this.#body;
    const changes: Record<string, string> = {};
    const model = target.model ?? this.#route;
    if (body.model !== model) changes.model = JSON.stringify(model);
    if (this.#forgets) {
      changes.store = 'false';
      if (hasHollow(body)) changes.input = JSON.stringify(this.#meant.input);
      const include = listOf(body.include);
      if ((reasons(body) || isReasoner(model)) && !include.includes(encryptedReasoning)) {
        changes.include = JSON.stringify([...include, encryptedReasoning]);
      }
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

  readAnswer(head: AnswerHead, body: Buffer): Answer {
    return new ResponseAnswer(this.#route, head, body, keepsResponse(this.#meant));
  }

  readStream(_head: AnswerHead, body: AsyncIterable<Uint8Array>): AnswerStream {
    return readResponseStream(body, this.#route, keepsResponse(this.#meant));
  }
}

function isFilled(item: Json): boolean {
  return !isHollow(objectOf(item));
}

function hasHollow({ input = null }: JsonObject): boolean {
  return listOf(input).some((item) => isHollow(objectOf(item)));
}

/** Whether the request is of a model that reasons, as far as it says: others refuse to be asked for reasoning. */
function reasons(body: JsonObject): boolean {
  const asked = Object.entries(objectOf(body.reasoning)).some(([, value]) => value !== null && value !== 'none');
  return asked || listOf(body.input).some((item) => textOf(objectOf(item).type) === 'reasoning');
}
