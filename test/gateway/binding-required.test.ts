/** Where tokens must belong to a key, and how far a narrowed one reaches: another token helps, and the answer says so. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { part } from '../parts.ts';
import { DpopClient } from './dpop-client.ts';
import { World } from './world.ts';

const refunds = '/tools/orders/refunds';
const order = '/tools/orders/orders/O-1';
const chats = '/v1/chat/completions';
const chat = { model: 'gpt', max_tokens: 50, messages: [{ role: 'user', content: 'hello' }] };

interface Refused {
  readonly code: string;
  readonly reasons: readonly { readonly code: string }[];
  readonly allowed?: readonly string[];
  /** On the surface of OpenAI. */
  readonly error?: Refused;
}

describe('what a token must be for a call', part('opa'), () => {
  let world: World;
  let client: DpopClient;
  before(async () => {
    client = await DpopClient.make();
    world = await World.open({
      rows: { gpt: { binding: 'any' }, orders: { operations: { create_refund: { binding: 'dpop' } } } },
      config: { task: { binding: { delete: 'any' }, loop: { repeats: 49 } } },
    });
  });
  after(async () => world?.[Symbol.asyncDispose]());

  const workload = () => ({ authorization: `Bearer ${world.issuer.token('coordinator')}` });

  /** Opens a task; with a client, one whose tokens belong to its key. */
  async function open(by: DpopClient | null): Promise<{ readonly id: string; readonly token: string }> {
    const proof = by === null ? {} : { dpop: await by.proof('POST', '/tasks', null) };
    const headers = { ...workload(), ...proof };
    const response = await fetch(`${world.gate.url}/tasks`, { method: 'POST', headers, body: '{"purpose":"test"}' });
    const body = (await response.json()) as { task_id: string; task_token: string };
    assert.equal(response.status, 201, JSON.stringify(body));
    return { id: body.task_id, token: body.task_token };
  }

  interface Made {
    readonly status: number;
    readonly answer: Refused;
    readonly challenge: string | null;
    readonly sent: number;
    readonly events: readonly (readonly [string, string | null, string | undefined])[];
  }

  async function call(
    method: string,
    path: string,
    token: string,
    by: DpopClient | null,
    body?: object,
  ): Promise<Made> {
    for (const witness of [world.model, world.orders]) witness.received.length = 0;
    const traceId = randomBytes(16).toString('hex');
    const shown = by === null ? { authorization: `Bearer ${token}` } : await by.headers(method, path, token);
    const response = await fetch(`${world.gate.url}${path}`, {
      method,
      headers: {
        ...shown,
        traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const answer = (text === '' ? {} : JSON.parse(text)) as Refused;
    const events = await world.events({ trace_id: traceId });
    return {
      status: response.status,
      answer: answer.error ?? answer,
      challenge: response.headers.get('www-authenticate'),
      sent: world.model.received.length + world.orders.received.length,
      events: events
        .filter(({ type }) => type !== 'thought')
        .map(({ type, operation, decision }) => [type, operation, decision?.reasons.at(-1)?.code]),
    };
  }

  const assertRefused = (made: Made, operation: string, reason: string) => {
    const { status, answer, sent, events } = made;
    assert.deepEqual([status, answer.code, answer.reasons[0]?.code], [403, 'insufficient_scope', reason]);
    assert.equal(sent, 0);
    assert.deepEqual(events, [['denial', operation, reason]]);
  };

  test('[identity.bound-where-required] operation, effect and route ask for a key, and get it or refuse', async () => {
    const unbound = await open(null);
    const bound = await open(client);
    const free = await call('GET', order, unbound.token, null);
    assert.deepEqual([free.status, free.sent], [200, 1]);

    const paid = { amount_cents: 5 };
    const refused = await call('POST', refunds, unbound.token, null, paid);
    assertRefused(refused, 'orders.create_refund', 'binding_required');
    assert.match(
      refused.challenge ?? '',
      /^Bearer error="insufficient_scope", scope="orders.create_refund", resource_metadata=".*\/tools\/orders", DPoP algs=/,
    );
    const done = await call('POST', refunds, bound.token, client, paid);
    assert.deepEqual([done.status, done.sent], [200, 1]);

    assertRefused(await call('DELETE', order, unbound.token, null), 'orders.delete_order', 'binding_required');
    assert.equal((await call('DELETE', order, bound.token, client)).sent, 1);

    assertRefused(await call('POST', chats, unbound.token, null, chat), 'gpt.chat', 'binding_required');
    const said = await call('POST', chats, bound.token, client, chat);
    assert.deepEqual([said.status, said.sent], [200, 1]);
  });

  test('[identity.narrowed-token] a narrowed token reaches what it names, and is told what it has', async () => {
    const task = await open(client);
    const path = `/tasks/${task.id}/token`;
    const narrowed = await fetch(`${world.gate.url}${path}`, {
      method: 'POST',
      headers: { ...workload(), dpop: await client.proof('POST', path, null) },
      body: JSON.stringify({ tools: ['orders.get_order'] }),
    });
    const { task_token: token } = (await narrowed.json()) as { task_token: string };
    assert.equal(narrowed.status, 200);
    assert.equal((await call('GET', order, token, client)).status, 200);
    const refused = await call('POST', refunds, token, client, { amount_cents: 5 });
    assertRefused(refused, 'orders.create_refund', 'not_in_scope');
    assert.deepEqual(refused.answer.allowed, ['orders.get_order']);
    assert.match(refused.challenge ?? '', /error="insufficient_scope", scope="orders.create_refund"/);
    assert.equal((await call('POST', refunds, task.token, client, { amount_cents: 5 })).status, 200, 'the task may');
  });

  test('what the policy denies is challenged by nothing', async () => {
    const response = await fetch(`${world.gate.url}/tasks`, {
      method: 'POST',
      headers: workload(),
      body: JSON.stringify({ purpose: 'test', tools: ['gpt.chat'] }),
    });
    const { task_token: token } = (await response.json()) as { task_token: string };
    const denied = await call('GET', order, token, null);
    assert.deepEqual([denied.status, denied.answer.code, denied.challenge], [403, 'policy_denied', null]);
  });

  test('[identity.bound-where-required] an issuer asks it of every token of its agents, also of those they have', async () => {
    const before = await open(null);
    const config = JSON.parse(await readFile(world.configFile, 'utf8')) as { issuers: Record<string, unknown>[] };
    const [issuer] = config.issuers;
    await writeFile(world.configFile, JSON.stringify({ ...config, issuers: [{ ...issuer, binding: 'any' }] }));
    assert.equal((await world.gate.reload('signal')).outcome, 'applied');
    assertRefused(await call('GET', order, before.token, null), 'orders.get_order', 'binding_required');

    const plain = await fetch(`${world.gate.url}/tasks`, {
      method: 'POST',
      headers: workload(),
      body: '{"purpose":"test"}',
    });
    const { reasons } = (await plain.json()) as Refused;
    assert.deepEqual([plain.status, reasons[0]?.code], [401, 'binding_required']);
    assert.match(plain.headers.get('www-authenticate') ?? '', /^Bearer error="invalid_token", .*, DPoP algs="/);
    const standard = await fetch(`${world.gate.url}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: world.issuer.token('coordinator'),
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        authorization_details: '[{"type":"tollgate_task","purpose":"test"}]',
      }),
    });
    assert.ok([400, 401].includes(standard.status));
    const bound = await open(client);
    assert.equal((await call('GET', order, bound.token, client)).status, 200);
  });
});
