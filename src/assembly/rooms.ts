/**
 * The rooms in their order: the ladder of admission as docs/architecture.md shows it, then exchange, return and
 * settlement as the pipeline calls them.
 */
import { intentStage, proposalStage, recordOutcome } from '../audit/stage.ts';
import { attemptGuarded } from '../breaker/attempt.ts';
import { breakerStage } from '../breaker/stage.ts';
import { RunningCount } from '../budget/count.ts';
import { rateStage } from '../budget/rates/stage.ts';
import { deliveryOf, settleBudget } from '../budget/settle.ts';
import { type BudgetStageParts, budgetStage } from '../budget/stage.ts';
import type {
  Admitted,
  Answer,
  Arrival,
  BindingRequired,
  Decision,
  Finding,
  OperationFact,
  ProposedFact,
  RecalledFact,
  Spending,
  TaskFact,
  Underway,
} from '../call.ts';
import { catalogueStage } from '../catalogue/stage.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { issuerBinding } from '../identity/binding.ts';
import { reachStage } from '../identity/reach.ts';
import { identityStage } from '../identity/stage.ts';
import { inspectAnswer, obeyAnswer } from '../inspection/answer.ts';
import type { Inspector } from '../inspection/scan.ts';
import { obeyStage, scanStage } from '../inspection/stage.ts';
import { StreamInspection, unmetOnStream } from '../inspection/stream.ts';
import type { Rooms } from '../pipeline.ts';
import { type DecideDeps, decideAnswer, decideStage, denyAnswer, enforceStage } from '../policy/stage.ts';
import { reachableTargets } from '../route/fitting.ts';
import { routeStage } from '../route/stage.ts';
import type { RouteTable } from '../route/table.ts';
import { encoders } from '../server/encode.ts';
import { Ladder } from '../stage.ts';
import type { Amounts } from '../store/store.ts';
import { recallStage, rememberAnswer } from '../task/remembered/stage.ts';
import {
  enterStage,
  settleTask,
  stillAlive,
  type TaskStages,
  taintStage,
  taintTask,
  taskStage,
} from '../task/stage.ts';
import { denialOfFault } from '../upstream/send.ts';
import { dialects } from '../wire/dialects/index.ts';
import { operationStage } from '../wire/stage.ts';
import { cacheRung, recorded, uncounted } from './answers.ts';
import { countingOf, withSplits } from './budgets.ts';
import { documentsOf } from './documents.ts';
import { idempotencyRung, tellDoubt } from './idempotency.ts';
import { courseOf, pausesMsMax, settleLimits } from './limits.ts';
import { denyWithoutStore } from './local-share.ts';
import type { Parts } from './parts.ts';
import { recallOf } from './remembered.ts';
import { denyCharset, denyUnfit, pageResult, readResult, readsWhole } from './results.ts';
import { endAfterLastTurn, limitTime, spentOf, wrapUpAfterCut } from './spent.ts';

/** A call may try so many targets, one after the other, before its reservation could be given back under it. */
const targetsTriedMax = 4;

/** A call that may go, as far as can be told before its intent is written down. */
export type Judged = Omit<Admitted, 'intent' | 'rates'> & ProposedFact & RecalledFact;

/** What judging works on: the gate's own tokens and store, or, for a trial, some on which nothing is left behind. */
export interface Footing {
  readonly tokens: Parameters<typeof identityStage>[0];
  readonly stages: TaskStages;
  /** Where calls leave their marks. */
  readonly marks: Parameters<typeof idempotencyRung>[1];
  readonly budgets: BudgetStageParts['store'];
  /** What calls that are made are counted on for whoever looks back, and who is told where budgets stand. */
  readonly counting?: Pick<BudgetStageParts, 'meter' | 'watch'>;
  /** What becomes of a task whose budget is spent. */
  readonly spent: BudgetStageParts['spent'];
  /** Whether what is decided is compared with a candidate that is being rolled out. */
  readonly compare: boolean;
  /** Told of the decisions about calls that are made. */
  readonly decided?: DecideDeps['decided'];
}

