import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TaskRecord } from '../../../src/call.ts';
import { isDenial } from '../../../src/denial.ts';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { type TaskPage, type TaskQuery, Tasks } from '../../../src/task/tasks.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { fakeAgent, fakeWish } from '../../fakes/task.ts';

async function world() {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  await store.open();
  const tasks = new Tasks({ store, clock });
  const made = async (over: Partial<TaskRecord['agent']> = {}): Promise<string> => {
    await clock.advance(1);
    return (await tasks.create({ ...fakeWish, agent: { ...fakeAgent, ...over } })).id;
  };
  const page = async (query: TaskQuery): Promise<TaskPage> => {
    const found = await tasks.list(query);
    assert.ok(!isDenial(found));
    return found;
  };
  const walk = async (query: TaskQuery, between: () => Promise<unknown> = async () => undefined) => {
    const ids: string[] = [];
    for (let cursor: string | undefined; ; ) {
      const { tasks: found, next } = await page({ ...query, ...(cursor === undefined ? {} : { cursor }) });
      ids.push(...found.map(({ id }) => id));
      if (next === null) return ids;
      cursor = next;
      await between();
    }
  };
  return { clock, tasks, made, page, walk };
}

test('[task.list-neither-skips-nor-repeats] pages are newest first, and neither skip nor repeat what was there throughout', async () => {
  const { tasks, made, walk } = await world();
  const ids: string[] = [];
  for (let index = 0; index < 47; index++) ids.push(await made());
  const expected = ids.toReversed();
  for (const limit of [1, 5, 10, 47, 200]) assert.deepEqual(await walk({ limit }), expected, `limit ${limit}`);
  // Tasks come and end while somebody reads on.
  const among = await walk({ limit: 5 }, async () => {
    await made();
    const record = await tasks.find(ids[3] as string);
    if (record !== undefined) await tasks.end(record, 'killed');
  });
  assert.deepEqual(among, expected);
});

test('tasks are found by tenant, agent and the state they are in now', async () => {
  const { clock, tasks, made, walk } = await world();
  const [mine, theirs, killed] = [
    await made(),
    await made({ tenant: 'umbrella corp {1}', id: 'scout' }),
    await made({ tenant: 'umbrella corp {1}' }),
  ];
  const record = await tasks.find(killed);
  assert.ok(record !== undefined);
  await tasks.end(record, 'killed');
  assert.deepEqual(await walk({ limit: 10, tenant: 'acme' }), [mine]);
  assert.deepEqual(await walk({ limit: 1, tenant: 'umbrella corp {1}' }), [killed, theirs]);
  assert.deepEqual(await walk({ limit: 10, agent: 'scout' }), [theirs]);
  assert.deepEqual(await walk({ limit: 10, state: 'active' }), [theirs, mine]);
  assert.deepEqual(await walk({ limit: 10, state: 'killed', tenant: 'acme' }), []);
  await clock.advance(60_000);
  assert.deepEqual(await walk({ limit: 10, state: 'active' }), []);
  assert.deepEqual(await walk({ limit: 10, state: 'expired' }), [theirs, mine]);
  await clock.advance(25 * 3600_000);
  assert.deepEqual(await walk({ limit: 10 }), [], 'a record that is gone is in no list');
});

test('a page looks at a bounded number of tasks, and the walk still finds what fits', async () => {
  const { made, page, walk } = await world();
  const rare = await made({ id: 'rare' });
  for (let index = 0; index < 1_100; index++) await made();
  const first = await page({ limit: 100, agent: 'rare' });
  assert.deepEqual(first.tasks, []);
  assert.notEqual(first.next, null);
  assert.deepEqual(await walk({ limit: 100, agent: 'rare' }), [rare]);
});

test('a limit and a cursor that are none are denied', async () => {
  const { tasks } = await world();
  const wrong: TaskQuery[] = [
    { limit: 0 },
    { limit: 201 },
    { limit: 1.5 },
    { limit: 5, cursor: '' },
    { limit: 5, cursor: 'x' },
    { limit: 5, cursor: Buffer.from('task_00000000000000000000000001 ac\nme').toString('base64url') },
  ];
  for (const query of wrong) {
    const found = await tasks.list(query);
    assert.equal(isDenial(found) && found.code, 'args_invalid', JSON.stringify(query));
  }
});
