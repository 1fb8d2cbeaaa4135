/** What is in the data: what the policy redacts or blocks does not leave, and no denial repeats it. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { part } from '../parts.ts';
import { chatReply } from './chat.ts';
import { World } from './world.ts';

const options = part('opa');
const email = 'anna.schmidt@customer-mail.com';
const card = '4242 4242 4242 4242';
const iban = 'DE89 3704 0044 0532 0130 00';
// Random, and in the shape of a key that nobody was ever given.
const apiKey = `ghp_${'x9Qf2LmT7vKc4RbW8nYd3HsJ6pZgA1eUoXiB'}`;
const values = [email, card, iban, apiKey];

describe('inspection', options, () => {
  let world: World;
  before(async () => {
    world = await World.open();
  });
  after(async () => world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    world.model.reply = chatReply();
    for (const witness of [world.model, world.orders]) witness.received.length = 0;
  });

  const oblige = (obligations: object) => ({ labels: { oblige: JSON.stringify(obligations) } });
  const say = (content: string) => ({ messages: [{ role: 'user', content }] });

  test('[inspection.pii-does-not-reach-the-model] what the policy redacts does not reach the model', async () => {
    const task = await world.task(oblige({ redact: [{ type: 'email' }, { type: 'card' }, { type: 'iban' }] }));
    for (const stream of [false, true]) {
      world.model.received.length = 0;
      const prompt = `Write to ${email}, card ${card}, account ${iban}, order 42.`;
      const response = await world.chat(task.token, { ...say(prompt), stream });
      await response.text();
      assert.equal(response.status, 200);
      const sent = world.model.received[0]?.body.toString() ?? '';
      for (const value of [email, card, iban]) assert.ok(!sent.includes(value), value);
      assert.match(sent, /Write to .*, card .*, account .*, order 42\./);
    }
    const [intent] = await world.events({ task: task.id, type: 'intent' });
    assert.deepEqual(intent?.findings.map(({ type, where }) => `${type} ${where}`).toSorted(), [
      'card /messages/0/content',
      'email /messages/0/content',
      'iban /messages/0/content',
    ]);
    assert.notEqual(intent?.proposed_commitment, intent?.sent_commitment, 'the trail says it was changed');
  });

  test('findings hidden in the arguments of a tool call of the conversation are found too', async () => {
    const task = await world.task(oblige({ redact: [{ type: 'email' }] }));
    const call = { id: 'c1', type: 'function', function: { name: 'mail', arguments: JSON.stringify({ to: email }) } };
    const messages = [
      { role: 'user', content: [{ type: 'text', text: `for ${email}` }] },
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'c1', content: `sent to ${email}` },
    ];
    assert.equal((await world.chat(task.token, { messages })).status, 200);
    assert.ok(!world.model.received[0]?.body.toString().includes(email));
  });

  test('[inspection.secrets-blocked] an API key that the policy blocks is denied, and the denial does not repeat it', async () => {
    const task = await world.task(oblige({ block: [{ type: 'api_key' }] }));
    const response = await world.chat(task.token, say(`use ${apiKey} please`));
    const text = await response.text();
    assert.equal(response.status, 403);
    const { error } = JSON.parse(text) as { error: { code: string; reasons: { path: string }[] } };
    assert.deepEqual([error.code, error.reasons[0]?.path], ['secret_blocked', '/messages/0/content']);
    assert.ok(!text.includes(apiKey));
    assert.equal(world.model.received.length, 0);
    const events = await world.events({ task: task.id, operation: 'gpt.chat' });
    assert.deepEqual(
      events.map(({ type, decision }) => [type, decision?.reasons[0]?.code]),
      [['denial', 'secret_blocked']],
    );
    const tool = await world.task(oblige({ block: [{ type: 'email' }] }));
    const refund = await world.refund(tool.token, 5, { note: email });
    const body = (await refund.json()) as { code: string; detail: string };
    assert.deepEqual([refund.status, body.code, body.detail.includes(email)], [403, 'pii_blocked', false]);
    assert.equal(world.orders.received.length, 0);
  });

  test('what no obligation speaks of passes, and the event says that it was left alone', async () => {
    const task = await world.task();
    assert.equal((await world.refund(task.token, 5, { note: email })).status, 200);
    assert.ok(world.orders.received[0]?.body.toString().includes(email));
    const [intent] = await world.events({ task: task.id, type: 'intent' });
    assert.ok(intent?.decision?.reasons.some(({ code }) => code === 'findings_unhandled'));
  });

  test('a whole answer is redacted on its way back, and its length says so', async () => {
    const task = await world.task({ labels: { oblige_response: JSON.stringify({ redact: [{ type: 'email' }] }) } });
    world.orders.reply = (_request, response) =>
      void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ owner: email, id: 7 }));
    const response = await world.fetch('/tools/orders/orders/O-1', task.token);
    const text = await response.text();
    assert.equal(response.status, 200);
    assert.ok(!text.includes(email));
    assert.equal((JSON.parse(text) as { id: number }).id, 7);
    const [outcome] = await world.events({ task: task.id, type: 'outcome' });
    assert.deepEqual(
      outcome?.findings.map(({ type, where }) => [type, where]),
      [['email', '/owner']],
    );
    world.model.reply = chatReply({ text: `ask ${email}` });
    assert.ok(!(await (await world.chat(task.token)).text()).includes(email));
  });

  test('an answer that the policy blocks or denies does not pass, and its call is paid for', async () => {
    world.model.reply = chatReply({ text: `the key is ${apiKey}` });
    const blocked = await world.task({ labels: { oblige_response: JSON.stringify({ block: [{ type: 'api_key' }] }) } });
    const response = await world.chat(blocked.token);
    const text = await response.text();
    assert.equal(response.status, 403);
    assert.match(text, /"code":"secret_blocked"/);
    assert.ok(!text.includes(apiKey));
    assert.equal((await world.taskDocument(blocked)).budget.spent.tokens, 15);
    const denied = await world.task({ labels: { deny_response: 'orders.get_order' } });
    const answer = await world.fetch('/tools/orders/orders/O-1', denied.token);
    assert.deepEqual([answer.status, ((await answer.json()) as { code: string }).code], [403, 'policy_denied']);
    const events = await world.events({ task: denied.id, operation: 'orders.get_order' });
    assert.deepEqual(
      events.map(({ type, status }) => [type, status]),
      [
        ['intent', null],
        ['outcome', 403],
      ],
    );
  });

  test('a stream is redacted while it flows, and the trail says what was found in it', async () => {
    const task = await world.task({ labels: { oblige_response: JSON.stringify({ redact: [{ type: 'email' }] }) } });
    world.model.reply = chatReply({ text: `ask ${email} `.repeat(20) });
    const response = await world.chat(task.token, { stream: true, max_tokens: 500 });
    const text = await response.text();
    assert.deepEqual([response.status, response.headers.get('content-type')], [200, 'text/event-stream']);
    assert.ok(text.includes('[redacted:email]') && !text.includes(email));
    const [outcome] = await world.events({ task: task.id, type: 'outcome' });
    assert.deepEqual(
      outcome?.findings.map(({ type, count }) => [type, count]),
      [['email', 20]],
    );
  });

  test('what cannot be taken out of a stream refuses it before its first byte, and the target is let go', async () => {
    const task = await world.task({ labels: { oblige_response: JSON.stringify({ drop: ['/choices/0/logprobs'] }) } });
    world.model.reply = chatReply({ text: 'one two three '.repeat(50), paceMs: 20 });
    const response = await world.chat(task.token, { stream: true });
    assert.equal(response.status, 403);
    assert.match(await response.text(), /obligation_unmet/);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(world.model.sockets.size, 0);
    const [outcome] = await world.events({ task: task.id, type: 'outcome' });
    assert.equal(outcome?.decision?.reasons[0]?.code, 'policy_denied');
  });

  test('[audit.no-payload-in-events] neither events nor logs hold what was found', async () => {
    const task = await world.task(oblige({ block: [{ type: 'api_key' }] }));
    await world.chat(task.token, say(`${email} ${card} ${iban}`));
    await world.chat(task.token, say(`use ${apiKey}`));
    await world.refund(task.token, 5, { note: email });
    const exported = await (await world.admin('/audit/export')).text();
    assert.match(exported, /proposed_commitment":"[0-9a-f]{64}/);
    for (const value of values) assert.ok(!exported.includes(value), value);
    for (const value of values) assert.ok(!world.logs.join('\n').includes(value), value);
  });
});
