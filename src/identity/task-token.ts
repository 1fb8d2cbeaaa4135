/**
 * Task tokens: what an agent shows on every call. An access token (RFC 9068, `typ: at+jwt`) that the gate makes for
 * itself: `iss` and `aud` are both `gateway.public_url`. `sub` is the subject, or the agent where there is none;
 * `client_id` is always the agent. It proves who calls and for which task, not that the task is still alive.
 *
 * Own claims: `tollgate_task` (task id), `tollgate_tenant`. With a subject, `act.sub` is the agent (RFC 8693 §4.1).
 */
import assert from 'node:assert';
import type { Caller } from '../call.ts';
import type { Clock, TaskId } from '../clock.ts';
import type { Denial } from '../denial.ts';
import { verifySignature } from './algorithms.ts';
import { checkClaims, idCharsMax, isPlainText, parseJwt } from './jwt.ts';
import { type GateKeys, keyPurposes } from './keys.ts';
import { isRefusal, type Refusal, refuse } from './refusal.ts';
import { TokenCache } from './token-cache.ts';
import { unauthenticated } from './unauthenticated.ts';

export interface TaskTokensOptions {
  readonly keys: Pick<GateKeys, 'sign' | 'publicKey'>;
  readonly publicUrl: string;
  readonly clock: Clock;
}

export interface TaskTokenRequest {
  readonly taskId: TaskId;
  readonly agentId: string;
  readonly tenant: string;
  readonly subjectId: string | null;
  readonly expiresAtMs: number;
}

export interface MintedTaskToken {
  readonly token: string;
  readonly tokenId: string;
  /** At most what was asked for: `exp` is in whole seconds. */
  readonly expiresAtMs: number;
}

const { alg, typ } = keyPurposes.task;
const taskIdForm = /^task_[0-9a-z]{26}$/;
/** For a wall clock that was set back after a token was made; `exp` gets no tolerance, both clocks are ours. */
const futureToleranceSeconds = 5;

export class TaskTokens {
  readonly #options: TaskTokensOptions;
  readonly #cache = new TokenCache<Caller>();

  constructor(options: TaskTokensOptions) {
    this.#options = options;
  }

  /** A token for one agent and one task. Ids must be plain text of 1 to 255 characters: `verify` takes no others. */
  mint({ taskId, agentId, tenant, subjectId, expiresAtMs }: TaskTokenRequest): MintedTaskToken {
    const { keys, publicUrl, clock } = this.#options;
    assert(taskIdForm.test(taskId), 'not a task id');
    for (const id of [agentId, tenant, subjectId ?? agentId]) assert(isPlainText(id, idCharsMax), 'not a plain id');
    const iat = Math.floor(clock.nowMs() / 1000);
    const exp = Math.floor(expiresAtMs / 1000);
    assert(exp > iat, 'a task token must end after it begins');
    const tokenId = clock.randomBytes(16).toString('base64url');
    const token = keys.sign('task', typ, {
      iss: publicUrl,
      aud: publicUrl,
      sub: subjectId ?? agentId,
      client_id: agentId,
      ...(subjectId === null ? {} : { act: { sub: agentId } }),
      iat,
      exp,
      jti: tokenId,
      tollgate_task: taskId,
      tollgate_tenant: tenant,
    });
    return { token, tokenId, expiresAtMs: exp * 1000 };
  }

  /**
   * The caller that a task token names. Denies `unauthenticated`; a token of any other kind, issuer or purpose has the
   * reason `token_kind`, however well it is signed.
   */
  verify(token: string | null): Caller | Denial {
    const nowMs = this.#options.clock.nowMs();
    const known = token === null ? undefined : this.#cache.get(token, nowMs);
    if (known !== undefined) return known;
    const caller = this.#verifyAnew(token, nowMs);
    if (isRefusal(caller)) return unauthenticated(caller);
    if (token !== null) this.#cache.set(token, caller, caller.expiresAtMs);
    return caller;
  }

  #verifyAnew(token: string | null, nowMs: number): Caller | Refusal {
    const { keys, publicUrl } = this.#options;
    const jwt = parseJwt(token);
    if (isRefusal(jwt)) return jwt;
    const { claims, kid } = jwt;
    if (jwt.typ !== typ || (claims.iss !== undefined && claims.iss !== publicUrl)) return refuse('token_kind');
    if (jwt.alg !== alg) return refuse('alg_not_allowed');
    if (kid === null) return refuse('key_unknown');
    for (const purpose of ['txn', 'federation', 'audit'] as const) {
      if (keys.publicKey(kid, purpose) !== undefined) return refuse('token_kind');
    }
    const key = keys.publicKey(kid, 'task');
    if (key === undefined) return refuse('key_unknown');
    if (!verifySignature(alg, key, jwt.signingInput, jwt.signature)) return refuse('signature_invalid');
    const registered = checkClaims(claims, {
      issuer: publicUrl,
      audiences: [publicUrl],
      nowMs,
      expiredToleranceSeconds: 0,
      futureToleranceSeconds,
    });
    if (isRefusal(registered)) return registered;
    const { client_id: agentId, jti: tokenId, tollgate_task: taskId, tollgate_tenant: tenant } = claims;
    if (agentId === undefined || tokenId === undefined || taskId === undefined || tenant === undefined) {
      return refuse('claim_missing');
    }
    if (!isPlainText(agentId, idCharsMax) || !isPlainText(tokenId, idCharsMax) || !isPlainText(tenant, idCharsMax)) {
      return refuse('claim_invalid');
    }
    if (typeof taskId !== 'string' || !taskIdForm.test(taskId)) return refuse('claim_invalid');
    return { taskId: taskId as TaskId, agentId, tenant, tokenId, expiresAtMs: registered.exp * 1000 };
  }
}
