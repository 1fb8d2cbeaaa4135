/**
 * The policy on the ladder, in two rungs: `decideStage` makes the decision a fact of the call, whatever it says, so
 * that a denial is recorded with the input it was made on; `enforceStage` refuses every call whose decision does not
 * allow it. Between them nothing may look at the decision, and a call without the second rung is not admitted.
 */
import type { AllowedFact, Decision, DecisionFact, EntryFact, JsonObject, TaskRecord } from '../call.ts';
import type { Clock } from '../clock.ts';
import { type Denial, deny, type Reason } from '../denial.ts';
import type { Stage } from '../stage.ts';
import { inToolset } from '../toolset.ts';
import { refusal, type Source, summary } from './decision.ts';
import { type AnswerFacts, callInput, type GatewayFacts, type JudgedCall, responseInput } from './input.ts';
import type { LeftOut } from './input-parts.ts';
import { nextOnPlan, offPlan } from './plan.ts';
import { callObligations } from './schemas.ts';

const notInTask = 'not_in_task';
const offThePlan = 'off_plan';
const foreignId = 'provider_id_foreign';
/** Reasons of refusals that the gate makes in place of the policy. */
export const ownReasons: ReadonlySet<string> = new Set([notInTask, offThePlan, foreignId]);

/** How many places one message names. */
const foreignNamedMax = 8;

/** Those who decide about the calls of one task. */
export interface Deciders {
  /** What none of them refers to. */
  readonly leftOut: LeftOut;
  source(input: JsonObject): Source;
  decide(phase: 'call' | 'response', input: JsonObject): Decision;
}

/** What the stages need of the policies. */
export interface Decider {
  /** Awaited before `panel` where it gives a promise. */
  prepare(record: TaskRecord): Promise<void> | undefined;
  /**
   * Throws where no policy is in force. `compare` false: what is decided is not compared with a candidate. `call`: the
   * decision about the call whose answer is to be decided.
   */
  panel(record: TaskRecord, compare?: boolean, call?: Decision): Deciders;
}

export interface DecideDeps {
  readonly gateway: GatewayFacts;
  readonly clock: Clock;
  /** False for what is judged and not made. Left out: true. */
  readonly compare?: boolean;
  /** Told of each decision about a call that is made, with how long the policies took over it. */
  readonly decided?:
    | ((call: JudgedCall, phase: 'call' | 'response', decision: Decision, evalMs: number) => void)
    | undefined;
}

