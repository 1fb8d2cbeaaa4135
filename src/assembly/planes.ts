/** The two planes over the parts: what agents reach, what people reach, and how the task routes get their rights. */
import { recordRefusedRequest, recordReportedThought, recordTask } from '../audit/stage.ts';
import { microUsd } from '../budget/money.ts';
import type { Json, Spending, TaskRecord } from '../call.ts';
import { deny, isDenial } from '../denial.ts';
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
import { Planes } from '../server/planes.ts';
import { Readiness } from '../server/readiness.ts';
import { TaskRoutes } from '../server/task-routes.ts';
import { type AccessPorts, ownTask } from '../task/access.ts';
import { inToolset } from '../toolset.ts';
import { http } from '../wire/dialects/http.ts';
import { dialects } from '../wire/dialects/index.ts';
import { modelsDocument } from '../wire/dialects/openai/models.ts';
import type { Parts } from './parts.ts';

function taskRoutesOf(parts: Parts, access: AccessPorts): TaskRoutes<TaskDecision> {
  const { config, clock, policy, trail, redact, table, taskTokens, place, tasks, balanceOf } = parts;
  const record = (news: Parameters<typeof recordTask>[1]) => recordTask(trail, news, redact);
  return new TaskRoutes<TaskDecision>({
    access,
    clock,
    balanceOf,
    tokenTtlMs: config.task.token_ttl_seconds * 1000,
    mint: ({ id: taskId, agent, tenant, subject }, expiresAtMs) =>
      taskTokens.mint({ taskId, agentId: agent.id, tenant, subjectId: subject?.id ?? null, expiresAtMs }),
    opening: {
      tasks,
      operations: () => table,
      verifyWorkload: access.verifyWorkload,
      decide: (request, agent, subject) => policy.decideTask(taskInput(request, agent, subject, place, clock.nowMs())),
      recordOpened: (task, decision, { request, trace }) => {
        const details = { ...request } as unknown as Json;
        return record({ record: task, operation: 'task.create', decision, trace, status: 201, details });
      },
      recordDenied: (denial, agent, subject, decision, { trace }) =>
        record({ asked: { agent, subject, trace }, denial, decision }),
      ceiling: { ttlSeconds: config.task.ttl_seconds, budget: spendingOf(config.task.budget) },
    },
    recordEnded: (task, by) => record({ record: task, operation: endingOf(task), status: 200, details: { by } }),
    recordRenewed: (task) => record({ record: task, operation: 'task.renew', status: 200 }),
    recordThought: (task, id, text, proposals) =>
      recordReportedThought(trail, { id, text, proposals }, { record: task, redact }),
  });
}

/** Both planes, not yet listening. */
export function planesOf(parts: Parts, pipeline: Pipeline): Planes {
  const { config, clock, publicUrl, faulted, keys, store, trail, sampler, policy, table, tasks, redact } = parts;
  const access: AccessPorts = {
    tasks,
    verifyTask: (token) => parts.taskTokens.verify(token),
    verifyWorkload: (token) => parts.workloads.verify(token),
  };
  const taskRoutes = taskRoutesOf(parts, access);
  const readiness = new Readiness(clock, {
    store: async () => {
      await store.ping();
      return true;
    },
    policy: () => policy.healthy(),
    audit: () => trail.healthy(),
  });
  const planes: Planes = new Planes({
    gateway: config.gateway,
    limits: config.limits,
    clock,
    readiness,
    abortAll: () => parts.running.abortAll(deny('upstream_error', 'The gateway is stopping.')),
    data: new DataPlane({
      clock,
      pipeline,
      dialects,
      problem: http.denial,
      tasks: taskRoutes,
      documents: {
        [jwksPath]: () => keys.jwks(),
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
      refused: (denial, { trace }) => {
        recordRefusedRequest(trail, { id: null, trace, denial }, sampler).catch((fault: unknown) =>
          faulted('audit', fault),
        );
      },
      concurrencyMax: config.limits.concurrency,
      faulted,
    }),
    admin: new AdminPlane({
      clock,
      token: parts.adminToken,
      hosts: () => planes.adminHosts,
      readiness,
      audit: auditQueries(trail),
      tasks: {
        find: (id) => tasks.find(id),
        document: (record) => taskRoutes.document(record),
        kill: async (record) => {
          const ended = await tasks.end(record, 'killed');
          if (isDenial(ended)) return ended;
          const news = { record: ended, operation: endingOf(ended), status: 200, details: { by: 'operator' } };
          await recordTask(trail, news, redact);
          return ended;
        },
      },
      problem: http.denial,
      faulted,
    }),
  });
  return planes;
}

function spendingOf(budget: Parts['config']['task']['budget']): Spending {
  const { tokens, cost_usd, calls, seconds } = budget;
  return { tokens, costMicroUsd: microUsd(cost_usd), calls, seconds };
}

function endingOf(record: TaskRecord): `task.${string}` {
  return record.state === 'killed' ? 'task.kill' : 'task.complete';
}
