/**
 * An agent that had just read something untrusted in a task of its own began clean where it was given a part of somebody
 * else's: what it brought along counted only in its next task of its own.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { taintOf } from '../gateway/checkpoint-world.ts';
import { exchange, partOf } from '../gateway/exchange-form.ts';
import { World } from '../gateway/world.ts';
import { part } from '../parts.ts';

const rows = {
  orders: { operations: { get_order: { reads: ['private'], sends: 'inside' } } },
  gpt: { operations: { chat: { reads: [] } } },
};

describe('what an agent brings into a part', part('opa'), () => {
  let world: World;
  before(async () => {
    world = await World.open({ rows, config: { task: { taint_seconds: 60 } } });
  });
  after(() => world?.[Symbol.asyncDispose]());

  test('[task.taint-into-the-next-task] the part begins with it, and every task above has it too', async () => {
    const own = await world.task({}, 'reader');
    assert.equal((await world.fetch('/tools/orders/orders/O-1', own.token)).status, 200);
    assert.equal((await world.fetch(`/tasks/${own.id}/complete`, own.token, { method: 'POST' })).status, 200);
    const whole = await world.task({}, 'boss');
    const middle = await exchange(world, partOf(whole.token, world.issuer.token('middle')));
    const { answer } = await exchange(world, partOf(middle.answer.access_token, world.issuer.token('reader')));
    assert.deepEqual(await taintOf(world, { id: answer.task_id, token: answer.access_token }), ['private']);
    for (const { id, token } of [whole, { id: middle.answer.task_id, token: middle.answer.access_token }]) {
      assert.deepEqual(await taintOf(world, { id, token }), ['private']);
    }
    const other = await exchange(world, partOf((await world.task({}, 'boss')).token, world.issuer.token('clean')));
    assert.deepEqual(await taintOf(world, { id: other.answer.task_id, token: other.answer.access_token }), []);
  });
});
