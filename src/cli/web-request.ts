/**
 * One request of a command to a gate. What a reader would get wrong: a token never goes unencrypted anywhere but to this
 * machine, nor along a redirect; and an answer is read whole, up to a bound, before anything of it is believed.
 */
import { type IncomingHttpHeaders, type IncomingMessage, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { Usage } from './command.ts';

const answerMs = 30_000;
const answerBytesMax = 64 * 1_048_576;
const loopback: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '[::1]']);
const untrusted = /CERT|SIGNATURE|ISSUER/;

export interface Tls {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

export interface WebRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer | undefined;
  readonly tls: Tls;
  /** As people call it, for what goes wrong: `the admin plane`. */
  readonly plane: string;
  /** Left out: half a minute. */
  readonly answerMs?: number;
}

export interface WebAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** Throws what a person can act on. */
export async function webRequest(url: URL, asked: WebRequest): Promise<WebAnswer> {
  const { method, headers, body, tls, answerMs: waitMs = answerMs } = asked;
  const length = body === undefined ? {} : { 'content-length': body.length };
  const options = { method, headers: { ...headers, ...length }, agent: false, signal: AbortSignal.timeout(waitMs) };
  try {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const request =
        url.protocol === 'https:'
          ? tlsRequest(url, { ...options, ...tls }, resolve)
          : plainRequest(url, options, resolve);
      request.once('error', reject).end(body);
    });
    return { status: answer.statusCode ?? 0, headers: answer.headers, text: await textOf(answer) };
  } catch (fault) {
    throw new Error(unreachable(url, asked, waitMs, fault as NodeJS.ErrnoException));
  }
}

/** Throws `Usage` where a token would go in the clear to another machine. */
export function denyUnencrypted(base: URL): void {
  if (base.protocol !== 'http:' || loopback.has(base.hostname)) return;
  throw new Usage(`your token would go unencrypted to ${base.host}: expected https://, or an address of this machine`);
}

function unreachable(url: URL, { plane }: WebRequest, waitMs: number, fault: NodeJS.ErrnoException): string {
  const { code = '', name, message } = fault;
  const { origin } = url;
  if (name === 'TimeoutError' || name === 'AbortError') return `${origin}/ did not answer within ${waitMs / 1000} s`;
  if (untrusted.test(code)) {
    return `the certificate of ${origin}/ is not trusted (${code}); name its authorities with --ca, and call it by its name`;
  }
  return `${plane} at ${origin}/ cannot be reached (${code === '' ? message : code}); is the gate up?`;
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > answerBytesMax) throw new Error(`the answer is larger than ${answerBytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
