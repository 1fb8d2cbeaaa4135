/** Answers of models while they flow: inspected, counted, cut and ended; what comes back, and what the records say. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Reply } from '../fakes/upstream.ts';
import { part } from '../parts.ts';
import { Generator } from '../unit/inspection/generate.ts';
import { type OpenedTask, World } from './world.ts';

const options = part('opa');
let world: World;
before(async () => {
  if (options.skip === undefined) world = await World.open();
});
after(async () => world?.[Symbol.asyncDispose]());

const base = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'gpt-real' };
const chunk = (delta: object, more: object = {}): string =>
  `data: ${JSON.stringify({ ...base, choices: [{ index: 0, delta, ...more }] })}\n\n`;
const ending = (reason = 'stop'): string => `${chunk({}, { finish_reason: reason })}data: [DONE]\n\n`;
const usageChunk = (prompt_tokens: number, completion_tokens: number): string =>
  `data: ${JSON.stringify({ ...base, choices: [], usage: { prompt_tokens, completion_tokens } })}\n\n`;

/** Sends `frames` as they are, one write each. */
function streams(frames: Iterable<string>): Reply {
  return (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const frame of frames) response.write(frame);
    response.end();
  };
}

/** Sends words for as long as the gate listens; resolves `closed` with how many once it does not. */
function endless(paceMs: number, first = ''): { reply: Reply; closed: Promise<number> } {
  const { promise, resolve } = Promise.withResolvers<number>();
  const reply: Reply = async (_request, response: ServerResponse) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(first);
    let sent = 0;
    for (; !response.destroyed && sent < 20_000; sent++) {
      if (!response.write(chunk({ content: 'word ' }))) await Promise.race([once(response, 'drain'), wait(50)]);
      await wait(paceMs);
    }
    resolve(sent);
  };
  return { reply, closed: promise };
}

interface Said {
  readonly raw: string;
  readonly text: string;
  readonly arguments: string;
  readonly chunks: readonly Record<string, unknown>[];
}

function read(raw: string): Said {
  const datas = raw.split('\n\n').flatMap((event) => (event.startsWith('data: {') ? [event.slice(6)] : []));
  const chunks = datas.map((data) => JSON.parse(data) as Record<string, unknown>);
  let [text, args] = ['', ''];
  for (const { choices } of chunks) {
    for (const { delta } of (choices ?? []) as {
      delta: { content?: string; tool_calls?: { function: { arguments?: string } }[] };
    }[]) {
      text += delta.content ?? '';
      for (const call of delta.tool_calls ?? []) args += call.function.arguments ?? '';
    }
  }
  return { raw, text, arguments: args, chunks };
}

/** The code of the error frame that a stream ended with. */
function errorCode({ chunks }: Said): string | undefined {
  return (chunks.at(-1)?.error as { code: string } | undefined)?.code;
}

async function stream(task: OpenedTask, body: Record<string, unknown> = {}): Promise<Said> {
  const response = await world.chat(task.token, { stream: true, ...body });
  assert.equal(response.status, 200);
  return read(await response.text());
}

const types = ['email', 'card', 'iban', 'api_key', 'private_key', 'jwt'];
const obliging = (obligations: object): Record<string, unknown> => ({
  labels: { oblige_response: JSON.stringify(obligations) },
});
const redactAll = obliging({ redact: types.map((type) => ({ type })) });

const generator = new Generator(21);
const planted: Readonly<Record<string, string>> = {
  email: 'ann.lee@example.com',
  card: '4111-1111-1111-1111',
  iban: 'DE89 3704 0044 0532 0130 00',
  api_key: ['sk', '-'].join('') + generator.chars('abcDEF0123456789', 40),
  aws: `${['AK', 'IA'].join('')}QWERTYUIOPASDF23`,
  private_key: generator.privateKey(),
  jwt: generator.jwt(),
};

const byPlace = (left: readonly unknown[], right: readonly unknown[]): number =>
  String(left[2]).localeCompare(String(right[2]));

/** What is planted under another name than its type. */
const shownAs: Readonly<Record<string, string>> = { aws: 'api_key' };

/** The value in the text and, escaped, in the arguments of a tool call; each in three pieces around `at`. */
function planting(value: string, at: number): string[] {
  const pieces = (text: string): string[] => [text.slice(0, at), text.slice(at, at + 1), text.slice(at + 1)];
  const args = JSON.stringify({ note: `for ${value}.` }).replaceAll('@', '\\u0040');
  return [
    chunk({ role: 'assistant', content: '' }),
    ...pieces(`It is ${value}, is it not?`).map((content) => chunk({ content })),
    chunk({ tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name: 'f', arguments: '' } }] }),
    ...pieces(args).map((text) => chunk({ tool_calls: [{ index: 0, function: { arguments: text } }] })),
    ending('tool_calls'),
  ];
}

