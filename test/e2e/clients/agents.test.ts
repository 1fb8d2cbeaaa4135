/**
 * LangChain and OpenAI Agents, unchanged but for base URL and key, before everything that is shipped: their loops of tools,
 * streamed and not, answers by a schema, embeddings, and what they do with refusals.
 */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { ChatAnthropic } from '@langchain/anthropic';
import { type AIMessageChunk, type BaseMessage, HumanMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';
import { Agent, tool as functionTool, OpenAIProvider, Runner } from '@openai/agents';
import { APIError } from 'openai';
import { z } from 'zod';
import type { OpenedTask } from '../../gateway/world.ts';
import { part } from '../../parts.ts';
import { answer, ClientWorld, loopTurns, png, question } from './world.ts';

const name = 'orders__get_order';
const description = 'Where an order is';
const schema = z.object({ order_id: z.string() });
const thinking = 'They want to know where it is.';
const url = `data:image/png;base64,${png}`;

describe('LangChain and OpenAI Agents, before everything that is shipped', part('opa'), () => {
  let world: ClientWorld;
  before(async () => {
    world = await ClientWorld.open();
  });
  after(async () => world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    world.models.say();
    world.models.cut = 'nowhere';
  });

  const thrownBy = (call: Promise<unknown>): Promise<unknown> =>
    call.then(
      () => assert.fail('it was refused'),
      (thrown: unknown) => thrown,
    );

  const openai = ({ token: apiKey }: OpenedTask, model: string, own: object = {}) =>
    new ChatOpenAI({ model, apiKey, configuration: { baseURL: world.v1 }, ...own });
  const anthropic = ({ token: apiKey }: OpenedTask, model: string, own: object = {}) =>
    new ChatAnthropic({ model, apiKey, anthropicApiUrl: world.world.gate.url, ...own });

  /** Two turns with `model`, and the tool between them as LangChain calls it. */
  async function langChainLoop(
    task: OpenedTask,
    model: ChatOpenAI | ChatAnthropic,
    streamed: boolean,
  ): Promise<string> {
    const lookUp = tool(({ order_id }, { toolCall }) => world.lookUp(task, order_id, (toolCall as { id: string }).id), {
      name,
      description,
      schema,
    });
    const bound = model.bindTools([lookUp]);
    const image = { type: 'image_url', image_url: { url } };
    const messages: BaseMessage[] = [new HumanMessage({ content: [{ type: 'text', text: question }, image] })];
    const ask = async (): Promise<AIMessageChunk> => {
      if (!streamed) return bound.invoke(messages);
      const pieces: AIMessageChunk[] = await Array.fromAsync(await bound.stream(messages));
      return pieces.reduce((all, piece) => all.concat(piece));
    };
    const first = await ask();
    messages.push(first);
    for (const call of first.tool_calls ?? []) messages.push(await lookUp.invoke(call));
    return (await ask()).text;
  }

  for (const [operation, modelOf] of Object.entries({
    'gpt.chat': (task: OpenedTask) => openai(task, 'gpt'),
    'bedrock.chat': (task: OpenedTask) => openai(task, 'bedrock'),
    'mixed.chat': (task: OpenedTask) => openai(task, 'mixed'),
    'gpt.responses': (task: OpenedTask) => openai(task, 'gpt', { useResponsesApi: true }),
    'azure.responses': (task: OpenedTask) => openai(task, 'azure', { useResponsesApi: true }),
    'claude.messages': (task: OpenedTask) => anthropic(task, 'claude'),
    'vertex.messages': (task: OpenedTask) => anthropic(task, 'vertex'),
    'azure.messages': (task: OpenedTask) => anthropic(task, 'azure'),
  })) {
    test(`[wire.clients-unchanged] LangChain, ${operation}: invoke and stream with an image and a tool, and an answer by a schema`, async () => {
      for (const streamed of [false, true]) {
        const task = await world.task();
        world.models.say(...loopTurns(name, thinking));
        world.models.cut = streamed ? 'everywhere' : 'nowhere';
        assert.equal(await langChainLoop(task, modelOf(task), streamed), answer);
        await world.looped(task, operation);
        assert.ok(String(world.models.received[0]?.body).includes(png));
      }
      const task = await world.task();
      const call = { id: 'call_2', name: 'extract', input: { state: 'shipped' } };
      // One of the two says it by a call of a tool, the other by its text.
      world.models.say({ text: '{"state":"shipped"}', ...(operation.endsWith('messages') ? { calls: [call] } : {}) });
      const structured = modelOf(task).withStructuredOutput(z.object({ state: z.string() }));
      assert.deepEqual(await structured.invoke('The state?'), { state: 'shipped' });
    });
  }

  test('[wire.clients-unchanged] LangChain embeds texts', async () => {
    const { token: apiKey } = await world.task();
    const embeddings = new OpenAIEmbeddings({ model: 'gpt', apiKey, configuration: { baseURL: world.v1 } });
    const vectors = await embeddings.embedDocuments(['a', 'b']);
    assert.deepEqual([vectors.length, vectors[0]?.[0]], [2, 0.25]);
  });

  test('[wire.clients-not-retrying] LangChain throws the errors of the SDK below, and asks once what money or a rule forbids', async () => {
    const image = { type: 'image_url', image_url: { url: 'https://example.com/x.png' } };
    const fetching = [new HumanMessage({ content: [{ type: 'text', text: 'look' }, image] })];
    for (const modelOf of [openai, anthropic]) {
      const model = modelOf === openai ? 'gpt' : 'claude';
      const poor = await world.task({ calls: 0 });
      const broke = (await thrownBy(modelOf(poor, model).invoke('hello'))) as APIError;
      assert.equal(broke.status, 402);
      assert.match(JSON.stringify(broke), /task_budget_exhausted/);
      await world.refusedOnce(poor, 'task_budget_exhausted');

      const looking = await world.task();
      const denied = (await thrownBy(modelOf(looking, model).invoke(fetching))) as APIError;
      assert.deepEqual([denied.status, denied.constructor.name], [403, 'PermissionDeniedError']);
      assert.match(JSON.stringify(denied), /policy_denied/);
      await world.refusedOnce(looking, 'policy_denied');
    }
    const lost = await world.task();
    const unknown = (await thrownBy(openai(lost, 'claude', { useResponsesApi: true }).invoke('hello'))) as APIError;
    assert.deepEqual([unknown.status, unknown.code], [404, 'operation_unknown']);
    await world.refusedOnce(lost, 'operation_unknown');

    const hurried = await world.task();
    world.models.say({ text: answer });
    const slow = openai(hurried, 'slow', { maxRetries: 0 });
    await slow.invoke('hello');
    world.models.say();
    const limited = (await thrownBy(slow.invoke('hello'))) as APIError;
    assert.deepEqual([limited.status, limited.code, limited.constructor.name], [429, 'rate_limited', 'RateLimitError']);
    assert.equal(world.models.received.length, 0);
  });

  /** Traces would go to OpenAI, and not through the gate. */
  const runner = ({ token: apiKey }: OpenedTask, useResponses: boolean) =>
    new Runner({
      modelProvider: new OpenAIProvider({ apiKey, baseURL: world.v1, useResponses }),
      tracingDisabled: true,
    });
  const agentOf = (task: OpenedTask, model: string) => {
    const lookUp = functionTool({
      ...{ name, description, parameters: schema },
      execute: ({ order_id }, _context, details) => world.lookUp(task, order_id, details?.toolCall?.callId ?? ''),
    });
    return new Agent({ name: 'clerk', instructions: 'Be brief.', model, tools: [lookUp] });
  };

  for (const operation of [
    'gpt.responses',
    'azure.responses',
    'kept.responses',
    'gpt.chat',
    'bedrock.chat',
    'mixed.chat',
  ]) {
    test(`[wire.clients-unchanged] OpenAI Agents, ${operation}: an agent runs its loop with an image and a tool, streamed and not`, async () => {
      const [route = '', surface] = operation.split('.');
      const content = [
        { type: 'input_text' as const, text: question },
        { type: 'input_image' as const, image: url },
      ];
      const input = [{ role: 'user' as const, content }];
      const task = await world.task();
      world.models.say(...loopTurns(name, thinking));
      const whole = await runner(task, surface === 'responses').run(agentOf(task, route), input);
      assert.equal(whole.finalOutput, answer);
      await world.looped(task, operation);
      assert.ok(String(world.models.received[0]?.body).includes(png));

      const streaming = await world.task();
      world.models.say(...loopTurns(name, thinking));
      world.models.cut = 'everywhere';
      const stream = await runner(streaming, surface === 'responses').run(agentOf(streaming, route), input, {
        stream: true,
      });
      const events = await Array.fromAsync(stream);
      await stream.completed;
      assert.ok(events.length > 8);
      assert.equal(stream.finalOutput, answer);
      await world.looped(streaming, operation);
    });
  }

  test('[wire.clients-not-retrying] OpenAI Agents throws the errors of the SDK below, and asks once', async () => {
    for (const useResponses of [true, false]) {
      const poor = await world.task({ calls: 0 });
      const broke = await thrownBy(runner(poor, useResponses).run(agentOf(poor, 'gpt'), 'hello'));
      assert.ok(broke instanceof APIError);
      assert.deepEqual([broke.status, broke.code], [402, 'task_budget_exhausted']);
      await world.refusedOnce(poor, 'task_budget_exhausted');
    }
    const lost = await world.task();
    const unknown = await thrownBy(runner(lost, true).run(agentOf(lost, 'claude'), 'hello'));
    assert.ok(unknown instanceof APIError && unknown.code === 'operation_unknown');
    await world.refusedOnce(lost, 'operation_unknown');
  });

  test('[wire.clients-not-retrying] a stream that is killed ends with an error that tells why', async () => {
    const readers: Readonly<Record<string, (task: OpenedTask) => Promise<AsyncIterable<unknown>>>> = {
      'LangChain, chat': (task) => openai(task, 'gpt').stream('hello'),
      'LangChain, responses': (task) => openai(task, 'gpt', { useResponsesApi: true }).stream('hello'),
      'LangChain, messages': (task) => anthropic(task, 'claude').stream('hello'),
      'OpenAI Agents, chat': (task) => runner(task, false).run(agentOf(task, 'gpt'), 'hello', { stream: true }),
      'OpenAI Agents, responses': (task) => runner(task, true).run(agentOf(task, 'gpt'), 'hello', { stream: true }),
    };
    for (const [reader, streamOf] of Object.entries(readers)) {
      const task = await world.task();
      world.speakSlowly();
      let pieces = 0;
      const thrown = await thrownBy(
        (async () => {
          for await (const _ of await streamOf(task)) if (++pieces === 5) await world.kill(task);
        })(),
      );
      assert.equal((thrown as APIError).constructor.name, 'APIError', reader);
      assert.match(JSON.stringify(thrown), /"code":"task_killed"/);
      await world.cutByKill(task);
    }
  });
});
