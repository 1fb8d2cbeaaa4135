/**
 * Where the budget of a task stands, as the policy, the agent and the operator see it. `seconds` is not in the
 * store: it is the wall time since the task was opened, up to its expiry.
 */
import type { Spending, TaskRecord } from '../call.ts';
import type { Balance, Store } from '../store/store.ts';
import { taskBudgetKey } from './levels.ts';

export interface TaskBalance {
  readonly spent: Spending;
  readonly reserved: Spending;
  /** Limit − spent − reserved; never below 0. */
  readonly remaining: Spending;
}

/** The balance of `record` at `nowMs`. Rejects with `StoreUnavailable` when the store cannot answer. */
export async function taskBalance(
  store: Pick<Store, 'balance'>,
  record: TaskRecord,
  nowMs: number,
): Promise<TaskBalance> {
  const [balance] = await store.balance([taskBudgetKey(record.tenant, record.id)]);
  return balanceOfTask(record, balance ?? { spent: {}, reserved: {} }, nowMs);
}

/** The same from a balance that is already at hand, for example out of a refusal. */
export function balanceOfTask(record: TaskRecord, balance: Balance, nowMs: number): TaskBalance {
  const spent = spendingOf(balance.spent, secondsLived(record, nowMs));
  const reserved = spendingOf(balance.reserved, 0);
  const left = (of: keyof Spending): number => Math.max(0, record.budget[of] - spent[of] - reserved[of]);
  return {
    spent,
    reserved,
    remaining: {
      tokens: left('tokens'),
      costMicroUsd: left('costMicroUsd'),
      calls: left('calls'),
      seconds: left('seconds'),
    },
  };
}

/** Whole seconds since the task was opened; a clock that was set back makes it 0, not less. */
export function secondsLived(record: TaskRecord, nowMs: number): number {
  const untilMs = Math.min(nowMs, record.expiresAtMs);
  return Math.max(0, Math.floor((untilMs - record.createdAtMs) / 1000));
}

function spendingOf(amounts: Balance['spent'], seconds: number): Spending {
  return {
    tokens: amounts.tokens ?? 0,
    costMicroUsd: amounts.costMicroUsd ?? 0,
    calls: amounts.calls ?? 0,
    seconds,
  };
}
