/** The traces of a small story, read back from an OTLP/HTTP receiver: they are the trail's own ids, and one tree. */
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { OtlpReceiver, type ReceivedSpan } from '../fakes/otlp-receiver.ts';
import { scrape } from '../fakes/prometheus.ts';
import { chatReply } from '../gateway/chat.ts';
import { World } from '../gateway/world.ts';
import { part } from '../parts.ts';

const SERVER = 2;
const CLIENT = 3;
const schemaUrl = 'https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev';
const agentsTrace = { id: '4bf92f3577b34da6a3ce929d0e0e4736', span: '00f067aa0ba902b7' };
const traceparent = (flag: string, id = agentsTrace.id) => ({ traceparent: `00-${id}-${agentsTrace.span}-${flag}` });

function named(spans: readonly ReceivedSpan[], name: string): ReceivedSpan {
  const found = spans.filter((span) => span.name === name);
  assert.equal(found.length, 1, `${name} is there once`);
  return found[0] as ReceivedSpan;
}

describe('a story as its traces tell it', part('opa'), () => {
  it('has the trace and span id of the audit trail for every call, and every span in its place', async () => {
    await using receiver = await OtlpReceiver.open();
    await using world = await World.open({ config: { telemetry: { otlp: { url: receiver.url } } } });
    const task = await world.task({ labels: { deny: 'orders.delete_order' } });
    world.model.reply = chatReply({
      toolCalls: [{ id: 'call_x', name: 'orders__get_order', arguments: '{"order_id":"O-9"}' }],
    });
    await (await world.chat(task.token, { stream: true })).text();
    await world.fetch('/tools/orders/orders/O-9', task.token, {
      headers: { ...traceparent('01'), 'x-tollgate-tool-call-id': 'call_x' },
    });
    await world.fetch('/tools/orders/orders/O-9', task.token, { method: 'DELETE' });
    world.orders.reply = (_request, response) => void response.destroy();
    await world.refund(task.token, 5);

    const spans = await receiver.until((all) => all.filter(({ kind }) => kind === SERVER).length >= 4);
    const events = (await world.events({ task: task.id })).filter(
      ({ type }) => type === 'outcome' || type === 'denial',
    );
    assert.equal(events.length, 4);
    const calls = spans.filter(({ kind }) => kind === SERVER);
    assert.deepEqual(
      calls.map(({ traceId, spanId, attributes }) => [traceId, spanId, attributes['tollgate.call_id']]).toSorted(),
      events.map(({ trace_id, span_id, call }) => [trace_id, span_id, call]).toSorted(),
    );
    for (const span of spans) {
      assert.equal(span.schemaUrl, schemaUrl);
      assert.equal(span.resource['service.name'], 'tollgate');
      assert.ok(span.endNano >= span.startNano, span.name);
      if (span.kind === SERVER) continue;
      const call = calls.find(({ spanId }) => spanId === span.parentSpanId);
      assert.ok(call !== undefined && call.traceId === span.traceId, `${span.name} is below its call`);
      assert.ok(span.startNano >= call.startNano && span.endNano <= call.endNano, `${span.name} is within its call`);
    }
    assert.equal(new Set(spans.map(({ spanId }) => spanId)).size, spans.length);
    theCallsThemselves(spans, task.id, world);
  });

  function theCallsThemselves(spans: readonly ReceivedSpan[], taskId: string, world: World): void {
    const chat = named(spans, 'chat gpt');
    const { attributes } = chat;
    assert.deepEqual(
      [
        ...['gen_ai.operation.name', 'gen_ai.provider.name', 'gen_ai.request.model', 'gen_ai.response.model'],
        ...['gen_ai.usage.input_tokens', 'gen_ai.usage.output_tokens', 'gen_ai.agent.id', 'tollgate.task_id'],
        'http.response.status_code',
      ].map((name) => attributes[name]),
      ['chat', 'openai', 'gpt', 'gpt-real', 10, 5, 'coordinator', taskId, 200],
    );
    const stages = spans.filter(({ parentSpanId, kind }) => parentSpanId === chat.spanId && kind === 1);
    const rooms = ['identity', 'task', 'wire', 'inspection', 'policy', 'budget', 'route', 'breaker', 'audit'];
    for (const room of [...rooms, 'response', 'settlement'])
      assert.ok(
        stages.some(({ name }) => name === `tollgate.${room}`),
        room,
      );

    // The model is outside: the trace it was given is not ours, and its attempt says which one it was.
    const attempt = named(spans, 'chat gpt-real');
    assert.equal(attempt.kind, CLIENT);
    const told = String(world.model.received[0]?.headers.traceparent).split('-');
    assert.deepEqual(attempt.links, [{ traceId: told[1], spanId: told[2] }]);

    // The action is in the trace of the agent, and linked to the model call that proposed it.
    const [action, sent] = spans.filter(({ name }) => name === 'execute_tool orders.get_order');
    assert.deepEqual([action?.traceId, action?.parentSpanId], [agentsTrace.id, agentsTrace.span]);
    assert.deepEqual(action?.links, [{ traceId: chat.traceId, spanId: chat.spanId }]);
    assert.deepEqual(
      ['gen_ai.tool.name', 'gen_ai.tool.call.id', 'tollgate.thought_match', 'tollgate.thought_id'].map(
        (name) => action?.attributes[name],
      ),
      ['orders.get_order', 'call_x', 'exact', attributes['tollgate.thought_id']],
    );
    // The service is of the trust domain: what it was told is the span of the attempt.
    assert.equal(sent?.kind, CLIENT);
    assert.equal(world.orders.received[0]?.headers.traceparent, `00-${agentsTrace.id}-${sent?.spanId}-01`);

    const denied = named(spans, 'execute_tool orders.delete_order');
    assert.deepEqual(
      [denied.attributes['error.type'], denied.attributes['http.response.status_code'], denied.failed],
      ['policy_denied', 403, false],
    );
    const [refund, broken] = spans.filter(({ name }) => name === 'execute_tool orders.create_refund');
    assert.deepEqual([refund?.attributes['error.type'], refund?.failed], ['upstream_error', true]);
    assert.deepEqual([broken?.attributes['error.type'], broken?.failed], ['reset', true]);
  }

  it('is told of no call that its agent left out, and of those alone where few are sampled', async () => {
    await using receiver = await OtlpReceiver.open();
    {
      await using world = await World.open({ config: { telemetry: { otlp: { url: receiver.url }, sample: 0 } } });
      const task = await world.task();
      const get = (flag: string, id?: string) =>
        world.fetch('/tools/orders/orders/O-1', task.token, { headers: traceparent(flag, id) });
      assert.equal((await world.fetch('/tools/orders/orders/O-1', task.token)).status, 200);
      assert.equal((await get('00', 'a'.repeat(32))).status, 200);
      assert.equal((await get('01')).status, 200);
    }
    // Closing the gate has sent what there was.
    assert.deepEqual([...new Set(receiver.spans.map(({ traceId }) => traceId))], [agentsTrace.id]);
  });

  it('is not waited for: a receiver that hangs slows no call, and what it then refuses is counted', async () => {
    await using receiver = await OtlpReceiver.open();
    const hanging: ServerResponse[] = [];
    receiver.answer = (_request, response) => void hanging.push(response);
    await using world = await World.open({ config: { telemetry: { otlp: { url: receiver.url } } } });
    const task = await world.task();
    const get = async (order: string) => {
      const response = await world.fetch(`/tools/orders/orders/${order}`, task.token);
      assert.equal(response.status, 200);
      assert.ok(Number(response.headers.get('x-tollgate-overhead-ms')) < 1000);
    };
    for (let call = 0; call < 20; call++) await get(`O-${call}`);
    for (let waited = 0; hanging.length === 0 && waited < 200; waited++) await sleep(20);
    assert.ok(hanging.length > 0, 'an export is under way');
    await get('O-x');
    receiver.answer = (_request, response) => void response.writeHead(400).end();
    for (const response of hanging) response.writeHead(400).end();
    const failed = async () =>
      scrape(await (await world.admin('/metrics')).text()).value('tollgate_spans_total', { outcome: 'failed' });
    for (let waited = 0; (await failed()) === 0 && waited < 100; waited++) await sleep(20);
    assert.ok((await failed()) > 0);
  });
});
