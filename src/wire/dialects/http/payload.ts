/**
 * The payload of a call to an HTTP tool. Path, query, headers and form bodies are always written anew from the
 * arguments, so that the target reads what the policy read; JSON and text bodies keep their bytes unless an obligation
 * changed them. Pointers into the payload are pointers into the arguments: `/body/customer/email`.
 */
import type {
  Answer,
  AnswerHead,
  AnswerStream,
  Frame,
  Json,
  JsonObject,
  OutboundRequest,
  Payload,
  Segment,
} from '../../../call.ts';
import { type Denial, deny, type Reason } from '../../../denial.ts';
import { AnswerBody } from '../../answer.ts';
import { brokenCharacterBytes, silentFrame, textFrame } from '../../frame.ts';
import { isJsonType, isTextType, parseMediaType } from '../../media.ts';
import { EditableJson } from '../../segments.ts';
import { type Arguments, writeHeaders, writePlace } from './arguments.ts';
import type { BodyForm } from './document.ts';
import type { HttpOperation } from './operation.ts';
import { type Parameter, writeParameter } from './parameters.ts';
import { objectIn } from './reader.ts';
import { buildPath } from './template.ts';
import { reasonsMax } from './validator.ts';

export class HttpPayload implements Payload {
  readonly stream = false;
  readonly model = null;
  readonly #operation: HttpOperation;
  readonly #form: BodyForm | null;
  readonly #body: Buffer;
  readonly #document: EditableJson;
  /** What was wrong with the request before there were arguments. */
  readonly #faults: readonly Reason[];

  constructor(operation: HttpOperation, { args, form, faults }: Arguments, body: Buffer) {
    this.#operation = operation;
    this.#form = form;
    this.#body = body;
    this.#document = new EditableJson(args);
    this.#faults = faults;
  }

  get args(): JsonObject {
    return this.#document.value as JsonObject;
  }

  get method(): string {
    return this.#operation.draft.method;
  }

  /** The path as the target gets it, without the query; relative to the target's `url`. */
  get path(): string {
    return this.#path() ?? this.#operation.draft.template.source;
  }

  document(): Json {
    return { method: this.method, ...this.args };
  }

  segments(): readonly Segment[] {
    return this.#document.segments();
  }

  drop(where: string): void {
    this.#document.drop(where);
  }

  /** Tools do not answer in tokens. */
  limitTokens(): void {}

  /** Denies `args_invalid` with every fault, up to a bound, as a reason. */
  validate(): Denial | undefined {
    const reasons: Reason[] = [...this.#faults, ...this.#operation.faults(this.args, this.#form)];
    const bad = writeHeaders(this.#parameters('headers'), this.#values('headers')).bad;
    for (const name of bad)
      reasons.push({ code: 'format', message: `${name} must be ASCII text`, path: `/headers/${name}` });
    if (reasons.length === 0 && this.#path() === undefined) {
      reasons.push({ code: 'format', message: 'a value of the path cannot stand in a path', path: '/path' });
    }
    const [first] = reasons;
    if (first === undefined) return undefined;
    const more = reasons.length > 1 ? ` (and ${reasons.length - 1} more)` : '';
    const message = `the arguments do not fit ${this.#operation.name}: ${first.path ?? ''} ${first.message}${more}`;
    return deny('args_invalid', message, { reasons: reasons.slice(0, reasonsMax) });
  }

  encode(): OutboundRequest {
    const path = this.#path();
    if (path === undefined) throw new Error('arguments that were not validated cannot be sent');
    const query = writePlace(this.#parameters('query'), this.#values('query'));
    const body = this.#encodeBody();
    return {
      method: this.method,
      path: query === '' ? path : `${path}?${query}`,
      headers: {
        accept: this.#operation.draft.accept,
        ...(body === null || this.#form === null ? {} : { 'content-type': contentTypeOf(this.#form) }),
        ...writeHeaders(this.#parameters('headers'), this.#values('headers')).headers,
      },
      body,
    };
  }

  readAnswer(head: AnswerHead, body: Buffer): Answer {
    return new HttpAnswer(head, body);
  }

  /** The bytes as they come; where they are text, cut between characters. No tool call is asked to stream. */
  readStream(head: AnswerHead, body: AsyncIterable<Uint8Array>): AnswerStream {
    return { [Symbol.asyncIterator]: () => readFrames(head, body), cut: () => Buffer.alloc(0) };
  }

  #encodeBody(): Buffer | null {
    const { body } = this.args;
    if (body === undefined || this.#form === null) return null;
    if (this.#form.kind === 'form') return Buffer.from(writePlace(this.#form.fields, objectIn(body) as JsonObject));
    if (!this.#document.changedIn('body')) return this.#body;
    return Buffer.from(this.#form.kind === 'json' ? JSON.stringify(body) : String(body));
  }

  #path(): string | undefined {
    const values = this.#values('path');
    const texts: Record<string, string> = {};
    for (const parameter of this.#parameters('path')) {
      const value = values[parameter.name];
      if (value !== undefined) texts[parameter.name] = writeParameter(parameter, value).join(',');
    }
    return buildPath(this.#operation.draft.template, texts);
  }

  #parameters(place: Parameter['place']): readonly Parameter[] {
    return this.#operation.draft.parameters.filter((parameter) => parameter.place === place);
  }

  #values(place: Parameter['place']): JsonObject {
    return (objectIn(this.args[place]) ?? {}) as JsonObject;
  }
}

async function* readFrames(head: AnswerHead, body: AsyncIterable<Uint8Array>): AsyncGenerator<Frame> {
  const type = parseMediaType(head.headers['content-type'] ?? '')?.type ?? 'text/plain';
  const isText = isTextType(type) || isJsonType(type);
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of body) {
    const bytes: Buffer = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    const whole = bytes.length - (isText ? brokenCharacterBytes(bytes) : 0);
    rest = bytes.subarray(whole);
    yield isText ? textFrame(bytes.subarray(0, whole)) : silentFrame(bytes);
  }
  if (rest.length > 0) yield textFrame(rest);
  yield silentFrame(Buffer.alloc(0), [{ type: 'end', reason: 'stop' }]);
}

function contentTypeOf({ type, kind }: BodyForm): string {
  return kind === 'text' ? `${type}; charset=utf-8` : type;
}

/** What a tool answered: JSON or text in pieces, other bytes as they are. */
class HttpAnswer implements Answer {
  readonly head: AnswerHead;
  readonly usage = null;
  readonly proposals = [];
  readonly text = '';
  readonly #body: AnswerBody;

  constructor(head: AnswerHead, body: Buffer) {
    this.head = head;
    this.#body = new AnswerBody(head, body);
  }

  get body(): Json {
    return this.#body.json;
  }

  segments(): readonly Segment[] {
    return this.#body.segments();
  }

  drop(where: string): void {
    this.#body.drop(where);
  }

  encode(): { readonly head: AnswerHead; readonly body: Buffer } {
    return this.#body.encode();
  }
}
