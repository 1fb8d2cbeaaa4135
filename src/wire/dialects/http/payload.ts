/**
 * The payload of a call to an HTTP tool. Path, query, headers and forms are always written anew from the arguments, so
 * that the target reads what the policy read; JSON, text and bare bytes keep their bytes unless an obligation changed
 * them. Pointers into the payload are pointers into the arguments: `/body/customer/email`.
 */
import type {
  Answer,
  AnswerFlow,
  AnswerHead,
  AnswerStream,
  Json,
  JsonObject,
  OutboundRequest,
  Payload,
  Segment,
} from '../../../call.ts';
import type { Denial, Reason } from '../../../denial.ts';
import { AnswerBody } from '../../answer.ts';
import { argumentsDenial } from '../../arguments-denial.ts';
import { child } from '../../pointer.ts';
import { EditableJson } from '../../segments.ts';
import { answerFlowOf, flowingAnswer } from './answer-flow.ts';
import type { Arguments } from './arguments.ts';
import { unwritableBody, writeForm } from './body.ts';
import { conditionsOf, withoutConditions } from './conditions.ts';
import { DescribedBytes } from './described-bytes.ts';
import type { BodyForm } from './document.ts';
import type { HttpOperation } from './operation.ts';
import { type Parameter, writeParameter } from './parameters.ts';
import { givenIn, unwritable, writeHeaders, writePlace } from './place.ts';
import { objectIn } from './reader.ts';
import { buildPath } from './template.ts';

export class HttpPayload implements Payload {
  readonly stream = false;
  readonly model = null;
  readonly #operation: HttpOperation;
  readonly #form: BodyForm | null;
  readonly #body: Buffer;
  readonly #bytes: DescribedBytes;
  readonly #document: EditableJson;
  /** What was wrong with the request before there were arguments. */
  readonly #faults: readonly Reason[];

  constructor(operation: HttpOperation, { args, form, bytes = [], faults }: Arguments, body: Buffer) {
    this.#operation = operation;
    this.#form = form;
    this.#body = body;
    this.#bytes = new DescribedBytes(bytes);
    // Of bytes that are described, the digest is no text.
    this.#document = new EditableJson(args, (_text, key, where) =>
      this.#bytes.isDigest(key, where) ? 'skip' : 'text',
    );
    this.#faults = faults;
  }

  get args(): JsonObject {
    return this.#bytes.describedIn(this.#document.value as JsonObject);
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
    return [...this.#document.segments(), ...this.#bytes.segments()];
  }

  drop(where: string): void {
    this.#document.drop(where);
    this.#bytes.drop(where);
  }

  /** Tools do not answer in tokens. */
  limitTokens(): void {}

  /** Denies `args_invalid` with every fault, up to a bound, as a reason. */
  validate(): Denial | undefined {
    const { args } = this;
    const reasons: Reason[] = [
      ...this.#faults,
      ...this.#operation.faults(withoutConditions(args, this.#operation), this.#form),
    ];
    const bad = writeHeaders(this.#headerParameters(), this.#values('headers')).bad;
    for (const name of bad)
      reasons.push({ code: 'format', message: `${name} must be ASCII text`, path: `/headers/${name}` });
    for (const place of ['path', 'query', 'headers'] as const) {
      for (const name of unwritable(this.#parameters(place), this.#values(place))) {
        const message = `${name} cannot be written so that it is read as it is`;
        reasons.push({ code: 'format', message, path: child(`/${place}`, name) });
      }
    }
    if (this.#form !== null) {
      for (const path of unwritableBody(this.#form, args.body ?? null, this.#bytes.all())) {
        reasons.push({ code: 'format', message: 'cannot be written into the body as it stands', path });
      }
    }
    if (reasons.length === 0 && this.#path() === undefined) {
      reasons.push({ code: 'format', message: 'a value of the path cannot stand in a path', path: '/path' });
    }
    return argumentsDenial(this.#operation, reasons);
  }

  encode(): OutboundRequest {
    const path = this.#path();
    if (path === undefined) throw new Error('arguments that were not validated cannot be sent');
    const query = writePlace(this.#parameters('query'), this.#values('query'));
    const sent = this.#encodeBody();
    return {
      method: this.method,
      path: query === '' ? path : `${path}?${query}`,
      headers: {
        accept: this.#operation.draft.accept,
        ...(sent === null ? {} : { 'content-type': sent.contentType }),
        ...writeHeaders(this.#headerParameters(), this.#values('headers')).headers,
      },
      body: sent?.body ?? null,
    };
  }

  readAnswer(head: AnswerHead, body: Buffer): Answer {
    return new HttpAnswer(head, body);
  }

  flows(head: AnswerHead): AnswerFlow {
    return answerFlowOf(head);
  }

  readStream(head: AnswerHead, body: AsyncIterable<Uint8Array>): AnswerStream {
    return flowingAnswer(head, body);
  }

  #encodeBody(): { readonly contentType: string; readonly body: Buffer } | null {
    const { body } = this.args;
    const form = this.#form;
    if (body === undefined || form === null) return null;
    switch (form.kind) {
      case 'form':
      case 'multipart':
        return writeForm(form, objectIn(body) as JsonObject, this.#bytes.all());
      case 'bytes': {
        const [bytes] = this.#bytes.all();
        return bytes === undefined ? null : { contentType: bytes.contentType, body: bytes.content };
      }
      case 'json':
        return { contentType: form.type, body: this.#unchanged() ?? Buffer.from(JSON.stringify(body)) };
      case 'text':
        return { contentType: `${form.type}; charset=utf-8`, body: this.#unchanged() ?? Buffer.from(String(body)) };
    }
  }

  #unchanged(): Buffer | undefined {
    return this.#document.changedIn('body') ? undefined : this.#body;
  }

  #path(): string | undefined {
    const values = this.#values('path');
    const texts: Record<string, string> = {};
    for (const parameter of this.#parameters('path')) {
      const value = givenIn(values, parameter.name);
      if (value !== undefined) texts[parameter.name] = writeParameter(parameter, value).join(',');
    }
    return buildPath(this.#operation.draft.template, texts);
  }

  #parameters(place: Parameter['place']): readonly Parameter[] {
    return this.#operation.draft.parameters.filter((parameter) => parameter.place === place);
  }

  #headerParameters(): readonly Parameter[] {
    return [...this.#parameters('headers'), ...conditionsOf(this.#operation)];
  }

  #values(place: Parameter['place']): JsonObject {
    return (objectIn(this.args[place]) ?? {}) as JsonObject;
  }
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
