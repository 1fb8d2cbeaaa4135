/**
 * The form of a request to an OAuth endpoint (RFC 6749 §3.2), read strictly: the right media type, every parameter once,
 * a bounded number of them, and one way for a client to say who it is. Tokens stand in such forms: a fault names
 * parameters, and never repeats a value.
 */
import type { RawRequest } from './dialect.ts';

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const parametersMax = 32;

/** RFC 6749 §5.2, RFC 7009 §2.2.1, RFC 8693 §2.2.2, RFC 9396 §5, RFC 9449 §5. */
export type OauthError =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_scope'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'unsupported_token_type'
  | 'invalid_target'
  | 'invalid_authorization_details'
  | 'invalid_dpop_proof'
  | 'temporarily_unavailable';

export interface OauthFault {
  readonly error: OauthError;
  readonly description: string;
}

/** Parameters by name; one without a value is as good as none (RFC 6749 §3.2). */
export type Form = ReadonlyMap<string, string>;

/** The form of a request, or what is wrong with it. */
export function readForm(request: RawRequest): Form | OauthFault {
  const type = request.headers['content-type'];
  if (typeof type !== 'string' || !/^application\/x-www-form-urlencoded\s*(;|$)/i.test(type)) {
    return { error: 'invalid_request', description: 'the body must be application/x-www-form-urlencoded' };
  }
  const pairs = [...new URLSearchParams(request.body.toString('utf8'))];
  if (pairs.length > parametersMax || new Set(pairs.map(([name]) => name)).size !== pairs.length) {
    return { error: 'invalid_request', description: 'a parameter came more than once, or there are too many' };
  }
  return new Map(pairs.filter(([, value]) => value !== ''));
}

/** What is wrong with how a client says who it is, if anything (RFC 6749 §2.3, RFC 7523 §2.2). */
export function wrongClient(form: Form): OauthFault | undefined {
  if (form.has('client_secret')) {
    return { error: 'invalid_client', description: 'clients have no secret; use client_assertion' };
  }
  if (form.has('client_assertion') === (form.get('client_assertion_type') === assertionType)) return undefined;
  const description = `client_assertion goes with client_assertion_type ${assertionType}`;
  return { error: 'invalid_request', description };
}

/** A question about one token, or the wish to revoke it (RFC 7009 §2.1, RFC 7662 §2.1). */
export interface TokenQuestion {
  readonly token: string;
  readonly clientAssertion: string | null;
  readonly clientId: string | null;
}

/** The token that a form is about. Its `token_type_hint` is only a hint, and whose a token is, is told by verifying it. */
export function readTokenQuestion(request: RawRequest): TokenQuestion | OauthFault {
  const form = readForm(request);
  if ('error' in form) return form;
  const token = form.get('token');
  if (token === undefined) return { error: 'invalid_request', description: 'token is missing' };
  const wrong = wrongClient(form);
  if (wrong !== undefined) return wrong;
  const clientAssertion = form.get('client_assertion') ?? null;
  if (clientAssertion !== null && request.headers.authorization !== undefined) {
    return { error: 'invalid_request', description: 'send one of Authorization and client_assertion' };
  }
  return { token, clientAssertion, clientId: form.get('client_id') ?? null };
}
