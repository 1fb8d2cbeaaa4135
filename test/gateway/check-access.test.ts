/** `POST /tasks/{id}/check`: who may ask, of what, what the answer holds, and what is kept of it. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { part } from '../parts.ts';
import { chatReply } from './chat.ts';
import { CheckWorld, chat, email, json, oblige, read, refund, type Verdict } from './check-world.ts';
import { DpopClient } from './dpop-client.ts';
import { exchange, partOf } from './exchange-form.ts';
import { TokenLife } from './token-life.ts';
import type { World } from './world.ts';

const options = { ...part('opa'), ...part('redis-server') };

describe('checks', options, () => {
  let checks: CheckWorld;
  let world: World;
  let life: TokenLife;
  before(async () => {
    checks = await CheckWorld.open();
    world = checks.world;
    life = new TokenLife(world);
  });
  after(() => checks?.[Symbol.asyncDispose]());
  beforeEach(() => {
    world.model.reply = chatReply();
    world.orders.reply = (_request, response) => void response.writeHead(200, json).end('{}');
  });
  const send: CheckWorld['send'] = (token, call) => checks.send(token, call);
  const verdicts: CheckWorld['verdicts'] = (...asked) => checks.verdicts(...asked);
  const ask: CheckWorld['ask'] = (...asked) => checks.ask(...asked);

  test('each call is judged as if it came next: they do not see one another', async () => {
    const task = await world.task({ labels: { sum_limit: '100' }, budget: { calls: 1 } });
    const calls = [refund({ amount_cents: 90 }), refund({ amount_cents: 90 }), refund({ amount_cents: 101 })];
    const told = await verdicts(task.id, task.token, ...calls);
    assert.deepEqual(
      told.map(({ decision }) => decision),
      ['allow', 'allow', 'deny'],
    );
    assert.deepEqual(
      told.map(({ operation }) => operation),
      Array(3).fill('orders.create_refund'),
    );
    assert.equal((await send(task.token, refund({ amount_cents: 90 }))).status, 200);
    assert.deepEqual(
      (await verdicts(task.id, task.token, ...calls)).map(({ code }) => code),
      Array(3).fill('policy_denied'),
    );
  });

  test('the estimate is what the call reserves, and the obligations are those of the decision', async () => {
    world.model.reply = chatReply({ usage: null });
    const obligations = { max_tokens: { value: 30, on_excess: 'lower' }, mark: { seen: true } };
    const task = await world.task(oblige(obligations));
    const [verdict] = await verdicts(task.id, task.token, chat());
    assert.deepEqual(verdict?.obligations, obligations);
    assert.equal((await send(task.token, chat())).status, 200);
    const { spent } = (await world.taskDocument(task)).budget;
    assert.deepEqual(verdict?.estimate, { tokens: spent.tokens, cost_usd: spent.cost_usd });
    const [denied] = await verdicts(task.id, task.token, { ...read(), path: '/tools/orders/none' });
    assert.equal(denied?.estimate, null);
  });

  test('a check does not use a thought: the action is linked to it afterwards', async () => {
    const args = { amount_cents: 5 };
    world.model.reply = chatReply({
      toolCalls: [{ id: 'c1', name: 'create_refund', arguments: JSON.stringify({ body: args }) }],
    });
    const task = await world.task();
    await (await send(task.token, chat())).json();
    const call = { ...refund(args), headers: { ...json, 'x-tollgate-tool-call-id': 'c1' } };
    for (let time = 0; time < 3; time++)
      assert.equal((await verdicts(task.id, task.token, call))[0]?.decision, 'allow');
    assert.equal((await send(task.token, call)).status, 200);
    const [intent] = await world.events({ task: task.id, operation: 'orders.create_refund', type: 'intent' });
    assert.notEqual(intent?.thought, null);
    assert.notEqual(intent?.match, 'none');
  });

  test('who may: its own agent by either token, narrowed as it is; to others there is no such task', async () => {
    const task = await world.task();
    const narrowed = await life.another(task, { tools: ['orders.get_order'] });
    const told = await verdicts(task.id, narrowed, read(), refund({ amount_cents: 1 }));
    assert.deepEqual(
      told.map(({ code }) => code),
      [undefined, 'insufficient_scope'],
    );
    assert.deepEqual(told[1]?.allowed, ['orders.get_order']);
    assert.equal((await send(narrowed, refund({ amount_cents: 1 }))).status, 403);
    assert.equal((await verdicts(task.id, life.workload(), refund({ amount_cents: 1 })))[0]?.decision, 'allow');

    const code = async (id: string, token: string) => {
      const response = await ask(id, token, [read()]);
      return [response.status, ((await response.json()) as { code?: string }).code];
    };
    const other = await world.task({}, 'someone-else');
    assert.deepEqual(await code(task.id, other.token), [403, 'task_unknown']);
    assert.deepEqual(await code(task.id, life.workload('someone-else')), [403, 'task_unknown']);
    assert.deepEqual(await code('task_none', task.token), [403, 'task_unknown']);
    assert.deepEqual(await code(task.id, 'no-token'), [401, 'unauthenticated']);
    const delegation = await life.another(task, { for: { agent: 'worker', issuer: 'azure' } });
    assert.deepEqual(await code(task.id, delegation), [401, 'unauthenticated']);
    const part_ = await exchange(world, partOf(task.token, life.workload('worker')));
    assert.deepEqual(await code(String(part_.answer.task_id), task.token), [403, 'insufficient_scope']);
    assert.deepEqual(await code(String(part_.answer.task_id), String(part_.answer.access_token)), [200, undefined]);
    await life.revoke(narrowed);
    assert.deepEqual(await code(task.id, narrowed), [401, 'unauthenticated']);
  });

  test('possession is proved for the check as for a call, and its verdicts know of the key', async () => {
    const client = await DpopClient.make();
    const opened = await world.fetch('/tasks', life.workload(), {
      ...{ method: 'POST', body: JSON.stringify({ purpose: 'test' }) },
      headers: { ...json, dpop: await client.proof('POST', '/tasks', null) },
    });
    const { task_id: id, task_token: token } = (await opened.json()) as Record<string, string>;
    const path = `/tasks/${id}/check`;
    const body = JSON.stringify({ calls: [{ ...read(), method: 'DELETE' }] });
    assert.equal((await world.fetch(path, String(token), { method: 'POST', headers: json, body })).status, 401);
    const dpop = await client.proof('POST', path, String(token));
    const headers = { ...json, dpop, authorization: `DPoP ${token}` };
    const proved = () => fetch(`${world.gate.url}${path}`, { method: 'POST', headers, body });
    const { calls } = (await (await proved()).json()) as { calls: Verdict[] };
    assert.deepEqual(
      calls.map(({ decision }) => decision),
      ['allow'],
    );
    assert.equal((await proved()).status, 401, 'the proof was used');
    // By the workload token: as by the token that this request would get.
    const asAgent = {
      ...json,
      dpop: await client.proof('POST', path, null),
      authorization: `Bearer ${life.workload()}`,
    };
    const answer = await fetch(`${world.gate.url}${path}`, { method: 'POST', headers: asAgent, body });
    assert.equal(((await answer.json()) as { calls: Verdict[] }).calls[0]?.decision, 'allow');
  });

  test('the trail has what was asked and said, by the name of the operation and redacted', async () => {
    const task = await world.task({ labels: { deny: 'orders.create_refund' } });
    await verdicts(task.id, task.token, read(), refund({ amount_cents: 1, note: email }));
    const events = await world.events({ task: task.id });
    assert.deepEqual(
      events.map(({ type, operation, status }) => [type, operation, status]),
      [
        ['task', 'task.create', 201],
        ['task', 'task.check', 200],
      ],
    );
    const text = await (await world.admin(`/audit/tasks/${task.id}/payloads`)).text();
    assert.ok(!text.includes(email));
    const { payloads } = JSON.parse(text) as { payloads: { text: string }[] };
    const { calls } = JSON.parse(payloads.at(-1)?.text ?? '{}') as { calls?: unknown };
    assert.deepEqual(calls, [
      { operation: 'orders.get_order', decision: 'allow' },
      { operation: 'orders.create_refund', decision: 'deny', code: 'policy_denied' },
    ]);
  });

  test('a check is bounded, and takes nothing that is no call', async () => {
    const task = await world.task();
    const refused = async (calls: readonly unknown[]) => {
      const response = await ask(task.id, task.token, calls);
      const { code, reasons } = (await response.json()) as {
        code?: string;
        reasons?: { code: string; path?: string }[];
      };
      return [response.status, code, reasons?.[0]?.path];
    };
    assert.deepEqual(await refused([]), [422, 'args_invalid', '/calls']);
    assert.deepEqual(await refused(Array(21).fill(read())), [422, 'args_invalid', '/calls']);
    assert.equal((await refused(Array(20).fill(read())))[0], 200);
    assert.deepEqual(await refused([{ ...read(), path: '/tasks/x' }]), [422, 'args_invalid', '/calls/0/path']);
    assert.deepEqual(await refused([{ ...read(), path: '/v1/models' }]), [422, 'args_invalid', '/calls/0/path']);
    assert.deepEqual(await refused([{ ...read(), at: 1 }]), [422, 'args_invalid', '/calls/0/at']);
    assert.deepEqual(await refused([{ ...read(), headers: { Authorization: 'Bearer x' } }]), [
      ...[422, 'args_invalid'],
      '/calls/0/headers/authorization',
    ]);
    assert.deepEqual((await refused([refund('x'.repeat(1_048_577))])).slice(0, 2), [413, 'too_large']);
    assert.equal((await world.fetch(`/tasks/${task.id}/check`, task.token)).status, 405);
  });
});