/** Everything that is judged of a call before it is written down, in its order. A trial climbs these very rungs. */
export function judgementOf(
  parts: Parts,
  { tokens, stages, marks, budgets, counting, spent, compare, decided }: Footing,
): Ladder<Arrival, Judged> {
  const { config, clock, table, policy, inspector, breakers, promptTokens } = parts;
  const { failures_in_a_row: failuresInARow, cool_down_seconds: coolDownSeconds } = config.task.loop;
  return Ladder.from<Arrival>()
    .rung(identityStage(tokens))
    .rung(taskStage(stages))
    .rung(operationStage(() => table))
    .rung(reachStage((call) => bindingsRequired(parts, call)))
    .rung(catalogueStage())
    .rung(recallStage(recallOf(parts)))
    .rung(proposalStage())
    .rung(idempotencyRung(parts, marks, reservationTtlMs(table, config)))
    .rung(enterStage(stages))
    .rung(scanStage(inspector))
    .rung(decideStage(policy, { gateway: parts.place, clock, compare, decided }))
    .rung(enforceStage())
    .rung(taintStage(stages))
    .rung(obeyStage(inspector))
    .rung(cacheRung(parts))
    .rung(
      budgetStage({
        store: budgets,
        ...counting,
        spent,
        clock,
        config: config.budget,
        promptTokensOf: (ask, target) => promptTokens.of(ask, target),
        reservationTtlMs: reservationTtlMs(table, config),
        targetsOf: (call) => reachableTargets(table.route(call.resolved.operation.route)?.targets ?? [], call),
      }),
    )
    .rung(routeStage({ table, clock }))
    .rung(breakerStage({ breakers, clock, failuresInARow, coolDownMs: coolDownSeconds * 1000 }));
}

function admissionOf(parts: Parts): Rooms['admission'] {
  const { config, callStore, localShare, settlements, trail, redact } = parts;
  const budgets: Footing['budgets'] = {
    reserve: (id, scopes, amounts, ttlMs) => callStore.reserve(id, scopes, amounts, ttlMs, parts.life.holder),
    settle: (id, actual) => settlements.settle(id, actual),
  };
  return judgementOf(parts, {
    tokens: parts.requestTokens,
    stages: parts.stages,
    marks: parts.callMarks.marks,
    budgets,
    counting: countingOf(parts),
    spent: spentOf(parts),
    compare: true,
    decided: toReport(parts),
  })
    .rung(
      rateStage({
        limits: parts.limits.rates,
        running: ({ task, resolved, caller, abort }) =>
          parts.running.enter(task.record, resolved.operation.route, caller.tokenId, abort),
      }),
    )
    .rung(
      intentStage(trail, { durability: config.audit.durability, redact, isLocal: () => localShare?.active === true }),
    );
}

/** Hands decisions about calls to the decision log; undefined where there is none. */
function toReport({ policyReport, clock }: Parts): DecideDeps['decided'] {
  if (!policyReport.records) return undefined;
  return ({ id: callId, trace, entry }, phase, decision, evalMs) => {
    const { id: taskId, agent } = entry.task.record;
    policyReport.record({ phase, decision, trace, callId, taskId, agentId: agent.id, atMs: clock.nowMs(), evalMs });
  };
}

