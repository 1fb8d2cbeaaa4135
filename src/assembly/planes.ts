/** The two planes over the parts: what agents reach, what people reach, and how the task routes get their rights. */
import { recordRefusedRequest, recordReportedThought, recordTask } from '../audit/stage.ts';
import { microUsd } from '../budget/money.ts';
import type { Json, Spending, TaskRecord } from '../call.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import {
  jwksPath,
  openidConfiguration,
  openidConfigurationPath,
  protectedResource,
  protectedResourcePath,
  wwwAuthenticate,
} from '../identity/metadata.ts';
import type { Pipeline } from '../pipeline.ts';
import type { TaskDecision } from '../policy/decision.ts';
import { taskInput } from '../policy/input.ts';
import { AdminPlane } from '../server/admin-plane.ts';
import { auditQueries } from '../server/audit-queries.ts';
import { DataPlane } from '../server/data-plane.ts';
import { OauthRoutes } from '../server/oauth-routes.ts';
import { Planes, type TlsOfPlanes } from '../server/planes.ts';
import { Readiness } from '../server/readiness.ts';
import { type TaskContext, TaskRoutes } from '../server/task-routes.ts';
import { type AccessPorts, ownTask } from '../task/access.ts';
import type { OpeningPorts } from '../task/open.ts';
import { ancestorOf } from '../task/tasks.ts';
import { startTrace } from '../telemetry/trace.ts';
import { inToolset } from '../toolset.ts';
import { http } from '../wire/dialects/http.ts';
import { dialects } from '../wire/dialects/index.ts';
import { modelsDocument } from '../wire/dialects/openai/models.ts';
import { TaskRequests } from '../wire/task-request.ts';
import type { Editions } from './editions.ts';
import type { Foundation, Parts } from './parts.ts';
import { gaugesOf } from './telemetry.ts';

function taskRoutesOf(
  parts: Parts,
  access: AccessPorts,
): { tasks: TaskRoutes<TaskDecision>; oauth: OauthRoutes<TaskDecision> } {
  const { config, clock, policy, trail, redact, table, taskTokens, place, tasks, balanceOf } = parts;
  const record = (news: Parameters<typeof recordTask>[1]) => recordTask(trail, news, redact);
  const recordRenewed = (task: TaskRecord) => record({ record: task, operation: 'task.renew', status: 200 });
  const requests = new TaskRequests();
  const opening: OpeningPorts<TaskDecision> = {
    tasks,
    operations: () => table,
    verifyWorkload: access.verifyWorkload,
    verifyTask: access.verifyTask,
    nowMs: () => clock.nowMs(),
    decide: (request, agent, subject, parent) => {
      const above = parent === null ? null : ancestorOf(parent);
      return policy.decideTask(taskInput({ ...request, parent: above }, agent, subject, place, clock.nowMs()));
    },
    recordOpened: (task, decision, { request, trace }) => {
      const details = { ...request } as unknown as Json;
      return record({ record: task, operation: 'task.create', decision, trace, status: 201, details });
    },
    recordDenied: (denial, agent, subject, decision, { trace }) =>
      record({ asked: { agent, subject, trace }, denial, decision }),
    ceiling: { ttlSeconds: config.task.ttl_seconds, budget: spendingOf(config.task.budget) },
  };
  const routes = new TaskRoutes<TaskDecision>({
    requests,
    access,
    clock,
    balanceOf,
    tokenTtlMs: config.task.token_ttl_seconds * 1000,
    mint: ({ id: taskId, agent, tenant, subject }, expiresAtMs) =>
      taskTokens.mint({ taskId, agentId: agent.id, tenant, subjectId: subject?.id ?? null, expiresAtMs }),
    opening,
    recordEnded: (task, by) => record({ record: task, operation: endingOf(task), status: 200, details: { by } }),
    recordRenewed,
    recordThought: (task, id, text, proposals) =>
      recordReportedThought(trail, { id, text, proposals }, { record: task, redact }),
  });
  const issue = (task: TaskRecord) => routes.issue(task);
  const refuse = refusedOf(parts);
  const refused: typeof refuse = (denial, context) => {
    parts.telemetry.denied(denial);
    refuse(denial, context);
  };
  const oauth = new OauthRoutes({ publicUrl: parts.publicUrl, requests, opening, issue, recordRenewed, refused });
  return { tasks: routes, oauth };
}

