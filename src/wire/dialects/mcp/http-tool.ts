/**
 * An operation of an HTTP service called as a tool: its arguments `{path, query, headers, body}` become the very payload
 * that a request below `/tools/{route}/` makes, so that policy, inspection and the service see no difference; and what the
 * service answers becomes the result of a tool. What a reader would get wrong: pointers are into the arguments, and into
 * the body of the service's answer, as they are over HTTP; not into the result.
 */
import type {
  Answer,
  AnswerHead,
  AnswerStream,
  Json,
  JsonObject,
  OutboundRequest,
  Payload,
  Segment,
  Target,
} from '../../../call.ts';
import type { Denial, Reason } from '../../../denial.ts';
import { isMcpFault } from '../../mcp/fault.ts';
import { errorText, objectIn, resultText } from '../../mcp/message.ts';
import { resultFor } from '../../mcp/translate.ts';
import { isJsonType, isTextType, parseMediaType } from '../../media.ts';
import type { BodyForm } from '../http/document.ts';
import type { HttpOperation } from '../http/operation.ts';
import { HttpPayload } from '../http/payload.ts';
import { unknownName } from '../http/validator.ts';
import type { McpAsked } from './asked.ts';
import { wholeAnswer } from './whole-answer.ts';

const places = ['path', 'query', 'headers'] as const;
const members: readonly string[] = [...places, 'body'];
/** Of the answer's headers, those that say how to go on. */
const toldHeaders =
  /^(?:location|link|etag|last-modified|content-range|retry-after|allow|x-tollgate-.*|x-total-count)$/;

/** The form in which the body of a tool call is sent: what can be said in JSON. Undefined where there is none. */
export function sayableForm({ draft }: HttpOperation): BodyForm | undefined {
  return draft.body?.forms.find(({ kind }) => kind !== 'bytes');
}

/** Whether an operation can be called by arguments alone. */
export function isSayable(operation: HttpOperation): boolean {
  return operation.draft.body?.required !== true || sayableForm(operation) !== undefined;
}

/** The payload of `operation` with the arguments of a tool call. What is wrong with them is told by `validate`. */
export function httpToolPayload(operation: HttpOperation, given: JsonObject, asked: McpAsked): Payload {
  const faults: Reason[] = [];
  for (const name of Object.keys(given)) {
    if (!members.includes(name)) faults.push(unknownName('unknown_member', name, shownMembers(operation), ''));
  }
  const args: Record<string, Json> = {};
  for (const place of places) args[place] = placeOf(operation, place, given[place]);
  const { body } = given;
  const form = body === undefined ? undefined : sayableForm(operation);
  if (body !== undefined) {
    if (form === undefined) {
      faults.push({
        code: 'unknown_member',
        message: 'the operation takes no body that can be said here',
        path: '/body',
      });
    } else args.body = body;
  }
  const bytes = body === undefined || form === undefined ? '' : bodyText(form, body);
  const payload = new HttpPayload(operation, { args, form: form ?? null, faults }, Buffer.from(bytes));
  return new HttpToolPayload(payload, asked, operation.outputSchema?.type === 'object');
}

/** The places of an operation that have anything to say. */
export function shownMembers(operation: HttpOperation): readonly string[] {
  const used = places.filter((place) => operation.draft.parameters.some((parameter) => parameter.place === place));
  return sayableForm(operation) === undefined ? used : [...used, 'body'];
}

/** The values of one place, in the order of the document, so that equal calls have equal arguments. */
function placeOf({ draft }: HttpOperation, place: (typeof places)[number], given: Json | undefined): Json {
  if (given === undefined) return {};
  const values = objectIn(given);
  if (values === undefined) return given;
  const named = Object.entries(values).map(([name, value]): [string, Json] => [
    place === 'headers' ? name.toLowerCase() : name,
    value,
  ]);
  const order = draft.parameters.filter((parameter) => parameter.place === place).map(({ name }) => name);
  const rank = (name: string) => (order.includes(name) ? order.indexOf(name) : order.length);
  return Object.fromEntries(named.sort(([one], [other]) => rank(one) - rank(other)));
}

