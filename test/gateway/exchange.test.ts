/** `POST /oauth/token`: tasks by token exchange, and parts of tasks for other agents. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { part } from '../parts.ts';
import { accessToken, details, exchange as exchangeAt, jwt, partOf as partFor } from './exchange-form.ts';
import { World } from './world.ts';

const options = part('opa');
let world: World;
before(async () => {
  if (options.skip === undefined) world = await World.open();
});
after(async () => world?.[Symbol.asyncDispose]());

const exchange = (form: Record<string, string>) => exchangeAt(world, form);

/** The form by which `agent` gets a part of the task of `token`. */
const partOf = (token: string, agent: string, task: Record<string, unknown> = {}) =>
  partFor(token, world.issuer.token(agent), task);

test('a workload token alone is exchanged for a task token', options, async () => {
  const { status, answer } = await exchange({
    subject_token: world.issuer.token('coordinator'),
    subject_token_type: jwt,
    authorization_details: details({ tools: ['orders.get_order'] }),
  });
  assert.equal(status, 200);
  assert.deepEqual([answer.issued_token_type, answer.scope], [accessToken, 'orders.get_order']);
  const called = await world.fetch('/tools/orders/orders/O-1', answer.access_token);
  assert.equal(called.status, 200);
});

test('another agent gets a part of the task: its subject, fewer tools, its own token', options, async () => {
  const whole = await world.task({ subject: { id: 'C-1' }, tools: ['orders.get_order', 'orders.create_refund'] });
  const { status, answer } = await exchange(partOf(whole.token, 'legal-risk', { tools: ['orders.*'] }));
  assert.equal(status, 200);
  assert.deepEqual(answer.scope.split(' ').sort(), ['orders.create_refund', 'orders.get_order']);
  const seen = (await (await world.fetch(`/tasks/${answer.task_id}`, answer.access_token)).json()) as Record<
    string,
    unknown
  >;
  assert.deepEqual([seen.agent, seen.parent], ['legal-risk', { id: whole.id, agent: 'coordinator' }]);
  assert.deepEqual(seen.subject, { id: 'C-1', type: 'customer', assurance: 'asserted' });
  assert.equal((await world.fetch('/tools/orders/orders/O-1', answer.access_token)).status, 200);
  assert.equal((await world.fetch('/tools/orders/orders/O-1', answer.access_token, { method: 'DELETE' })).status, 403);
  const [created] = await world.events({ task: answer.task_id, operation: 'task.create' });
  assert.equal(created?.agent, 'legal-risk');
});

test('a part draws on the budget of the whole', options, async () => {
  const whole = await world.task({ budget: { calls: 2 } });
  const { answer } = await exchange(partOf(whole.token, 'legal-risk'));
  for (const expected of [200, 200, 402]) {
    assert.equal((await world.fetch('/tools/orders/orders/O-1', answer.access_token)).status, expected);
  }
  assert.equal((await world.fetch('/tools/orders/orders/O-1', whole.token)).status, 402);
  assert.equal((await world.taskDocument(whole)).budget.spent.calls, 2);
});

test('who kills a task kills its parts', options, async () => {
  const whole = await world.task();
  const { answer } = await exchange(partOf(whole.token, 'legal-risk'));
  await world.fetch(`/tasks/${whole.id}/kill`, whole.token, { method: 'POST' });
  world.orders.received.length = 0;
  const refused = await world.fetch('/tools/orders/orders/O-1', answer.access_token);
  assert.deepEqual([refused.status, ((await refused.json()) as { code: string }).code], [403, 'task_killed']);
  assert.equal(world.orders.received.length, 0);
});

test('taint that a part catches is the taint of the whole', options, async () => {
  const whole = await world.task();
  const { answer } = await exchange(partOf(whole.token, 'legal-risk', { labels: { oblige: '{"taint":["mail"]}' } }));
  await world.fetch('/tools/orders/orders/O-1', answer.access_token);
  const seen = (await (await world.fetch(`/tasks/${whole.id}`, whole.token)).json()) as { taint: string[] };
  assert.deepEqual(seen.taint, ['untrusted', 'mail']);
});

test('the agent of a task gets another token for it by exchange', options, async () => {
  const whole = await world.task();
  const form = { ...partOf(whole.token, 'coordinator') } as Record<string, string>;
  delete form.authorization_details;
  const { status, answer } = await exchange(form);
  assert.deepEqual([status, answer.task_id], [200, whole.id]);
});

test('parts are nested to a bound', options, async () => {
  let token = (await world.task()).token;
  for (let depth = 2; depth <= 4; depth++)
    token = (await exchange(partOf(token, `agent-${depth}`))).answer.access_token;
  const { status, answer } = await exchange(partOf(token, 'agent-5'));
  assert.deepEqual([status, answer.error, answer.reasons?.[0]?.code], [400, 'unauthorized_client', 'nested_too_deep']);
});

test('what cannot be exchanged is an OAuth error that names the fault', options, async () => {
  const whole = await world.task({ subject: { id: 'C-1' } });
  const other = await world.task();
  const good = partOf(whole.token, 'legal-risk');
  const rows: [string, Record<string, string>, number, string][] = [
    ['another grant', { ...good, grant_type: 'client_credentials' }, 400, 'unsupported_grant_type'],
    ['no type of the subject token', { ...good, subject_token_type: '' }, 400, 'invalid_request'],
    ['another target', { ...good, audience: 'https://elsewhere' }, 400, 'invalid_target'],
    [
      'details of another type',
      { ...good, authorization_details: '[{"type":"x"}]' },
      400,
      'invalid_authorization_details',
    ],
    [
      'an unknown field',
      { ...good, authorization_details: details({ toolz: [] }) },
      400,
      'invalid_authorization_details',
    ],
    [
      'another subject',
      { ...good, authorization_details: details({ subject: { id: 'C-2' } }) },
      400,
      'invalid_authorization_details',
    ],
    [
      'a forbidden purpose',
      { ...good, authorization_details: details({ purpose: 'forbidden' }) },
      400,
      'unauthorized_client',
    ],
    ['an actor that is nobody', { ...good, actor_token: 'x.y.z' }, 400, 'invalid_request'],
    ['a task token as the actor', { ...good, actor_token: other.token }, 400, 'invalid_request'],
    ['one token for both', { ...good, actor_token: whole.token }, 400, 'invalid_request'],
    ['a task token alone', { subject_token: whole.token, subject_token_type: accessToken }, 400, 'invalid_request'],
  ];
  for (const [what, form, status, error] of rows) {
    const { status: got, answer } = await exchange(form);
    assert.deepEqual([got, answer.error], [status, error], what);
  }
  assert.equal((await exchange(good)).status, 200);
});
