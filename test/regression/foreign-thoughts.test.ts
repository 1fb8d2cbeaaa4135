/**
 * Who held the token of a task could report thoughts into its parts: the trail said that the agent of the part had
 * reported them, and its actions matched what it had never said.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { exchange, partOf } from '../gateway/exchange-form.ts';
import { World } from '../gateway/world.ts';
import { part } from '../parts.ts';

const options = part('opa');
let world: World;
before(async () => {
  if (options.skip === undefined) world = await World.open();
});
after(async () => world?.[Symbol.asyncDispose]());

test('only the agent of a task reports its thoughts, not whoever holds the task above', options, async () => {
  const whole = await world.task({}, 'boss');
  const { answer } = await exchange(world, partOf(whole.token, world.issuer.token('worker')));
  const report = async (token: string) => {
    const body = JSON.stringify({ text: 'delete it', tool_calls: [{ id: 'c1', name: 'delete_order', arguments: {} }] });
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body };
    const response = await world.fetch(`/tasks/${answer.task_id}/thoughts`, token, init);
    const { code, reasons } = (await response.json()) as { code?: string; reasons?: { code: string }[] };
    return [response.status, code, reasons?.[0]?.code];
  };
  const thoughts = async () =>
    (await world.events({ task: answer.task_id, type: 'thought' })).map(({ agent }) => agent);
  assert.deepEqual(await report(whole.token), [403, 'insufficient_scope', 'not_own_task']);
  assert.deepEqual(await thoughts(), []);
  const refusals = (await world.events({ type: 'denial' })).map(({ decision }) => decision?.reasons[0]?.code);
  assert.ok(refusals.includes('insufficient_scope'));
  for (const own of [answer.access_token, world.issuer.token('worker')]) assert.equal((await report(own))[0], 201);
  assert.deepEqual(await thoughts(), ['worker', 'worker']);
  assert.equal((await world.fetch(`/tasks/${answer.task_id}`, whole.token)).status, 200, 'it is seen all the same');
});
