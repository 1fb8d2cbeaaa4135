/**
 * Reads a token exchange (RFC 8693 §2.1) and writes its answers. What a reader would get wrong: errors here are
 * RFC 6749 §5.2 documents, not problem documents, because OAuth clients read nothing else; the gate's own members
 * stand beside `error`.
 */
import type { JsonObject } from '../call.ts';
import type { Denial, DenialCode, DenialMembers } from '../denial.ts';
import type { RawRequest } from './dialect.ts';
import { parseJsonText } from './json.ts';

const grantType = 'urn:ietf:params:oauth:grant-type:token-exchange';
const tokenType = 'urn:ietf:params:oauth:token-type:';
export const accessTokenType = `${tokenType}access_token`;
const tokenTypes = [accessTokenType, `${tokenType}jwt`, `${tokenType}id_token`];
const parametersMax = 32;

/** RFC 6749 §5.2, RFC 8693 §2.2.2, RFC 9396 §5. */
export type OauthError =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'invalid_target'
  | 'invalid_authorization_details'
  | 'temporarily_unavailable';

export interface ExchangeRequest {
  readonly subjectToken: string;
  /** Null where the subject token speaks for itself. */
  readonly actorToken: string | null;
  /** The body of a task request, from `authorization_details` and `scope`; null where none was asked for. */
  readonly task: JsonObject | null;
}

export interface ExchangeFault {
  readonly error: OauthError;
  readonly description: string;
}

/** The exchange that a form asks for, or what is wrong with it. `publicUrl` is the only target there is. */
export function readExchange(request: RawRequest, publicUrl: string): ExchangeRequest | ExchangeFault {
  const fault = (error: OauthError, description: string): ExchangeFault => ({ error, description });
  const type = request.headers['content-type'];
  if (typeof type !== 'string' || !/^application\/x-www-form-urlencoded\s*(;|$)/i.test(type)) {
    return fault('invalid_request', 'the body must be application/x-www-form-urlencoded');
  }
  const pairs = [...new URLSearchParams(request.body.toString('utf8'))];
  const form = new Map(pairs);
  if (pairs.length > parametersMax || form.size !== pairs.length) {
    return fault('invalid_request', 'a parameter came more than once, or there are too many');
  }
  if (form.get('grant_type') !== grantType) return fault('unsupported_grant_type', `grant_type must be ${grantType}`);
  const subjectToken = form.get('subject_token');
  if (subjectToken === undefined) return fault('invalid_request', 'subject_token is missing');
  for (const name of ['subject_token', 'actor_token']) {
    if (form.has(name) && !tokenTypes.includes(form.get(`${name}_type`) ?? '')) {
      return fault('invalid_request', `${name}_type must be one of: ${tokenTypes.join(' ')}`);
    }
  }
  if ((form.get('requested_token_type') ?? accessTokenType) !== accessTokenType) {
    return fault('invalid_request', `requested_token_type must be ${accessTokenType}`);
  }
  for (const name of ['audience', 'resource']) {
    if ((form.get(name) ?? publicUrl) !== publicUrl) return fault('invalid_target', `${name} must be ${publicUrl}`);
  }
  const task = taskOf(form.get('authorization_details'), form.get('scope'));
  if (task !== null && 'error' in task) return task as unknown as ExchangeFault;
  return { subjectToken, actorToken: form.get('actor_token') ?? null, task };
}

function taskOf(details: string | undefined, scope: string | undefined): JsonObject | null | ExchangeFault {
  const tools = scope === undefined ? {} : { tools: scope.split(' ').filter((item) => item !== '') };
  if (details === undefined) return scope === undefined ? null : tools;
  const wrong: ExchangeFault = {
    error: 'invalid_authorization_details',
    description: 'authorization_details must be a list of one object of type tollgate_task',
  };
  const read = parseJsonText(details);
  if ('fault' in read || !Array.isArray(read.value) || read.value.length !== 1) return wrong;
  const [only] = read.value as readonly unknown[];
  if (typeof only !== 'object' || only === null || Array.isArray(only)) return wrong;
  const { type, ...task } = only as { readonly [name: string]: never };
  if (type !== 'tollgate_task') return wrong;
  if (scope !== undefined && 'tools' in task) {
    return { ...wrong, description: 'name the tools in scope or in authorization_details, not in both' };
  }
  return { ...task, ...tools };
}

/** What an OAuth client is told of a denial; the rest of the table means that the request cannot be granted. */
const errors: Partial<Record<DenialCode, { readonly status: number; readonly error: OauthError }>> = {
  unauthenticated: { status: 401, error: 'invalid_client' },
  request_invalid: { status: 400, error: 'invalid_request' },
  args_invalid: { status: 400, error: 'invalid_authorization_details' },
  policy_denied: { status: 400, error: 'unauthorized_client' },
};

/** The error of a denial (RFC 6749 §5.2) with the gate's members beside it. A fault of the gate stays 503. */
export function exchangeError(denial: Denial, members: DenialMembers): { status: number; document: JsonObject } {
  const known = errors[denial.code] ?? {
    status: denial.status >= 500 ? denial.status : 400,
    error: denial.status >= 500 ? ('temporarily_unavailable' as const) : ('invalid_grant' as const),
  };
  const document = { error: known.error, error_description: denial.message, ...members };
  return { status: known.status, document: document as unknown as JsonObject };
}
