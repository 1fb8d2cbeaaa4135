/**
 * The standard faces of kill and state: a task token is revoked (RFC 7009), or asked about (RFC 7662). Revoking a token
 * that is good for the whole task ends the task; one that is narrowed, or there to be handed on, ends alone. What is not
 * the caller's is answered like what does not exist.
 */
import type { Caller, ShownToken, TaskRecord } from '../call.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { type AccessPorts, accessTask } from './access.ts';
import { denyEnded } from './issue.ts';
import { denyRevoked, revokeToken } from './revoked.ts';
import { type Acting, actingOf } from './suspended.ts';
import { stateOf } from './tasks.ts';

export interface TokenLifePorts extends AccessPorts {
  /** What a task token says, whoever shows it. */
  readonly readTask: (token: string) => Caller | Denial;
  readonly denySuspended: (acting: Acting) => Promise<Denial | undefined>;
  readonly nowMs: () => number;
}

export interface TokenAsked {
  /** The token in question; it has no scheme, as it stands in a form. */
  readonly token: ShownToken;
  /** Who asks: a workload token or a task token; null where nobody says. */
  readonly credential: ShownToken | null;
  readonly clientId: string | null;
}

/** What a revocation did. `nothing`, with success, for a token that is unknown, over, or another's (RFC 7009 §2.2). */
export type Revoked = Revocation | { readonly done: 'nothing' } | { readonly done: 'unsupported' };

/** A revocation that did something: the task was killed, or one token of it ended. */
export type Revocation =
  | { readonly done: 'killed'; readonly record: TaskRecord }
  | { readonly done: 'token'; readonly record: TaskRecord; readonly tokenId: string };

const nothing: Revoked = { done: 'nothing' };

/**
 * Revokes a token for whoever holds it, its key proved, or for whoever may end its task. Denies 401 for a credential that
 * is not accepted, `insufficient_scope` for a narrowed one that would end a task, `rate_limited` where a task has too many
 * revoked tokens.
 */
export async function revokeTaskToken(ports: TokenLifePorts, asked: TokenAsked): Promise<Revoked | Denial> {
  const caller = ports.readTask(asked.token.token);
  const found = asked.credential === null ? await byHolder(ports, asked, caller) : await byRight(ports, asked, caller);
  if (isDenial(found)) return found;
  // What is no task token, whoever made it, is not for this gate to revoke.
  if (isDenial(caller)) return caller.reasons[0]?.code === 'token_kind' ? { done: 'unsupported' } : nothing;
  if (found === undefined || denyRevoked(found.record, caller.tokenId) !== undefined) return nothing;
  return caller.scope === null && caller.mayAct === null
    ? killTask(ports, found)
    : endToken(ports, found.record, caller);
}

interface Found {
  readonly record: TaskRecord;
  /** Whoever asks has shown a narrowed token of the task. */
  readonly narrowed: boolean;
}

/** Possession of a token is the right to end it, as for `POST /tasks/{id}/kill`. */
async function byHolder(
  ports: TokenLifePorts,
  { token, clientId }: TokenAsked,
  caller: Caller | Denial,
): Promise<Found | undefined | Denial> {
  if (isDenial(caller)) return undefined;
  if (clientId !== null && clientId !== caller.agentId) return wrongClient();
  const holder = await ports.verifyTask(token);
  if (isDenial(holder)) return holder;
  const record = await ports.tasks.load(caller.tenant, caller.taskId);
  return record?.agent.id === caller.agentId ? { record, narrowed: false } : undefined;
}

/** By a credential: undefined for what is not theirs. The credential is verified whatever the token is. */
async function byRight(
  ports: TokenLifePorts,
  { credential, clientId }: TokenAsked,
  caller: Caller | Denial,
): Promise<Found | undefined | Denial> {
  const access = await accessTask(ports, credential, isDenial(caller) ? '' : caller.taskId);
  if (isDenial(access)) return access.code === 'task_unknown' ? undefined : access;
  if (clientId !== null && access.agent !== null && clientId !== access.agent.id) return wrongClient();
  return isDenial(caller) || access.record.agent.id !== caller.agentId ? undefined : access;
}

async function killTask(ports: TokenLifePorts, { record, narrowed }: Found): Promise<Revoked | Denial> {
  if (narrowed) {
    return deny('insufficient_scope', 'A token that is narrowed does not end its task.', {
      reasons: [{ code: 'token_narrowed', message: 'Show the workload token, or a task token that is not narrowed.' }],
    });
  }
  const state = stateOf(record, ports.nowMs());
  if (state !== 'active' && state !== 'paused') return nothing;
  const ended = await ports.tasks.end(record, 'killed');
  return isDenial(ended) ? ended : { done: 'killed', record: ended };
}

async function endToken(ports: TokenLifePorts, { tenant, id }: TaskRecord, caller: Caller): Promise<Revoked | Denial> {
  const { tokenId, expiresAtMs } = caller;
  const record = await ports.tasks.update(tenant, id, (current) =>
    current === undefined
      ? deny('task_unknown', 'There is no such task.')
      : revokeToken(current, { id: tokenId, expiresAtMs }, ports.nowMs()),
  );
  return isDenial(record) ? record : { done: 'token', record, tokenId };
}

/**
 * The task of a token that is good now, for whoever may see that task; undefined for any other token, whatever is wrong
 * with it. Denies 401 for a caller that does not say who it is.
 */
export async function introspectTaskToken(
  ports: TokenLifePorts,
  asked: TokenAsked,
): Promise<{ readonly record: TaskRecord; readonly caller: Caller } | undefined | Denial> {
  const caller = ports.readTask(asked.token.token);
  // Without a credential it says so; the token in question is none.
  const found = await byRight(ports, asked, caller);
  if (isDenial(found) || found === undefined || isDenial(caller)) return isDenial(found) ? found : undefined;
  const { record } = found;
  const denial =
    denyRevoked(record, caller.tokenId) ??
    (await denyEnded(ports, record)) ??
    (await ports.denySuspended(actingOf(record)));
  return denial === undefined ? { record, caller } : undefined;
}

function wrongClient(): Denial {
  return deny('unauthenticated', 'The credential is not accepted', {
    reasons: [{ code: 'client_id_wrong', message: 'The client_id is not the id of the agent.' }],
  });
}
