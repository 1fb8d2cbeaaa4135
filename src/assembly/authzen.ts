/**
 * Judges what AuthZEN asks: in a task that is there, or in one that is opened for the question by the very code that
 * opens tasks, both over a store on which nothing is left behind. Then the call climbs the rungs of task and policy; what
 * hangs on a token, a budget or a target is no question of the policy and is not asked.
 */
import type { Agent, Arrival, Caller, CallerFact, JsonObject, OperationFact, Subject, TaskRecord } from '../call.ts';
import { newId } from '../clock.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { scanStage } from '../inspection/stage.ts';
import { decideStage, enforceStage } from '../policy/stage.ts';
import type { Evaluated } from '../server/admin-authzen.ts';
import { climb, Ladder } from '../stage.ts';
import { TrialStore } from '../store/trial.ts';
import { openTask } from '../task/open.ts';
import { enterStage, taskStage } from '../task/stage.ts';
import type { Tasks } from '../task/tasks.ts';
import { startTrace } from '../telemetry/trace.ts';
import { asBadRequest, type Evaluation, readContext } from '../wire/authzen-request.ts';
import { supposed } from '../wire/supposed.ts';
import type { TaskRequests } from '../wire/task-request.ts';
import type { Parts } from './parts.ts';
import { accessOf, openingOf } from './task-faces.ts';
import { trialStages } from './trial.ts';

/** Nobody shows anything here. */
const shown = { scheme: null, certificate: null, proof: null, method: 'POST', path: '' } as const;

/** What the policy would say. Denies `request_invalid` for what names nothing that there is. */
export async function evaluate(
  parts: Parts,
  requests: TaskRequests,
  evaluation: Evaluation,
): Promise<Evaluated | Denial> {
  const { clock, table, policy, inspector, place, config, faulted } = parts;
  const operation = table.get(evaluation.operation);
  const { resource } = evaluation;
  const named = resource.type === 'route' ? operation?.route : operation?.name;
  if (operation === undefined) return unknown('/action/name', 'there is no such operation');
  if (named !== resource.id) return unknown('/resource/id', `must be the ${resource.type} of the action: ${named}`);
  const stages = trialStages(parts, new TrialStore(parts.store));
  const refused = (denial: Denial, phase: Evaluated['phase']): Evaluated => ({
    ...{ phase, denial, decision: undefined, revision: policy.active.revision },
  });
  const task = await taskOf(parts, requests, stages.tasks, evaluation);
  if (isDenial(task)) return task.code === 'request_invalid' ? task : refused(task, 'task');
  const resolved = supposed(operation, evaluation.args);
  if (isDenial(resolved)) return refused(resolved, 'call');
  const caller: Caller = {
    ...{ taskId: task.id, agentId: task.agent.id, tenant: task.tenant, tokenId: 'none', expiresAtMs: task.expiresAtMs },
    ...{ binding: null, scope: null, mayAct: null },
  };
  const ladder = Ladder.from<Arrival & CallerFact & OperationFact>()
    .rung(taskStage(stages))
    .rung(enterStage(stages))
    .rung(scanStage(inspector))
    .rung(decideStage(policy, { gateway: place, clock, compare: false }))
    .rung(enforceStage());
  const arrival: Arrival = {
    ...{ id: newId(clock, 'call'), requestId: 'authzen', receivedAtMs: clock.nowMs(), startMs: clock.monotonicMs() },
    ...{ trace: startTrace(clock), surface: 'authzen', credential: null, shown, toolCallId: null, deadlineMs: null },
    request: { kind: operation.kind, route: operation.route, resolve: () => resolved },
    abort: new AbortController(),
  };
  const climbing = { clock, stageMs: config.limits.stage_ms, faulted };
  const { call, denial } = await climb(ladder, { ...arrival, caller, resolved }, climbing);
  const { decision } = call;
  const revision = decision?.revision ?? policy.active.revision;
  return { phase: 'call', denial, decision: decision as unknown as JsonObject | undefined, revision };
}

/** The task that is asked about: the one of `task_id`, or one opened on trial as the rest of the context says. */
async function taskOf(
  parts: Parts,
  requests: TaskRequests,
  tasks: Tasks,
  { agent: asked, context: said }: Evaluation,
): Promise<TaskRecord | Denial> {
  const context = readContext(said);
  const { task_id: id, subject, ...wish } = context;
  if (id !== undefined) {
    if (Object.keys(context).length > 1) return unknown('/context', 'a task that is there has all else already');
    const record = typeof id === 'string' ? await parts.tasks.find(id) : undefined;
    const { agent } = record ?? {};
    const own = asked.id === agent?.id && [null, agent.issuer].includes(asked.issuer);
    if (record !== undefined && own && [null, record.tenant].includes(asked.tenant)) return record;
    return deny('task_unknown', 'There is no such task of this agent.');
  }
  const issuer = parts.config.issuers.find(({ name }) => name === asked.issuer);
  if (issuer === undefined) return unknown('/subject/properties/issuer', 'must be the name of an issuer of agents');
  if (asked.tenant === null) return unknown('/subject/properties/tenant', 'is needed where there is no task_id');
  const { id: agentId, tenant, claims, actors } = asked;
  const agent: Agent = {
    ...{ id: agentId, issuer: issuer.name, tenant, cloud: asked.cloud ?? literal(issuer.cloud), claims, actors },
    verifiedAtMs: parts.clock.nowMs(),
  };
  const vouched = verifiedSubject(subject);
  if (isDenial(vouched)) return vouched;
  const body = requests.taskOf({ ...wish, ...(subject === undefined || vouched !== null ? {} : { subject }) });
  if (isDenial(body)) return asBadRequest(body, '/context');
  const opening = openingOf(parts, accessOf(parts), async () => undefined, false);
  const ticket = await openTask(
    {
      ...opening,
      tasks,
      verifyWorkload: async () => agent,
      bind: async () => null,
      ...(vouched === null ? {} : { verifySubject: async () => vouched }),
    },
    {
      claim: { credential: { token: '', shown } },
      parentToken: null,
      request: vouched === null ? body : { ...body, subject: { token: '' } },
      trace: startTrace(parts.clock),
      requestId: 'authzen',
    },
  );
  return isDenial(ticket) ? asBadRequest(ticket) : ticket.record;
}

/** What the configuration says of itself; what it reads from a token is not known here. */
function literal(cloud: string | undefined): string {
  return cloud === undefined || cloud.startsWith('claims.') ? '' : cloud;
}

/** A subject as if it were verified; null where it is not said to be. */
function verifiedSubject(said: unknown): Subject | null | Denial {
  const { assurance, id, type = 'customer', issuer, claims = {}, ...rest } = (said ?? {}) as Record<string, unknown>;
  if (assurance !== 'verified') return null;
  const texts = [id, type, issuer];
  const fits = texts.every((one) => typeof one === 'string' && one !== '' && one.length <= 255);
  if (!fits || typeof claims !== 'object' || claims === null || Array.isArray(claims) || Object.keys(rest).length > 0) {
    return unknown('/context/subject', 'a verified one has id, type, issuer and claims, and nothing else');
  }
  const [subjectId, subjectType, vouchedBy] = texts as [string, string, string];
  return {
    ...{ id: subjectId, type: subjectType, issuer: vouchedBy, claims: claims as JsonObject, assurance },
  };
}

function unknown(path: string, message: string): Denial {
  return deny('request_invalid', `This cannot be evaluated: ${message}.`, {
    reasons: [{ code: 'invalid', message, path }],
  });
}
