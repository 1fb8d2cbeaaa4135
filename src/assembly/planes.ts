/** The two planes over the parts: what agents reach, and what people reach. */
import type { Json, Operation, TaskRecord } from '../call.ts';
import { deny, isDenial } from '../denial.ts';
import type { Pipeline } from '../pipeline.ts';
import type { Policies } from '../policy/policies.ts';
import { DataPlane } from '../server/data-plane.ts';
import { Planes, type TlsOfPlanes } from '../server/planes.ts';
import { Readiness } from '../server/readiness.ts';
import { ownTask } from '../task/access.ts';
import { startTrace } from '../telemetry/trace.ts';
import { inToolset } from '../toolset.ts';
import { http } from '../wire/dialects/http.ts';
import { dialects } from '../wire/dialects/index.ts';
import { modelListOf } from '../wire/model-routes.ts';
import { adminPlaneOf } from './admin.ts';
import { documentsOf } from './documents.ts';
import type { Editions } from './editions.ts';
import { type McpSurroundings, mcpEndpointOf } from './mcp.ts';
import type { Foundation, Parts } from './parts.ts';
import { accessOf, refusedOf, taskFacesOf } from './task-faces.ts';
import { gaugesOf } from './telemetry.ts';

/** What the data planes of all editions share. */
export interface DataPlaneSurroundings extends McpSurroundings {
  readonly readiness: Readiness;
  readonly underWay: () => number;
}

/** The data plane of one edition of the configuration, and the documents of tasks as its routes write them. */
export function dataPlaneOf(
  parts: Parts,
  pipeline: Pipeline,
  surroundings: DataPlaneSurroundings,
): { readonly plane: DataPlane; readonly taskDocument: (record: TaskRecord) => Promise<Json> } {
  const { config, clock, faulted, table } = parts;
  const { readiness, underWay } = surroundings;
  const { documents, challenge } = documentsOf(parts);
  const access = accessOf(parts);
  const { tasks: taskRoutes, oauth, oauthLife } = taskFacesOf(parts, access, challenge);
  const plane = new DataPlane({
    clock,
    pipeline,
    dialects,
    problem: http.denial,
    tasks: taskRoutes,
    oauth,
    oauthLife,
    mcp: mcpEndpointOf(parts, pipeline, access, surroundings),
    documents,
    models: async (credential, surface) => {
      const own = await ownTask(access, credential, clock.nowMs());
      if (isDenial(own)) return own;
      const may = (one: Operation) => inToolset(own.record.tools, one) && inToolset(own.scope, one);
      return modelListOf(surface, table, may);
    },
    readiness,
    challenge,
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
export function readinessOf({ clock, store, localShare, trail, keys }: Foundation, policy: () => Policies): Readiness {
  const checks = {
    store: async () => {
      // For as long as it goes on without the store, it is there for calls.
      if (localShare?.active !== true) await store.ping();
      return true;
    },
    policy: () => policy().healthy(),
    audit: () => trail.healthy(),
    keys: () => keys.healthy(),
  };
  return new Readiness(clock, checks, () => ({ policy: policy().note }));
}

/** Both planes, not yet listening. `editions` answers on the data plane; the admin plane is one for all of them. */
export function planesOf(foundation: Foundation, editions: Editions, readiness: Readiness, tls: TlsOfPlanes): Planes {
  const { clock, trail, running, telemetry } = foundation;
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
    admin: adminPlaneOf({ foundation, editions, readiness, hosts: () => planes.adminHosts }),
  });
  telemetry.gauges(gaugesOf(trail, () => editions.current.parts));
  return planes;
}
