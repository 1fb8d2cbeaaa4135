/** Answers while they flow, and calls that are given up: by their client, by their deadline, before or in the middle. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { part } from '../parts.ts';
import { chatReply } from './chat.ts';
import { type OpenedTask, World } from './world.ts';

const options = part('opa');
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('streams', options, () => {
  let world: World;
  let headersLate = 0;
  before(async () => {
    world = await World.open({
      alterRooms: (rooms) => ({
        ...rooms,
        remaining: async (call) => {
          if (headersLate > 0) await wait(headersLate);
          return rooms.remaining(call);
        },
      }),
    });
  });
  after(async () => world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    headersLate = 0;
    world.model.reply = chatReply();
    world.orders.reply = (_request, response) =>
      void response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    for (const witness of [world.model, world.orders]) witness.received.length = 0;
  });

  /** The end of the only call of a task, waited for: its client may not be there to see it. */
  async function outcomeOf(task: OpenedTask) {
    for (let tries = 0; tries < 50; tries++) {
      const [outcome] = await world.events({ task: task.id, type: 'outcome' });
      if (outcome !== undefined) return outcome;
      await wait(20);
    }
    return assert.fail('the call has no outcome');
  }

  async function closesWithin(witness: World['model'], ms: number): Promise<void> {
    const start = performance.now();
    while (witness.sockets.size > 0) {
      assert.ok(performance.now() - start < ms, `still open after ${ms} ms`);
      await wait(5);
    }
  }

  test('frames arrive while the target is still sending', async () => {
    const task = await world.task();
    world.model.reply = chatReply({ text: 'one two three four five six', paceMs: 40 });
    const response = await world.chat(task.token, { stream: true });
    const arrivals: { atMs: number; text: string }[] = [];
    const start = performance.now();
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      arrivals.push({ atMs: performance.now() - start, text: Buffer.from(chunk).toString() });
    }
    assert.ok(arrivals.length >= 5, `${arrivals.length} pieces`);
    const text = arrivals.map((arrival) => arrival.text).join('');
    assert.match(text, /"content":"one "[\s\S]*"content":"six"[\s\S]*data: \[DONE\]\n\n$/);
    assert.ok((arrivals[0]?.atMs ?? 1000) < (arrivals.at(-1)?.atMs ?? 0) - 100, 'the first long before the last');
    assert.equal(response.headers.get('content-type'), 'text/event-stream');
    assert.ok(!text.includes('gpt-real'), 'the model of the target does not show');
  });

  test('usage is always asked for, and taken away again where the client did not ask', async () => {
    for (const [asked, shown] of [
      [undefined, false],
      [{ include_usage: false }, false],
      [{ include_usage: true }, true],
    ] as const) {
      world.model.received.length = 0;
      const task = await world.task();
      const response = await world.chat(task.token, {
        stream: true,
        ...(asked === undefined ? {} : { stream_options: asked }),
      });
      assert.equal((await response.text()).includes('"prompt_tokens"'), shown);
      const sent = JSON.parse(world.model.received[0]?.body.toString() ?? '{}') as {
        stream_options: unknown;
        model: string;
      };
      assert.deepEqual([sent.stream_options, sent.model], [{ include_usage: true }, 'gpt-real']);
      assert.equal((await world.taskDocument(task)).budget.spent.tokens, 15);
    }
  });

  test('the thought is remembered and the budget charged before the stream ends at the agent', async () => {
    const task = await world.task();
    world.model.reply = chatReply({
      toolCalls: [{ id: 'call_q', name: 'orders__get_order', arguments: '{"order_id":"O-1"}' }],
    });
    const response = await world.chat(task.token, { stream: true });
    let text = '';
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(chunk).toString();
      if (!text.includes('[DONE]')) continue;
      // Acting at the very moment the end is seen, not after the connection has closed.
      const [tool, document] = await Promise.all([
        world.fetch('/tools/orders/orders/O-1', task.token, { headers: { 'x-tollgate-tool-call-id': 'call_q' } }),
        world.taskDocument(task),
      ]);
      assert.equal(tool.status, 200);
      assert.ok(document.budget.spent.tokens >= 15);
    }
    const [intent] = await world.events({ task: task.id, operation: 'orders.get_order', type: 'intent' });
    assert.equal(intent?.match, 'exact');
  });

  test('a stream that breaks off ends in an error frame of the surface', async () => {
    const task = await world.task();
    world.model.reply = chatReply({ text: 'a b c d e f', breakAfter: 4, paceMs: 20 });
    const text = await (await world.chat(task.token, { stream: true })).text();
    assert.match(text, /"content":"a "/);
    assert.match(text, /"code":"upstream_error"[^\n]*\n\ndata: \[DONE\]\n\n$/);
    const outcome = await outcomeOf(task);
    assert.deepEqual([outcome.status, outcome.decision?.reasons[0]?.code], [200, 'upstream_error']);
  });

  test('[upstream.abort-before-headers] a client that leaves before the answer begins closes the target in 200 ms', async () => {
    world.model.reply = () => undefined;
    const task = await world.task();
    const leave = new AbortController();
    const asked = world.chat(task.token, {}, { signal: leave.signal }).catch((error: Error) => error.name);
    await wait(100);
    assert.equal(world.model.received.length, 1);
    leave.abort();
    assert.equal(await asked, 'AbortError');
    await closesWithin(world.model, 200);
    const outcome = await outcomeOf(task);
    assert.equal(outcome.status, 499);
    const { spent, reserved } = (await world.taskDocument(task)).budget;
    assert.ok(spent.tokens > 50, 'it may have been answered: the upper bound is charged');
    assert.equal(reserved.tokens, 0);
  });

  test('a client that leaves in the middle of a stream closes the target, and is recorded as gone', async () => {
    world.model.reply = chatReply({ text: 'word '.repeat(200), paceMs: 20 });
    const task = await world.task();
    const leave = new AbortController();
    const response = await world.chat(task.token, { stream: true }, { signal: leave.signal });
    await wait(100);
    const read = response.text().catch((error: Error) => error.name);
    leave.abort();
    assert.equal(await read, 'AbortError');
    await closesWithin(world.model, 200);
    assert.equal((await outcomeOf(task)).status, 499);
    const { spent, reserved } = (await world.taskDocument(task)).budget;
    assert.ok(spent.tokens > 50 && spent.calls === 1);
    assert.equal(reserved.tokens, 0);
  });

  test('a client that leaves between the head of the target and the first frame is settled all the same', async () => {
    world.model.reply = chatReply({ text: 'word '.repeat(200), paceMs: 20 });
    const task = await world.task();
    const leave = new AbortController();
    headersLate = 150;
    const asked = world
      .chat(task.token, { stream: true }, { signal: leave.signal })
      .catch((error: Error) => error.name);
    await wait(100);
    leave.abort();
    assert.equal(await asked, 'AbortError');
    assert.equal((await outcomeOf(task)).status, 499);
    await closesWithin(world.model, 300);
    headersLate = 0;
    const { reserved } = (await world.taskDocument(task)).budget;
    assert.deepEqual([reserved.tokens, reserved.calls], [0, 0]);
  });

  test('a deadline ends the call, whole or streaming, and closes the target', async () => {
    const headers = { 'content-type': 'application/json' };
    for (const stream of [false, true]) {
      world.model.reply = stream ? chatReply({ text: 'word '.repeat(200), paceMs: 20 }) : () => undefined;
      const task = await world.task();
      const start = performance.now();
      const response = await world.fetch('/v1/chat/completions', task.token, {
        method: 'POST',
        headers: { ...headers, 'x-tollgate-deadline-ms': '200' },
        body: JSON.stringify({ model: 'gpt', messages: [{ role: 'user', content: 'hi' }], max_tokens: 50, stream }),
      });
      const text = await response.text();
      assert.ok(performance.now() - start < 600);
      assert.equal(response.status, stream ? 200 : 504);
      assert.match(text, /"code":"upstream_timeout"/);
      await closesWithin(world.model, 200);
      assert.equal((await outcomeOf(task)).decision?.reasons[0]?.code, 'upstream_timeout');
      assert.equal((await world.taskDocument(task)).budget.reserved.tokens, 0);
    }
    const task = await world.task();
    for (const deadline of ['0', '-1', '1.5', 'soon', '600001', '1e99']) {
      const response = await world.fetch('/tools/orders/orders/O-1', task.token, {
        headers: { 'x-tollgate-deadline-ms': deadline },
      });
      assert.equal(response.status, 400, deadline);
    }
    assert.equal(world.orders.received.length, 0);
  });

  test('[upstream.no-redirects] a redirect is not followed, and where it led does not reach the agent', async () => {
    const task = await world.task();
    world.orders.reply = (_request, response) =>
      void response.writeHead(302, { location: `${world.model.url}/v1/secret` }).end();
    const response = await world.fetch('/tools/orders/orders/O-1', task.token, { redirect: 'manual' });
    assert.equal(response.headers.get('location'), null);
    assert.ok(response.status === 302 || response.status >= 500, String(response.status));
    assert.equal(world.model.received.length, 0);
  });
});
