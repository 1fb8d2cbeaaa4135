/**
 * What of HTTP/1.1 is taken in at all. Node's parser refuses most of what two readers could understand differently;
 * this page refuses the rest, from the request line and the headers alone, before a byte of the body is read. What a
 * reader would get wrong: it is stricter than the RFCs where a lenient reading would have to guess.
 */
import type { IncomingMessage } from 'node:http';
import { type Denial, deny } from '../denial.ts';

const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const versions: ReadonlySet<string> = new Set(['1.0', '1.1']);
/** Origin-form (RFC 9112 §3.2.1) of visible ASCII. A fragment is never sent; who sends one means something else. */
const targetForm = /^\/[!-"$-~]*$/;
const hostForm = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?$/;
const lengthForm = /^(?:0|[1-9][0-9]{0,15})$/;
const headersMax = 200;

/** Headers that two readers would understand differently if they came twice (RFC 9110 §5.3, RFC 9112 §3.2, §6). */
const singular = [
  'host',
  'content-length',
  'transfer-encoding',
  'content-type',
  'content-encoding',
  'authorization',
  'x-api-key',
  'idempotency-key',
  'expect',
] as const;

/** What of a message is judged. */
export type Head = Pick<IncomingMessage, 'method' | 'url' | 'httpVersion' | 'rawHeaders'>;

/** Why a request is refused by its head, or undefined. Denies `request_invalid`, or 405 for a method that is none here. */
export function denyFraming(head: Head): Denial | undefined {
  const { method = '', url = '', httpVersion, rawHeaders } = head;
  if (!versions.has(httpVersion)) return refuse('Only HTTP/1.1 is spoken here.');
  if (!methods.has(method)) {
    const allowed = [...methods];
    return deny('method_not_allowed', `The method ${method} is not known here.`, { allowed });
  }
  if (!targetForm.test(url)) return refuse('The request target must be a path of visible ASCII characters.');
  if (rawHeaders.length / 2 > headersMax) return refuse(`More than ${headersMax} headers came.`);

  const values = new Map<string, string[]>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] as string).toLowerCase();
    const value = rawHeaders[index + 1] as string;
    const before = values.get(name);
    if (before === undefined) values.set(name, [value]);
    else before.push(value);
  }
  const twice = singular.find((name) => (values.get(name)?.length ?? 0) > 1);
  if (twice !== undefined) return refuse(`The header ${twice} came more than once.`);
  const [host] = values.get('host') ?? [];
  if (host === undefined || !hostForm.test(host)) return refuse('The Host header must name one host.');
  if (values.has('upgrade') || values.has('http2-settings')) {
    return refuse('Upgrades (WebSocket, h2c) are not offered here.');
  }
  return denyLength(method, httpVersion, values.get('transfer-encoding')?.[0], values.get('content-length')?.[0]);
}

/** RFC 9112 §6: how long the body is must have one meaning. */
function denyLength(
  method: string,
  httpVersion: string,
  coding: string | undefined,
  length: string | undefined,
): Denial | undefined {
  if (coding !== undefined) {
    if (coding !== 'chunked') return refuse('Transfer-Encoding must be: chunked.');
    if (length !== undefined) return refuse('Transfer-Encoding and Content-Length came together.');
    if (httpVersion === '1.0') return refuse('HTTP/1.0 has no Transfer-Encoding.');
  }
  if (length !== undefined && !lengthForm.test(length)) return refuse('Content-Length must be a plain number.');
  const bodyless = method === 'GET' || method === 'HEAD';
  if (bodyless && (coding !== undefined || (length ?? '0') !== '0')) {
    return refuse(`A ${method} request has no body here.`);
  }
  return undefined;
}

function refuse(message: string): Denial {
  return deny('request_invalid', message);
}
