/**
 * Requests to an OAuth token endpoint (RFC 6749 §3.2) over the gate's own dialer, and what their answers mean. What a
 * reader would get wrong: the faults of the library carry the whole answer, so none of them leaves this file.
 */
import * as oauth from 'oauth4webapi';
import type { DialAnswer } from '../dialer.ts';
import type { Obtained } from '../renewal.ts';
import { obtainMs } from '../renewal.ts';
import { CredentialError, type CredentialPorts } from './credential.ts';

/** How the gate says who it is to a token endpoint. */
export type ClientAuth =
  | { readonly method: 'none' }
  | { readonly method: 'client_secret_basic' | 'client_secret_post'; readonly id: string; readonly secret: string }
  | { readonly method: 'client_assertion'; readonly id: string; readonly assertion: string };

export interface TokenRequest {
  readonly url: string;
  readonly grantType: string;
  /** Those without a value are left out. */
  readonly parameters: Readonly<Record<string, string | undefined>>;
  readonly client: ClientAuth;
}

export const clientAssertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

export const answerBytesMax = 256 * 1024;
/** Where the answer does not say how long a token lives (RFC 6749 §5.1 `expires_in` is only recommended). */
const unstatedLifetimeMs = 300_000;
const accessToken = /^[\x21-\x7e]{1,16384}$/;
const timeoutMs = { connect: 5_000, firstByte: obtainMs, total: obtainMs };

/** A bearer token of a token endpoint. Rejects with CredentialError or DialError. */
export async function requestToken(
  send: CredentialPorts['send'],
  { url, grantType, parameters, client }: TokenRequest,
  signal: AbortSignal,
): Promise<Obtained<string>> {
  const server: oauth.AuthorizationServer = { issuer: new URL(url).origin, token_endpoint: url };
  const self: oauth.Client = { client_id: client.method === 'none' ? 'none' : client.id };
  const given = Object.entries(parameters).filter((pair): pair is [string, string] => pair[1] !== undefined);
  const body = new URLSearchParams(given);
  const options = {
    [oauth.customFetch]: overDialer(send, signal),
    // The configuration takes http only on loopback.
    [oauth.allowInsecureRequests]: url.startsWith('http:'),
  };
  const response = await oauth.genericTokenEndpointRequest(server, self, authOf(client), grantType, body, options);
  const token = await oauth.processGenericTokenEndpointResponse(server, self, response).catch((fault: unknown) => {
    const error = failureOf(fault, response.status);
    throw quotes(error, client) ? refusal(response.status, null) : error;
  });
  // A token bound to a proof key would need proofs that the gate does not make (RFC 9449 §5).
  if (token.token_type !== 'bearer' || !accessToken.test(token.access_token)) {
    throw new CredentialError('answer_invalid', 'token_type');
  }
  const { expires_in: seconds } = token;
  return { value: token.access_token, lifetimeMs: seconds === undefined ? unstatedLifetimeMs : seconds * 1000 };
}

function authOf(client: ClientAuth): oauth.ClientAuth {
  switch (client.method) {
    case 'none':
      return () => undefined;
    case 'client_secret_basic':
      return oauth.ClientSecretBasic(client.secret);
    case 'client_secret_post':
      return oauth.ClientSecretPost(client.secret);
    case 'client_assertion':
      return (_server, { client_id }, body) => {
        // RFC 7523 §2.2
        body.set('client_id', client_id);
        body.set('client_assertion_type', clientAssertionType);
        body.set('client_assertion', client.assertion);
      };
  }
}

/** `fetch` as the library needs it, over the dialer: no redirects, no proxy of the process, bounded. */
function overDialer(send: CredentialPorts['send'], signal: AbortSignal) {
  return async (url: string, { body, headers, method }: oauth.CustomFetchOptions<'POST', URLSearchParams>) => {
    const answer = await send({
      url,
      method,
      headers: { ...headers, 'user-agent': 'tollgate', 'accept-encoding': 'identity' },
      body: Buffer.from(body.toString()),
      signal,
      timeoutMs,
    });
    const bytes = await readAll(answer);
    const { status } = answer;
    if (status < 200 || status > 599) throw new CredentialError('answer_invalid', `HTTP ${status}`);
    const mayHaveBody = status !== 204 && status !== 205 && status !== 304;
    return new Response(mayHaveBody ? bytes : null, { status, headers: answer.headers });
  };
}

/** One POST to a token service that is no OAuth endpoint. Rejects with DialError or CredentialError. */
export async function post(
  send: CredentialPorts['send'],
  request: { readonly url: string; readonly headers: Readonly<Record<string, string>>; readonly body: string },
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly text: string }> {
  const headers = { ...request.headers, 'user-agent': 'tollgate', 'accept-encoding': 'identity' };
  const body = Buffer.from(request.body);
  const answer = await send({ url: request.url, method: 'POST', headers, body, signal, timeoutMs });
  return { status: answer.status, text: new TextDecoder('utf-8', { fatal: true }).decode(await readAll(answer)) };
}

async function readAll({ body }: DialAnswer): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > answerBytesMax) throw new CredentialError('answer_invalid', 'too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** 429 and 5xx are troubles of the service; every other refusal is about what it was shown. */
export function refusal(status: number, code: string | null): CredentialError {
  return new CredentialError(status === 429 || status >= 500 ? 'unreachable' : 'refused', code ?? `HTTP ${status}`);
}

/** A secret of letters and digits would pass for a code of the service that repeats what it was shown. */
function quotes({ code }: CredentialError, client: ClientAuth): boolean {
  if (code === null || !('secret' in client)) return false;
  return code.includes(client.secret) || client.secret.includes(code);
}

function failureOf(fault: unknown, status: number): CredentialError {
  if (fault instanceof oauth.ResponseBodyError) {
    // Entra tells by these which part of the federation does not fit: AADSTS700213 is the subject.
    const [entra]: unknown[] = Array.isArray(fault.cause.error_codes) ? fault.cause.error_codes : [];
    return refusal(status, Number.isInteger(entra) ? `${fault.error} AADSTS${entra}` : fault.error);
  }
  return status === 200 ? new CredentialError('answer_invalid') : refusal(status, null);
}
