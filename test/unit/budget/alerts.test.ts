/** Who is told that a budget runs out: once, whichever gateway sees it, also by a webhook that is away for a while. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { levelsOf, windowLevelsOf } from '../../../src/budget/levels.ts';
import { type Alert, BudgetAlerts } from '../../../src/budget/spend/alerts.ts';
import { checkAlerts } from '../../../src/budget/spend/section.ts';
import { AlertWebhook } from '../../../src/budget/spend/webhook.ts';
import type { TaskRecord } from '../../../src/call.ts';
import { newId, type ReservationId } from '../../../src/clock.ts';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { type Store, StoreUnavailable } from '../../../src/store/store.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { recordOf } from './call.ts';

const at = [50, 80, 100];
const dayMs = 24 * 3600_000;

async function opened() {
  const clock = new ManualClock(Date.UTC(2026, 10, 20, 12));
  const store = new MemoryStore({ clock });
  await store.open();
  return { clock, store };
}

describe('alerts', () => {
  const limits = { agents: { 'agent-1': { per: 'day' as const, calls: 20 } }, tenants: {} };

  function gateway(store: Store, clock: ManualClock, told: Alert[]) {
    const alerts = new BudgetAlerts({ store, clock, tell: (alert) => told.push(alert) });
    const reserve = async (record: TaskRecord): Promise<ReservationId | null> => {
      const levels = levelsOf(limits, record, clock.nowMs());
      const id = newId(clock, 'reservation');
      const answer = await store.reserve(
        id,
        levels.map(({ scope }) => scope),
        { calls: 1 },
        60_000,
      );
      const watched = { levels, record, at, limitedAs: { agent: 'agent-1', tenant: undefined } };
      if (answer.ok) alerts.reserved(id, watched, answer.balances);
      else if (answer.reason === 'exceeded') alerts.refused(levels[answer.scope] as never, watched, answer.balance);
      return answer.ok ? id : null;
    };
    const settle = async (id: string) => alerts.settled(id, await store.settle(id, { calls: 1 }));
    return { alerts, reserve, settle };
  }

  test('[budget.alerts-once] 20 calls that two gateways settle side by side are told of once at each threshold', async () => {
    const { store, clock } = await opened();
    const told: Alert[] = [];
    const gateways = [gateway(store, clock, told), gateway(store, clock, told)];
    const record = recordOf(clock, { calls: 40 });
    const held = await Promise.all(
      Array.from({ length: 20 }, async (_one, index) => {
        const by = gateways[index % 2] as (typeof gateways)[number];
        return { by, id: await by.reserve(record) };
      }),
    );
    assert.equal(told.length, 0, 'what is held is not spent');
    await Promise.all(held.map(({ by, id }) => by.settle(id ?? '')));
    await Promise.all(held.map(({ by, id }) => by.settle(id ?? '')));
    const facts = told.map(({ level, threshold, dimension, limit }) => [level, threshold, dimension, limit]);
    assert.deepEqual(facts.toSorted(), [
      ['agent', 100, 'calls', 20],
      ['agent', 50, 'calls', 20],
      ['agent', 80, 'calls', 20],
      ['task', 50, 'calls', 40],
    ]);
    const [first] = told.filter(({ level }) => level === 'agent');
    assert.deepEqual([first?.agent, first?.tenant, first?.task, first?.per], ['agent-1', 'acme', null, 'day']);
    assert.equal(told.find(({ level }) => level === 'task')?.task, record.id);
    const ratios = gateways.map(({ alerts }) => alerts.ratios()[0]);
    assert.deepEqual([ratios[0]?.name, ratios[0]?.per, ratios[0]?.dimension], ['agent-1', 'day', 'calls']);
    assert.equal(Math.max(...ratios.map((used) => used?.ratio ?? 0)), 1);
    await clock.advance(dayMs);
    assert.deepEqual(gateways[0]?.alerts.ratios(), [], 'a window that has ended is not shown');
  });

  test('a gateway that comes later tells of nothing that was told of, and a raised budget is told of anew', async () => {
    const { store, clock } = await opened();
    const told: Alert[] = [];
    const first = gateway(store, clock, told);
    const record = recordOf(clock, { calls: 4 }, 'free');
    for (let call = 0; call < 2; call++) await first.settle((await first.reserve(record)) ?? '');
    await clock.advance(1);
    assert.deepEqual(
      told.map(({ threshold }) => threshold),
      [50],
    );
    const second = gateway(store, clock, told);
    await second.settle((await second.reserve(record)) ?? '');
    await clock.advance(1);
    assert.deepEqual(
      told.map(({ threshold }) => threshold),
      [50],
      '75 % is none',
    );
    const raised = { ...record, budget: { ...record.budget, calls: 6 } };
    await second.settle((await second.reserve(raised)) ?? '');
    await clock.advance(1);
    assert.deepEqual(
      told.map(({ threshold, limit }) => [threshold, limit]),
      [
        [50, 4],
        [50, 6],
      ],
    );
  });

  test('a call that is refused beyond the last threshold before it says that the budget is used up', async () => {
    const { store, clock } = await opened();
    const told: Alert[] = [];
    const { alerts } = gateway(store, clock, told);
    const record = recordOf(clock);
    const [level] = windowLevelsOf(limits, { tenant: 'acme', agent: { id: 'agent-1', issuer: 'i' } }, clock.nowMs());
    const watched = { record, at, limitedAs: { agent: 'agent-1', tenant: undefined } };
    const balance = (calls: number) => ({ spent: { calls }, reserved: {} });
    alerts.refused(level as never, watched, balance(9));
    await clock.advance(1);
    assert.equal(told.length, 0, 'a call that is too large for a budget is no sign that it runs out');
    alerts.refused(level as never, watched, balance(16));
    await clock.advance(1);
    assert.deepEqual(
      told.map(({ threshold }) => threshold),
      [50, 80, 100],
    );
  });

  test('while the store is away nobody is told, and the next look makes up for it', async () => {
    const { store, clock } = await opened();
    const told: Alert[] = [];
    let away = true;
    const flaky = {
      compareAndSet: (...args: Parameters<Store['compareAndSet']>) =>
        away ? Promise.reject(new StoreUnavailable('away')) : store.compareAndSet(...args),
    };
    const alerts = new BudgetAlerts({ store: flaky, clock, tell: (alert) => told.push(alert) });
    const record = recordOf(clock, { calls: 2 });
    const levels = levelsOf(limits, record, clock.nowMs()).slice(0, 1);
    const look = async () => {
      const watched = { levels, record, at, limitedAs: { agent: undefined, tenant: undefined } };
      alerts.reserved(newId(clock, 'reservation'), watched, [{ spent: { calls: 1 }, reserved: {} }]);
      await clock.advance(1);
    };
    await look();
    assert.equal(told.length, 0);
    away = false;
    await look();
    await look();
    assert.deepEqual(
      told.map(({ threshold }) => threshold),
      [50],
    );
  });

  test('a webhook in the clear to elsewhere, or with a password in its address, is a fault of the configuration', () => {
    const faultOf = (url: string) => checkAlerts({ at: [], webhook: { url, timeout_seconds: 10 } })[0]?.message;
    assert.equal(faultOf('https://alerts.example.com/in'), undefined);
    assert.equal(faultOf('http://127.0.0.1:9000/in'), undefined);
    assert.match(faultOf('http://alerts.example.com/in') ?? '', /https/);
    assert.match(faultOf('https://me:secret@alerts.example.com/in') ?? '', /token/);
    assert.match(faultOf('nothing') ?? '', /expected an https URL/);
  });

  test('the webhook gets each alert until it has taken it, and what it refuses for good is not sent again', async () => {
    const clock = new ManualClock(Date.UTC(2026, 10, 20, 12));
    const sent: { id: string; spent: number; token: string | undefined }[] = [];
    const answers = [503, 'gone', 200, 400];
    const logs: string[] = [];
    const webhook = new AlertWebhook({
      settings: { url: 'https://alerts.example.com/in', token: 'secret', timeout_seconds: 1 },
      ...{ gateway: 'gw', clock },
      log: (level, message) => logs.push(`${level} ${message}`),
      post: async ({ body, headers }) => {
        const { id, spent } = JSON.parse(body.toString()) as { id: string; spent: number };
        sent.push({ id, spent, token: headers.authorization });
        const answer = answers.shift() ?? 500;
        if (typeof answer === 'string') throw new Error(answer);
        return { status: answer };
      },
    });
    const alert: Alert = {
      level: 'tenant',
      ...{ tenant: 'acme', agent: null, issuer: null, task: null, per: 'day' },
      ...{ threshold: 80, dimension: 'costMicroUsd', limit: 2_000_000, spent: 1_600_000, endsAtMs: 0, atMs: 0 },
    };
    webhook.tell(alert);
    await clock.advance(5_000);
    assert.deepEqual(
      sent.map(({ spent, token }) => [spent, token]),
      Array.from({ length: 3 }, () => [1.6, 'Bearer secret']),
    );
    assert.equal(new Set(sent.map(({ id }) => id)).size, 1, 'who gets it twice can tell');
    webhook.tell({ ...alert, threshold: 100 });
    await clock.advance(120_000);
    assert.equal(sent.length, 4);
    for (let count = 0; count < 1_001; count++) webhook.tell({ ...alert, limit: count + 1 });
    assert.match(logs.at(-1) ?? '', /too many wait/);
    await clock.advance(1_000);
    await webhook[Symbol.asyncDispose]();
    assert.match(logs.at(-1) ?? '', /never sent/);
  });
});