test(
  '[inspection.streams-leak-nothing] a planted value, split anywhere in text and tool arguments, leaks from no stream',
  options,
  async () => {
    for (const [name, value] of Object.entries(planted)) {
      const [task, open] = [await world.task(redactAll), await world.task()];
      const length = value.length + 20;
      for (let at = 1; at < length; at += Math.max(2, Math.floor(length / 20))) {
        const frames = planting(value, at);
        world.model.reply = streams(frames);
        const hidden = await stream(task, { max_tokens: 900 });
        const core = value.slice(4, 14);
        assert.ok(!hidden.text.includes(core) && !hidden.arguments.includes(core), `${name} at ${at}: ${hidden.raw}`);
        assert.match(hidden.text, /^It is \[redacted:\w+\], is it not\?$/);
        assert.match((JSON.parse(hidden.arguments) as { note: string }).note, /^for \[redacted:\w+\]\.$/);
        // The positive control: the same run, with nothing to obey, brings all of it, byte for byte.
        const control = await stream(open, { max_tokens: 900 });
        assert.equal(control.raw, frames.join('').replaceAll('gpt-real', 'gpt'));
        assert.ok(control.text.includes(value));
      }
      const type = name in shownAs ? shownAs[name] : name;
      for (const asked of [task, open]) {
        const [outcome] = await world.events({ task: asked.id, type: 'outcome' });
        assert.deepEqual(
          outcome?.findings?.map(({ type: found, count, where }) => [found, count, where]).sort(byPlace),
          [
            [type, 1, '/choices/0/message/content'],
            [type, 1, '/choices/0/message/tool_calls/0/function/arguments'],
          ],
        );
      }
    }
  },
);

test('what an agent got of a redacted proposal is what its call is matched with', options, async () => {
  const task = await world.task(redactAll);
  const call = { index: 0, id: 'call_r', type: 'function', function: { name: 'orders__get_order', arguments: '' } };
  const args = ['{"order_id":"ann.l', 'ee@exam', 'ple.com"}'];
  world.model.reply = streams([
    chunk({ tool_calls: [call] }),
    ...args.map((text) => chunk({ tool_calls: [{ index: 0, function: { arguments: text } }] })),
    ending('tool_calls'),
  ]);
  const said = await stream(task);
  const { order_id } = JSON.parse(said.arguments) as { order_id: string };
  assert.equal(order_id, '[redacted:email]');
  await world.fetch(`/tools/orders/orders/${encodeURIComponent(order_id)}`, task.token, {
    headers: { 'x-tollgate-tool-call-id': 'call_r' },
  });
  const [intent] = await world.events({ task: task.id, operation: 'orders.get_order', type: 'intent' });
  assert.equal(intent?.match, 'exact');
});

test(
  'a finding that is blocked ends the stream before it, with an error frame, and closes the target',
  options,
  async () => {
    const task = await world.task(obliging({ block: [{ type: 'email' }] }));
    const { reply, closed } = endless(
      5,
      ['Write to ann', '.lee@exam', 'ple.com now. '].map((content) => chunk({ content })).join(''),
    );
    world.model.reply = reply;
    const said = await stream(task);
    assert.ok(!said.raw.includes('ann'));
    assert.equal(errorCode(said), 'pii_blocked');
    assert.ok(said.raw.endsWith('data: [DONE]\n\n'));
    assert.ok((await closed) < 200);
    const [outcome] = await world.events({ task: task.id, type: 'outcome' });
    assert.equal(outcome?.decision?.reasons[0]?.code, 'pii_blocked');
    const { budget } = await world.taskDocument(task);
    assert.ok(budget.spent.tokens >= 50);
  },
);

test('what cannot be met on a stream is refused by name before its first byte', options, async () => {
  const task = await world.task(obliging({ drop: ['/choices/0/message/refusal'] }));
  world.model.reply = streams([chunk({ content: 'hello ' }), ending()]);
  const response = await world.chat(task.token, { stream: true });
  const { error } = (await response.json()) as { error: { code: string; reasons: { code: string; path: string }[] } };
  assert.deepEqual(
    [response.status, error.code, error.reasons[0]?.code, error.reasons[0]?.path],
    [403, 'policy_denied', 'obligation_unmet', '/choices/0/message/refusal'],
  );
});

