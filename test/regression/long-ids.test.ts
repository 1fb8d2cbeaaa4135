/**
 * Ids of 255 characters that are more in UTF-16 units: a task was opened and recorded for such a subject, and then no
 * token could be made for it; the agent was told 503 and to try again. A delegation token for such an agent was made,
 * and was good for nobody.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { World } from '../gateway/world.ts';
import { part } from '../parts.ts';

const options = part('opa');
let world: World;
before(async () => {
  if (options.skip === undefined) world = await World.open();
});
after(async () => world?.[Symbol.asyncDispose]());

const longest = `${'\u{1f600}'.repeat(127)}x`;
const longer = '\u{1f600}'.repeat(128);

test('an id that no token can carry is refused before anything comes to be', options, async () => {
  assert.equal((await world.task({ subject: { id: longest } })).status, 201);
  const created = async () => (await world.events({ operation: 'task.create' })).length;
  const before = await created();
  const { status, body } = await world.task({ subject: { id: longer } });
  const [reason] = body.reasons as { path: string }[];
  assert.deepEqual([status, body.code, reason?.path, body.retryable], [422, 'args_invalid', '/subject/id', false]);
  assert.equal(await created(), before);
  assert.equal(world.logs.filter((line) => line.includes('at fault')).length, 0);
});

test('a token is not handed on to an agent whose id no token can carry', options, async () => {
  const task = await world.task();
  const handOn = async (agent: string) => {
    const body = JSON.stringify({ for: { agent, issuer: 'azure' } });
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body };
    const response = await world.fetch(`/tasks/${task.id}/token`, world.issuer.token('coordinator'), init);
    const { reasons } = (await response.json()) as { reasons?: { path: string }[] };
    return [response.status, reasons?.[0]?.path];
  };
  assert.deepEqual(await handOn(longest), [200, undefined]);
  assert.deepEqual(await handOn(longer), [422, '/for/agent']);
  assert.equal((await world.events({ operation: 'task.delegate' })).length, 1);
});
