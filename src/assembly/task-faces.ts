/**
 * The faces of tasks, the task routes and the OAuth endpoints, over the parts: who may have a task, what the policy
 * is asked about it, what is written down of it, and what its tokens hold.
 */
import { recordRefusedRequest, recordReportedThought, recordTask } from '../audit/stage.ts';
import { microUsd } from '../budget/money.ts';
import type { Json, JsonObject, Spending, TaskRecord, Trace } from '../call.ts';
import { type Denial, isDenial } from '../denial.ts';
import { issuerBinding } from '../identity/binding.ts';
import { parseJwt } from '../identity/jwt.ts';
import { isRefusal } from '../identity/refusal.ts';
import type { TaskDecision } from '../policy/decision.ts';
import { taskInput } from '../policy/input.ts';
import { TaskChecks } from '../server/check.ts';
import { OauthLife, type OauthLifePorts } from '../server/oauth-life.ts';
import { OauthRoutes } from '../server/oauth-routes.ts';
import { type TaskContext, TaskRoutes } from '../server/task-routes.ts';
import type { AccessPorts } from '../task/access.ts';
import { issueToken, operationOf, type Ticket, type TokenPorts } from '../task/issue.ts';
import type { OpeningPorts } from '../task/open.ts';
import { ancestorOf } from '../task/tasks.ts';
import type { Revocation } from '../task/token-life.ts';
import { CheckRequests } from '../wire/check-request.ts';
import { dialects } from '../wire/dialects/index.ts';
import { TaskRequests } from '../wire/task-request.ts';
import { checkpointRoutesOf } from './checkpoints.ts';
import type { Parts } from './parts.ts';
import { resultRoutesOf } from './results.ts';
import { judgeOnTrial } from './trial.ts';

export interface TaskFaces {
  readonly tasks: TaskRoutes<TaskDecision>;
  readonly oauth: OauthRoutes<TaskDecision>;
  readonly oauthLife: OauthLife;
}

/** How tokens are believed where a task is seen or ended. */
export function accessOf({ tasks, taskTokens, workloads, possession }: Parts): AccessPorts {
  return {
    tasks,
    verifyTask: (credential) => taskTokens.verify(credential),
    verifyWorkload: async (credential) => {
      const agent = await workloads.verify(credential.token);
      return isDenial(agent) ? agent : ((await possession.proveWorkload(agent, credential)) ?? agent);
    },
  };
}

type News = Parameters<typeof recordTask>[1];

/** What opening a task works with; not `real` where one is only supposed, and its decision counts nowhere. */
export function openingOf(
  parts: Parts,
  access: AccessPorts,
  record: (news: News) => Promise<void>,
  real = true,
): OpeningPorts<TaskDecision> {
  const {
    config,
    clock,
    policy,
    policyReport,
    table,
    taskTokens,
    place,
    tasks,
    possession,
    suspensions,
    subjects,
    carried,
    stages,
  } = parts;
  const bindingOf = (issuer: string) => issuerBinding(config.issuers, issuer);
  return {
    tasks,
    operations: () => table,
    verifyWorkload: async (credential) => {
      const agent = await access.verifyWorkload(credential);
      // Tools of servers that nobody has asked yet would be taken for misspelt.
      if (!isDenial(agent)) await table.known();
      return agent;
    },
    readTask: (token) => taskTokens.read(token),
    verifySubject: (token, agent) => subjects.verify(token, agent),
    denySuspended: (acting) => suspensions.denialOf(acting),
    bind: (shown, agent) => possession.bind(shown, bindingOf(agent.issuer)),
    bindingRequired: (issuer) => bindingOf(issuer) !== 'none',
    nowMs: () => clock.nowMs(),
    decide: async (wish, agent, subject, parent, taint) => {
      await policy.prepare(parent ?? {});
      const above = parent === null ? null : ancestorOf(parent);
      const input = taskInput({ ...wish, parent: above, taint }, agent, subject, place, clock.nowMs());
      const principal = { issuer: agent.issuer, agent: agent.id, subject: subject?.id ?? null };
      const startMs = clock.monotonicMs();
      const decision = policy.decideTask(input, principal, real, parent);
      if (real && policyReport.records) {
        const [atMs, evalMs] = [clock.nowMs(), clock.monotonicMs() - startMs];
        const unmade = { trace: null, callId: null, taskId: null };
        policyReport.record({ phase: 'task', decision, ...unmade, agentId: agent.id, atMs, evalMs });
      }
      return decision;
    },
    denyTooMany: async (agent) => (real ? parts.agentLoops.deniesTask(agent, stages.loop.agent) : undefined),
    carried: (agent) => carried.of(agent),
    recordOpened: (task, decision, { wish, trace, carried: brought }) => {
      const { subject } = task;
      const whose = subject === null ? null : { id: subject.id, type: subject.type, assurance: subject.assurance };
      const known = brought === undefined || brought.taint.length === 0 ? {} : { taint_carried: brought.taint };
      const details = { ...wish, subject: whose, ...known } as unknown as Json;
      return record({ record: task, operation: 'task.create', decision, trace, status: 201, details });
    },
    recordDenied: (denial, agent, subject, decision, { trace }) =>
      record({ asked: { agent, subject, trace }, denial, decision }),
    ceiling: { ttlSeconds: config.task.ttl_seconds, budget: spendingOf(config.task.budget) },
  };
}

