/** The checkpoint of a task whose tokens belong to a key: without that key no token opens it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { part } from '../parts.ts';
import { happened, readCheckpoint, writeCheckpoint } from './checkpoint-world.ts';
import { DpopClient } from './dpop-client.ts';
import { World } from './world.ts';

describe('checkpoints of bound tasks', part('opa'), () => {
  let world: World;
  before(async () => {
    world = await World.open();
  });
  after(() => world?.[Symbol.asyncDispose]());

  test('[task.checkpoint-own] a stolen workload token and a bearer token of the next task do not open it', async () => {
    const client = await DpopClient.make();
    const workload = () => world.issuer.token('coordinator');
    const opened = await fetch(`${world.gate.url}/tasks`, {
      method: 'POST',
      headers: { authorization: `Bearer ${workload()}`, dpop: await client.proof('POST', '/tasks', null) },
      body: '{"purpose":"test"}',
    });
    const { task_id: id, task_token: token } = (await opened.json()) as { task_id: string; task_token: string };
    const path = `/tasks/${id}/checkpoint`;
    const first = { 'if-none-match': '*' };
    const bearer = await world.task();
    for (const shown of [workload(), bearer.token, token]) {
      const [written, read] = [
        await writeCheckpoint(world.gate, id, shown, { step: 1 }, first),
        await readCheckpoint(world.gate, id, shown),
      ];
      assert.deepEqual([written.status === 201, read.status === 200], [false, false]);
      assert.equal(read.status, 401, read.text);
    }
    assert.deepEqual(await happened(world, id), [], 'nobody came in');
    const bound = await client.headers('PUT', path, token);
    assert.equal((await writeCheckpoint(world.gate, id, token, { step: 1 }, { ...first, ...bound })).status, 201);
    const proof = await client.proof('GET', path, null);
    const resumed = await readCheckpoint(world.gate, id, workload(), { dpop: proof });
    assert.deepEqual([resumed.status, resumed.text], [200, '{"step":1}']);
    const again = await readCheckpoint(world.gate, id, workload(), { dpop: proof });
    assert.equal(again.status, 401, 'a proof is good once');
    assert.equal(world.orders.received.length, 0);
    assert.deepEqual(await happened(world, id), [
      ['task.checkpoint', 201],
      ['task.checkpoint_read', 200],
    ]);
  });
});
