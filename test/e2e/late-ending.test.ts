/** A call that ends while Redis is silent: its entry in the history of its task is settled once Redis answers again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { TaskRecord } from '../../src/call.ts';
import { systemClock } from '../../src/clock.ts';
import { RedisStore } from '../../src/store/backends/redis.ts';
import { Tasks } from '../../src/task/tasks.ts';
import { RedisServer } from '../fakes/redis-server.ts';
import { World } from '../gateway/world.ts';
import { part } from '../parts.ts';

const skip = part('opa').skip ?? part('redis-server').skip;

test(
  '[task.ending-outlives-the-store] an entry that stayed pending while Redis was away becomes its outcome',
  skip === undefined ? {} : { skip },
  async () => {
    await using redis = await RedisServer.start();
    const clock = systemClock();
    await using store = new RedisStore({ kind: 'redis', url: redis.url, command_timeout_ms: 500 }, { clock });
    await store.open();
    const tasks = new Tasks({ store, clock });
    await using world = await World.open({
      config: { store: { kind: 'redis', url: redis.url, command_timeout_ms: 100 }, limits: { store_lost_ms: 60_000 } },
    });
    const task = await world.task();
    const record = async () => (await tasks.load('acme', task.id)) as TaskRecord;
    const stateOf = async () => (await record()).history.map(({ state }) => state);
    assert.equal((await world.refund(task.token, 100)).status, 200);
    assert.deepEqual(await stateOf(), ['done']);

    // The target has answered by then; only what the gate writes of it is late.
    world.orders.reply = (_request, response) => {
      redis.pause();
      response.writeHead(500, { 'content-type': 'application/json' }).end('{}');
    };
    const answer = await world.refund(task.token, 200);
    assert.equal(answer.status, 500, 'what was done is told, whatever becomes of the records');
    await wait(1500);
    redis.resume();
    const seen = await stateOf();
    for (let tries = 0; (await stateOf()).includes('pending') && tries < 100; tries++) await wait(100);
    assert.deepEqual(
      [seen, await stateOf()],
      [
        ['done', 'pending'],
        ['done', 'failed'],
      ],
    );
    const [count] = Object.values((await record()).counts);
    assert.deepEqual([count?.calls, count?.failed, count?.sums], [2, 1, { 'body.amount_cents': 300 }]);
    assert.equal(world.orders.received.length, 2);
    const outcomes = await world.events({ task: task.id, type: 'outcome' });
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      [200, 500],
    );
    assert.ok(world.logs.some((line) => line.startsWith('info all endings that waited for the store are made')));
  },
);
