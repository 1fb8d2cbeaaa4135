/**
 * Task tokens: what an agent shows on every call. An access token (RFC 9068, `typ: at+jwt`) that the gate makes for
 * itself: `iss` and `aud` are both `gateway.public_url`. `sub` is the subject, or the agent where there is none;
 * `client_id` is always the agent. It proves who calls and for which task, not that the task is still alive.
 *
 * Own claims: `tollgate_task` (task id), `tollgate_tenant`. With a subject, `act.sub` is the agent, and nested in it
 * are those it acts for (RFC 8693 §4.1).
 * `cnf` binds it to a key (RFC 7800), `scope` narrows it, `may_act` makes it a delegation token (RFC 8693 §4.4).
 */
import assert from 'node:assert';
import type { Binding, Caller, Json, JsonObject, ShownToken } from '../call.ts';
import type { Clock, TaskId } from '../clock.ts';
import { type Denial, isDenial } from '../denial.ts';
import { actOf } from './act.ts';
import { verifySignature } from './algorithms.ts';
import { bindingOf, confirmationOf } from './binding.ts';
import { checkClaims, idCharsMax, isPlainText, parseJwt } from './jwt.ts';
import { type GateKeys, keyPurposes } from './keys.ts';
import type { Possession } from './possession.ts';
import { isRefusal, type Refusal, refuse } from './refusal.ts';
import { TokenCache } from './token-cache.ts';
import { unauthenticated } from './unauthenticated.ts';

export interface TaskTokensOptions {
  readonly keys: Pick<GateKeys, 'sign' | 'publicKey'>;
  readonly possession: Pick<Possession, 'prove'>;
  readonly publicUrl: string;
  readonly clock: Clock;
}

export interface TaskTokenRequest {
  readonly taskId: TaskId;
  readonly agentId: string;
  /** Ids of the agents it acts for, nearest first. */
  readonly actors?: readonly string[];
  readonly tenant: string;
  readonly subjectId: string | null;
  readonly expiresAtMs: number;
  readonly binding: Binding | null;
  readonly scope: readonly string[] | null;
  readonly mayAct: Caller['mayAct'];
}

interface Verified {
  readonly caller: Caller;
  /** Of the key that signed it. */
  readonly kid: string;
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
  readonly #cache = new TokenCache<Verified>();

  constructor(options: TaskTokensOptions) {
    this.#options = options;
  }

  /** A token for one agent and one task. Ids must be plain text of 1 to 255 characters: `verify` takes no others. */
  async mint(request: TaskTokenRequest): Promise<MintedTaskToken> {
    const { taskId, agentId, actors = [], tenant, subjectId, expiresAtMs, binding, scope, mayAct } = request;
    const { keys, publicUrl, clock } = this.#options;
    assert(taskIdForm.test(taskId), 'not a task id');
    for (const id of [agentId, tenant, subjectId ?? agentId]) assert(isPlainText(id, idCharsMax), 'not a plain id');
    const iat = Math.floor(clock.nowMs() / 1000);
    const exp = Math.floor(expiresAtMs / 1000);
    assert(exp > iat, 'a task token must end after it begins');
    // Two items out of one could cover more than it did.
    assert(scope === null || scope.every((item) => !/\s/.test(item)), 'an item of scope has no space');
    const tokenId = clock.randomBytes(16).toString('base64url');
    const token = await keys.sign('task', typ, {
      iss: publicUrl,
      aud: publicUrl,
      sub: subjectId ?? agentId,
      client_id: agentId,
      ...(subjectId === null && actors.length === 0 ? {} : { act: actOf(agentId, actors) }),
      iat,
      exp,
      jti: tokenId,
      ...(scope === null ? {} : { scope: scope.join(' ') }),
      ...(binding === null ? {} : { cnf: confirmationOf(binding) }),
      ...(mayAct === null ? {} : { may_act: { sub: mayAct.agent, iss: mayAct.issuer } }),
      tollgate_task: taskId,
      tollgate_tenant: tenant,
    });
    return { token, tokenId, expiresAtMs: exp * 1000 };
  }

  /**
   * The caller that a task token names, once its holder has proved the key it belongs to. Denies `unauthenticated`; a
   * token of any other kind, issuer or purpose has the reason `token_kind`, however well it is signed.
   */
  async verify(credential: ShownToken | null): Promise<Caller | Denial> {
    const caller = this.read(credential?.token ?? null);
    if (isDenial(caller) || credential === null) return caller;
    return (await this.#options.possession.prove(caller.binding, credential)) ?? caller;
  }

  /**
   * What a task token says, whoever shows it: for the exchange, in which a token stands for a task and not for its
   * holder. Denies as `verify` does.
   */
  read(token: string | null): Caller | Denial {
    const nowMs = this.#options.clock.nowMs();
    const known = token === null ? undefined : this.#cache.get(token, nowMs);
    // A key that was taken away takes the tokens along that it signed.
    if (known !== undefined && this.#options.keys.publicKey(known.kid, 'task') !== undefined) return known.caller;
    const verified = this.#verifyAnew(token, nowMs);
    if (isRefusal(verified)) return unauthenticated(verified);
    if (token !== null) this.#cache.set(token, verified, verified.caller.expiresAtMs);
    return verified.caller;
  }

  #verifyAnew(token: string | null, nowMs: number): Verified | Refusal {
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
    const binding = bindingOf(claims.cnf);
    const scope = scopeOf(claims.scope);
    const mayAct = mayActOf(claims.may_act);
    if (binding === undefined || scope === undefined || mayAct === undefined) return refuse('claim_invalid');
    const expiresAtMs = registered.exp * 1000;
    const caller = { taskId: taskId as TaskId, agentId, tenant, tokenId, expiresAtMs, binding, scope, mayAct };
    return { caller, kid };
  }
}

function scopeOf(scope: Json | undefined): readonly string[] | null | undefined {
  if (scope === undefined) return null;
  return typeof scope === 'string' ? scope.split(' ').filter((item) => item !== '') : undefined;
}

function mayActOf(mayAct: Json | undefined): Caller['mayAct'] | undefined {
  if (mayAct === undefined) return null;
  if (typeof mayAct !== 'object' || mayAct === null) return undefined;
  const { sub, iss } = mayAct as JsonObject;
  return isPlainText(sub, idCharsMax) && isPlainText(iss, idCharsMax) ? { agent: sub, issuer: iss } : undefined;
}
