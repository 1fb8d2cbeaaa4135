/**
 * The rooms in their order: the ladder of admission as docs/architecture.md shows it, then exchange, return and
 * settlement as the pipeline calls them.
 */
import { intentStage, proposalStage, recordOutcome } from '../audit/stage.ts';
import { attemptGuarded } from '../breaker/attempt.ts';
import { breakerStage } from '../breaker/stage.ts';
import { RunningCount } from '../budget/count.ts';
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
  TaskFact,
} from '../call.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { issuerBinding } from '../identity/binding.ts';
import { reachStage } from '../identity/reach.ts';
import { identityStage } from '../identity/stage.ts';
import { sentDigest, type TxnTokenRequest } from '../identity/txn-token.ts';
import { inspectAnswer, obeyAnswer } from '../inspection/answer.ts';
import type { Inspector } from '../inspection/scan.ts';
import { obeyStage, scanStage } from '../inspection/stage.ts';
import { StreamInspection, unmetOnStream } from '../inspection/stream.ts';
import type { Rooms } from '../pipeline.ts';
import { type DecideDeps, decideAnswer, decideStage, denyAnswer, enforceStage } from '../policy/stage.ts';
import { permittedTargets } from '../route/residency.ts';
import { routeStage } from '../route/stage.ts';
import type { RouteTable } from '../route/table.ts';
import { encoders } from '../server/encode.ts';
import { Ladder } from '../stage.ts';
import {
  enterStage,
  settleTask,
  stillAlive,
  type TaskStages,
  taintStage,
  taintTask,
  taskStage,
} from '../task/stage.ts';
import { denialOfFault, Upstream } from '../upstream/send.ts';
import { dialects } from '../wire/dialects/index.ts';
import { operationStage } from '../wire/stage.ts';
import { documentsOf } from './documents.ts';
import type { Parts } from './parts.ts';

/** A call may try so many targets, one after the other, before its reservation could be given back under it. */
const targetsTriedMax = 4;

/** A call that may go, as far as can be told before its intent is written down. */
export type Judged = Omit<Admitted, 'intent'> & ProposedFact;

/** What judging works on: the gate's own tokens and store, or, for a trial, some on which nothing is left behind. */
export interface Footing {
  readonly tokens: Parameters<typeof identityStage>[0];
  readonly stages: TaskStages;
  readonly budgets: BudgetStageParts['store'];
  /** Whether what is decided is compared with a candidate that is being rolled out. */
  readonly compare: boolean;
  /** Told of the decisions about calls that are made. */
  readonly decided?: DecideDeps['decided'];
}

/** Everything that is judged of a call before it is written down, in its order. A trial climbs these very rungs. */
export function judgementOf(
  parts: Parts,
  { tokens, stages, budgets, compare, decided }: Footing,
): Ladder<Arrival, Judged> {
  const { config, clock, table, policy, inspector, breakers } = parts;
  const { failures_in_a_row: failuresInARow, cool_down_seconds: coolDownSeconds } = config.task.loop;
  return Ladder.from<Arrival>()
    .rung(identityStage(tokens))
    .rung(taskStage(stages))
    .rung(operationStage(() => table))
    .rung(reachStage((call) => bindingsRequired(parts, call)))
    .rung(proposalStage())
    .rung(enterStage(stages))
    .rung(scanStage(inspector))
    .rung(decideStage(policy, { gateway: parts.place, clock, compare, decided }))
    .rung(enforceStage())
    .rung(taintStage(stages))
    .rung(obeyStage(inspector))
    .rung(
      budgetStage({
        store: budgets,
        clock,
        config: config.budget,
        reservationTtlMs: reservationTtlMs(table),
        targetsOf: (route, obligations) => permittedTargets(table.route(route)?.targets ?? [], obligations),
      }),
    )
    .rung(routeStage({ table, clock }))
    .rung(breakerStage({ breakers, clock, failuresInARow, coolDownMs: coolDownSeconds * 1000 }));
}

