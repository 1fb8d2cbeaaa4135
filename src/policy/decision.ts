/**
 * Decisions as the rest of the gate gets them. Whatever a policy failed at becomes a decision that denies, with a
 * code that says so: it has an id, it is recorded with its input, and a repeat would not help the agent. Only where
 * no policy is loaded at all is there no decision; that is a fault, and ends in `policy_unavailable`.
 */
import type { Decision, JsonObject, Obligations, OnSpent, PlanStep, Spending } from '../call.ts';
import type { DecisionId } from '../clock.ts';
import { type Denial, deny, type Reason } from '../denial.ts';
import { type PlanStepDocument, planOf } from '../wire/plan.ts';

/** What a task may have; a member that is not there stands as it was asked for. */
export interface TaskGrant {
  readonly tools?: readonly string[];
  readonly plan?: readonly PlanStep[];
  readonly budget?: Partial<Spending>;
  readonly onSpent?: OnSpent;
  readonly ttlSeconds?: number;
  readonly labels?: JsonObject;
  readonly taint?: readonly string[];
}

/** The decision about a task that is asked for; `denial` is set exactly if `allow` is false. */
export interface TaskDecision extends Decision {
  readonly grant: TaskGrant;
  /** Of a part, what the policies grant that its whole goes on under, where those are others: it gets what both do. */
  readonly alsoGrant?: TaskGrant;
  readonly denial: Denial | null;
}

/** Where a decision comes from. */
export interface Source {
  readonly id: DecisionId;
  readonly bundle: string;
  readonly revision: string;
  readonly content: string;
  readonly input: JsonObject;
  readonly leftOut: readonly string[];
}

/** A decision in the shape that `decisionSchema` demands. */
export interface Ruling {
  readonly allow: boolean;
  readonly reasons: readonly Reason[];
  readonly obligations?: Obligations;
  readonly grant?: {
    readonly tools?: readonly string[];
    readonly plan?: readonly PlanStepDocument[];
    readonly budget?: {
      readonly tokens?: number;
      readonly cost_micro_usd?: number;
      readonly calls?: number;
      readonly seconds?: number;
    };
    readonly on_spent?: OnSpent;
    readonly ttl_seconds?: number;
    readonly labels?: JsonObject;
    readonly taint?: readonly string[];
  };
}

export function decisionOf(source: Source, ruling: Ruling): Decision {
  const { allow, reasons, obligations = {} } = ruling;
  return { ...source, allow, reasons, obligations };
}

/** A decision of the gate itself, in place of one of the policy. */
export function refusal(source: Source, code: string, message: string): Decision {
  return decisionOf(source, { allow: false, reasons: [{ code, message }] });
}

export function taskDecisionOf(decision: Decision, ruling: Ruling | null): TaskDecision {
  const denial = decision.allow
    ? null
    : deny('policy_denied', summary('The policy does not allow this task', decision.reasons), {
        reasons: decision.reasons,
      });
  return { ...decision, denial, grant: decision.allow ? grantOf(ruling) : {} };
}

/** What a ruling grants; nothing is said of what stands as it was asked for. */
export function grantOf(ruling: Ruling | null): TaskGrant {
  return ruling?.grant === undefined ? {} : granted(ruling.grant);
}

function granted(said: NonNullable<Ruling['grant']>): TaskGrant {
  const { tools, plan, budget, on_spent: onSpent, ttl_seconds: ttlSeconds, labels, taint } = said;
  return {
    ...(tools === undefined ? {} : { tools }),
    ...(plan === undefined ? {} : { plan: planOf(plan) }),
    ...(budget === undefined ? {} : { budget: spendingOf(budget) }),
    ...(onSpent === undefined ? {} : { onSpent }),
    ...(ttlSeconds === undefined ? {} : { ttlSeconds }),
    ...(labels === undefined ? {} : { labels }),
    ...(taint === undefined ? {} : { taint }),
  };
}

function spendingOf(budget: NonNullable<NonNullable<Ruling['grant']>['budget']>): Partial<Spending> {
  const { cost_micro_usd: costMicroUsd, ...rest } = budget;
  return { ...rest, ...(costMicroUsd === undefined ? {} : { costMicroUsd }) };
}

/** A denial's message: what was refused, and the first reason in full; the others stand in `reasons`. */
export function summary(what: string, reasons: readonly Reason[]): string {
  const first = reasons[0];
  return first === undefined ? `${what}.` : `${what}: ${first.message}`;
}
