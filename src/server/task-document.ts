/** The documents of the task routes: a task as its agent, its parent and people see it, and a token with its terms. */
import type { JsonObject, Spending, TaskRecord } from '../call.ts';
import type { IssuedToken, Ticket } from '../task/issue.ts';
import { stateOf } from '../task/tasks.ts';
import { usdFromMicroUsd } from '../wire/money.ts';
import { planDocument } from '../wire/plan.ts';

function spendingDocument(spending: Spending): JsonObject {
  return {
    tokens: spending.tokens,
    cost_usd: usdFromMicroUsd(spending.costMicroUsd),
    calls: spending.calls,
    seconds: spending.seconds,
  };
}

/** A task, and how its budget stands. */
export function taskDocument(
  record: TaskRecord,
  { spent, reserved, remaining }: { spent: Spending; reserved: Spending; remaining: Spending },
  nowMs: number,
): JsonObject {
  const { subject } = record;
  const [parent] = record.ancestors;
  return {
    id: record.id,
    state: stateOf(record, nowMs),
    agent: record.agent.id,
    subject: subject === null ? null : { id: subject.id, type: subject.type, assurance: subject.assurance },
    purpose: record.purpose,
    tools: record.tools,
    ...(record.plan === undefined ? {} : { plan: planDocument(record.plan) }),
    parent: parent === undefined ? null : { id: parent.id, agent: parent.agent },
    created_at: new Date(record.createdAtMs).toISOString(),
    expires_at: new Date(record.expiresAtMs).toISOString(),
    taint: record.taint,
    budget: {
      limit: spendingDocument(record.budget),
      reserved: spendingDocument(reserved),
      spent: spendingDocument(spent),
      remaining: spendingDocument(remaining),
    },
  };
}

/** A token that was issued. One that is to be handed on has a name of its own, so that nobody calls with it. */
export function tokenDocument({ record, mayAct }: Ticket, issued: IssuedToken): JsonObject {
  const terms = {
    token_type: issued.tokenType,
    expires_at: new Date(issued.expiresAtMs).toISOString(),
    expires_in: issued.expiresInSeconds,
    tools: issued.tools,
  };
  return mayAct === null
    ? { task_id: record.id, task_token: issued.token, ...terms, budget: spendingDocument(record.budget) }
    : { task_id: record.id, delegation_token: issued.token, ...terms, for: { ...mayAct } };
}
