/**
 * The SDKs of MCP, unchanged but for URL and token, before everything that is shipped: clients of both eras with servers
 * of both eras, the operations of an HTTP service as tools, the SDK for Python, and the command line of the Inspector.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { BearerForwarder } from '../../fakes/bearer-forwarder.ts';
import type { OpenedTask } from '../../gateway/world.ts';
import { part, partPath } from '../../parts.ts';
import { type AnyClient, clients, connect, email, type ToolAnswer } from './mcp-clients.ts';
import { eras, McpWorld, toolsOfClients } from './mcp-world.ts';

const run = promisify(execFile);
const inspector = resolve(import.meta.dirname, '../../../node_modules/@modelcontextprotocol/inspector-cli/build');

/** The tools that ask their caller something, by what they ask. */
const asking = {
  legacy: { elicitation: 'test_elicitation', sampling: 'test_sampling', roots: 'test_list_roots' },
  modern: {
    elicitation: 'test_input_required_result_elicitation',
    sampling: 'test_input_required_result_sampling',
    roots: 'test_input_required_result_list_roots',
  },
} as const;
const questions = ['elicitation/create', 'sampling/createMessage', 'roots/list'];

const saidIn = ({ content }: ToolAnswer): string => content.map(({ text }) => text ?? '').join('\n');

/** The code of a refusal, which stands in the result of a tool that a model reads. */
function refusal(answer: ToolAnswer): unknown {
  assert.equal(answer.isError, true, JSON.stringify(answer));
  assert.ok(saidIn(answer).length > 20, 'a model can read it');
  return answer.structuredContent?.code;
}

/** Waits for what a test cannot be told of; rejects where it does not come. */
async function until(come: () => boolean | Promise<boolean>): Promise<void> {
  for (let waitedMs = 0; !(await come()); waitedMs += 20) {
    assert.ok(waitedMs < 10_000, 'it has not come');
    await pause(20);
  }
}

