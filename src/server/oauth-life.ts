/**
 * `POST /oauth/revoke` (RFC 7009) and `POST /oauth/introspect` (RFC 7662): the standard faces of kill and state. What a
 * reader would get wrong: success says little on purpose. Revoking what is unknown or another's is a success without
 * effect, and of such a token it is only said that it is not active: no answer tells whether it was ever there.
 */
import type { Caller, JsonObject, OperationRegistry, Shown, TaskRecord, Trace } from '../call.ts';
import { type Denial, denialHeaders, denialMembers, deny, isDenial } from '../denial.ts';
import type { Reply } from '../pipeline.ts';
import {
  introspectTaskToken,
  type Revocation,
  revokeTaskToken,
  type TokenAsked,
  type TokenLifePorts,
} from '../task/token-life.ts';
import type { RawRequest } from '../wire/dialect.ts';
import { type OauthFault, readTokenQuestion } from '../wire/oauth-form.ts';
import { exchangeError } from '../wire/token-exchange.ts';
import { credentialOf, shownBy } from './credential.ts';
import { jsonReply } from './reply.ts';
import type { TaskContext } from './task-routes.ts';

export interface OauthLifePorts extends TokenLifePorts {
  readonly operations: () => OperationRegistry;
  /** The claims of a task token that was read. */
  readonly claimsOf: (token: string) => JsonObject;
  /** Records, durably, what a revocation did. */
  readonly recordRevoked: (revocation: Revocation, trace: Trace) => Promise<void>;
  /** The `WWW-Authenticate` of a denial, where it has one. */
  readonly challenge: (denial: Denial, shown: Shown) => string | undefined;
  /** Told of what was refused, for the sampled part of the trail. */
  readonly refused: (denial: Denial, context: TaskContext) => void;
  readonly faulted: (where: string, fault: unknown) => void;
}

export const revocationPath = '/oauth/revoke';
export const introspectionPath = '/oauth/introspect';

/** RFC 6749 §5.1. */
const noCache = { pragma: 'no-cache' };
/** Claims that an answer repeats (RFC 7662 §2.2, RFC 8693 §4, RFC 7800 §3.1). */
const claimsTold = ['client_id', 'sub', 'aud', 'iss', 'exp', 'iat', 'jti', 'act', 'cnf', 'may_act'] as const;

export class OauthLife {
  readonly #ports: OauthLifePorts;

  constructor(ports: OauthLifePorts) {
    this.#ports = ports;
  }

  handles(path: string): boolean {
    return path === revocationPath || path === introspectionPath;
  }

  /** Answers a POST to one of both. Errors are RFC 6749 §5.2 documents, never denials for the caller to encode. */
  async answer(request: RawRequest, context: TaskContext): Promise<Reply> {
    const question = readTokenQuestion(request);
    if ('error' in question) return faultReply(question.error === 'invalid_client' ? 401 : 400, question);
    const shown = shownBy(request, null);
    const inHeader = credentialOf(request);
    if (isDenial(inHeader)) return this.#refuse(inHeader, shown, context);
    const { token, clientAssertion, clientId } = question;
    const credential = clientAssertion === null ? inHeader : { token: clientAssertion, shown };
    const asked: TokenAsked = { token: { token, shown }, credential, clientId };
    const reply = await this.#reply(request.path, asked, context);
    return isDenial(reply) ? this.#refuse(reply, credential?.shown ?? shown, context) : reply;
  }

  /** A fault is an answer as well: OAuth clients read no other kind. */
  async #reply(path: string, asked: TokenAsked, context: TaskContext): Promise<Reply | Denial> {
    try {
      return await (path === revocationPath ? this.#revoke(asked, context) : this.#introspect(asked));
    } catch (fault) {
      this.#ports.faulted('server', fault);
      return deny('store_unavailable', 'The gate could not complete this request.');
    }
  }

  async #revoke(asked: TokenAsked, { trace }: TaskContext): Promise<Reply | Denial> {
    const revoked = await revokeTaskToken(this.#ports, asked);
    if (isDenial(revoked)) return revoked;
    if (revoked.done === 'unsupported') {
      return faultReply(400, { error: 'unsupported_token_type', description: 'only task tokens are revoked here' });
    }
    if (revoked.done !== 'nothing') await this.#ports.recordRevoked(revoked, trace);
    return { status: 200, headers: { 'cache-control': 'no-store', ...noCache }, body: Buffer.alloc(0) };
  }

  async #introspect(asked: TokenAsked): Promise<Reply | Denial> {
    const found = await introspectTaskToken(this.#ports, asked);
    if (isDenial(found)) return found;
    if (found === undefined) return jsonReply(200, { active: false }, noCache);
    return jsonReply(200, this.#document(found.record, found.caller, this.#ports.claimsOf(asked.token.token)), noCache);
  }

  #document(record: TaskRecord, { scope, binding, mayAct }: Caller, claims: JsonObject): JsonObject {
    const every = () => this.#ports.operations().all();
    const tools = scope ?? record.tools ?? every().map(({ name }) => name);
    const { subject, ancestors } = record;
    const [parent] = ancestors;
    return {
      active: true,
      scope: tools.join(' '),
      token_type: mayAct !== null ? 'N_A' : binding?.kind === 'dpop' ? 'DPoP' : 'Bearer',
      ...Object.fromEntries(
        claimsTold.filter((name) => Object.hasOwn(claims, name)).map((name) => [name, claims[name]]),
      ),
      task_id: record.id,
      state: 'active',
      purpose: record.purpose,
      subject_type: subject?.type ?? null,
      subject_assurance: subject?.assurance ?? null,
      parent: parent?.id ?? null,
      taint: record.taint,
      task_expires_at: new Date(record.expiresAtMs).toISOString(),
    } as JsonObject;
  }

  #refuse(denial: Denial, shown: Shown, context: TaskContext): Reply {
    this.#ports.refused(denial, context);
    const { status, document } = errorOf(denial, context);
    const challenge = status === 401 ? this.#ports.challenge(denial, shown) : undefined;
    const headers = { ...noCache, ...denialHeaders(denial) };
    return jsonReply(
      status,
      document,
      challenge === undefined ? headers : { ...headers, 'www-authenticate': challenge },
    );
  }
}

function errorOf(denial: Denial, { trace }: TaskContext): { readonly status: number; readonly document: JsonObject } {
  const members = denialMembers(denial, { trace_id: trace.traceId });
  const { status, document } = exchangeError(denial, members, { asClient: true, scoped: false });
  // RFC 7009 §2.2.1: it has not been revoked, and may be later.
  if (denial.code === 'rate_limited')
    return { status: 503, document: { ...document, error: 'temporarily_unavailable' } };
  if (denial.code !== 'insufficient_scope') return { status, document };
  return { status, document: { ...document, error: 'unauthorized_client' } };
}

function faultReply(status: 400 | 401, { error, description }: OauthFault): Reply {
  return jsonReply(status, { error, error_description: description }, noCache);
}
