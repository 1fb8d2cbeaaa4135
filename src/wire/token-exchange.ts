/**
 * Reads a token exchange (RFC 8693 §2.1) and writes its answers. What a reader would get wrong: errors here are
 * RFC 6749 §5.2 documents, not problem documents, because OAuth clients read nothing else; the gate's own members
 * stand beside `error`. And nothing here knows whose a token is: its type parameter is only a form to be kept.
 */
import type { JsonObject } from '../call.ts';
import type { Denial, DenialCode, DenialMembers } from '../denial.ts';
import type { RawRequest } from './dialect.ts';
import { parseJsonText } from './json.ts';
import { type Form, type OauthError, type OauthFault, readForm, wrongClient } from './oauth-form.ts';

const grantType = 'urn:ietf:params:oauth:grant-type:token-exchange';
const tokenType = 'urn:ietf:params:oauth:token-type:';
export const accessTokenType = `${tokenType}access_token`;
const tokenTypes = [accessTokenType, `${tokenType}jwt`, `${tokenType}id_token`];

export interface ExchangeRequest {
  readonly subjectToken: string;
  readonly actorToken: string | null;
  /** The client's authentication (RFC 7523 §2.2). */
  readonly clientAssertion: string | null;
  readonly clientId: string | null;
  /** Null where nothing was said of it. */
  readonly scope: readonly string[] | null;
  /** The one object of `authorization_details`, without its `type`; null where there is none. */
  readonly details: JsonObject | null;
}

export function isExchangeFault(read: ExchangeRequest | OauthFault): read is OauthFault {
  return 'error' in read;
}

function fault(error: OauthError, description: string): OauthFault {
  return { error, description };
}

/** The exchange that a form asks for, or what is wrong with it. `publicUrl` is the target. */
export function readExchange(request: RawRequest, publicUrl: string): ExchangeRequest | OauthFault {
  const form = readForm(request);
  if ('error' in form) return form;
  if (form.get('grant_type') !== grantType) return fault('unsupported_grant_type', `grant_type must be ${grantType}`);
  const subjectToken = form.get('subject_token');
  if (subjectToken === undefined) return fault('invalid_request', 'subject_token is missing');
  const wrong = wrongTypes(form) ?? wrongClient(form) ?? wrongParts(form) ?? wrongTarget(form, publicUrl);
  if (wrong !== undefined) return wrong;
  const details = detailsOf(form.get('authorization_details'));
  if (details === undefined) {
    const expected = 'authorization_details must be a list of one object of type tollgate_task';
    return fault('invalid_authorization_details', expected);
  }
  const scope = form.get('scope')?.split(' ') ?? null;
  if (scope !== null && details !== null && 'tools' in details) {
    const expected = 'name the tools in scope or in authorization_details, not in both';
    return fault('invalid_authorization_details', expected);
  }
  return {
    subjectToken,
    actorToken: form.get('actor_token') ?? null,
    clientAssertion: form.get('client_assertion') ?? null,
    clientId: form.get('client_id') ?? null,
    scope: scope === null ? null : scope.filter((item) => item !== ''),
    details,
  };
}

function wrongTypes(form: Form): OauthFault | undefined {
  for (const name of ['subject_token', 'actor_token']) {
    const type = form.get(`${name}_type`);
    if (form.has(name) ? !tokenTypes.includes(type ?? '') : type !== undefined) {
      return fault('invalid_request', `${name} goes with ${name}_type, one of: ${tokenTypes.join(' ')}`);
    }
  }
  if ((form.get('requested_token_type') ?? accessTokenType) === accessTokenType) return undefined;
  return fault('invalid_request', `requested_token_type must be ${accessTokenType}`);
}

/** One token for one part. */
function wrongParts(form: Form): OauthFault | undefined {
  const subjectToken = form.get('subject_token');
  if (form.get('actor_token') !== subjectToken && form.get('client_assertion') !== subjectToken) return undefined;
  return fault('invalid_request', 'one token cannot be both subject and actor; leave the actor out');
}

