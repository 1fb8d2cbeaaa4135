/**
 * Errors of AWS, Google, Azure and of gateways in front of them, in the shape that SDKs of the API know. What is in that
 * shape already, and what cannot be read, passes byte for byte. The status is never changed: SDKs make their classes of it.
 */
import type { Json, JsonObject, ModelApi } from '../../call.ts';
import { errorType } from '../../wire/dialects/anthropic/errors.ts';
import { listOf, objectOf, textOf } from '../../wire/json-value.ts';
import { parseMediaType } from '../../wire/media.ts';
import { DialError } from '../exchange.ts';
import type { ProviderAnswer } from './provider.ts';

/** Longest answer that is read whole to be put into another shape. */
const wholeBytesMax = 1024 * 1024;

/** `answer`, its errors in the shape of `api`. `statusOf` tells another status than that of the answer to name them by. */
export function errorsIn(api: ModelApi, answer: ProviderAnswer, statusOf?: number): ProviderAnswer {
  if (answer.status < 400 || !isJson(answer)) return answer;
  const change = (bytes: Buffer) => {
    const said = saidIn(api, parsed(bytes));
    return said === null ? bytes : Buffer.from(JSON.stringify(errorIn(api, statusOf ?? answer.status, said)));
  };
  return rewritten(answer, change);
}

/** `answer` with its whole body changed, which then is JSON. Its body throws DialError beyond a mebibyte. */
export function rewritten(answer: ProviderAnswer, change: (body: Buffer) => Buffer): ProviderAnswer {
  const headers = { ...answer.headers, 'content-type': 'application/json' };
  return { ...answer, headers, body: changed(answer.body, change) };
}

async function* changed(body: AsyncIterable<Uint8Array>, change: (body: Buffer) => Buffer): AsyncGenerator<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > wholeBytesMax)
      throw new DialError('protocol', `the answer is larger than ${wholeBytesMax} bytes`, true);
    chunks.push(chunk);
  }
  yield change(Buffer.concat(chunks));
}

/** A type with a suffix counts: `application/problem+json`, `application/x-amz-json-1.1`. */
function isJson({ headers }: ProviderAnswer): boolean {
  return /\bjson\b/.test(parseMediaType(headers['content-type'] ?? '')?.type ?? '');
}

function parsed(bytes: Buffer): Json {
  try {
    return JSON.parse(bytes.toString('utf8')) as Json;
  } catch {
    return null;
  }
}

/** An error as somebody else words it. */
export interface SaidError {
  readonly message: string;
  /** A word for it, where there is one. */
  readonly code: string | null;
}

/** What `body` says, if it says it in another way than `api` does. */
function saidIn(api: ModelApi, body: Json): SaidError | null {
  // Google's OpenAI-compatible endpoint sends its error as the one item of a list.
  const document = objectOf(Array.isArray(body) ? listOf(body)[0] : body);
  const error = objectOf(document.error);
  const isGoogles = Array.isArray(body) || textOf(error.status) !== '';
  const isApis =
    api === 'anthropic' ? document.type === 'error' && textOf(error.type) !== '' : error.message !== undefined;
  if (isApis && !isGoogles) return null;
  const told = error.message === undefined ? document : error;
  const message = textOf(told.message) || textOf(told.Message);
  return message === '' ? null : { message, code: codeOf(told) };
}

function codeOf({ status, code }: JsonObject): string | null {
  return textOf(status) || textOf(code) || null;
}

/** An error object of `api` for `status`. */
export function errorIn(api: ModelApi, status: number, { message, code }: SaidError): object {
  if (api === 'anthropic') return { type: 'error', error: { type: errorType(status), message } };
  return { error: { message, type: openaiType(status), param: null, code } };
}

function openaiType(status: number): string {
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}
