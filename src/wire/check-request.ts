/**
 * Reads the calls that an agent intends: each as it would be sent to the data plane. What a reader would get wrong: a
 * body that is not a text is judged as its compact JSON, byte for byte what most clients send; and no call may bring a
 * credential, for it is judged for the one that the check itself shows.
 */
import { Ajv2020 } from 'ajv/dist/2020.js';
import Type from 'typebox';
import type { Json } from '../call.ts';
import { type Denial, deny, type Reason } from '../denial.ts';
import type { RawRequest } from './dialect.ts';
import { jsonLimits, parseJson } from './json.ts';
import { child, pointerTokens } from './pointer.ts';
import { isPlainName } from './segments.ts';

/** The most calls of one check. */
const checkCallsMax = 20;
/** The most bytes of one check, all of its calls together. */
const checkBytesMax = 1_048_576;

const reasonsMax = 20;
/** A body lies three deep in the document, and may itself be as deep as that of a call. */
const limits = { ...jsonLimits, depth: jsonLimits.depth + 3 };
/** What would be another credential than that of the check, or says how bytes travel. */
const refusedHeaders: ReadonlySet<string> = new Set([
  ...['authorization', 'proxy-authorization', 'x-api-key', 'dpop', 'cookie'],
  ...['host', 'connection', 'content-length', 'transfer-encoding', 'expect', 'te', 'trailer', 'upgrade'],
]);

const checkBody = Type.Object(
  {
    calls: Type.Array(
      Type.Object(
        {
          method: Type.Enum(['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE']),
          // No fragment and no space: no client can send them.
          path: Type.String({
            pattern: '^/(?:(?:tools|v1)/[\\x21\\x22\\x24-\\x7e]*|mcp(?:/[a-z0-9_-]{1,64})?)$',
            maxLength: 16_384,
          }),
          headers: Type.Optional(
            Type.Record(
              Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' }),
              Type.String({ pattern: '^[\\x20-\\x7e]{0,4096}$' }),
              {
                maxProperties: 32,
                additionalProperties: false,
              },
            ),
          ),
          body: Type.Optional(Type.Unknown()),
        },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: checkCallsMax },
    ),
  },
  { additionalProperties: false },
);

type IntendedCall = Type.Static<typeof checkBody>['calls'][number];

/** The reader of `POST /tasks/{id}/check`; its schema is compiled once. */
export class CheckRequests {
  readonly #check = new Ajv2020({ allErrors: true, strict: false }).compile<Type.Static<typeof checkBody>>(checkBody);

  /** The calls, as the data plane would get them. Denies 400 for no JSON, 413, 422 for another document. */
  read(bytes: Buffer): readonly RawRequest[] | Denial {
    if (bytes.length > checkBytesMax) return deny('too_large', `A check has at most ${checkBytesMax} bytes.`);
    const read = parseJson(bytes, limits);
    if ('fault' in read) return deny('request_invalid', `Expected a JSON document: ${read.fault.message}.`);
    const body: unknown = read.value;
    if (!this.#check(body)) return invalid((this.#check.errors ?? []).map(reasonOf));
    const reasons = body.calls.flatMap((call, index) => faultsOf(call, `/calls/${index}`));
    return reasons.length > 0 ? invalid(reasons) : body.calls.map(requestOf);
  }
}

function faultsOf({ path, headers = {} }: IntendedCall, at: string): Reason[] {
  const reasons: Reason[] = [];
  // It is answered from the task, and is no call of it.
  if (/^\/v1\/models(?:\?|$)/.test(path)) reasons.push({ code: 'no_call', message: 'is no call', path: `${at}/path` });
  const names = Object.keys(headers).map((name) => name.toLowerCase());
  for (const name of names.filter((one) => refusedHeaders.has(one))) {
    const message = 'is not taken here: calls are judged for the credential of the check, and not sent';
    reasons.push({ code: 'header_refused', message, path: `${at}/headers/${name}` });
  }
  if (new Set(names).size < names.length) {
    reasons.push({ code: 'header_twice', message: 'name a header once', path: `${at}/headers` });
  }
  return reasons;
}

function requestOf({ method, path: whole, headers: named = {}, body }: IntendedCall): RawRequest {
  const mark = whole.indexOf('?');
  const headers = Object.fromEntries(Object.entries(named).map(([name, value]) => [name.toLowerCase(), value]));
  const isJson = body !== undefined && typeof body !== 'string';
  return {
    method,
    path: mark === -1 ? whole : whole.slice(0, mark),
    query: mark === -1 ? '' : whole.slice(mark + 1),
    headers: isJson ? { 'content-type': 'application/json', ...headers } : headers,
    body: Buffer.from(isJson ? JSON.stringify(body as Json) : (body ?? '')),
  };
}

function reasonOf(error: { instancePath: string; message?: string; params: Record<string, unknown> }): Reason {
  const path = (pointerTokens(error.instancePath) ?? []).reduce(shownChild, '');
  const extra = error.params.additionalProperty;
  if (typeof extra !== 'string') return { code: 'invalid', message: error.message ?? 'not valid', path };
  return { code: 'unknown_field', message: 'there is no such field', path: shownChild(path, extra) };
}

/** Names that could be data do not stand in pointers (see segments.ts). */
function shownChild(path: string, name: string): string {
  return child(path, isPlainName(name) ? name : '{}');
}

function invalid(reasons: readonly Reason[]): Denial {
  return deny('args_invalid', 'The check is not valid.', { reasons: reasons.slice(0, reasonsMax) });
}