/** A `resource` is the gate or a part of it, as its metadata name them (RFC 8707 §2, RFC 9728); tokens are for all of it. */
function wrongTarget(form: Form, publicUrl: string): OauthFault | undefined {
  const audience = form.get('audience') ?? publicUrl;
  if (audience !== publicUrl) return fault('invalid_target', `audience must be ${publicUrl}`);
  const resource = form.get('resource') ?? publicUrl;
  const within = resource === publicUrl || resource.startsWith(`${publicUrl.replace(/\/$/, '')}/`);
  return within && !/[?#]/.test(resource) ? undefined : fault('invalid_target', `resource must be ${publicUrl}`);
}

/** Null where there are none, undefined where they are not what they must be (RFC 9396 §2). */
function detailsOf(text: string | undefined): JsonObject | null | undefined {
  if (text === undefined) return null;
  const read = parseJsonText(text);
  if ('fault' in read || !Array.isArray(read.value) || read.value.length !== 1) return undefined;
  const [only] = read.value as readonly unknown[];
  if (typeof only !== 'object' || only === null || Array.isArray(only)) return undefined;
  const { type, ...task } = only as { readonly [name: string]: never };
  return type === 'tollgate_task' ? task : undefined;
}

/**
 * What an OAuth client is told of a denial. All that is left means that a token it showed cannot be exchanged, and for
 * that RFC 8693 §2.2.2 knows one word, whatever is wrong with the token: `invalid_request`.
 */
const errors: Partial<Record<DenialCode, { readonly status: number; readonly error: OauthError }>> = {
  args_invalid: { status: 400, error: 'invalid_authorization_details' },
  insufficient_scope: { status: 400, error: 'invalid_scope' },
  policy_denied: { status: 400, error: 'unauthorized_client' },
  agent_suspended: { status: 400, error: 'unauthorized_client' },
  rate_limited: { status: 429, error: 'temporarily_unavailable' },
};

/** Pointers of denials that are about a token which stands for somebody else than the client. */
const ofSubjectToken: ReadonlySet<string | undefined> = new Set(['/subject/token', '/subject_token']);

/** How a request was made, as far as it says what its errors are called. */
export interface ExchangeManner {
  /** The client authenticated itself by `client_assertion` or `client_id`, beside the tokens that are exchanged. */
  readonly asClient: boolean;
  /** The tools were named in `scope`. */
  readonly scoped: boolean;
}

/** Where a denial says what it is about, that is what the client is told. */
function errorOf(
  denial: Denial,
  { asClient, scoped }: ExchangeManner,
): { readonly status: number; readonly error: OauthError } {
  const [first] = denial.reasons;
  if (denial.status >= 500) return { status: denial.status, error: 'temporarily_unavailable' };
  if (denial.code === 'unauthenticated' && !ofSubjectToken.has(first?.path)) {
    // The client is who it says, and did not prove what else it must (RFC 9449 §5).
    if (first?.code.startsWith('proof_')) return { status: 400, error: 'invalid_dpop_proof' };
    if (asClient && first?.code !== 'binding_required') return { status: 401, error: 'invalid_client' };
  }
  if (denial.code === 'args_invalid' && scoped && first?.path === '/tools') {
    return { status: 400, error: 'invalid_scope' };
  }
  return errors[denial.code] ?? { status: 400, error: 'invalid_request' };
}

/** The error of a denial (RFC 6749 §5.2) with the gate's members beside it. A fault of the gate stays 503. */
export function exchangeError(
  denial: Denial,
  members: DenialMembers,
  manner: ExchangeManner,
): { status: number; document: JsonObject } {
  const { status, error } = errorOf(denial, manner);
  const document = { error, error_description: denial.message, ...members };
  return { status, document: document as unknown as JsonObject };
}
