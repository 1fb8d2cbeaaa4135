/**
 * `POST /tasks/{id}/check`: an agent asks before it acts. Each call it intends is judged by the rungs that a real one
 * climbs, as if it came next on the task as it is now; none of them sees the others, and nothing is left behind but the
 * event that it was asked. What a reader would get wrong: it promises nothing. What is allowed now may be denied when
 * it comes, because the task, its budget or the policy has changed.
 */
import type {
  Agent,
  Arrival,
  Binding,
  Caller,
  Json,
  JsonObject,
  Shown,
  ShownToken,
  TaskRecord,
  Trace,
  Underway,
} from '../call.ts';
import type { Clock } from '../clock.ts';
import { type Denial, denialMembers, deny, isDenial } from '../denial.ts';
import type { Reply } from '../pipeline.ts';
import { type Access, type AccessPorts, accessTask } from '../task/access.ts';
import type { CheckRequests } from '../wire/check-request.ts';
import type { Dialect, RawRequest } from '../wire/dialect.ts';
import { usdFromMicroUsd } from '../wire/money.ts';
import { arrivalOf, dialectOf, hintsOf, type RequestContext } from './arrival.ts';
import { jsonReply } from './reply.ts';

/** How far a call came that was only judged. */
export interface Judgement {
  readonly call: Partial<Pick<Underway, 'resolved' | 'decision'>>;
  /** Why it would be refused; undefined if it would be sent. */
  readonly denial: Denial | undefined;
  /** The most it could have cost; null if it did not come so far. */
  readonly estimate: { readonly tokens: number; readonly costMicroUsd: number } | null;
}

/** What one call of a check was told, for the trail. */
export interface CheckedCall {
  readonly operation: string | null;
  readonly decision: 'allow' | 'deny';
  readonly code?: string;
}

export interface CheckPorts {
  readonly requests: CheckRequests;
  readonly access: AccessPorts;
  readonly dialects: readonly Dialect[];
  readonly clock: Clock;
  /** What a task token that this request asked for would belong to. */
  readonly bind: (shown: Shown, agent: Agent) => Promise<Binding | null | Denial>;
  /** Judges a call of `caller` without any effect. */
  readonly judge: (arrival: Arrival, caller: Caller) => Promise<Judgement>;
  /** Records, durably, what was asked and answered. */
  readonly record: (record: TaskRecord, calls: readonly CheckedCall[], trace: Trace) => Promise<void>;
}

export class TaskChecks {
  readonly #ports: CheckPorts;

  constructor(ports: CheckPorts) {
    this.#ports = ports;
  }

  /**
   * Answers with a verdict for each call, in their order. By the task token, for what that token covers; by the workload
   * token of the task's agent, as by the token it would get for it. Denies 401, `task_unknown`, `insufficient_scope` for
   * the token of a task above (what it would call, it calls in its own), and 400, 413, 422 for the body.
   */
  async answer(
    request: RawRequest,
    credential: ShownToken | null,
    id: string,
    context: RequestContext,
  ): Promise<Reply | Denial> {
    const { access, requests, record } = this.#ports;
    const calls = requests.read(request.body);
    if (isDenial(calls)) return calls;
    const found = await accessTask(access, credential, id);
    if (isDenial(found)) return found;
    const caller = credential === null ? null : await this.#callerOf(found, credential.shown);
    if (caller === null) return denyForeign();
    if (isDenial(caller)) return caller;
    const verdicts: JsonObject[] = [];
    const checked: CheckedCall[] = [];
    for (const call of calls) {
      const judged = await this.#judge(call, caller, credential as ShownToken, context);
      verdicts.push(verdictOf(judged));
      checked.push(checkedOf(judged));
    }
    await record(found.record, checked, context.trace);
    return jsonReply(200, { calls: verdicts });
  }

  /** Who would make the calls; null for whoever holds the token of a task above this one. */
  async #callerOf({ record, proof, agent, caller }: Access, shown: Shown): Promise<Caller | null | Denial> {
    if (proof === 'parent') return null;
    if (agent === null) return caller;
    const binding = await this.#ports.bind(shown, agent);
    if (isDenial(binding)) return binding;
    const { id: taskId, tenant, expiresAtMs } = record;
    // As a token for the whole task would say; it has no id, for there is none.
    return {
      ...{ taskId, agentId: agent.id, tenant, tokenId: 'none', expiresAtMs },
      binding,
      scope: null,
      mayAct: null,
    };
  }

  async #judge(call: RawRequest, caller: Caller, { shown }: ShownToken, context: RequestContext): Promise<Judgement> {
    const { dialects, clock, judge } = this.#ports;
    const dialect = dialectOf(dialects, call);
    if (isDenial(dialect)) return refused(dialect);
    const request = dialect.parse(call);
    if (isDenial(request)) return refused(request);
    const hints = hintsOf(call);
    if (isDenial(hints)) return refused(hints);
    const arrival = arrivalOf(clock, context, {
      ...{ surface: dialect.name, request, hints, credential: null, shown },
      abort: new AbortController(),
    });
    return judge(arrival, caller);
  }
}

function refused(denial: Denial): Judgement {
  return { call: {}, denial, estimate: null };
}

function denyForeign(): Denial {
  return deny('insufficient_scope', 'The calls of a task are checked by its own agent.', {
    reasons: [{ code: 'not_own_task', message: 'Show the token of the task itself.' }],
  });
}

function checkedOf({ call, denial }: Judgement): CheckedCall {
  const operation = call.resolved?.operation.name ?? null;
  return denial === undefined ? { operation, decision: 'allow' } : { operation, decision: 'deny', code: denial.code };
}

/** The verdict as the agent is told: a denial with the members that the real call would have. */
function verdictOf(judged: Judgement): JsonObject {
  const { call, denial, estimate } = judged;
  const { operation, decision } = checkedOf(judged);
  const told = {
    operation,
    decision,
    ...(denial === undefined ? { reasons: call.decision?.reasons ?? [] } : refusalOf(denial)),
    obligations: call.decision?.obligations ?? {},
    estimate: estimate === null ? null : { tokens: estimate.tokens, cost_usd: usdFromMicroUsd(estimate.costMicroUsd) },
  };
  return told as unknown as JsonObject;
}

/** Without the ids: there is no call, and what was decided on is not kept. */
function refusalOf(denial: Denial): Record<string, Json> {
  const { decision_id, task_id, call_id, trace_id, ...members } = denialMembers(denial, {});
  return members as unknown as Record<string, Json>;
}
