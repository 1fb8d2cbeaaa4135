/**
 * Which tokens a task may have besides its first: another for the same agent, as wide as the last or narrower, and one
 * to hand to another agent. A ticket is the right to a token; only `issueToken` turns it into one. Nothing here widens:
 * a token that is narrowed begets tokens at most as wide.
 */
import type { Agent, Binding, Caller, OperationRegistry, ShownToken, TaskRecord } from '../call.ts';
import type { Clock } from '../clock.ts';
import { type Denial, deny, isDenial, type Reason } from '../denial.ts';
import type { Toolset } from '../toolset.ts';
import type { TokenRequestBody } from '../wire/task-request.ts';
import { type AccessPorts, accessTask } from './access.ts';
import { bound, type Claim, type Claimant, type ClaimPorts, claimantOf, isSameAgent } from './claimant.ts';
import { denyTooMuch, narrowedTo } from './narrow.ts';
import { denyRevoked } from './revoked.ts';
import { actingOf } from './suspended.ts';
import { denyUnlessActive, type Tasks } from './tasks.ts';

/** A delegation token is handed over and used at once. */
const delegationTtlMs = 60_000;
/** The longest token that is accepted again; together with long ids even a short scope may be too much. */
const tokenCharsMax = 16_384;

/** The right to one token of a task. */
export interface Ticket {
  readonly record: TaskRecord;
  readonly binding: Binding | null;
  readonly scope: Toolset;
  readonly mayAct: Caller['mayAct'];
  /** How long the token may be good for; null for as long as any. */
  readonly ttlMs: number | null;
  /** The first token of a task that has just been opened, and recorded. */
  readonly first: boolean;
}

export interface IssuePorts extends ClaimPorts {
  readonly tasks: Tasks;
  readonly operations: () => OperationRegistry;
  /** What a task token says, whoever shows it: in an exchange it stands for a task, not for its holder. */
  readonly readTask: (token: string) => Caller | Denial;
  readonly nowMs: () => number;
}

/** `task.renew`, `task.narrow` or `task.delegate`: what is done with a ticket for a task that is there. */
export function operationOf({ mayAct, scope }: Ticket): `task.${string}` {
  if (mayAct !== null) return 'task.delegate';
  return scope === null ? 'task.renew' : 'task.narrow';
}

/**
 * The ticket for `POST /tasks/{id}/token`: a token like the first, a narrower one, or one for another agent. Denies 401
 * for anything but the workload token of the task's agent, `task_unknown`, what a task that has ended is denied,
 * `agent_suspended`, and `args_invalid` for tools that the task does not have.
 */
export async function renewTask(
  ports: IssuePorts & AccessPorts,
  credential: ShownToken | null,
  id: string,
  asked: TokenRequestBody,
): Promise<Ticket | Denial> {
  const found = await accessTask(ports, credential, id);
  if (isDenial(found)) return found;
  if (found.agent === null || credential === null) {
    return deny('unauthenticated', 'A task token is renewed with the workload token of its agent.', {
      reasons: [{ code: 'token_kind', message: 'Show the workload token.' }],
    });
  }
  const { record } = found;
  const denial = (await denyEnded(ports, record)) ?? (await ports.denySuspended(actingOf(record)));
  if (denial !== undefined) return denial;
  const scope = narrowedTo(ports.operations(), record, asked.tools, null);
  if (isDenial(scope)) return scope;
  const claimant = await bound(ports, found.agent, credential.shown);
  if (isDenial(claimant)) return claimant;
  const weaker = denyWeaker(record, claimant);
  if (weaker !== undefined) return weaker;
  const ttlMs = asked.ttlSeconds === null ? null : asked.ttlSeconds * 1000;
  if (asked.delegate === null) return { record, binding: claimant.binding, scope, mayAct: null, ttlMs, first: false };
  // Whoever it is handed to proves who it is by a workload token of its own, so there is no key to bind it to.
  const delegationMs = Math.min(ttlMs ?? Infinity, delegationTtlMs);
  return { record, binding: null, scope, mayAct: asked.delegate, ttlMs: delegationMs, first: false };
}

/**
 * The ticket for an exchange that asks for no new task: the agent of a task token gets another for the same task,
 * narrowed to `tools` where they are named. Denies as `renewTask`, 401 at `/subject_token` for a task token that is not
 * valid, and `args_invalid` for one of another agent, or one that is only there to be handed on.
 */
export async function renewByExchange(
  ports: IssuePorts,
  claim: Claim,
  taskToken: string,
  tools: Toolset,
): Promise<Ticket | Denial> {
  const claimant = await claimantOf(ports, claim);
  if (isDenial(claimant)) return claimant;
  const found = await readSubjectTask(ports, taskToken);
  if (isDenial(found)) return found;
  const { record, caller } = found;
  if (!isSameAgent(record.agent, claimant.agent) || caller.mayAct !== null) {
    return deny('args_invalid', 'Another agent gets a part of the task: say which, in authorization_details.');
  }
  const ended = (await denyEnded(ports, record)) ?? (await ports.denySuspended(actingOf(record)));
  const denial = ended ?? denyWeaker(record, claimant);
  if (denial !== undefined) return denial;
  const scope = narrowedTo(ports.operations(), record, tools, caller.scope);
  return isDenial(scope)
    ? scope
    : { record, binding: claimant.binding, scope, mayAct: null, ttlMs: null, first: false };
}

