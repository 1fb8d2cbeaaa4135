/** What the gate says of itself: metrics, trace context in and out, and that nothing it says holds what passed it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openLog } from '../../src/telemetry/log.ts';
import { OtlpReceiver } from '../fakes/otlp-receiver.ts';
import { type Scrape, scrape } from '../fakes/prometheus.ts';
import { part } from '../parts.ts';
import { chatReply } from './chat.ts';
import { World } from './world.ts';

const options = part('opa');
const metricsOf = async (world: World): Promise<Scrape> => scrape(await (await world.admin('/metrics')).text());
const json = { 'content-type': 'application/json' };

describe('metrics', options, () => {
  it('count calls, denials, tokens, cost, attempts and times by what the routing table names', async () => {
    await using world = await World.open();
    const task = await world.task();
    const denied = await world.task({ labels: { deny: 'orders.delete_order' } });
    assert.equal((await world.chat(task.token)).status, 200);
    await (await world.chat(task.token, { stream: true })).text();
    assert.equal((await world.fetch('/tools/orders/orders/O-1', task.token)).status, 200);
    assert.equal((await world.fetch('/tools/orders/orders/O-1', denied.token, { method: 'DELETE' })).status, 403);
    assert.equal((await world.fetch('/tools/orders/nothing/here', task.token)).status, 404);
    assert.equal((await world.chat('not-a-token')).status, 401);
    world.orders.reply = (_request, response) => void response.destroy();
    assert.equal((await world.refund(task.token, 5)).status, 502);

    const { value, types, samples } = await metricsOf(world);
    const calls = (labels: Record<string, string>) => value('tollgate_calls_total', labels);
    assert.equal(calls({ route: 'gpt', operation: 'gpt.chat', outcome: 'answered', code: 'none' }), 2);
    assert.equal(calls({ operation: 'orders.get_order', outcome: 'answered' }), 1);
    assert.equal(calls({ operation: 'orders.delete_order', outcome: 'denied', code: 'policy_denied' }), 1);
    assert.equal(calls({ operation: 'unresolved', code: 'operation_unknown' }), 1);
    assert.equal(calls({ operation: 'unresolved', code: 'unauthenticated' }), 1);
    assert.equal(calls({ operation: 'orders.create_refund', outcome: 'failed', code: 'upstream_error' }), 1);
    assert.equal(value('tollgate_denials_total', { code: 'policy_denied' }), 1);
    assert.equal(value('tollgate_unauthenticated_total', { reason: 'token_malformed' }), 1);
    assert.equal(value('tollgate_tokens_total', { direction: 'input', route: 'gpt', target: 'one' }), 20);
    assert.equal(value('tollgate_tokens_total', { direction: 'output', route: 'gpt', target: 'one' }), 10);
    assert.equal(value('tollgate_cost_micro_usd_total', { route: 'gpt', target: 'one' }), 40);
    assert.equal(value('tollgate_upstream_attempts_total', { route: 'gpt', target: 'one', outcome: '2xx' }), 2);
    assert.equal(value('tollgate_upstream_attempts_total', { route: 'orders', outcome: 'reset' }), 1);
    for (const name of ['tollgate_call_duration_seconds_count', 'tollgate_overhead_seconds_count'])
      assert.equal(value(name), 7, name);
    for (const stage of ['identity', 'task', 'wire', 'inspection', 'policy', 'budget', 'route', 'breaker', 'audit'])
      assert.ok(value('tollgate_stage_seconds_count', { stage }) > 0, stage);
    assert.equal(value('tollgate_calls_in_flight'), 0);
    assert.equal(value('tollgate_breaker_open', { route: 'orders', target: 'one' }), 0);
    assert.equal(value('tollgate_policy_revision_info'), 1);
    assert.ok(types.has('tollgate_audit_queue_events') && value('process_resident_memory_bytes') > 0);
    // No label holds a task, an agent, or anything of a request.
    const labels = JSON.stringify(samples.map((sample) => sample.labels));
    for (const word of [task.id, denied.id, 'coordinator', 'nothing', 'O-1'])
      assert.equal(labels.includes(word), false, word);
  });

  it('are behind the admin token, or a token that opens nothing else', async () => {
    const token = 'a-token-for-scrapes-only';
    await using world = await World.open({ config: { telemetry: { prometheus_token: token } } });
    const status = async (path: string, bearer?: string) => {
      const headers = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
      return (await fetch(`${world.gate.adminUrl}${path}`, { headers })).status;
    };
    assert.deepEqual(
      [await status('/metrics'), await status('/metrics', 'wrong'), await status('/metrics', token)],
      [401, 401, 200],
    );
    assert.equal(await status('/audit/events', token), 401);
    const { headers } = await world.admin('/metrics');
    assert.equal(headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
    assert.equal((await world.admin('/metrics', { method: 'POST' })).status, 405);
    assert.equal((await fetch(`${world.gate.url}/metrics`)).status, 404);
  });

  it('are not there where they are switched off', async () => {
    await using world = await World.open({ config: { telemetry: { prometheus: false } } });
    assert.equal((await world.admin('/metrics')).status, 404);
  });
});

describe('trace context', options, () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const sent = {
    traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
    tracestate: 'vendor=a , other=b',
    baggage: 'case=17;p=1,email=ada@example.org',
  };

  it('goes on to a target of the trust domain from the span of the attempt, baggage by the list alone', async () => {
    await using world = await World.open({ config: { telemetry: { baggage: ['case'] } } });
    const task = await world.task();
    const response = await world.fetch('/tools/orders/orders/O-1', task.token, { headers: sent });
    const [, spanId] = new RegExp(`^00-${traceId}-([0-9a-f]{16})-01$`).exec(
      response.headers.get('traceresponse') ?? '',
    ) ?? [null, ''];
    const [intent] = await world.events({ task: task.id, type: 'intent' });
    assert.deepEqual([intent?.trace_id, intent?.span_id], [traceId, spanId]);
    const headers = world.orders.received[0]?.headers ?? {};
    assert.match(String(headers.traceparent), new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
    assert.equal(String(headers.traceparent).includes(String(spanId)), false);
    assert.deepEqual([headers.tracestate, headers.baggage], ['vendor=a,other=b', 'case=17']);
  });

  it('of ours does not reach a target outside', async () => {
    await using world = await World.open({ config: { telemetry: { baggage: ['case'] } } });
    const task = await world.task();
    await world.chat(task.token, {}, { headers: { ...json, ...sent, authorization: `Bearer ${task.token}` } });
    const headers = world.model.received[0]?.headers ?? {};
    assert.match(String(headers.traceparent), /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    assert.equal(JSON.stringify(headers).includes(traceId), false);
    for (const name of ['tracestate', 'baggage']) assert.equal(headers[name], undefined, name);
  });

  it('keeps no baggage where none is allowed', async () => {
    await using world = await World.open();
    const task = await world.task();
    await world.fetch('/tools/orders/orders/O-1', task.token, { headers: sent });
    assert.equal(world.orders.received[0]?.headers.baggage, undefined);
  });
});

describe('nothing the gate says of itself', options, () => {
  const planted = {
    email: 'ada.lovelace@example.org',
    card: '4111 1111 1111 1111',
    iban: 'DE89 3704 0044 0532 0130 00',
    key: `sk-proj-${'Zx9'.repeat(12)}`,
    answer: 'grace.hopper@example.net',
  };
  const spread = Object.values(planted).join(' and ');

  it('holds a token, a key or personal data: not logs, not metrics, not spans', async () => {
    const raw: string[] = [];
    await using receiver = await OtlpReceiver.open();
    const otlp = { url: receiver.url, headers: { 'x-collector-key': 'the-key-of-the-collector' } };
    let broken = '';
    let tokens: string[] = [];
    {
      await using world = await World.open({
        log: openLog('debug', { write: (line) => void raw.push(line) }),
        config: { telemetry: { otlp, log: 'debug', baggage: ['case'] } },
        alterRooms: (rooms) => ({
          ...rooms,
          response: {
            ...rooms.response,
            inspect: (answer) => {
              if (answer.text.includes('break')) throw new Error(`Unexpected token in JSON: "${broken}"`);
              return rooms.response.inspect(answer);
            },
          },
        }),
      });
      const task = await world.task({
        subject: { id: planted.email, type: 'customer' },
        purpose: 'returns',
        labels: { deny: 'orders.delete_order', note: spread },
      });
      assert.equal(task.status, 201, JSON.stringify(task.body));
      const odd = {
        'x-request-id': planted.email,
        'x-tollgate-tool-call-id': planted.email,
        baggage: `case=${planted.email},other=${planted.key}`,
        tracestate: `a=${planted.email}`,
        traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
        authorization: `Bearer ${task.token}`,
      };
      const messages = [{ role: 'user', content: spread }];
      world.model.reply = chatReply({
        text: spread,
        toolCalls: [{ id: planted.email, name: 'orders__create_refund', arguments: JSON.stringify({ note: spread }) }],
      });
      const ask = (body: object) => world.chat(task.token, { messages, ...body }, { headers: { ...json, ...odd } });
      const statuses: number[] = [];
      const kept = async (answer: Promise<Response>) => {
        const response = await answer;
        await response.text();
        statuses.push(response.status);
      };
      await kept(world.chat(task.token, { messages }));
      await kept(world.chat(task.token, { messages, stream: true }));
      await kept(ask({ user: planted.email }));
      await kept(world.refund(task.token, 5, { note: spread }));
      await kept(world.refund(task.token, 5, { [planted.email]: planted.card }));
      const encoded = encodeURIComponent(spread);
      await kept(world.fetch(`/tools/orders/orders/${encoded}`, task.token, { headers: odd }));
      await kept(world.fetch(`/tools/orders/orders/${encoded}`, task.token, { method: 'DELETE' }));
      await kept(world.fetch(`/tools/orders/${encoded}?q=${encoded}`, task.token));
      await kept(world.fetch(`/${encoded}`, task.token));
      await kept(
        world.fetch('/v1/chat/completions', task.token, { method: 'POST', headers: json, body: `{"${spread}` }),
      );
      await kept(world.chat(`${task.token.slice(0, -4)}AAAA`));
      await kept(world.chat(planted.key));
      world.orders.reply = (_request, response) =>
        void response.writeHead(500, { 'content-type': 'application/json' }).end(JSON.stringify({ error: spread }));
      await kept(world.refund(task.token, 6, { note: spread }));
      world.orders.reply = (_request, response) => void response.destroy();
      await kept(world.refund(task.token, 7, { note: spread }));
      world.model.reply = (_request, response) => void response.writeHead(200, json).end(`{"${spread}`);
      await kept(world.chat(task.token, { messages }));
      // A part of the gate that breaks, and quotes what it was reading.
      broken = spread;
      world.model.reply = chatReply({ text: 'break' });
      await kept(world.chat(task.token, { messages }));
      assert.deepEqual([...new Set(statuses)].toSorted(), [200, 400, 401, 403, 404, 422, 500, 502, 503]);

      // Positive control: it all passed the gate, and the targets have it.
      const atModel = JSON.stringify(world.model.received.map(({ body }) => body.toString()));
      const atOrders = JSON.stringify(world.orders.received.map(({ url, body }) => decodeURIComponent(url) + body));
      for (const secret of Object.values(planted)) {
        assert.ok(atModel.includes(secret), `the model has received ${secret}`);
        assert.ok(atOrders.includes(secret), `the service has received ${secret}`);
      }
      raw.push(await (await world.admin('/metrics')).text());
      tokens = [task.token, task.token.split('.')[2] ?? '', world.gate.adminToken];
    }
    const exported = receiver.received.map(({ body }) => body.toString());
    assert.equal(receiver.received[0]?.headers['x-collector-key'], 'the-key-of-the-collector');
    assert.ok(receiver.spans.filter(({ kind }) => kind === 2).length >= 12, 'the spans of these calls have come');
    assert.ok(raw.some((line) => line.includes('a part of the gate is at fault')));
    const said = [...raw, ...exported].join('\n');
    const everything = [
      said,
      said.replaceAll('\\', ''),
      decodeURIComponent(said.replaceAll(/%(?![0-9A-Fa-f]{2})/g, '')),
    ];
    const secrets = [
      ...Object.values(planted),
      ...Object.values(planted).map((secret) => secret.replaceAll(' ', '')),
      ...tokens,
      ...['the-key-of-the-gate', 'the-key-of-the-collector', 'Bearer ey'],
    ];
    for (const secret of secrets)
      for (const text of everything) {
        const at = text.indexOf(secret);
        assert.equal(at, -1, `${secret} was said: ${text.slice(Math.max(0, at - 200), at + 100)}`);
      }
  });
});
