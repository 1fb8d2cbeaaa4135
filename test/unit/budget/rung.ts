/** The budget rung over a store in memory, with one task, and what it gives or denies. */
import assert from 'node:assert/strict';
import { taskBalance } from '../../../src/budget/balances.ts';
import type { BudgetConfig } from '../../../src/budget/section.ts';
import { type BudgetStageParts, budgetStage } from '../../../src/budget/stage.ts';
import type { ModelAsk, Obligations, ReservationFact, Spending, Target, TaskRecord } from '../../../src/call.ts';
import { type Denial, isDenial } from '../../../src/denial.ts';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { callOf, recordOf, targetOf } from './call.ts';

const oneMicro = 1_000_000;

export async function setUp(
  budget: Partial<Spending> = {},
  config: Partial<BudgetConfig> = {},
  targets: readonly Target[] = [targetOf(oneMicro, oneMicro)],
  spent: BudgetStageParts['spent'] = async () => ({ fate: 'unchanged' }),
) {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  await store.open();
  const record = recordOf(clock, budget);
  const stage = budgetStage({
    store,
    clock,
    config: { tenants: {}, agents: {}, ...config },
    reservationTtlMs: 60_000,
    spent,
    targetsOf: () => targets,
  });
  const call = (ask: ModelAsk | null, obligations: Obligations = {}, of: TaskRecord = record) => {
    const { call, limited } = callOf({ clock, record: of, ask, obligations });
    return { given: async () => stage.admit(call), call, limited };
  };
  const balance = () => taskBalance(store, record, clock.nowMs());
  return { clock, store, record, stage, call, balance };
}

export async function held(given: Promise<ReservationFact | Denial>): Promise<ReservationFact['reservation']> {
  const fact = await given;
  assert.ok(!isDenial(fact), isDenial(fact) ? fact.message : '');
  return fact.reservation;
}

export async function denied(given: Promise<ReservationFact | Denial>): Promise<Denial> {
  const denial = await given;
  assert.ok(isDenial(denial));
  return denial;
}