function bodyText({ kind }: BodyForm, body: Json): string {
  return kind === 'text' && typeof body === 'string' ? body : JSON.stringify(body);
}

class HttpToolPayload implements Payload {
  readonly stream = false;
  readonly model = null;
  readonly #inner: HttpPayload;
  readonly #asked: McpAsked;
  readonly #structured: boolean;

  constructor(inner: HttpPayload, asked: McpAsked, structured: boolean) {
    this.#inner = inner;
    this.#asked = asked;
    this.#structured = structured;
  }

  get args(): JsonObject {
    return this.#inner.args;
  }

  get method(): string {
    return this.#inner.method;
  }

  get path(): string {
    return this.#inner.path;
  }

  document(): Json {
    return this.#inner.document();
  }

  segments(): readonly Segment[] {
    return this.#inner.segments();
  }

  drop(where: string): void {
    this.#inner.drop(where);
  }

  limitTokens(): void {}

  validate(): Denial | undefined {
    return this.#inner.validate();
  }

  encode(): OutboundRequest {
    return this.#inner.encode();
  }

  readAnswer(head: AnswerHead, body: Buffer, _target: Target): Answer {
    return new HttpToolAnswer(this.#inner.readAnswer(head, body), this.#asked, this.#structured);
  }

  readStream(head: AnswerHead, body: AsyncIterable<Uint8Array>, target: Target): AnswerStream {
    return wholeAnswer(body, (bytes) => this.readAnswer(head, bytes, target));
  }
}

/** The answer of the service, to inspection and policy; the result of a tool to the client. */
class HttpToolAnswer implements Answer {
  readonly head: AnswerHead;
  readonly usage = null;
  readonly proposals = [];
  readonly text = '';
  readonly #inner: Answer;
  readonly #asked: McpAsked;
  /** Whether the tool is listed with a schema of what is structured: then there has to be something. */
  readonly #structured: boolean;

  constructor(inner: Answer, asked: McpAsked, structured: boolean) {
    this.head = inner.head;
    this.#inner = inner;
    this.#asked = asked;
    this.#structured = structured;
  }

  get body(): Json {
    return this.#inner.body;
  }

  segments(): readonly Segment[] {
    return this.#inner.segments();
  }

  drop(where: string): void {
    this.#inner.drop(where);
  }

  encode(): { readonly head: AnswerHead; readonly body: Buffer } {
    const { message, client, gate } = this.#asked;
    const { id, method } = message;
    const told = resultFor(client.version, method, toolResult(this.#inner, this.#structured), id, gate);
    const text = isMcpFault(told) ? errorText(id, told) : resultText(id, told);
    return { head: { status: 200, headers: { 'content-type': 'application/json' } }, body: Buffer.from(text) };
  }
}

function toolResult(answer: Answer, promised: boolean): JsonObject {
  const { head, body } = answer.encode();
  const failed = head.status >= 400;
  const status = { type: 'text', text: `HTTP ${head.status}` };
  const said = body.length === 0 ? [] : [contentOf(head, body)];
  const structured = failed ? undefined : (objectIn(answer.body) ?? (promised ? { status: head.status } : undefined));
  const headers = Object.entries(head.headers).filter(([name]) => toldHeaders.test(name));
  return {
    content: failed || said.length === 0 ? [status, ...said] : said,
    ...(structured === undefined ? {} : { structuredContent: structured }),
    ...(failed ? { isError: true } : {}),
    _meta: { 'tollgate/http': { status: head.status, headers: Object.fromEntries(headers) } },
  };
}

function contentOf({ headers }: AnswerHead, body: Buffer): JsonObject {
  const type = parseMediaType(headers['content-type'] ?? '')?.type ?? 'text/plain';
  const encoded = (headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity';
  if (!encoded && (isJsonType(type) || isTextType(type))) return { type: 'text', text: body.toString('utf8') };
  const data = body.toString('base64');
  const media = encoded ? undefined : /^(image|audio)\//.exec(type)?.[1];
  if (media !== undefined) return { type: media, data, mimeType: type };
  return { type: 'resource', resource: { uri: 'urn:tollgate:answer', mimeType: type, blob: data } };
}
