/** Two gateways on one Redis: what one holds, writes and says, the other sees. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { dayOf, SpendMeters } from '../../src/budget/spend/meters.ts';
import { spendPage } from '../../src/budget/spend/overview.ts';
import type { Json, TaskRecord } from '../../src/call.ts';
import { systemClock } from '../../src/clock.ts';
import { isDenial } from '../../src/denial.ts';
import { RedisStore } from '../../src/store/backends/redis.ts';
import { type Scope, storeKey } from '../../src/store/store.ts';
import { RedisServer } from '../fakes/redis-server.ts';
import { part } from '../parts.ts';

const ttlMs = 60_000;

function freshScope(limits: Scope['limits'], tenant = 'acme'): Scope {
  return { key: storeKey(tenant, 'gateways', randomUUID()), limits, ttlMs };
}

describe('two gateways on one Redis', part('redis-server'), () => {
  let server: RedisServer;
  let [a, b]: RedisStore[] = [];
  before(async () => {
    server = await RedisServer.start();
    [a, b] = await Promise.all([openStore(server), openStore(server)]);
  });
  after(async () => {
    await a?.[Symbol.asyncDispose]();
    await b?.[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });
  const stores = (): [RedisStore, RedisStore] => {
    assert.ok(a && b);
    return [a, b];
  };

  test('what one reserves the other cannot, and both see the same balance', async () => {
    const [one, other] = stores();
    const only = freshScope({ tokens: 100 });
    assert.ok((await one.reserve(randomUUID(), [only], { tokens: 70 }, ttlMs)).ok);
    const refused = await other.reserve(randomUUID(), [only], { tokens: 40 }, ttlMs);
    assert.ok(!refused.ok && refused.reason === 'exceeded');
    assert.equal(refused.balance.reserved.tokens, 70);
    assert.deepEqual(await one.balance([only.key]), await other.balance([only.key]));
  });

  test('of 64 parallel reservations over both, on budgets for 11, exactly 11 hold', async () => {
    const scopes = [freshScope({ calls: 1_000 }), freshScope({ tokens: 110 }), freshScope({ calls: 40 })];
    const answers = await Promise.all(
      Array.from({ length: 64 }, (_, index) =>
        stores()[(index % 2) as 0 | 1].reserve(randomUUID(), scopes, { tokens: 10, calls: 1 }, ttlMs),
      ),
    );
    assert.equal(answers.filter(({ ok }) => ok).length, 11);
    for (const balance of await stores()[0].balance(scopes.map(({ key }) => key))) {
      assert.deepEqual(balance.reserved, { tokens: 110, calls: 11 });
    }
  });

  test('what one reserved the other may settle, once', async () => {
    const [one, other] = stores();
    const only = freshScope({ tokens: 100 }, `tenant-${randomUUID()}`);
    const id = randomUUID();
    await one.reserve(id, [only], { tokens: 70 }, ttlMs);
    const settled = await other.settle(id, { tokens: 33 });
    assert.deepEqual([settled.settled, settled.balances[0]?.spent], [true, { tokens: 33 }]);
    assert.equal((await one.settle(id, { tokens: 44 })).settled, false);
    assert.equal((await other.settle(id, { tokens: 44 })).settled, false);
    assert.deepEqual(await one.balance([only.key]), [{ spent: { tokens: 33 }, reserved: { tokens: 0 } }]);
  });

  test('an id that one closed before it was reserved holds nothing when the other reserves it', async () => {
    const [one, other] = stores();
    const only = freshScope({ tokens: 100 });
    await one.reserve(randomUUID(), [only], { tokens: 1 }, ttlMs);
    const id = randomUUID();
    assert.equal((await other.settle(id, {})).settled, true);
    assert.deepEqual(await one.reserve(id, [only], { tokens: 5 }, ttlMs), { ok: false, reason: 'settled' });
    assert.equal((await other.balance([only.key]))[0]?.reserved.tokens, 1);
  });

  test('of both writing one record at one version, one wins, and the other is shown what stands', async () => {
    const key = storeKey('acme', randomUUID());
    const answers = await Promise.all(stores().map((store, writer) => store.compareAndSet(key, 0, { writer }, ttlMs)));
    const winner = answers.findIndex(({ ok }) => ok);
    const current = { version: 1, value: { writer: winner } };
    assert.deepEqual(answers[1 - winner], { ok: false, current });
    for (const store of stores()) assert.deepEqual(await store.get(key), current);
  });

  test('what two gateways spend is one sum at each of them, and at one that comes later', async () => {
    const clock = systemClock();
    const tenant = `tenant-${randomUUID()}`;
    const record = { tenant, agent: { id: 'ann', issuer: 'i' } } as TaskRecord;
    const how = { keepDays: 2, series: 100, limited: { agent: true, tenant: false } };
    const spend = async (store: RedisStore, costMicroUsd: number) => {
      await using meters = new SpendMeters({ store, clock, log: () => undefined });
      const id = randomUUID();
      await store.reserve(
        id,
        [meters.scopeOf(record, 'gpt', how)],
        { costMicroUsd: 2 * costMicroUsd, calls: 1 },
        ttlMs,
      );
      const actual = { costMicroUsd, calls: 1, '@one/m/calls': 1, '@one/m/cost': costMicroUsd };
      await Promise.all(stores().map((one) => one.settle(id, actual)));
    };
    await Promise.all(Array.from({ length: 20 }, (_one, index) => spend(stores()[(index % 2) as 0 | 1], index + 1)));
    await using later = await openStore(server);
    for (const store of [...stores(), later]) {
      const today = dayOf(clock.nowMs());
      const query = { from: '2026-01-01', to: today, tenant, by: ['agent', 'target'] as const, limit: 10 };
      const page = await spendPage(store, query);
      assert.ok(!isDenial(page));
      assert.deepEqual(
        page.rows.map(({ of, spent }) => [of.agent, of.target, spent.calls, spent.cost]),
        [['ann', 'one', 20, 210]],
      );
    }
  });

  test('a message of one reaches the other within a second', async () => {
    const [one, other] = stores();
    const channel = randomUUID();
    const heard = Promise.withResolvers<Json>();
    const subscription = await other.subscribe(channel, heard.resolve);
    const startMs = performance.now();
    await one.publish(channel, { task: 'task_1', state: 'killed' });
    assert.deepEqual(await heard.promise, { task: 'task_1', state: 'killed' });
    assert.ok(performance.now() - startMs < 1_000);
    await subscription.close();
  });

  test('a thousand holds of a gateway that died all come back, and owe nothing to a counter made later', async () => {
    const [one, other] = stores();
    const tenant = `tenant-${randomUUID()}`;
    const [short, lasting] = [{ ...freshScope({ n: 1_000 }, tenant), ttlMs: 50 }, freshScope({ n: 1_000 }, tenant)];
    const scopes = [short, lasting];
    await Promise.all(Array.from({ length: 1_000 }, () => one.reserve(randomUUID(), scopes, { n: 1 }, 300)));
    await wait(400);
    // An operator takes one of the counters away; its lapsed holds are then nobody's.
    await server.command('del', `tg:{${tenant}}@counter:${short.key.slice(short.key.indexOf(':', 3) + 1)}`);
    assert.ok((await other.reserve('fresh', [short], { n: 400 }, ttlMs)).ok);
    for (let sweep = 0; sweep < 20; sweep++) await other.balance([short.key]);
    const balances = await other.balance([short.key, lasting.key]);
    assert.deepEqual(
      balances.map(({ reserved }) => reserved.n),
      [400, 0],
    );
  });

  test('a reservation of two tenants is a bug of the caller, because no one step can hold both', async () => {
    const scopes = [freshScope({ n: 1 }, 'acme'), freshScope({ n: 1 }, 'umbrella')];
    await assert.rejects(stores()[0].reserve(randomUUID(), scopes, { n: 1 }, ttlMs), { name: 'AssertionError' });
  });

  test('amounts that are not whole numbers from 0 are a bug of the caller', async () => {
    const [one] = stores();
    for (const n of [-1, 0.5, Number.NaN, 2 ** 53]) {
      const bug = { name: 'AssertionError' };
      await assert.rejects(one.reserve(randomUUID(), [freshScope({ n: 9 })], { n }, ttlMs), bug);
      await assert.rejects(one.settle(randomUUID(), { n }), bug);
    }
  });
});

async function openStore(server: RedisServer): Promise<RedisStore> {
  const store = new RedisStore({ kind: 'redis', url: server.url, command_timeout_ms: 500 }, { clock: systemClock() });
  await store.open();
  return store;
}
