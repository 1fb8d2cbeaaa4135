/**
 * A model's answer that the gate could not read passed as one text: the tool calls in it were proposed to nobody's
 * knowledge, the policy of answers saw no body, and a client with a more lenient reader acted on it.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { message } from '../gateway/message.ts';
import { World } from '../gateway/world.ts';
import { part } from '../parts.ts';

const nested = `{"choices":[{"message":{"role":"assistant","content":${'['.repeat(70)}${']'.repeat(70)}}}]}`;
const twice = '{"choices":[],"choices":[{"message":{"role":"assistant","content":"x"}}]}';
const rows: readonly (readonly [what: string, type: string, body: string])[] = [
  ['a page', 'text/html', '<html>200 OK</html>'],
  ['JSON under another type', 'text/plain', '{"choices":[]}'],
  ['what is nested too deep', 'application/json', nested],
  ['a member twice', 'application/json', twice],
  ['no object', 'application/json', '"done"'],
];

describe('an answer of a model that cannot be read', part('opa'), () => {
  let world: World;
  before(async () => {
    world = await World.open({ claude: {} });
  });
  after(async () => world?.[Symbol.asyncDispose]());

  for (const [what, type, body] of rows) {
    test(`does not pass, and is paid for: ${what}`, async () => {
      const task = await world.task();
      for (const [surface, call] of [
        ['gpt.chat', () => world.chat(task.token)],
        ['claude.messages', () => message(world, task.token)],
      ] as const) {
        world.model.received.length = 0;
        world.model.reply = (_request, response) => void response.writeHead(200, { 'content-type': type }).end(body);
        const response = await call();
        const said = await response.text();
        assert.equal(response.status, 502, `${surface} ${said}`);
        assert.match(said, /upstream_error/);
        assert.equal(world.model.received.length, 1, 'it is not asked twice');
        const [outcome] = await world.events({ task: task.id, type: 'outcome', operation: surface });
        assert.equal(outcome?.status, 502);
        assert.ok((outcome?.cost_usd ?? 0) > 0, 'what it used is not known, and not nothing');
      }
    });
  }

  test('an error of the model passes as it is, readable or not', async () => {
    const task = await world.task();
    world.model.reply = (_request, response) =>
      void response.writeHead(500, { 'content-type': 'text/html' }).end('<p>no');
    const response = await world.chat(task.token);
    assert.deepEqual([response.status, await response.text()], [500, '<p>no']);
  });
});
