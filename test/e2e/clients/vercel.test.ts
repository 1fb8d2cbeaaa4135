/**
 * Vercel's AI SDK with its providers for OpenAI and Anthropic, unchanged but for base URL and key, before everything that
 * is shipped: its own loops of tools, streamed and not, objects, embeddings, and what it does with refusals.
 */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { APICallError, embedMany, generateObject, generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';
import type { OpenedTask } from '../../gateway/world.ts';
import { part } from '../../parts.ts';
import { answer, ClientWorld, loopTurns, png, question } from './world.ts';

const name = 'orders__get_order';
const thinking = 'They want to know where it is.';

describe("Vercel's AI SDK, before everything that is shipped", part('opa'), () => {
  let world: ClientWorld;
  before(async () => {
    // It writes warnings to the console where it does not know the name of a model.
    globalThis.AI_SDK_LOG_WARNINGS = false;
    world = await ClientWorld.open();
  });
  after(async () => world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    world.models.say();
    world.models.cut = 'nowhere';
  });

  const openai = ({ token: apiKey }: OpenedTask) => createOpenAI({ baseURL: world.v1, apiKey });
  const anthropic = ({ token: apiKey }: OpenedTask) => createAnthropic({ baseURL: world.v1, apiKey });
  /** By the operation: the model as its user makes it. */
  const models = {
    // Its default sends the ids of what it takes for kept.
    'kept.responses': (task: OpenedTask) => openai(task)('kept'),
    'gpt.responses': (task: OpenedTask) => openai(task)('gpt'),
    'azure.responses': (task: OpenedTask) => openai(task)('azure'),
    'gpt.chat': (task: OpenedTask) => openai(task).chat('gpt'),
    'bedrock.chat': (task: OpenedTask) => openai(task).chat('bedrock'),
    'mixed.chat': (task: OpenedTask) => openai(task).chat('mixed'),
    'claude.messages': (task: OpenedTask) => anthropic(task)('claude'),
    'vertex.messages': (task: OpenedTask) => anthropic(task)('vertex'),
    'azure.messages': (task: OpenedTask) => anthropic(task)('azure'),
  };
  const messages = [
    {
      role: 'user' as const,
      content: [
        { type: 'text' as const, text: question },
        { type: 'image' as const, image: png, mediaType: 'image/png' },
      ],
    },
  ];
  const loop = (task: OpenedTask) => ({
    ...{ messages, stopWhen: stepCountIs(4) },
    tools: {
      [name]: tool({
        inputSchema: z.object({ order_id: z.string() }),
        execute: ({ order_id }, { toolCallId }) => world.lookUp(task, order_id, toolCallId),
      }),
    },
  });
  const thrownBy = (call: PromiseLike<unknown>): Promise<unknown> =>
    Promise.resolve(call).then(
      () => assert.fail('it was refused'),
      (thrown: unknown) => thrown,
    );
  const codeOf = (thrown: unknown): string => {
    assert.ok(APICallError.isInstance(thrown));
    return (JSON.parse(String(thrown.responseBody)) as { error: { code: string } }).error.code;
  };

  for (const [operation, modelOf] of Object.entries(models)) {
    // Left to itself it names what it takes for kept by ids, which the gate then fills in.
    const own = operation === 'azure.responses' ? { providerOptions: { openai: { store: false } } } : {};

    test(`[wire.clients-unchanged] ${operation}: generateText and streamText with an image and a loop of tools, and an object`, async () => {
      const task = await world.task();
      world.models.say(...loopTurns(name, thinking));
      const whole = await generateText({ ...loop(task), ...own, model: modelOf(task) });
      assert.deepEqual([whole.text, whole.steps.length, whole.totalUsage.totalTokens], [answer, 2, 30]);
      const thinks = /responses|claude|vertex/.test(operation);
      assert.equal(whole.steps[0]?.reasoningText, thinks ? thinking : undefined);
      await world.looped(task, operation);
      assert.ok(String(world.models.received[0]?.body).includes(png));
      const goesOn = String(world.models.received[1]?.body);
      assert.equal(goesOn.includes('"item_reference"'), operation === 'kept.responses');
      if (operation === 'gpt.responses')
        assert.match(goesOn, /\{"id":"msg_1","type":"message".*"text":"Let me look\."/);

      const streaming = await world.task();
      world.models.say(...loopTurns(name, thinking));
      world.models.cut = 'everywhere';
      const stream = streamText({ ...loop(streaming), ...own, model: modelOf(streaming) });
      const parts = (await Array.fromAsync(stream.fullStream)).map(({ type }) => type);
      assert.ok(!parts.includes('error') && parts.includes('tool-result'), parts.join(' '));
      assert.equal(await stream.text, answer);
      assert.equal((await stream.totalUsage).outputTokens, 10);
      await world.looped(streaming, operation);

      world.models.say({ text: '{"state":"shipped"}' });
      const schema = z.object({ state: z.string() });
      const { object } = await generateObject({ model: modelOf(task), schema, prompt: 'The state?' });
      assert.deepEqual(object, { state: 'shipped' });
      assert.match(String(world.models.received[0]?.body), /"additionalProperties":false/);
    });
  }

  test('[wire.clients-unchanged] texts are embedded', async () => {
    const task = await world.task();
    const { embeddings } = await embedMany({ model: openai(task).embedding('gpt'), values: ['a', 'b'] });
    assert.deepEqual([embeddings.length, embeddings[0]?.[0]], [2, 0.25]);
    const events = await world.world.events({ task: task.id, operation: 'gpt.embeddings' });
    assert.deepEqual(
      events.map(({ type }) => type),
      ['intent', 'outcome'],
    );
  });

  test('[wire.provider-ids-bound] what another task was answered is refused by its ids, and the refusal says what to do', async () => {
    const first = await world.task();
    world.models.say(...loopTurns(name));
    const { response } = await generateText({ ...loop(first), model: models['kept.responses'](first) });
    await world.looped(first, 'kept.responses');
    world.models.say();
    const other = await world.task();
    const all = [...messages, ...response.messages, { role: 'user' as const, content: 'And now?' }];
    const thrown = await thrownBy(generateText({ model: models['kept.responses'](other), messages: all }));
    assert.equal(codeOf(thrown), 'policy_denied');
    assert.match((thrown as Error).message, /send the items themselves \(`store: false`\)/);
    await world.refusedOnce(other, 'policy_denied');
  });

  test('[wire.clients-not-retrying] refusals are its own errors, and what money or a rule forbids is asked once', async () => {
    for (const modelOf of [models['gpt.responses'], models['gpt.chat'], models['claude.messages']]) {
      const poor = await world.task({ calls: 0 });
      const broke = await thrownBy(generateText({ model: modelOf(poor), prompt: 'hello' }));
      assert.deepEqual([codeOf(broke), (broke as APICallError).statusCode], ['task_budget_exhausted', 402]);
      await world.refusedOnce(poor, 'task_budget_exhausted');

      const fetching = await world.task();
      const image = { type: 'image' as const, image: new URL('https://example.com/x.png') };
      const asked = [{ role: 'user' as const, content: [image] }];
      const denied = await thrownBy(generateText({ model: modelOf(fetching), messages: asked }));
      assert.deepEqual([codeOf(denied), (denied as APICallError).statusCode], ['policy_denied', 403]);
      await world.refusedOnce(fetching, 'policy_denied');
    }
    const lost = await world.task();
    const unknown = await thrownBy(generateText({ model: openai(lost)('claude'), prompt: 'hello' }));
    assert.deepEqual([codeOf(unknown), (unknown as APICallError).statusCode], ['operation_unknown', 404]);
    await world.refusedOnce(lost, 'operation_unknown');

    const hurried = await world.task();
    world.models.say({ text: answer });
    const slow = { model: openai(hurried).chat('slow'), prompt: 'hello', maxRetries: 0 };
    await generateText(slow);
    world.models.say();
    const limited = await thrownBy(generateText(slow));
    assert.deepEqual([codeOf(limited), (limited as APICallError).statusCode], ['rate_limited', 429]);
    assert.ok((limited as APICallError).isRetryable);
    assert.equal(world.models.received.length, 0);
  });

  test('[wire.clients-not-retrying] a stream that is killed ends with an error that tells why', async () => {
    for (const modelOf of [models['gpt.responses'], models['gpt.chat'], models['claude.messages']]) {
      const task = await world.task();
      world.speakSlowly();
      const errors: unknown[] = [];
      const onError = ({ error }: { error: unknown }) => void errors.push(error);
      const stream = streamText({ model: modelOf(task), prompt: 'hello', onError });
      let pieces = 0;
      for await (const { type } of stream.fullStream) {
        if (type === 'text-delta' && ++pieces === 3) await world.kill(task);
      }
      assert.ok(pieces >= 3 && pieces < 300);
      assert.equal(errors.length, 1);
      assert.equal((errors[0] as Error).message, 'The task was ended while this call ran.');
      await world.cutByKill(task);
    }
  });
});
