/**
 * The SDKs of OpenAI and Anthropic, unchanged but for base URL and key, before the shipped policy, inspection and a strict
 * trail, on providers of every wire format; and their streams, cut to pieces on the way to the gate.
 */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import Anthropic, {
  type APIError as AnthropicError,
  NotFoundError as AnthropicNotFound,
  PermissionDeniedError as AnthropicPermissionDenied,
  RateLimitError as AnthropicRateLimit,
  PaymentRequiredError,
} from '@anthropic-ai/sdk';
import OpenAI, { APIError, NotFoundError, PermissionDeniedError, RateLimitError } from 'openai';
import type { OpenedTask } from '../../gateway/world.ts';
import { part } from '../../parts.ts';
import { answer, ClientWorld, callId, loopTurns, messageRoutes, png, question, routes } from './world.ts';

const name = 'orders__get_order';
const parameters = { type: 'object' as const, properties: { order_id: { type: 'string' } } };
const url = `data:image/png;base64,${png}`;
const thinking = 'They want to know where it is.';

describe('the SDKs of the vendors, before everything that is shipped', part('opa'), () => {
  let world: ClientWorld;
  before(async () => {
    world = await ClientWorld.open();
  });
  after(async () => world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    world.models.say();
    world.models.cut = 'nowhere';
  });

  const openai = ({ token }: OpenedTask, own: object = {}) => new OpenAI({ apiKey: token, baseURL: world.v1, ...own });
  const anthropic = ({ token }: OpenedTask, own: object = {}) =>
    new Anthropic({ apiKey: token, baseURL: world.world.gate.url, ...own });
  const orderOf = (args: unknown) => (JSON.parse(String(args)) as { order_id: string }).order_id;
  const thrownBy = (call: Promise<unknown>): Promise<unknown> =>
    call.then(
      () => assert.fail('it was refused'),
      (thrown: unknown) => thrown,
    );

  for (const route of routes) {
    test(`[wire.clients-unchanged] openai: chat completions on ${route}, with an image, a tool, and a stream of single bytes`, async () => {
      const task = await world.task();
      const client = openai(task);
      world.models.say(...loopTurns(name, thinking));
      const image = { type: 'image_url' as const, image_url: { url } };
      const messages: OpenAI.ChatCompletionMessageParam[] = [
        { role: 'user', content: [{ type: 'text', text: question }, image] },
      ];
      const tools = [{ type: 'function' as const, function: { name, parameters } }];
      const first = await client.chat.completions.create({ model: route, messages, tools });
      const said = first.choices[0]?.message;
      const call = said?.tool_calls?.[0] as OpenAI.ChatCompletionMessageFunctionToolCall;
      assert.deepEqual([first.model, said?.content, call.id], [route, 'Let me look.', callId]);
      const found = await world.lookUp(task, orderOf(call.function.arguments), call.id);
      messages.push(said as OpenAI.ChatCompletionMessageParam, { role: 'tool', tool_call_id: call.id, content: found });
      world.models.cut = 'everywhere';
      const stream = client.chat.completions.stream({ model: route, messages, tools });
      assert.equal(await stream.finalContent(), answer);
      await world.looped(task, `${route}.chat`);
      assert.ok(String(world.models.received[0]?.body).includes(png));
    });

    test(`[wire.clients-unchanged] Anthropic: messages on ${route}, with an image, a tool, thinking, and a stream of single bytes`, async () => {
      const task = await world.task();
      const client = anthropic(task);
      world.models.say(...loopTurns(name, thinking));
      world.models.cut = 'everywhere';
      const source = { type: 'base64' as const, media_type: 'image/png' as const, data: png };
      const messages: Anthropic.MessageParam[] = [
        {
          role: 'user',
          content: [
            { type: 'text', text: question },
            { type: 'image', source },
          ],
        },
      ];
      const asked = { model: route, max_tokens: 100, tools: [{ name, input_schema: parameters }] };
      const first = await client.messages.stream({ ...asked, messages }).finalMessage();
      const use = first.content.find(({ type }) => type === 'tool_use') as Anthropic.ToolUseBlock;
      assert.deepEqual([first.model, first.stop_reason, use.id], [route, 'tool_use', callId]);
      const thought = first.content.find((block) => block.type === 'thinking');
      if ((messageRoutes as readonly string[]).includes(route)) assert.equal(thought?.thinking, thinking);
      const found = await world.lookUp(task, orderOf(JSON.stringify(use.input)), use.id);
      const result = { type: 'tool_result' as const, tool_use_id: use.id, content: found };
      messages.push({ role: 'assistant', content: first.content }, { role: 'user', content: [result] });
      const second = await client.messages.create({ ...asked, messages });
      assert.deepEqual(
        second.content.map((block) => block.type === 'text' && block.text),
        [answer],
      );
      await world.looped(task, `${route}.messages`);
      assert.ok(String(world.models.received[0]?.body).includes(png));
      const last = world.models.received[1];
      // The second turn of a mixed route may be one of chat completions, which has no place for it.
      if (thought !== undefined && !last?.url.endsWith('/chat/completions'))
        assert.ok(String(last?.body).includes('c2lnbmVk'), 'it goes back as it came');
    });
  }

  for (const route of ['gpt', 'azure', 'mixed'] as const) {
    test(`[wire.clients-unchanged] openai: responses on ${route}, with an image, a tool, reasoning, and a stream of single bytes`, async () => {
      const task = await world.task();
      const client = openai(task);
      world.models.say(...loopTurns(name, thinking));
      world.models.cut = 'everywhere';
      const image = { type: 'input_image' as const, detail: 'auto' as const, image_url: url };
      const input: OpenAI.Responses.ResponseInput = [
        { role: 'user', content: [{ type: 'input_text', text: question }, image] },
      ];
      const asked = {
        ...{ model: route, reasoning: { effort: 'low' as const } },
        tools: [{ type: 'function' as const, name, parameters, strict: false }],
      };
      const first = await client.responses.stream({ ...asked, input }).finalResponse();
      const call = first.output.find((item) => item.type === 'function_call');
      assert.deepEqual([first.model, first.output_text, call?.call_id], [route, 'Let me look.', callId]);
      assert.equal(first.output.find((item) => item.type === 'reasoning')?.summary[0]?.text, thinking);
      const output = await world.lookUp(task, orderOf(call?.arguments), callId);
      const made = { type: 'function_call_output' as const, call_id: callId, output };
      const all = [...input, ...first.output, made] as OpenAI.Responses.ResponseInput;
      const second = await client.responses.create({ ...asked, input: all });
      assert.equal(second.output_text, answer);
      await world.looped(task, `${route}.responses`);
      const [, last] = world.models.asked;
      assert.equal(last?.store, false);
      assert.match(JSON.stringify(last?.input), /"encrypted_content":"A{80}"/);
    });
  }

  test('[wire.split-anywhere] a stream cut in two anywhere, or to single bytes, is the same to its SDK', async () => {
    // What a cut could damage: characters of several bytes, an escape, an address that is not to be seen... and arguments.
    const call = { id: callId, name, input: { order_id: 'Ö-"1"\n🚚' } };
    const turn = { text: 'Größe 🚚 – das dauert.', thinking: 'Hm, größer.', calls: [call] };
    const ask = [{ role: 'user' as const, content: question }];
    const rest = { max_tokens: 100, messages: ask, stream: true as const };
    const formats: Readonly<Record<string, (task: OpenedTask) => Promise<AsyncIterable<unknown>>>> = {
      'chat completions': (task) => openai(task).chat.completions.create({ model: 'gpt', ...rest }),
      'chat completions of Azure': (task) => openai(task).chat.completions.create({ model: 'azure', ...rest }),
      responses: (task) => openai(task).responses.create({ model: 'gpt', input: question, stream: true }),
      messages: (task) => anthropic(task).messages.create({ model: 'claude', ...rest }),
      'the event stream of Bedrock': (task) => anthropic(task).messages.create({ model: 'bedrock', ...rest }),
      'messages as chat completions': (task) => openai(task).chat.completions.create({ model: 'vertex', ...rest }),
      'chat completions as messages': (task) => anthropic(task).messages.create({ model: 'gpt', ...rest }),
    };
    for (const [format, stream] of Object.entries(formats)) {
      const task = await world.task();
      const seen = async (cut: typeof world.models.cut) => {
        world.models.say(turn);
        world.models.cut = cut;
        return Array.fromAsync(await stream(task));
      };
      const whole = await seen('nowhere');
      assert.ok(whole.length > 5 && JSON.stringify(whole).includes('🚚'), format);
      const bytes = world.models.streamedBytes;
      const cuts = Array.from({ length: 12 }, (_, index) => Math.floor((bytes * (index + 0.5)) / 12));
      for (const cut of ['everywhere', ...cuts] as const) {
        assert.deepEqual(await seen(cut), whole, `${format}, cut at ${cut} of ${bytes}`);
      }
    }
  });

  const ask = { model: 'gpt', max_tokens: 20, messages: [{ role: 'user' as const, content: 'hello' }] };

  test('[wire.clients-not-retrying] openai throws its own classes with the codes of the gate, and what money cannot mend is asked once', async () => {
    const poor = await world.task({ calls: 0 });
    const broke = await thrownBy(openai(poor).chat.completions.create(ask));
    assert.ok(broke instanceof APIError && broke.status === 402 && broke.code === 'task_budget_exhausted');
    await world.refusedOnce(poor, 'task_budget_exhausted');

    const fetching = await world.task();
    const image = [{ type: 'image_url' as const, image_url: { url: 'https://example.com/x.png' } }];
    const messages = [{ role: 'user' as const, content: image }];
    const denied = await thrownBy(openai(fetching).chat.completions.create({ ...ask, messages }));
    assert.ok(denied instanceof PermissionDeniedError && denied.code === 'policy_denied');
    await world.refusedOnce(fetching, 'policy_denied');

    const lost = await world.task();
    const unknown = await thrownBy(openai(lost).embeddings.create({ model: 'claude', input: 'hello' }));
    assert.ok(unknown instanceof NotFoundError && unknown.code === 'operation_unknown');
    await world.refusedOnce(lost, 'operation_unknown');

    const hurried = await world.task();
    world.models.say({ text: answer });
    const slow = { ...ask, model: 'slow' };
    await openai(hurried).chat.completions.create(slow);
    world.models.say();
    const limited = await thrownBy(openai(hurried, { maxRetries: 0 }).chat.completions.create(slow));
    assert.ok(limited instanceof RateLimitError && limited.code === 'rate_limited');
    assert.ok(Number(limited.headers.get('retry-after')) > 0);
    assert.equal(world.models.received.length, 0);
  });

  test('[wire.clients-not-retrying] so does Anthropic', async () => {
    const codeOf = (thrown: unknown) => ((thrown as AnthropicError).error as { error: { code: string } }).error.code;
    const poor = await world.task({ calls: 0 });
    const broke = await thrownBy(anthropic(poor).messages.create(ask));
    assert.ok(broke instanceof PaymentRequiredError && codeOf(broke) === 'task_budget_exhausted');
    await world.refusedOnce(poor, 'task_budget_exhausted');

    const fetching = await world.task();
    const source = { type: 'url' as const, url: 'https://example.com/x.png' };
    const messages = [{ role: 'user' as const, content: [{ type: 'image' as const, source }] }];
    const denied = await thrownBy(anthropic(fetching).messages.create({ ...ask, model: 'claude', messages }));
    assert.ok(denied instanceof AnthropicPermissionDenied && codeOf(denied) === 'policy_denied');
    await world.refusedOnce(fetching, 'policy_denied');

    const lost = await world.task();
    const unknown = await thrownBy(anthropic(lost).messages.countTokens({ model: 'gpt', messages: ask.messages }));
    assert.ok(unknown instanceof AnthropicNotFound && codeOf(unknown) === 'operation_unknown');
    await world.refusedOnce(lost, 'operation_unknown');

    const hurried = await world.task();
    const limited = await thrownBy(anthropic(hurried, { maxRetries: 0 }).messages.create({ ...ask, model: 'slow' }));
    assert.ok(limited instanceof AnthropicRateLimit && codeOf(limited) === 'rate_limited');
    assert.equal(world.models.received.length, 0);
  });
});
