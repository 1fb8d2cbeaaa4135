/** A gateway that goes on with its share when Redis is gone: what goes on, how far, and that all of it is paid afterwards. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { RedisServer } from '../fakes/redis-server.ts';
import { type OpenedTask, World } from '../gateway/world.ts';
import { part } from '../parts.ts';

const skip = part('opa').skip ?? part('redis-server').skip;

const codeOf = async (response: Response) => [
  response.status,
  ((await response.json()) as { code?: string; error?: { code?: string } }).code ?? null,
];

describe('Redis gone, with a share to go on', skip === undefined ? {} : { skip }, () => {
  test('[budget.local-share] reads and model calls of tasks that were seen go on with a share, once; all is paid when it is back', async () => {
    await using redis = await RedisServer.start();
    const store = {
      ...{ kind: 'redis', url: redis.url, command_timeout_ms: 500, when_lost: 'local_share' },
      local_share: { share: 0.1, window_ms: 60_000, seen_ms: 30_000 },
    };
    await using world = await World.open({ config: { store, limits: { store_lost_ms: 3_000 } } });
    const task = await world.task({ budget: { calls: 41, tokens: 1_000_000 } });
    const unseen = await world.task();
    const read = (of: OpenedTask, id: string) => world.fetch(`/tools/orders/orders/${id}`, of.token);
    assert.equal((await read(task, 'O-1')).status, 200);
    await redis.stop('SIGKILL');
    const lostMs = performance.now();

    // 40 calls were left; a tenth of them is 4.
    const answers = await Promise.all(['O-2', 'O-3', 'O-4', 'O-5', 'O-6', 'O-7'].map((id) => read(task, id)));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 200, 200, 200, 503, 503]);
    assert.equal(world.orders.received.length, 5);
    assert.deepEqual(await codeOf(await world.refund(task.token, 100)), [503, 'store_unavailable']);
    assert.deepEqual(await codeOf(await read(unseen, 'O-1')), [503, 'store_unavailable']);
    assert.equal((await world.task()).status, 503);
    assert.equal((await fetch(`${world.gate.url}/readyz`)).status, 200);
    assert.match(await (await world.admin('/metrics')).text(), /^tollgate_store_local_share 1$/m);
    assert.equal(world.orders.received.length, 5);

    // It ends with the time in which nobody could have killed the task, and does not begin again within its window.
    await wait(Math.max(0, 3_050 - (performance.now() - lostMs)));
    assert.deepEqual(await codeOf(await read(task, 'O-8')), [503, 'store_unavailable']);
    assert.equal((await fetch(`${world.gate.url}/readyz`)).status, 503);
    await redis.start();
    const record = async () => (await world.taskDocument(task)).budget;
    for (let tries = 0; tries < 100 && (await record().catch(() => undefined))?.spent.calls !== 5; tries++)
      await wait(100);
    const budget = await record();
    assert.deepEqual([budget.spent.calls, budget.reserved.calls], [5, 0]);
    assert.equal((await read(task, 'O-9')).status, 200);
    await redis.stop('SIGKILL');
    assert.deepEqual(await codeOf(await read(task, 'O-10')), [503, 'store_unavailable']);
    await redis.start();

    const intents = await world.events({ task: task.id, type: 'intent' });
    const local = intents.map(({ decision }) => decision?.reasons.some(({ code }) => code === 'store_local') ?? false);
    assert.deepEqual(local, [false, true, true, true, true, false]);
    const story = await world.events({ task: task.id, type: 'outcome' });
    assert.equal(story.length, 6);
  });
});
