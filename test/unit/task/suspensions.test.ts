import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDenial } from '../../../src/denial.ts';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { type Store, StoreUnavailable } from '../../../src/store/store.ts';
import { type Acting, type Suspendable, Suspensions } from '../../../src/task/suspensions.ts';
import { ManualClock } from '../../fakes/clock.ts';

const acting: Acting = { agent: { issuer: 'azure', id: 'coordinator' }, tenant: 'acme' };
const agent: Suspendable = { kind: 'agent', issuer: 'azure', id: 'coordinator' };
const why = { reason: 'it went mad', by: 'ann' };

type Part = Pick<Store, 'get' | 'compareAndSet' | 'publish' | 'subscribe'>;

async function world() {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  await store.open();
  const gateway = async (over: Partial<Part> = {}): Promise<Suspensions> => {
    const own: Part = {
      get: (key) => store.get(key),
      compareAndSet: (...write) => store.compareAndSet(...write),
      publish: (...message) => store.publish(...message),
      subscribe: (...listening) => store.subscribe(...listening),
      ...over,
    };
    const suspensions = new Suspensions({ store: own, clock, faulted: () => undefined });
    await suspensions.open();
    return suspensions;
  };
  return { clock, store, gateway, suspensions: await gateway() };
}

const told = async (suspensions: Suspensions, who: Acting = acting) => {
  const denial = await suspensions.denialOf(who);
  return denial === undefined ? 'free' : `${denial.code} ${denial.reasons[0]?.code}`;
};

test('[task.suspension-refuses-at-every-gateway] an agent, a tenant, an issuer and a route are suspended at once at every gateway, and resumed', async () => {
  const { gateway, suspensions } = await world();
  const other = await gateway();
  const cases: readonly [Suspendable, Acting][] = [
    [agent, acting],
    [{ ...agent, tenant: 'acme' }, acting],
    [{ kind: 'tenant', id: 'acme' }, acting],
    [{ kind: 'issuer', id: 'azure' }, acting],
    [
      { kind: 'route', id: 'orders' },
      { ...acting, route: 'orders' },
    ],
  ];
  for (const [what, who] of cases) {
    assert.equal(await told(other, who), 'free');
    const entry = await suspensions.suspend(what, why);
    assert.ok(!isDenial(entry));
    for (const each of [suspensions, other])
      assert.equal(await told(each, who), `agent_suspended ${what.kind}_suspended`);
    assert.deepEqual(
      (await other.list()).map(({ reason, by, atMs }) => ({ reason, by, atMs })),
      [{ ...why, atMs: entry.atMs }],
    );
    assert.deepEqual(await other.resume(what), entry);
    assert.equal(await told(suspensions, who), 'free');
    assert.equal(await suspensions.resume(what), undefined);
  }
});

test('what is suspended is exactly that: not the same id of another issuer, in another tenant, or under another kind', async () => {
  const { suspensions } = await world();
  await suspensions.suspend({ ...agent, tenant: 'acme' }, why);
  assert.equal(await told(suspensions), 'agent_suspended agent_suspended');
  assert.equal(await told(suspensions, { ...acting, agent: { issuer: 'aws', id: 'coordinator' } }), 'free');
  assert.equal(await told(suspensions, { ...acting, tenant: 'umbrella' }), 'free');
  assert.equal(await told(suspensions, { ...acting, agent: { issuer: 'azure', id: 'coordinator","acme' } }), 'free');
  assert.equal(await suspensions.resume(agent), undefined, 'the agent in all tenants was not suspended');
  assert.equal(await told(suspensions), 'agent_suspended agent_suspended');
  await suspensions.suspend({ kind: 'tenant', id: 'orders' }, why);
  assert.equal(await told(suspensions, { ...acting, tenant: 'umbrella', route: 'orders' }), 'free');
});

test('an agent or an issuer above counts for every part of its task', async () => {
  const { suspensions } = await world();
  const part = {
    agent: { issuer: 'gcp', id: 'helper' },
    tenant: 'acme',
    lineage: [{ issuer: 'azure', agent: 'coordinator' }],
  };
  assert.equal(await told(suspensions, part), 'free');
  await suspensions.suspend(agent, why);
  assert.equal(await told(suspensions, part), 'agent_suspended agent_suspended');
  await suspensions.resume(agent);
  await suspensions.suspend({ kind: 'issuer', id: 'azure' }, why);
  assert.equal(await told(suspensions, part), 'agent_suspended issuer_suspended');
});

test('a denial tells the agent what to do, and never the reason of the operator', async () => {
  const { suspensions } = await world();
  await suspensions.suspend(agent, why);
  const denial = await suspensions.denialOf(acting);
  assert.match(denial?.message ?? '', /operator/);
  assert.equal(denial?.retryable, false);
  assert.doesNotMatch(JSON.stringify(denial), /mad|ann/);
});

test('a suspension with an end ends by itself, and leaves the list', async () => {
  const { clock, suspensions } = await world();
  await suspensions.suspend(agent, { ...why, untilMs: clock.nowMs() + 1000 });
  assert.equal(await told(suspensions), 'agent_suspended agent_suspended');
  await clock.advance(1000);
  assert.equal(await told(suspensions), 'free');
  assert.deepEqual(await suspensions.list(), []);
  const past = await suspensions.suspend(agent, { ...why, untilMs: clock.nowMs() });
  assert.equal(isDenial(past) && past.code, 'args_invalid');
});

test('what is suspended again gets the new reason, and counts once', async () => {
  const { suspensions } = await world();
  await suspensions.suspend(agent, why);
  await suspensions.suspend(agent, { ...why, reason: 'still' });
  assert.deepEqual(
    (await suspensions.list()).map(({ reason }) => reason),
    ['still'],
  );
});

