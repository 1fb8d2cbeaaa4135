/**
 * `POST /tasks/{id}/check`: what an agent is told of a call before it makes it is what the call then gets, and to ask
 * changes nothing: no byte of the store, nothing at a target, one event in the trail.
 */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { part } from '../parts.ts';
import { chatReply } from './chat.ts';
import {
  apiKey,
  CheckWorld,
  chat,
  email,
  type Intended,
  json,
  oblige,
  read,
  refund,
  say,
  type Verdict,
} from './check-world.ts';
import type { OpenedTask, World } from './world.ts';

interface Row {
  readonly why: string;
  /** The code of the denial; `allow` for none. */
  readonly expect: string;
  readonly call: Intended;
  readonly task?: Record<string, unknown>;
  /** What happened in the task before; may give another token to go on with. */
  readonly before?: (task: OpenedTask) => Promise<unknown>;
  readonly after?: () => Promise<unknown>;
  readonly tenant?: string;
}

const options = { ...part('opa'), ...part('redis-server') };

describe('checks agree with calls', options, () => {
  let checks: CheckWorld;
  let world: World;
  before(async () => {
    checks = await CheckWorld.open();
    world = checks.world;
  });
  after(() => checks?.[Symbol.asyncDispose]());
  beforeEach(() => {
    world.model.reply = chatReply();
    world.orders.reply = (_request, response) => void response.writeHead(200, json).end('{}');
  });
  const send: CheckWorld['send'] = (token, call) => checks.send(token, call);
  const verdicts: CheckWorld['verdicts'] = (...asked) => checks.verdicts(...asked);

  const suspend = (what: object) => () =>
    world.admin('/suspensions', { method: 'POST', headers: json, body: JSON.stringify({ ...what, reason: 'a try' }) });
  const resume = (what: object) => () =>
    world.admin('/suspensions/resume', { method: 'POST', headers: json, body: JSON.stringify(what) });
  const fail = async (task: OpenedTask) => {
    world.orders.reply = (_request, response) => void response.writeHead(500).end();
    for (const id of ['O-8', 'O-9']) await send(task.token, read(id));
  };
  const route = { kind: 'route', id: 'orders' };
  const agent = { kind: 'agent', id: 'coordinator', issuer: 'azure' };

  const rows: readonly Row[] = [
    { why: 'a read', expect: 'allow', call: read() },
    { why: 'a write', expect: 'allow', call: refund({ amount_cents: 100 }) },
    { why: 'a write, its body a text', expect: 'allow', call: refund('{"amount_cents": 100}') },
    { why: 'a model', expect: 'allow', call: chat() },
    { why: 'a model that streams', expect: 'allow', call: chat({ stream: true }) },
    { why: 'redacted', expect: 'allow', call: chat(say(`to ${email}`)), task: oblige({ redact: [{ type: 'email' }] }) },
    { why: 'tainted by it', expect: 'allow', call: read(), task: oblige({ taint: ['private'] }) },
    {
      why: 'a shorter answer',
      expect: 'allow',
      call: chat(),
      task: oblige({ max_tokens: { value: 20, on_excess: 'lower' } }),
    },
    { why: 'once more', expect: 'allow', call: read(), before: (task) => send(task.token, read()) },
    {
      why: 'denied',
      expect: 'policy_denied',
      call: refund({ amount_cents: 1 }),
      task: { labels: { deny: 'orders.create_refund' } },
    },
    {
      why: 'over a sum',
      expect: 'policy_denied',
      call: refund({ amount_cents: 101 }),
      task: { labels: { sum_limit: '100' } },
    },
    {
      ...{ why: 'over a sum together', expect: 'policy_denied', call: refund({ amount_cents: 60 }) },
      ...{ task: { labels: { sum_limit: '100' } }, before: (task) => send(task.token, refund({ amount_cents: 50 })) },
    },
    {
      why: 'off the task',
      expect: 'policy_denied',
      call: refund({ amount_cents: 1 }),
      task: { tools: ['orders.get_order'] },
    },
    {
      ...{ why: 'off its plan', expect: 'policy_denied', call: refund({ amount_cents: 1 }) },
      task: { plan: [{ operation: 'orders.get_order' }] },
    },
    { why: 'an obligation unheard of', expect: 'policy_denied', call: read(), task: oblige({ unheard_of: 1 }) },
    {
      why: 'too long an answer',
      expect: 'policy_denied',
      call: chat(),
      task: oblige({ max_tokens: { value: 20, on_excess: 'deny' } }),
    },
    {
      ...{ why: 'with an approval', expect: 'approval_required', call: read() },
      task: oblige({ approval: { role: 'manager', ttl_seconds: 60, reason: 'large' } }),
    },
    { why: 'no key proved', expect: 'insufficient_scope', call: { ...read(), method: 'DELETE' } },
    { why: 'no such tool route', expect: 'route_unknown', call: { method: 'GET', path: '/tools/nowhere/x' } },
    { why: 'no such path', expect: 'operation_unknown', call: { method: 'GET', path: '/tools/orders/nothing/here' } },
    { why: 'no such method of it', expect: 'operation_unknown', call: { ...refund({}), method: 'PUT' } },
    { why: 'no method of models', expect: 'method_not_allowed', call: { method: 'GET', path: '/v1/chat/completions' } },
    { why: 'an argument lacks', expect: 'args_invalid', call: refund({}) },
    { why: 'an argument too many', expect: 'args_invalid', call: refund({ amount_cents: 1, to: 'me' }) },
    {
      why: 'a query it does not have',
      expect: 'args_invalid',
      call: { ...read(), path: '/tools/orders/orders/O-1?all=1' },
    },
    { why: 'a body that is no JSON', expect: 'request_invalid', call: refund('{"amount_cents": 1') },
    { why: 'a member twice', expect: 'request_invalid', call: refund('{"amount_cents": 1, "amount_cents": 2}') },
    { why: 'a number too large', expect: 'request_invalid', call: refund('{"amount_cents": 9007199254740993}') },
    {
      why: 'another media type',
      expect: 'media_type_unsupported',
      call: { ...refund('x'), headers: { 'content-type': 'text/plain' } },
    },
    {
      why: 'an override of the method',
      expect: 'request_invalid',
      call: { ...read(), headers: { 'X-HTTP-Method-Override': 'DELETE' } },
    },
    {
      why: 'a deadline that is none',
      expect: 'request_invalid',
      call: { ...read(), headers: { 'x-tollgate-deadline-ms': 'soon' } },
    },
    {
      why: 'an obligation that breaks it',
      expect: 'args_invalid',
      call: refund({ amount_cents: 1 }),
      task: oblige({ drop: ['/body/amount_cents'] }),
    },
    { why: 'no such model', expect: 'route_unknown', call: chat({ model: 'other' }) },
    { why: 'no model named', expect: 'request_invalid', call: chat({ model: undefined }) },
    { why: 'no such model operation', expect: 'operation_unknown', call: { ...chat(), path: '/v1/files' } },
    { why: 'the other API', expect: 'allow', call: { ...chat(), path: '/v1/messages' } },
    { why: 'no count there', expect: 'operation_unknown', call: { ...chat(), path: '/v1/messages/count_tokens' } },
    { why: 'no place for it there', expect: 'args_invalid', call: { ...chat({ top_k: 4 }), path: '/v1/messages' } },
    { why: 'personal data', expect: 'pii_blocked', call: chat(say(`to ${email}`)), task: oblige({ block: [{}] }) },
    {
      why: 'a secret',
      expect: 'secret_blocked',
      call: refund({ amount_cents: 1, note: apiKey }),
      task: oblige({ block: [{}] }),
    },
    { why: 'nowhere to go', expect: 'residency_violation', call: read(), task: oblige({ regions: ['us-*'] }) },
    { why: 'too dear', expect: 'task_budget_exhausted', call: chat(), task: { budget: { tokens: 60 } } },
    {
      ...{
        why: 'made to fit',
        expect: 'allow',
        call: chat({ max_tokens: 900 }),
        task: { budget: { tokens: 600 }, ...oblige({ max_tokens: { value: 1000, on_excess: 'lower' } }) },
      },
    },
    {
      ...{ why: 'all spent', expect: 'task_budget_exhausted', call: read(), task: { budget: { calls: 1 } } },
      before: (task) => send(task.token, read('O-2')),
    },
    {
      ...{ why: 'all spent of the tenant', expect: 'budget_exhausted', call: read(), tenant: 'small' },
      before: (task) => send(task.token, read('O-2')),
    },
    {
      ...{ why: 'in circles', expect: 'task_looping', call: read() },
      before: async (task) => [await send(task.token, read()), await send(task.token, read())],
    },
    { why: 'failing', expect: 'circuit_open', call: read(), before: fail },
    {
      why: 'killed',
      expect: 'task_killed',
      call: read(),
      before: (task) => world.fetch(`/tasks/${task.id}/kill`, task.token, { method: 'POST' }),
    },
    {
      why: 'completed',
      expect: 'task_completed',
      call: chat(),
      before: (task) => world.fetch(`/tasks/${task.id}/complete`, task.token, { method: 'POST' }),
    },
    {
      why: 'its route suspended',
      expect: 'agent_suspended',
      call: read(),
      before: suspend(route),
      after: resume(route),
    },
    { why: 'suspended', expect: 'agent_suspended', call: read(), before: suspend(agent), after: resume(agent) },
  ];

  /** What both a verdict and a denial say; times go on between the two. */
  const said = ({ code, message, reasons, allowed, retryable, remaining }: Partial<Verdict>) => {
    const { seconds: _goesOn, ...left } = remaining ?? {};
    return { code, message: message?.replace(/\d+ s:/, 'a while:'), reasons, allowed, retryable, left };
  };

  test('[policy.check-agrees] [policy.check-has-no-effect] what a check says is what the call then gets', async (t) => {
    assert.ok(rows.length >= 30);
    for (const { why, expect, call, task: body = {}, before: happened, after: undone, tenant = 'acme' } of rows) {
      await t.test(`${expect}: ${why}`, async () => {
        const workload = world.issuer.token('coordinator', { tid: tenant });
        const opening = { method: 'POST', headers: json, body: JSON.stringify({ purpose: 'test', ...body }) };
        const opened = (await (await world.fetch('/tasks', workload, opening)).json()) as Record<string, string>;
        const task = { id: String(opened.task_id), token: String(opened.task_token), status: 201, body: opened };
        await happened?.(task);
        const witnesses = () => world.model.received.length + world.orders.received.length;
        const [stored, received, told] = [await checks.stored(), witnesses(), await world.events()];
        const [first, again] = await verdicts(task.id, task.token, call, call);
        assert.deepEqual(first, again, 'the first has left nothing for the second to find');
        assert.equal(await checks.stored(), stored, 'the store is as it was, byte for byte');
        assert.equal(witnesses(), received);
        const news = (await world.events()).slice(told.length).map(({ type, operation }) => [type, operation]);
        assert.deepEqual(news, [['task', 'task.check']]);

        const response = await send(task.token, call);
        const answer = (await (call.body !== undefined && (call.body as { stream?: boolean }).stream === true
          ? response.text().then(() => ({}))
          : response.json())) as Record<string, unknown>;
        await undone?.();
        const verdict = first as Verdict;
        assert.equal(verdict.code ?? 'allow', expect);
        if (expect === 'allow') {
          assert.deepEqual([verdict.decision, response.status], ['allow', 200], JSON.stringify(answer));
          assert.equal(witnesses(), received + 1);
          return;
        }
        const denial = (answer.error ?? answer) as Partial<Verdict>;
        assert.deepEqual(said(verdict), said(denial));
        assert.equal(verdict.decision, 'deny');
        assert.equal(witnesses(), received, 'nor was the call sent');
      });
    }
  });
});