test(
  '[budget.streams-cut] a target that writes on past the limit it was sent is cut there, properly, and charged in full',
  options,
  async () => {
    for (const usage of [false, true]) {
      const task = await world.task();
      const { reply, closed } = endless(1);
      world.model.reply = reply;
      const said = await stream(task, {
        max_tokens: 40,
        ...(usage ? { stream_options: { include_usage: true } } : {}),
      });
      assert.equal(said.text, 'word '.repeat(40));
      const last = said.chunks.at(usage ? -2 : -1) as {
        choices: { finish_reason: string }[];
        tollgate: { code: string };
      };
      assert.equal(last.choices[0]?.finish_reason, 'length');
      assert.equal(last.tollgate.code, 'task_budget_exhausted');
      if (usage) assert.partialDeepStrictEqual(said.chunks.at(-1), { usage: { completion_tokens: 40 } });
      assert.ok(said.raw.endsWith('data: [DONE]\n\n'));
      assert.ok((await closed) < 2000);
      const [outcome] = await world.events({ task: task.id, type: 'outcome' });
      assert.equal(outcome?.decision?.reasons[0]?.code, 'task_budget_exhausted');
      const { budget, state } = await world.taskDocument(task);
      assert.equal(state, 'active');
      assert.equal(budget.reserved.tokens, 0);
      assert.ok(budget.spent.tokens >= 40 && budget.spent.cost_usd > 0);
    }
  },
);

test("a cut by the provider's own count settles at that count", options, async () => {
  const task = await world.task();
  const counted = Array.from({ length: 200 }, (_, index) => {
    const usage = { prompt_tokens: 9, completion_tokens: (index + 1) * 10 };
    return `data: ${JSON.stringify({ ...base, choices: [{ index: 0, delta: { content: 'some words ' } }], usage })}\n\n`;
  });
  world.model.reply = streams([...counted, ending()]);
  const said = await stream(task, { max_tokens: 50 });
  assert.equal(said.text, 'some words '.repeat(5));
});

test(
  '[task.kill-ends-running-calls] a kill ends a running stream within a second, with an error frame',
  options,
  async () => {
    const task = await world.task();
    const { reply, closed } = endless(20);
    world.model.reply = reply;
    const response = await world.chat(task.token, { stream: true, max_tokens: 900 });
    const reader = response.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    await reader.read();
    const startMs = performance.now();
    await world.fetch(`/tasks/${task.id}/kill`, task.token, { method: 'POST' });
    let raw = '';
    for (let next = await reader.read(); !next.done; next = await reader.read())
      raw += Buffer.from(next.value).toString();
    assert.ok(performance.now() - startMs < 1000);
    assert.equal(errorCode(read(raw)), 'task_killed');
    await closed;
    assert.ok(performance.now() - startMs < 1000);
  },
);

test(
  '[upstream.abort-before-headers] a client that leaves closes the target within a second, before the head too, and pays the bound',
  options,
  async () => {
    for (const headFirst of [true, false]) {
      const task = await world.task();
      const { promise: closed, resolve } = Promise.withResolvers<void>();
      const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
      world.model.reply = (_request, response) => {
        response.on('close', () => resolve());
        if (headFirst) {
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          response.write(chunk({ content: 'word ' }));
        }
        reach();
      };
      const abort = new AbortController();
      const headers = { 'content-type': 'application/json', authorization: `Bearer ${task.token}` };
      const asked = world.chat(task.token, { stream: true }, { signal: abort.signal, headers });
      await reached;
      if (headFirst) await (await asked).body?.getReader().read();
      const startMs = performance.now();
      abort.abort();
      await asked.catch(() => undefined);
      await closed;
      assert.ok(performance.now() - startMs < 1000);
      for (
        let tries = 0;
        tries < 40 && (await world.events({ task: task.id, type: 'outcome' })).length === 0;
        tries++
      ) {
        await wait(25);
      }
      const [outcome] = await world.events({ task: task.id, type: 'outcome' });
      assert.equal(outcome?.status, 499);
      const { budget } = await world.taskDocument(task);
      assert.equal(budget.reserved.tokens, 0);
      assert.ok(budget.spent.tokens >= 50, `${budget.spent.tokens}`);
    }
  },
);

test('words reach the agent while the answer still flows, also where all types are redacted', options, async () => {
  const task = await world.task(redactAll);
  const { promise: heard, resolve } = Promise.withResolvers<void>();
  world.model.reply = async (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(chunk({ content: 'Hello ' }));
    await heard;
    response.end(`${chunk({ content: 'you.' })}${ending()}${usageChunk(1, 1)}`);
  };
  const response = await world.chat(task.token, { stream: true });
  const reader = response.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  const first = await reader.read();
  assert.equal(read(Buffer.from(first.value as Uint8Array).toString()).text, 'Hello ');
  resolve();
  for (let next = await reader.read(); !next.done; ) next = await reader.read();
});