/** Whether `value` is a decision that may be acted on; a truthy `allow` is not enough. */
export function isDecision(value: unknown): value is Decision {
  if (typeof value !== 'object' || value === null) return false;
  const { id, allow, reasons, obligations, bundle, revision, input } = value as Record<keyof Decision, unknown>;
  return (
    typeof id === 'string' &&
    id.startsWith('dec_') &&
    typeof allow === 'boolean' &&
    Array.isArray(reasons) &&
    reasons.every((reason) => typeof reason?.code === 'string' && typeof reason.message === 'string') &&
    isObject(obligations) &&
    Object.keys(obligations).every((name) => callObligations.includes(name)) &&
    typeof bundle === 'string' &&
    typeof revision === 'string' &&
    isObject(input)
  );
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Adds the decision: that of `tollgate.call`, or one of the gate itself: for a call off the task's toolset or plan, or that
 * names what a provider gave to another task, with the reason `not_in_task`, `off_plan` or `provider_id_foreign`. Denies nothing; faults with `policy_unavailable` where no policy is loaded.
 */
export function decideStage(policies: Decider, deps: DecideDeps): Stage<JudgedCall, DecisionFact> {
  const decide = (call: JudgedCall): DecisionFact => {
    const { operation, payload } = call.resolved;
    const { record } = call.entry.task;
    const panel = policies.panel(record, deps.compare ?? true);
    const input = callInput(call, deps.gateway, deps.clock.nowMs(), panel.leftOut);
    if (!inToolset(record.tools, operation)) {
      const message = `${operation.name} is not one of the tools of this task.`;
      return { decision: refusal(panel.source(input), notInTask, message) };
    }
    const deviation = offPlan(record, operation, payload.args);
    if (deviation !== undefined) return { decision: refusal(panel.source(input), offThePlan, deviation) };
    const foreign = call.entry.named?.foreign ?? [];
    if (foreign.length > 0) {
      const places = foreign.slice(0, foreignNamedMax).join(', ');
      const message = `What is named at ${places} was given in no answer to this task, or is remembered no more: only what a provider or the gate keeps for this task can be named in it. Where nothing is kept, send the items themselves (\`store: false\`).${call.recalled?.forgets ?? ''}`;
      return { decision: refusal(panel.source(input), foreignId, message) };
    }
    return { decision: timed(deps, call, 'call', () => panel.decide('call', input)) };
  };
  return {
    name: 'policy',
    fault: 'policy_unavailable',
    gives: { decision: isDecision },
    admit: (call) => {
      const preparing = policies.prepare(call.entry.task.record);
      return preparing === undefined ? decide(call) : preparing.then(() => decide(call));
    },
  };
}

/** Denies `policy_denied` unless the decision allows, and `approval_required` where it allows after an approval. */
export function enforceStage(): Stage<EntryFact & DecisionFact, AllowedFact> {
  return {
    name: 'policy',
    fault: 'policy_unavailable',
    gives: { allowed: (value) => value === true },
    admit: ({ decision, entry }) => enforce(decision, entry.task.record) ?? { allowed: true },
  };
}

function enforce(decision: Decision, record: TaskRecord): Denial | undefined {
  const { allow, reasons, obligations } = decision;
  if (allow !== true) {
    const instead = insteadOf(reasons, record);
    return deny('policy_denied', summary('The policy does not allow this call', reasons), {
      reasons,
      ...(instead === null ? {} : { allowed: instead }),
    });
  }
  if (obligations.approval === undefined) return undefined;
  const { role, reason } = obligations.approval;
  return deny('approval_required', `A ${role} must approve this call: ${reason}`, {
    reasons: [{ code: 'approval_required', message: reason }],
  });
}

/** What the agent may do instead, where the gate itself knows: the tools of the task, or what its plan lets go next. */
function insteadOf(reasons: readonly Reason[], record: TaskRecord): readonly string[] | null {
  const because = (refused: string) => reasons.some(({ code }) => code === refused);
  if (because(notInTask)) return record.tools;
  return record.plan !== undefined && because(offThePlan) ? nextOnPlan(record, record.tools) : null;
}

/**
 * The decision about an answer, on the document its call was decided on. Denies as a decision; throws only where no
 * policy is in force. Policies that came into force while the call was out may refer to more of it than was built: that
 * is built then, of the call as it was sent.
 */
export function decideAnswer(
  policies: Pick<Decider, 'panel'>,
  call: JudgedCall & DecisionFact,
  came: AnswerFacts,
  deps: DecideDeps,
): Decision {
  const { decision, entry } = call;
  const panel = policies.panel(entry.task.record, true, decision);
  const missing = (decision.leftOut ?? []).some((part) => !(panel.leftOut as ReadonlySet<string>).has(part));
  const input = missing ? callInput(call, deps.gateway, decidedAtMs(decision.input), panel.leftOut) : decision.input;
  const asked = responseInput(input, came, panel.leftOut);
  const decided = timed(deps, call, 'response', () => panel.decide('response', asked));
  // Where there is no body, none was left out.
  if (came.body !== null || decided.leftOut === undefined) return decided;
  return { ...decided, leftOut: decided.leftOut.filter((part) => part !== 'response.body') };
}

function decidedAtMs({ time }: JsonObject): number {
  return (time as { unix_ms: number }).unix_ms;
}

/** A decision, told to whoever wants to hear of it. */
function timed(
  { clock, decided }: DecideDeps,
  call: JudgedCall,
  phase: 'call' | 'response',
  decide: () => Decision,
): Decision {
  if (decided === undefined) return decide();
  const startMs = clock.monotonicMs();
  const decision = decide();
  decided(call, phase, decision, clock.monotonicMs() - startMs);
  return decision;
}

/** The denial of an answer that its decision does not let pass, or undefined. */
export function denyAnswer(decision: Decision): Denial | undefined {
  if (decision.allow === true) return undefined;
  return deny('policy_denied', summary('The policy does not let this answer pass', decision.reasons), {
    reasons: decision.reasons,
  });
}