/** A task whose tokens belong to a key never gets one that any bearer may use: a stolen workload token is not enough. */
function denyWeaker({ bound: isBound }: TaskRecord, { binding }: Claimant): Denial | undefined {
  if (isBound === undefined || binding !== null) return undefined;
  return deny('unauthenticated', 'The tokens of this task belong to a key. Prove one with this request, too.', {
    reasons: [{ code: 'binding_required', message: 'Show the client certificate, or a DPoP proof.' }],
  });
}

/** A task token in a request's body, and its task. */
export async function readSubjectTask(
  ports: Pick<IssuePorts, 'readTask' | 'tasks'>,
  token: string,
): Promise<{ readonly caller: Caller; readonly record: TaskRecord } | Denial> {
  const caller = ports.readTask(token);
  if (isDenial(caller)) return ofSubjectToken(caller);
  const record = await ports.tasks.load(caller.tenant, caller.taskId);
  if (record === undefined || record.agent.id !== caller.agentId) {
    return deny('task_unknown', 'There is no such task for this caller.');
  }
  const revoked = denyRevoked(record, caller.tokenId);
  return revoked === undefined ? { caller, record } : ofSubjectToken(revoked);
}

/** A token that a request is about, and not its credential: says so of what is wrong with it. */
export function ofSubjectToken(denial: Denial): Denial {
  if (denial.code !== 'unauthenticated') return denial;
  return denySubjectToken('The subject_token is not accepted', denial.reasons);
}

/** Denies 401 with these reasons, at `/subject_token`. */
export function denySubjectToken(message: string, reasons: readonly Reason[]): Denial {
  return deny('unauthenticated', message, {
    reasons: reasons.map((reason) => ({ ...reason, path: '/subject_token' })),
  });
}

/** The denial of a task that has ended, by itself or with one above. */
export async function denyEnded(ports: Pick<IssuePorts, 'tasks' | 'nowMs'>, record: TaskRecord) {
  return denyUnlessActive(record, ports.nowMs()) ?? (await ports.tasks.denyUnlessLineageActive(record));
}

export interface TokenPorts {
  readonly clock: Clock;
  readonly tokenTtlMs: number;
  readonly operations: () => OperationRegistry;
  readonly mint: (
    ticket: Ticket,
    expiresAtMs: number,
  ) => Promise<{ readonly token: string; readonly expiresAtMs: number }>;
}

export interface IssuedToken {
  readonly token: string;
  /** RFC 6749 §5.1; `N_A` for a delegation token, which opens nothing by itself (RFC 8693 §2.2.1). */
  readonly tokenType: 'Bearer' | 'DPoP' | 'N_A';
  readonly expiresAtMs: number;
  readonly expiresInSeconds: number;
  /** Operations and `{route}.*`. */
  readonly tools: readonly string[];
}

/**
 * The token of a ticket, and what it is good for. Denies `task_expired` where the task ends within this second, and
 * `args_invalid` where the token would be too long to be shown.
 */
export async function issueToken(ports: TokenPorts, ticket: Ticket): Promise<IssuedToken | Denial> {
  const { clock, tokenTtlMs, mint, operations } = ports;
  const { record, binding, scope, mayAct, ttlMs } = ticket;
  const nowMs = clock.nowMs();
  const endMs = Math.min(nowMs + Math.min(tokenTtlMs, ttlMs ?? Infinity), record.expiresAtMs);
  // Tokens end on whole seconds.
  if (Math.floor(endMs / 1000) <= Math.floor(nowMs / 1000)) {
    return deny('task_expired', 'The task has expired. Open a new task.');
  }
  const { token, expiresAtMs } = await mint(ticket, endMs);
  if (token.length > tokenCharsMax) return denyTooMuch();
  return {
    token,
    tokenType: mayAct !== null ? 'N_A' : binding?.kind === 'dpop' ? 'DPoP' : 'Bearer',
    expiresAtMs,
    expiresInSeconds: Math.max(0, Math.floor((expiresAtMs - nowMs) / 1000)),
    tools:
      scope ??
      record.tools ??
      operations()
        .all()
        .map(({ name }) => name),
  };
}

/** The first token of a task that has just been opened. */
export function firstTicket(record: TaskRecord, { binding }: Claimant): Ticket {
  return { record, binding, scope: null, mayAct: null, ttlMs: null, first: true };
}

/** Whether a delegation token names this agent. */
export function mayActAs(mayAct: NonNullable<Caller['mayAct']>, agent: Agent): boolean {
  return mayAct.agent === agent.id && mayAct.issuer === agent.issuer;
}