/** All faces over one mechanism. `challenge` is the `WWW-Authenticate` of a denial. */
export function taskFacesOf(parts: Parts, access: AccessPorts, challenge: OauthLifePorts['challenge']): TaskFaces {
  const { config, clock, trail, redact, table, taskTokens, balanceOf, publicUrl, faulted } = parts;
  const record = (news: News) => recordTask(trail, news, redact);
  const opening = openingOf(parts, access, record);
  const requests = new TaskRequests();
  const issuing: TokenPorts = {
    clock,
    tokenTtlMs: config.task.token_ttl_seconds * 1000,
    operations: () => table,
    mint: ({ record: { id: taskId, agent, tenant, subject }, binding, scope, mayAct }, expiresAtMs) =>
      taskTokens.mint({
        ...{ taskId, agentId: agent.id, actors: agent.actors, tenant, subjectId: subject?.id ?? null, expiresAtMs },
        ...{ binding, scope, mayAct },
      }),
  };
  const issue = async (ticket: Ticket, trace: Trace) => {
    const issued = await issueToken(issuing, ticket);
    if (isDenial(issued) || ticket.first) return issued;
    const { scope, mayAct, ttlMs } = ticket;
    const details: Json = { tools: scope, for: mayAct === null ? null : { ...mayAct }, ttl_ms: ttlMs };
    await record({ record: ticket.record, operation: operationOf(ticket), status: 200, trace, details });
    return issued;
  };
  const checks = new TaskChecks({
    ...{ requests: new CheckRequests(), access, dialects, clock, bind: opening.bind },
    judge: (arrival, caller) => judgeOnTrial(parts, arrival, caller),
    record: (task, calls, trace) =>
      record({ record: task, operation: 'task.check', status: 200, trace, details: { calls } as unknown as Json }),
  });
  const checkpoints = checkpointRoutesOf(parts, access, opening);
  const tasks = new TaskRoutes<TaskDecision>({
    ...{ requests, access, clock, balanceOf, opening, issue, checks, checkpoints },
    results: resultRoutesOf(parts, access, opening),
    recordEnded: (task, by) => record({ record: task, operation: endingOf(task), status: 200, details: { by } }),
    recordThought: (task, id, text, proposals) =>
      recordReportedThought(trail, { id, text, proposals }, { record: task, redact }),
  });
  const refuse = refusedOf(parts);
  const refused: typeof refuse = (denial, context) => {
    parts.telemetry.denied(denial);
    refuse(denial, context);
  };
  const oauthLife = new OauthLife({
    ...{ ...access, ...opening, challenge, refused, faulted },
    claimsOf: (token) => claimsOf(token),
    recordRevoked: (revocation, trace) => record(newsOfRevocation(revocation, trace)),
  });
  const oauth = new OauthRoutes({ publicUrl, requests, opening, issue, refused, faulted });
  return { tasks, oauth, oauthLife };
}

/** A token that was good for the whole task has ended the task; any other has ended alone. */
function newsOfRevocation(revocation: Revocation, trace: Trace): News {
  const { record } = revocation;
  const common = { record, status: 200, trace };
  if (revocation.done === 'killed') return { ...common, operation: 'task.kill', details: { by: 'revocation' } };
  return { ...common, operation: 'task.revoke_token', details: { token_id: revocation.tokenId } };
}

/** Of a token that was verified already. */
function claimsOf(token: string): JsonObject {
  const jwt = parseJwt(token);
  if (isRefusal(jwt)) throw new Error('a token that was read cannot be parsed');
  return jwt.claims;
}

/** Counts and samples what was refused before anybody knew whose it was. */
export function refusedOf({ trail, sampler, faulted }: Parts): (denial: Denial, context: TaskContext) => void {
  return (denial, { trace }) => {
    recordRefusedRequest(trail, { id: null, trace, denial }, sampler).catch((fault: unknown) =>
      faulted('audit', fault),
    );
  };
}

function spendingOf(budget: Parts['config']['task']['budget']): Spending {
  const { tokens, cost_usd, calls, seconds } = budget;
  return { tokens, costMicroUsd: microUsd(cost_usd), calls, seconds };
}

/** What became of a task, as an operation of the trail. */
export function endingOf(record: TaskRecord): `task.${string}` {
  return record.state === 'killed' ? 'task.kill' : 'task.complete';
}