test('[task.suspension-fails-closed] a store that cannot be asked is an error, never "not suspended"', async () => {
  const { store, gateway } = await world();
  let away = false;
  const suspensions = await gateway({
    get: (key) => (away ? Promise.reject(new StoreUnavailable('away')) : store.get(key)),
  });
  assert.equal(await told(suspensions), 'free');
  away = true;
  await assert.rejects(suspensions.denialOf(acting), StoreUnavailable);
});

test('where nothing has changed a look is one small read, and a change is read once for all who wait', async () => {
  const { store, gateway, suspensions } = await world();
  const reads: string[] = [];
  const counted = await gateway({
    get: (key) => {
      reads.push(key);
      return store.get(key);
    },
    subscribe: async () => ({ close: async () => undefined }),
  });
  await suspensions.suspend(agent, why);
  reads.length = 0;
  await Promise.all([told(counted), told(counted), told(counted)]);
  assert.deepEqual(reads.filter((key) => !key.endsWith('epoch')).length, 1);
  reads.length = 0;
  await told(counted);
  assert.deepEqual(reads, ['tg:{}:suspensions-epoch']);
});

test('a read that began before a suspension was written does not hide it', async () => {
  const { store, suspensions } = await world();
  await suspensions.suspend({ kind: 'tenant', id: 'umbrella' }, why);
  const slow = Promise.withResolvers<void>();
  let held = false;
  // Its record is read before the second suspension, and answered after it.
  const reader = new Suspensions({
    store: {
      get: async (key) => {
        const found = await store.get(key);
        if (key.endsWith('suspensions') && !held) {
          held = true;
          await slow.promise;
        }
        return found;
      },
      compareAndSet: (...write) => store.compareAndSet(...write),
      publish: (...message) => store.publish(...message),
      subscribe: async () => ({ close: async () => undefined }),
    },
    clock: new ManualClock(),
    faulted: () => undefined,
  });
  const first = told(reader);
  await new Promise((resolve) => setImmediate(resolve));
  await suspensions.suspend(agent, why);
  const second = told(reader);
  await new Promise((resolve) => setImmediate(resolve));
  slow.resolve();
  assert.equal(await second, 'agent_suspended agent_suspended');
  assert.equal(await first, 'free', 'who asked before it is answered as it was');
  assert.equal(await told(reader), 'agent_suspended agent_suspended');
});

test('a writer that dies between epoch and record costs reads, and hides nothing', async () => {
  const { store, gateway, suspensions } = await world();
  const dying = await gateway({
    compareAndSet: (key, ...write) =>
      key.endsWith('epoch') ? store.compareAndSet(key, ...write) : Promise.reject(new StoreUnavailable('dead')),
  });
  await assert.rejects(dying.suspend(agent, why), StoreUnavailable);
  assert.equal(await told(suspensions), 'free');
  await suspensions.suspend({ kind: 'tenant', id: 'acme' }, why);
  assert.equal(await told(dying), 'agent_suspended tenant_suspended');
});

test('suspensions made at the same moment at two gateways all stand', async () => {
  const { gateway, suspensions } = await world();
  const other = await gateway();
  const whom = Array.from({ length: 20 }, (_, index): Suspendable => ({ kind: 'tenant', id: `t${index}` }));
  await Promise.all(whom.map((what, index) => (index % 2 === 0 ? suspensions : other).suspend(what, why)));
  assert.equal((await (await gateway()).list()).length, 20);
  for (const each of [suspensions, other])
    assert.equal(await told(each, { ...acting, tenant: 't7' }), 'agent_suspended tenant_suspended');
});

test('a store that lost its memory is told again by a gateway that still knows', async () => {
  const { store, gateway, suspensions } = await world();
  await suspensions.suspend(agent, why);
  await suspensions.suspend({ kind: 'tenant', id: 'umbrella' }, why);
  for (const key of ['tg:{}:suspensions', 'tg:{}:suspensions-epoch']) await store.delete(key);
  const restarted = await gateway();
  assert.equal(await told(suspensions), 'agent_suspended agent_suspended');
  assert.equal(await told(restarted), 'agent_suspended agent_suspended');
  assert.equal((await restarted.list()).length, 2);
  await suspensions.resume(agent);
  assert.equal(await told(restarted), 'free');
});

test('the list is bounded, and so are its texts', async () => {
  const { store, suspensions } = await world();
  const full = Array.from({ length: 10_000 }, (_, index) => ({ kind: 'tenant', id: `t${index}`, ...why, atMs: 0 }));
  await store.compareAndSet('tg:{}:suspensions', 0, full, 60_000);
  await store.compareAndSet('tg:{}:suspensions-epoch', 0, 1, 60_000);
  const denial = await suspensions.suspend(agent, why);
  assert.equal(isDenial(denial) && denial.reasons[0]?.code, 'suspensions_full');
  assert.ok(!isDenial(await suspensions.suspend({ kind: 'tenant', id: 't1' }, why)), 'what stands may be renewed');
  await suspensions.resume({ kind: 'tenant', id: 't1' });
  assert.ok(!isDenial(await suspensions.suspend(agent, why)));
  for (const [what, over] of [
    [{ kind: 'tenant', id: '' }, {}],
    [{ kind: 'agent', issuer: 'x'.repeat(256), id: 'a' }, {}],
    [agent, { reason: '' }],
    [agent, { reason: 'x'.repeat(501) }],
    [agent, { by: '' }],
  ] as const) {
    const unfit = await suspensions.suspend(what, { ...why, ...over });
    assert.equal(isDenial(unfit) && unfit.code, 'args_invalid');
  }
});
