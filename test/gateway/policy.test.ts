/** What was decided on is what is sent, and where there is no good decision nothing is. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { part } from '../parts.ts';
import { World } from './world.ts';

const options = part('opa');

describe('policy', options, () => {
  let world: World;
  before(async () => {
    world = await World.open();
  });
  after(async () => world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    for (const witness of [world.model, world.orders]) witness.received.length = 0;
  });

  const send = (token: string, body: string) =>
    world.fetch('/tools/orders/refunds', token, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
  const codeOf = async (response: Response) =>
    `${response.status} ${((await response.json()) as { code: string }).code}`;

  test('[policy.final-arguments] however arguments are written, the policy sees what the target would read', async () => {
    const task = await world.task({ labels: { sum_limit: '100' } });
    for (const body of ['{"amount\\u005fcents":101}', '{"amount_cents":1.01e2}', ' {\n"amount_cents" : 101}']) {
      assert.equal(await codeOf(await send(task.token, body)), '403 policy_denied', body);
    }
    assert.equal(await codeOf(await send(task.token, '{"amount_cents":1,"amount_cents":101}')), '400 request_invalid');
    assert.equal(world.orders.received.length, 0);
    assert.equal((await world.events({ task: task.id, code: 'policy_denied' })).length, 3);
  });

  test('only obligations change arguments afterwards, and what they leave is validated again', async () => {
    const oblige = (drop: string) => ({ labels: { oblige: JSON.stringify({ drop: [drop] }) } });
    const task = await world.task(oblige('/body/note'));
    assert.equal((await send(task.token, '{"amount_cents":5,"note":"inner"}')).status, 200);
    assert.deepEqual(JSON.parse(world.orders.received[0]?.body.toString() ?? ''), { amount_cents: 5 });
    const [intent] = await world.events({ task: task.id, type: 'intent' });
    assert.notEqual(intent?.proposed_commitment, intent?.sent_commitment);
    const starred = await world.task(oblige('/*/note'));
    assert.equal((await send(starred.token, '{"amount_cents":5,"note":"inner"}')).status, 200);
    assert.deepEqual(JSON.parse(world.orders.received.pop()?.body.toString() ?? ''), { amount_cents: 5 });
    const broken = await world.task(oblige('/body/amount_cents'));
    assert.equal(await codeOf(await send(broken.token, '{"amount_cents":5}')), '422 args_invalid');
    assert.equal(world.orders.received.length, 1);
    assert.deepEqual(
      (await world.events({ task: broken.id })).map(({ type }) => type),
      ['task', 'denial'],
    );
  });

  test('a decision of the wrong shape, or with an obligation nobody knows, denies', async () => {
    for (const oblige of [
      '{"fly":true}',
      '[]',
      '"text"',
      '{"redact":"all"}',
      '{"regions":[7]}',
      '{"max_tokens":{"value":-1}}',
    ]) {
      const task = await world.task({ labels: { oblige } });
      for (const response of [await world.refund(task.token, 5), await world.chat(task.token)]) {
        assert.equal(response.status, 403, `${oblige} ${await response.text()}`);
      }
      const denials = await world.events({ task: task.id, type: 'denial' });
      assert.deepEqual(
        denials.map(({ decision }) => decision?.reasons[0]?.code),
        ['policy_denied', 'policy_denied'],
      );
    }
    assert.equal(world.model.received.length + world.orders.received.length, 0);
  });

  test('an answer may be as long as the policy says: lowered in what is sent, or denied', async () => {
    const lower = await world.task({ labels: { oblige: '{"max_tokens":{"value":20,"on_excess":"lower"}}' } });
    assert.equal((await world.chat(lower.token)).status, 200);
    assert.equal((JSON.parse(world.model.received[0]?.body.toString() ?? '') as { max_tokens: number }).max_tokens, 20);
    const deny = await world.task({ labels: { oblige: '{"max_tokens":{"value":20,"on_excess":"deny"}}' } });
    assert.equal((await world.chat(deny.token)).status, 403);
    assert.equal(world.model.received.length, 1);
  });

  test('an approval that is asked for is a denial until there can be one', async () => {
    const approval = { role: 'manager', ttl_seconds: 60, reason: 'large refund' };
    const task = await world.task({ labels: { oblige: JSON.stringify({ approval }) } });
    assert.equal(await codeOf(await world.refund(task.token, 5)), '403 approval_required');
    assert.equal(world.orders.received.length, 0);
  });
});