/** The rooms as the pipeline calls them. */
export function roomsOf(parts: Parts): Rooms {
  const { clock, policy, inspector, stages, breakers, settlements, trail, redact, sampler } = parts;
  const deciding: DecideDeps = { gateway: parts.place, clock, decided: toReport(parts) };
  const windowChars = parts.config.inspection.stream_window_chars;
  return {
    admission: admissionOf(parts),
    exchange: {
      course: (call) => courseOf(parts, call),
      stillAlive: async (call) =>
        denyWithoutStore(parts.localShare, call.resolved.operation) ?? stillAlive(stages, call),
      guarded: (call, target, attempt) => attemptGuarded(breakers, target, call.abort.signal, attempt),
      attempt: async (call, target) => {
        const way = target.provider === 'mcp' ? parts.servers : parts.upstream;
        const tried = await way.attempt(call, target);
        return 'answer' in tried ? { ...tried, answer: recorded(call, tried.answer) } : tellDoubt(parts, call, tried);
      },
      brokeOff: (target, fault) => {
        breakers.failed(target);
        return denialOfFault(fault, target);
      },
    },
    response: {
      read: (call, upstream, bytes) => readResult(parts, call, upstream, bytes),
      readsWhole: (call) => readsWhole(parts, call),
      inspect: (answer) => inspectAnswer(inspector, answer),
      decide: (call, head, body, findings) => decideAnswer(policy, call, { head, body, findings }, deciding),
      obey: async (call, answer, findings, decision, head) => {
        const { record } = call.task;
        const refused =
          (answer === null
            ? (denyCharset(call, head) ?? denyUnfit(parts, call, head))
            : denyUnreadable(call, answer)) ??
          denyAnswer(decision) ??
          obeyOnReturn(inspector, answer, findings, decision, record.digestKey);
        return refused ?? (await taintTask(stages, record, { taint: decision.obligations.taint ?? [] }));
      },
      page: (call, encoded) => pageResult(parts, call, encoded),
      flow: ({ task }, { obligations }) => {
        const { digestKey } = task.record;
        return new StreamInspection({ inspector, obligations, digestKey, windowChars });
      },
    },
    count: (call) => {
      const { cache, reservation, resolved } = call;
      if (cache.state === 'hit') return uncounted();
      return new RunningCount(reservation, resolved.payload.model, wrapUpAfterCut(call));
    },
    settlement: {
      budget: (call, outcome) => {
        const { usage, target } = outcome;
        void settleLimits(parts, call, outcome);
        const settle = (id: string, actual: Amounts) => settlements.settle(id, withSplits(actual, call, outcome));
        return settleBudget({ settle }, call, usage, target, deliveryOf(outcome), clock.monotonicMs());
      },
      task: async (call, outcome) => {
        await Promise.all([settleTask(stages, call, outcome), rememberAnswer(recallOf(parts), call, outcome)]);
        await endAfterLastTurn(parts, call, outcome);
      },
      audit: (call, outcome) =>
        recordOutcome(trail, call, outcome, { redact, sampler, payloadBytes: parts.config.audit.payload_bytes }),
    },
    remaining: (call) => remainingOf(parts, call),
    running: (call) => {
      const { task, resolved, caller, abort } = call;
      const leave = parts.running.enter(task.record, resolved.operation.route, caller.tokenId, abort);
      const unlimit = limitTime(parts, call);
      return () => {
        leave();
        unlimit();
      };
    },
    ...encoders(dialects, documentsOf(parts).challenge),
  };
}

/** What is left of the task's budget, also where the task itself is why the call was refused. */
async function remainingOf({ tasks, balanceOf }: Parts, { task, caller }: Underway): Promise<Spending | undefined> {
  if (caller === undefined) return undefined;
  const record = task?.record ?? (await tasks.load(caller.tenant, caller.taskId));
  return record === undefined || record.agent.id !== caller.agentId ? undefined : (await balanceOf(record)).remaining;
}

/** What the agent's issuer, the route, the operation and its effect ask for: all of it counts. */
function bindingsRequired(
  { config, table }: Parts,
  { task, resolved: { operation } }: TaskFact & OperationFact,
): readonly BindingRequired[] {
  const ofEffect = config.task.binding[operation.effect] ?? 'none';
  return [...table.bindings(operation.name), ofEffect, issuerBinding(config.issuers, task.record.agent.issuer)];
}

/** Longer than any call may run, or its reservation would be given back while it still spends. */
function reservationTtlMs(table: RouteTable, config: Parts['config']): number {
  const totals = table.routes().flatMap(({ targets }) => targets.map(({ timeoutMs }) => timeoutMs.total));
  const tries = Math.max(targetsTriedMax, config.retry.attempts);
  return Math.max(0, ...totals) * tries + pausesMsMax(config) + 60_000;
}

/**
 * What a model said well must be readable: of what is not, nobody sees the tool calls it proposes, nor what it used, and
 * its client would find another reading than the gate. Denies `upstream_error`.
 */
function denyUnreadable({ resolved }: Admitted, answer: Answer | null): Denial | undefined {
  if (answer === null || resolved.operation.kind !== 'model') return undefined;
  const { head, body } = answer;
  const isObject = typeof body === 'object' && body !== null && !Array.isArray(body);
  if (isObject || head.status < 200 || head.status > 299) return undefined;
  return deny('upstream_error', 'The model gave an answer that cannot be read, so it does not pass.');
}

/** A buffered answer is changed here; of one that streams, what cannot be met while it flows is refused. */
function obeyOnReturn(
  inspector: Inspector,
  answer: Answer | null,
  findings: readonly Finding[],
  decision: Decision,
  digestKey: string,
): Denial | undefined {
  if (answer === null) return unmetOnStream(decision.obligations);
  const obeyed = obeyAnswer(inspector, answer, findings, decision, digestKey);
  return isDenial(obeyed) ? obeyed : undefined;
}