/** Counts and samples what was refused before anybody knew whose it was. */
function refusedOf({ trail, sampler, faulted }: Parts): (denial: Denial, context: TaskContext) => void {
  return (denial, { trace }) => {
    recordRefusedRequest(trail, { id: null, trace, denial }, sampler).catch((fault: unknown) =>
      faulted('audit', fault),
    );
  };
}

/** What the data planes of all editions share. */
export interface DataPlaneSurroundings {
  readonly readiness: Readiness;
  readonly underWay: () => number;
}

/** The data plane of one edition of the configuration, and the documents of tasks as its routes write them. */
export function dataPlaneOf(
  parts: Parts,
  pipeline: Pipeline,
  { readiness, underWay }: DataPlaneSurroundings,
): { readonly plane: DataPlane; readonly taskDocument: (record: TaskRecord) => Promise<Json> } {
  const { config, clock, publicUrl, faulted, table, tasks } = parts;
  const access: AccessPorts = {
    tasks,
    verifyTask: (token) => parts.taskTokens.verify(token),
    verifyWorkload: (token) => parts.workloads.verify(token),
  };
  const { tasks: taskRoutes, oauth } = taskRoutesOf(parts, access);
  const plane = new DataPlane({
    clock,
    pipeline,
    dialects,
    problem: http.denial,
    tasks: taskRoutes,
    oauth,
    documents: {
      [jwksPath]: () => parts.keyDirectory.jwks(),
      [openidConfigurationPath]: () => openidConfiguration(publicUrl),
      [protectedResourcePath]: () => protectedResource(publicUrl),
    },
    models: async (credential) => {
      const task = await ownTask(access, credential, clock.nowMs());
      if (isDenial(task)) return task;
      return modelsDocument(
        table.routes().filter(({ name }) => table.ofRoute(name).some((one) => inToolset(task.tools, one))),
      );
    },
    readiness,
    challenge: (denial) => wwwAuthenticate(denial, publicUrl),
    refused: refusedOf(parts),
    telemetry: {
      trace: (headers) => startTrace(clock, headers, config.telemetry),
      watch: (trace) => parts.telemetry.watch(trace),
      denied: (denial) => parts.telemetry.denied(denial),
    },
    underWay,
    concurrencyMax: config.limits.concurrency,
    faulted,
  });
  return { plane, taskDocument: (record) => taskRoutes.document(record) };
}

/** What `/readyz` asks; the policy is that of the edition in force. */
export function readinessOf({ clock, store, trail }: Foundation, policyHealthy: () => boolean): Readiness {
  return new Readiness(clock, {
    store: async () => {
      await store.ping();
      return true;
    },
    policy: policyHealthy,
    audit: () => trail.healthy(),
  });
}

/** Both planes, not yet listening. `editions` answers on the data plane; the admin plane is one for all of them. */
export function planesOf(foundation: Foundation, editions: Editions, readiness: Readiness, tls: TlsOfPlanes): Planes {
  const { clock, faulted, trail, tasks, running, telemetry } = foundation;
  const { config } = editions.current.parts;
  const planes: Planes = new Planes({
    gateway: config.gateway,
    limits: config.limits,
    tls,
    clock,
    readiness,
    abortAll: () => running.abortAll(deny('upstream_error', 'The gateway is stopping.')),
    data: {
      enter: () => editions.enter(),
      refuse: (request, denial) => editions.current.plane.refuse(request, denial),
      empty: () => editions.empty(),
    },
    admin: new AdminPlane({
      clock,
      token: foundation.adminToken,
      hosts: () => planes.adminHosts,
      readiness,
      audit: auditQueries(trail),
      tasks: {
        find: (id) => tasks.find(id),
        document: (record) => editions.current.taskDocument(record),
        kill: async (record) => {
          const ended = await tasks.end(record, 'killed');
          if (isDenial(ended)) return ended;
          const news = { record: ended, operation: endingOf(ended), status: 200, details: { by: 'operator' } };
          await recordTask(trail, news, editions.current.parts.redact);
          return ended;
        },
      },
      metrics: config.telemetry.prometheus
        ? { exposition: () => telemetry.exposition(), token: config.telemetry.prometheus_token ?? null }
        : null,
      problem: http.denial,
      faulted,
    }),
  });
  telemetry.gauges(gaugesOf(trail, () => editions.current.parts));
  return planes;
}

function spendingOf(budget: Parts['config']['task']['budget']): Spending {
  const { tokens, cost_usd, calls, seconds } = budget;
  return { tokens, costMicroUsd: microUsd(cost_usd), calls, seconds };
}

function endingOf(record: TaskRecord): `task.${string}` {
  return record.state === 'killed' ? 'task.kill' : 'task.complete';
}