function admissionOf(parts: Parts): Rooms['admission'] {
  const { config, store, settlements, trail, redact } = parts;
  const budgets: Footing['budgets'] = {
    reserve: (...reservation) => store.reserve(...reservation),
    settle: (id, actual) => settlements.settle(id, actual),
  };
  return judgementOf(parts, {
    tokens: parts.taskTokens,
    stages: parts.stages,
    budgets,
    compare: true,
    decided: toReport(parts),
  }).rung(intentStage(trail, { durability: config.audit.durability, redact }));
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
  const { clock, policy, inspector, stages, breakers, trail, redact, sampler } = parts;
  const deciding: DecideDeps = { gateway: parts.place, clock, decided: toReport(parts) };
  const windowChars = parts.config.inspection.stream_window_chars;
  const upstream = new Upstream({
    dialer: parts.dialer,
    credentials: parts.credentials,
    credentialFailed: ({ route, name, credential }, { failure, code }) =>
      parts.log('warn', 'a credential could not be got', { route, target: name, credential, failure, code }),
    txnToken: (call, _target, { method, path, body }) =>
      parts.txnTokens.mint(txnTokenRequest(call, sentDigest(method, path, body))),
    clock,
  });
  return {
    admission: admissionOf(parts),
    exchange: {
      stillAlive: (call) => stillAlive(stages, call),
      guarded: (call, target, attempt) => attemptGuarded(breakers, target, call.abort.signal, attempt),
      attempt: (call, target) => upstream.attempt(call, target),
      brokeOff: (target, fault) => {
        breakers.failed(target);
        return denialOfFault(fault, target);
      },
    },
    response: {
      inspect: (answer) => inspectAnswer(inspector, answer),
      decide: (call, head, body, findings) => decideAnswer(policy, call, { head, body, findings }, deciding),
      obey: async (call, answer, findings, decision) => {
        const { record } = call.task;
        const refused =
          denyUnreadable(call, answer) ??
          denyAnswer(decision) ??
          obeyOnReturn(inspector, answer, findings, decision, record.digestKey);
        return refused ?? (await taintTask(stages, record, { taint: decision.obligations.taint ?? [] }));
      },
      flow: ({ task }, { obligations }) => {
        const { digestKey } = task.record;
        return new StreamInspection({ inspector, obligations, digestKey, windowChars });
      },
    },
    count: ({ reservation, resolved }) => new RunningCount(reservation, resolved.payload.model),
    settlement: {
      budget: (call, outcome) =>
        settleBudget(parts.settlements, call, outcome.usage, outcome.target, deliveryOf(outcome)),
      task: (call, outcome) => settleTask(stages, call, outcome),
      audit: (call, outcome) =>
        recordOutcome(trail, call, outcome, { redact, sampler, payloadBytes: parts.config.audit.payload_bytes }),
    },
    remaining: async ({ task }) => (task === undefined ? undefined : (await parts.balanceOf(task.record)).remaining),
    running: ({ task, resolved, caller, abort }) =>
      parts.running.enter(task.record, resolved.operation.route, caller.tokenId, abort),
    ...encoders(dialects, documentsOf(parts).challenge),
  };
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
function reservationTtlMs(table: RouteTable): number {
  const totals = table.routes().flatMap(({ targets }) => targets.map(({ timeoutMs }) => timeoutMs.total));
  return Math.max(0, ...totals) * targetsTriedMax + 60_000;
}

function txnTokenRequest(call: Admitted, digest: string): TxnTokenRequest {
  const { record } = call.task;
  return {
    callId: call.id,
    subject: record.subject,
    agent: record.agent,
    operation: call.resolved.operation.name,
    taskId: record.id,
    rootTaskId: record.ancestors.at(-1)?.id ?? record.id,
    purpose: record.purpose,
    sentDigest: digest,
  };
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