describe('the SDKs of MCP, before everything that is shipped', part('opa'), () => {
  let world: McpWorld;
  let forwarder: BearerForwarder;
  before(async () => {
    forwarder = await BearerForwarder.open();
    world = await McpWorld.open(forwarder.url);
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await forwarder[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    for (const era of eras) world.servers[era].received.length = 0;
    world.orders.received.length = 0;
  });

  const url = (path = '') => `${world.world.gate.url}/mcp${path}`;
  /** What the trail says of an operation that was found, and was called with arguments that it takes. */
  async function trail(task: OpenedTask, operation: string): Promise<readonly string[]> {
    return (await world.world.events({ task: task.id, operation })).map(({ type }) => type);
  }
  /** Why calls were refused, as the trail says. */
  async function refusals(task: OpenedTask): Promise<readonly unknown[]> {
    const denials = await world.world.events({ task: task.id, type: 'denial' });
    return denials.map(({ decision }) => decision?.reasons[0]?.code);
  }

  for (const era of eras)
    for (const kind of clients) {
      const title = `${kind} client, ${era} server`;
      const session = async (use: (client: AnyClient, task: OpenedTask) => Promise<void>) => {
        const task = await world.task('clients');
        await using client = await connect(kind, url(`/${era}`), task.token);
        assert.equal(client.version, kind === 'modern' ? '2026-07-28' : '2025-11-25');
        await use(client, task);
        const sent = JSON.stringify(world.servers[era].received);
        assert.ok(!sent.includes(task.token), 'the token of the task stays here');
      };

      test(`[wire.mcp-any-client-any-server] ${title}: it sees the tools of its task, calls them, and reads why not`, () =>
        session(async (client, task) => {
          const listed = await client.tools();
          assert.deepEqual(
            listed.map(({ name }) => name),
            toolsOfClients[era],
          );
          const { structuredContent } = await client.call('weather_in', { city: 'Rome' });
          assert.deepEqual(structuredContent, { city: 'Rome', degrees: 11 });
          const wrong = await client.call('weather_in', { town: 'Rome', unit: 'kelvin' });
          assert.equal(refusal(wrong), 'args_invalid');
          for (const fault of [/city/, /town/, /celsius/]) assert.match(saidIn(wrong), fault);
          const other = await client.call('notes_of', { customer_id: 'C-2' });
          assert.equal(refusal(other), 'policy_denied');
          assert.match(saidIn(other), /not the subject of this task/);
          assert.equal(saidIn(await client.call('notes_of', { customer_id: 'C-1' })), 'Nothing is noted of C-1.');
          assert.deepEqual(
            world.servers[era].calls('tools/call').map(({ arguments: args }) => args),
            [{ city: 'Rome' }, { customer_id: 'C-1' }],
            'what was refused never reached the server',
          );
          const sent = ['intent', 'outcome'];
          assert.deepEqual(await trail(task, `${era}.weather_in`), [...sent, 'denial']);
          assert.deepEqual(await trail(task, `${era}.notes_of`), ['denial', ...sent]);
          assert.deepEqual(await refusals(task), ['args_invalid', 'policy_denied']);
        }));

      test(`[wire.mcp-any-client-any-server] ${title}: it hears how far a tool is and what it logs, and breaks it off`, () =>
        session(async (client, task) => {
          const heard: number[] = [];
          await client.call('test_tool_with_progress', {}, { onprogress: ({ progress }) => heard.push(progress) });
          assert.deepEqual(heard, [0, 50, 100]);
          await client.call('test_tool_with_logging', {}, { logs: 'info' });
          assert.deepEqual(client.heard, [
            'Tool execution started',
            'Tool processing data',
            'Tool execution completed',
          ]);
          // The older server ends the stream before the answer, which is then waiting for whoever comes again.
          assert.equal(saidIn(await client.call('test_reconnection')), 'It has been taken up again.');
          const stop = new AbortController();
          const onprogress = () => stop.abort();
          await assert.rejects(client.call('wait_until_cancelled', {}, { signal: stop.signal, onprogress }));
          const { broken } = world.servers[era];
          await until(() => broken.length > 0);
          assert.deepEqual(broken.splice(0), ['wait_until_cancelled'], 'the server hears of it');
          await until(async () => (await trail(task, `${era}.wait_until_cancelled`)).length > 1);
          assert.deepEqual(await trail(task, `${era}.wait_until_cancelled`), ['intent', 'outcome']);
        }));

      test(`[wire.mcp-any-client-any-server] ${title}: it is asked for a form, for what its model says, and where it works`, () =>
        session(async (client, task) => {
          const { elicitation, sampling, roots } = asking[era];
          const filled = await client.call(elicitation, era === 'legacy' ? { message: 'Who are you?' } : {});
          assert.match(saidIn(filled), /Anna/);
          const told = await client.call(sampling, era === 'legacy' ? { prompt: 'The capital of France?' } : {});
          assert.match(saidIn(told), /Paris/);
          assert.match(saidIn(await client.call(roots)), /file:\/\/\/orders/);
          assert.deepEqual(client.asked, questions);
          for (const method of questions)
            assert.deepEqual(await trail(task, `${era}.${method}`), ['intent', 'outcome'], method);
          if (era === 'modern')
            assert.match(saidIn(await client.call('test_input_required_result_multi_round')), /Anna likes Anna/);
          const sent = JSON.stringify(world.servers[era].received);
          assert.ok(sent.includes('Anna') && !sent.includes(email), 'an address does not go out in an answer either');
        }));

      test(`[wire.mcp-any-client-any-server] ${title}: it reads resources and prompts, and has arguments completed`, () =>
        session(async (client, task) => {
          assert.deepEqual(await client.resources(), [
            ...['test://static-text', 'test://static-binary', 'test://watched-resource'],
          ]);
          assert.deepEqual(await client.templates(), ['test://template/{id}/data']);
          const [read] = await client.read('test://template/7/data');
          assert.match(read?.text ?? '', /Data for ID: 7/);
          await assert.rejects(client.read('test://nothing'));
          assert.ok((await client.prompts()).includes('test_prompt_with_arguments'));
          const [prompted] = await client.prompt('test_prompt_with_arguments', { arg1: 'a', arg2: 'b' });
          assert.deepEqual(prompted, { type: 'text', text: "Prompt with arguments: arg1='a', arg2='b'" });
          assert.deepEqual(await client.complete('test_prompt_with_arguments', 'arg1', 'par'), [
            ...['paris', 'park', 'party'],
          ]);
          for (const method of ['prompts/get', 'completion/complete'])
            assert.deepEqual(await trail(task, `${era}.${method}`), ['intent', 'outcome'], method);
        }));
    }

  for (const era of eras)
    test(`[wire.mcp-any-client-any-server] all clients, ${era} server: they hear that its tools are others now`, async () => {
      const task = await world.task('everything');
      await using opened = new AsyncDisposableStack();
      const all: AnyClient[] = [];
      for (const kind of clients) all.push(opened.use(await connect(kind, url(`/${era}`), task.token)));
      const [first] = all;
      await first?.call('test_trigger_tool_change');
      await until(() => all.every(({ changes }) => changes() > 0));
      for (const client of all) {
        assert.ok((await client.tools()).some(({ name }) => name === 'test_added_tool'));
        assert.equal(saidIn(await client.call('test_added_tool')), 'It is there now.');
      }
    });

  for (const kind of ['sdk', 'legacy'] as const)
    test(`[wire.mcp-any-client-any-server] ${kind} client: an answer whose stream was cut is waiting when it comes again`, async () => {
      const task = await world.task('clients');
      forwarder.forwardTo(world.world.gate.url, task.token);
      await using client = await connect(kind, `${forwarder.url}/mcp/modern`);
      const heard: number[] = [];
      const onprogress = ({ progress }: { readonly progress: number }) => {
        heard.push(progress);
        if (progress === 50) forwarder.cut();
      };
      assert.equal(saidIn(await client.call('test_tool_with_progress', {}, { onprogress })), 'It has come to its end.');
      assert.deepEqual(heard, [0, 50, 100], 'nothing is missed, and nothing heard twice');
      assert.deepEqual(await trail(task, 'modern.test_tool_with_progress'), ['intent', 'outcome']);
      assert.equal(world.servers.modern.calls('tools/call').length, 1, 'and it was called once');
    });

  for (const kind of clients)
    test(`[wire.mcp-http-operations-are-tools] ${kind} client: all routes are in one list, operations of an HTTP service among them`, async () => {
      const task = await world.task('clients');
      await using client = await connect(kind, url(), task.token);
      const names = (await client.tools()).map(({ name }) => name);
      const ofServers = eras.flatMap((era) => toolsOfClients[era].map((name) => `${era}__${name}`));
      assert.deepEqual(names, [...ofServers, 'orders__create_refund', 'orders__get_order'].sort());
      const found = await client.call('orders__get_order', { path: { order_id: 'O-1' } });
      assert.match(saidIn(found), /shipped/);
      const wrong = await client.call('orders__create_refund', { body: { amount: 5 } });
      assert.equal(refusal(wrong), 'args_invalid');
      assert.match(saidIn(wrong), /amount_cents/);
      await client.call('orders__create_refund', { body: { amount_cents: 5 } });
      assert.deepEqual(
        world.orders.received.map(({ method, url: path, body }) => [method, path, String(body)]),
        [
          ['GET', '/orders/O-1', ''],
          ['POST', '/refunds', '{"amount_cents":5}'],
        ],
      );
      const { degrees } = (await client.call('modern__weather_in', { city: 'Rome' })).structuredContent ?? {};
      assert.equal(degrees, 11);
      assert.deepEqual(await trail(task, 'orders.create_refund'), ['denial', 'intent', 'outcome']);
      assert.deepEqual(await refusals(task), ['args_invalid']);
    });

  for (const kind of clients)
    test(`[wire.mcp-any-client-any-server] ${kind} client: a task that has fewer tools sees and calls fewer`, async () => {
      const task = await world.task('clients', ['legacy.weather_in', 'orders.get_order']);
      await using client = await connect(kind, url(), task.token);
      assert.deepEqual(
        (await client.tools()).map(({ name }) => name),
        ['legacy__weather_in', 'orders__get_order'],
      );
      const refused = await client.call('legacy__notes_of', { customer_id: 'C-1' });
      assert.equal(refusal(refused), 'policy_denied');
      assert.deepEqual(refused.structuredContent?.allowed, ['legacy.weather_in', 'orders.get_order']);
      assert.equal(world.servers.legacy.calls('tools/call').length, 0);
    });

  test('[wire.mcp-any-client-any-server] mcp for Python: both servers', part('python3-mcp'), async () => {
    const task = await world.task('clients');
    const script = join(import.meta.dirname, 'python/client.py');
    const urls = eras.map((era) => url(`/${era}`));
    const { stdout } = await run(String(partPath('python3-mcp')), [script, task.token, ...urls]);
    const [legacy, modern] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    for (const [era, seen] of [
      ['legacy', legacy],
      ['modern', modern],
    ] as const)
      assert.deepEqual(seen, {
        version: '2025-11-25',
        tools: toolsOfClients[era],
        weather: { city: 'Rome', degrees: 11 },
        wrong: [true, 'args_invalid'],
        denied: [true, 'policy_denied'],
        progress: [0, 50, 100],
        logs: ['Tool execution started', 'Tool processing data', 'Tool execution completed'],
        asked: questions,
        answers: [true, true, true],
        resource: 'This is the content of the static text resource.',
        prompt: "Prompt with arguments: arg1='a', arg2='b'",
        completed: ['paris', 'park', 'party'],
      });
    assert.deepEqual(await trail(task, 'modern.weather_in'), ['intent', 'outcome', 'denial']);
    const refused = ['args_invalid', 'policy_denied'];
    assert.deepEqual(await refusals(task), [...refused, ...refused]);
  });

  test('[wire.mcp-any-client-any-server] the command line of the Inspector lists and calls', async () => {
    const task = await world.task('clients');
    const at = ['--cli', url('/legacy'), '--transport', 'http', '--header', `Authorization: Bearer ${task.token}`];
    // It looks for its own description in the folder it is run in.
    const inspect = async (...args: readonly string[]) => {
      const { stdout } = await run(process.execPath, ['cli.js', ...at, ...args], { cwd: inspector });
      return JSON.parse(stdout) as { tools: { name: string }[] } & ToolAnswer;
    };
    const [{ tools }, { structuredContent }] = await Promise.all([
      inspect('--method', 'tools/list'),
      inspect('--method', 'tools/call', '--tool-name', 'weather_in', '--tool-arg', 'city=Rome'),
    ]);
    assert.deepEqual(
      tools.map(({ name }) => name),
      toolsOfClients.legacy,
    );
    assert.deepEqual(structuredContent, { city: 'Rome', degrees: 11 });
    assert.deepEqual(await trail(task, 'legacy.weather_in'), ['intent', 'outcome']);
  });
});
