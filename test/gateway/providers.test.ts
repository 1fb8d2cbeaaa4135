/**
 * Plain SDKs through a whole gate to the providers that run models in ways of their own. What the gate sends is compared
 * with what the vendor's own SDK sends for the same request; each fake checks both as its service would.
 */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { AnthropicBedrock } from '@anthropic-ai/bedrock-sdk';
import Anthropic from '@anthropic-ai/sdk';
import { AnthropicVertex } from '@anthropic-ai/vertex-sdk';
import OpenAI, { AzureOpenAI } from 'openai';
import { systemClock } from '../../src/clock.ts';
import { type AzureRules, azureReply } from '../fakes/providers/azure.ts';
import { type BedrockRules, bedrockReply } from '../fakes/providers/bedrock.ts';
import { type VertexRules, vertexReply } from '../fakes/providers/vertex.ts';
import { FakeUpstream } from '../fakes/upstream.ts';
import { part } from '../parts.ts';
import { chatReply } from './chat.ts';
import { said } from './message.ts';
import { type OpenedTask, World } from './world.ts';

const options = part('opa');
const region = 'eu-central-1';
const key = { id: 'AKIAIOSFODNN7EXAMPLE', secret: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
const profile = 'eu.anthropic.claude-sonnet-4-5-20250929-v1:0';
const arn =
  'arn:aws:bedrock:eu-central-1:123456789012:inference-profile/global.anthropic.claude-opus-4-5-20251101-v1:0';
const location = '/v1/projects/p-1/locations/europe-west1';
const googleToken = 'ya29.the-token-of-the-gate';
const azureKey = 'the-azure-key-of-the-gate';
const version = '2024-10-21';

const script = { text: 'hello back', toolUses: [{ id: 'toolu_1', name: 'get_order', input: { order_id: 'o-1' } }] };
const bedrockRules: BedrockRules = {
  ...{ clock: systemClock(), region, key, models: [profile, arn, profile.replace('eu.', '')], said: said(script) },
};
const chat = chatReply({ usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 } });
const vertexRules: VertexRules = { location, token: googleToken, said: said(script), chat };
const azureRules: AzureRules = { key: azureKey, deployments: { 'our-gpt': 'hello back' }, versions: [version] };

const asked = {
  max_tokens: 50,
  system: 'Be brief.',
  messages: [{ role: 'user' as const, content: 'Where is ordér 1?' }],
  tools: [
    { name: 'get_order', input_schema: { type: 'object' as const, properties: { order_id: { type: 'string' } } } },
  ],
};
const chatAsked = { messages: [{ role: 'user' as const, content: 'hello' }], max_tokens: 50 };

describe('providers', options, () => {
  let world: World;
  let bedrock: FakeUpstream;
  let vertex: FakeUpstream;
  let azure: FakeUpstream;
  before(async () => {
    [bedrock, vertex, azure] = await Promise.all([FakeUpstream.open(), FakeUpstream.open(), FakeUpstream.open()]);
    const target = { name: 'one', cloud: 'azure', region: 'westeurope', max_output_tokens: 1000 };
    const price = { input_usd_per_mtok: 1, output_usd_per_mtok: 2 };
    const row = (name: string, own: object) => ({ name, kind: 'model', targets: [{ ...target, ...own }] });
    const google = { provider: 'vertex', url: `${vertex.url}${location}`, credential: 'google' };
    const ours = { provider: 'azure', credential: 'azure', model: 'our-gpt', price };
    const aws = { provider: 'bedrock', url: bedrock.url, credential: 'aws' };
    const header = (name: string, value: string) => ({ kind: 'header', name, value });
    const { id: access_key_id, secret: secret_access_key } = key;
    world = await World.open({
      config: {
        credentials: {
          google: header('authorization', `Bearer ${googleToken}`),
          azure: header('api-key', azureKey),
          aws: { kind: 'aws-keys', access_key_id, secret_access_key, region, service: 'bedrock' },
        },
        routes: [
          row('bedrock', { ...aws, model: profile }),
          row('bedrock-arn', { ...aws, model: arn, headers: { 'anthropic-beta': 'context-1m-2025-08-07' } }),
          row('vertex', { ...google, api: 'anthropic', model: 'claude-sonnet-4-5@20250929' }),
          row('gemini', { ...google, api: 'openai', model: 'google/gemini-2.5-flash' }),
          row('azure', { ...ours, url: `${azure.url}/openai/v1` }),
          row('azure-classic', { ...ours, url: `${azure.url}/openai`, api_version: version }),
        ],
      },
    });
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await Promise.all([bedrock, vertex, azure].map((fake) => fake?.[Symbol.asyncDispose]()));
  });
  beforeEach(() => {
    bedrock.reply = bedrockReply(bedrockRules);
    vertex.reply = vertexReply(vertexRules);
    azure.reply = azureReply(azureRules);
    for (const fake of [bedrock, vertex, azure]) fake.received.length = 0;
  });

  const anthropic = (task: OpenedTask) => new Anthropic({ apiKey: task.token, baseURL: world.gate.url, maxRetries: 0 });
  const openai = (task: OpenedTask) =>
    new OpenAI({ apiKey: task.token, baseURL: `${world.gate.url}/v1`, maxRetries: 0 });
  const skip = { awsAccessKey: key.id, awsSecretKey: key.secret, awsRegion: region, maxRetries: 0 };
  const bedrockSdk = () => new AnthropicBedrock({ ...skip, baseURL: bedrock.url });
  const vertexSdk = () => {
    const shown = () => Promise.resolve(new Headers({ authorization: `Bearer ${googleToken}` }));
    const authClient = { getRequestHeaders: shown, projectId: 'p-1' } as never;
    return new AnthropicVertex({ authClient, region: 'europe-west1', baseURL: `${vertex.url}/v1`, maxRetries: 0 });
  };

  /** The gate's request and that of the vendor's SDK: one the like of the other, whoever sent it. */
  function sameRequests(fake: FakeUpstream): void {
    const [gates, vendors] = fake.received.map(({ method, url, headers, body }) => {
      const own = Object.entries(headers).filter(([name]) => /^(?:anthropic-|content-type$|api-key$)/.test(name));
      return { method, url, headers: Object.fromEntries(own), body: JSON.parse(String(body)) as unknown };
    });
    assert.equal(fake.received.length, 2);
    assert.deepEqual(gates, vendors);
  }

  /** What the task was charged, and how the trail tells it; nothing is held any more. */
  async function settled(task: OpenedTask, route: string): Promise<number> {
    const { spent, reserved } = (await world.taskDocument(task)).budget;
    assert.deepEqual([spent.tokens, spent.calls, reserved.tokens], [15, 1, 0]);
    const events = (await world.events({ task: task.id })).filter(
      ({ type }) => type === 'intent' || type === 'outcome',
    );
    assert.deepEqual(
      events.map(({ type, operation }) => `${type} ${operation?.split('.')[0]}`),
      [`intent ${route}`, `outcome ${route}`],
    );
    const outcome = events[1];
    assert.deepEqual([outcome?.status, outcome?.usage?.input_tokens, outcome?.usage?.output_tokens], [200, 10, 5]);
    assert.equal(outcome?.cost_usd, spent.cost_usd);
    return Math.round(spent.cost_usd * 1e6);
  }

  for (const [route, model, costMicroUsd] of [
    ['bedrock', profile, 33 + 83],
    ['vertex', 'claude-sonnet-4-5@20250929', 30 + 75],
  ] as const) {
    const fakeOf = () => (route === 'bedrock' ? bedrock : vertex);
    const vendor = () => (route === 'bedrock' ? bedrockSdk() : vertexSdk());

    test(`[upstream.as-the-vendors-sdk] a message by ${route} is asked for as its own SDK does, and comes back as Anthropic's`, async () => {
      const task = await world.task();
      const params = { ...asked, betas: ['interleaved-thinking-2025-05-14'] };
      const answer = await anthropic(task).beta.messages.create({ ...params, model: route });
      const theirs = await vendor().beta.messages.create({ ...params, model });
      assert.deepEqual(answer.content, theirs.content);
      assert.deepEqual([answer.model, answer.stop_reason], [route, 'tool_use']);
      sameRequests(fakeOf());
      assert.equal(await settled(task, route), costMicroUsd);
    });

    test(`[upstream.as-the-vendors-sdk] a streamed message by ${route} is that of its own SDK, event by event`, async () => {
      const task = await world.task();
      const ours = await Array.fromAsync(
        await anthropic(task).messages.create({ ...asked, model: route, stream: true }),
      );
      const theirs = await Array.fromAsync(await vendor().messages.create({ ...asked, model, stream: true }));
      assert.deepEqual(withoutModel(ours), withoutModel(theirs));
      assert.equal(ours.at(-1)?.type, 'message_stop');
      sameRequests(fakeOf());
      assert.equal(await settled(task, route), costMicroUsd);
    });

    test(`tokens are counted by ${route}, and nothing is charged`, async () => {
      const task = await world.task();
      const { max_tokens: _limit, ...prompt } = asked;
      const count = await anthropic(task).messages.countTokens({ ...prompt, model: route });
      assert.deepEqual(count, { input_tokens: 42 });
      const { spent } = (await world.taskDocument(task)).budget;
      assert.deepEqual([spent.tokens, spent.calls], [0, 1]);
      const [got] = fakeOf().received;
      if (route === 'bedrock') assert.equal(got?.url, '/model/anthropic.claude-sonnet-4-5-20250929-v1:0/count-tokens');
      else {
        await vertexSdk().messages.countTokens({ ...prompt, model });
        sameRequests(vertex);
      }
      const [outcome] = await world.events({ task: task.id, type: 'outcome' });
      assert.deepEqual([outcome?.status, outcome?.operation], [200, `${route}.count_tokens`]);
    });
  }

  test('a model behind an ARN is one segment of the path that is signed, with the features of its target', async () => {
    const task = await world.task();
    const params = { ...asked, betas: ['interleaved-thinking-2025-05-14'] };
    await anthropic(task).beta.messages.create({ ...params, model: 'bedrock-arn' });
    const betas = [...params.betas, 'context-1m-2025-08-07'];
    await bedrockSdk().beta.messages.create({ ...params, betas, model: arn });
    sameRequests(bedrock);
    assert.ok(bedrock.received[0]?.url.includes('inference-profile%2Fglobal.'));
    await settled(task, 'bedrock-arn');
  });

  for (const [route, path] of [
    ['azure', '/openai/v1/chat/completions'],
    ['azure-classic', `/openai/deployments/our-gpt/chat/completions?api-version=${version}`],
  ] as const) {
    for (const stream of [false, true]) {
      test(`[upstream.as-the-vendors-sdk] ${route} is asked ${stream ? 'for a stream ' : ''}as its own SDK does`, async () => {
        const task = await world.task();
        const params = { ...chatAsked, stream, ...(stream ? { stream_options: { include_usage: true } } : {}) };
        const ours = await openai(task).chat.completions.create({ ...params, model: route });
        const classic = { baseURL: `${azure.url}/openai`, apiKey: azureKey, apiVersion: version, maxRetries: 0 };
        const v1 = { baseURL: `${azure.url}/openai/v1`, apiKey: 'none', defaultHeaders: { 'api-key': azureKey } };
        const vendor = route === 'azure' ? new OpenAI(v1) : new AzureOpenAI(classic);
        const theirs = await vendor.chat.completions.create({ ...params, model: 'our-gpt' });
        if (stream) {
          const chunks = await Array.fromAsync(ours as AsyncIterable<OpenAI.ChatCompletionChunk>);
          const expected = await Array.fromAsync(theirs as AsyncIterable<OpenAI.ChatCompletionChunk>);
          assert.ok(Object.hasOwn(chunks[0] ?? {}, 'prompt_filter_results'));
          assert.deepEqual(chunks.map(withoutName), expected.map(withoutName));
        } else {
          assert.deepEqual(withoutName(ours), withoutName(theirs));
        }
        sameRequests(azure);
        assert.equal(azure.received[0]?.url, path);
        assert.equal(await settled(task, route), 10 + 10);
      });
    }
  }

  test('a stream of azure has its usage counted, and taken away again where nobody asked for it', async () => {
    const task = await world.task();
    const chunks = await Array.fromAsync(
      await openai(task).chat.completions.create({ ...chatAsked, model: 'azure-classic', stream: true }),
    );
    assert.equal(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join(''), 'hello back');
    assert.ok(chunks.every(({ usage }) => usage === undefined));
    assert.deepEqual(JSON.parse(String(azure.received[0]?.body)).stream_options, { include_usage: true });
    await settled(task, 'azure-classic');
  });

  test('the endpoint of vertex that speaks as OpenAI is a route like any other', async () => {
    for (const stream of [false, true]) {
      const task = await world.task();
      const answer = await openai(task).chat.completions.create({ ...chatAsked, model: 'gemini', stream });
      if (stream) await Array.fromAsync(answer as AsyncIterable<OpenAI.ChatCompletionChunk>);
      const got = vertex.received.at(-1);
      assert.equal(got?.url, `${location}/endpoints/openapi/chat/completions`);
      assert.equal(JSON.parse(String(got?.body)).model, 'google/gemini-2.5-flash');
      await settled(task, 'gemini');
    }
  });

  test('a client of the other API is answered by a provider too, whole and as a stream', async () => {
    for (const stream of [false, true]) {
      const task = await world.task();
      const answer = await openai(task).chat.completions.create({ ...chatAsked, model: 'bedrock', stream });
      const texts = stream
        ? (await Array.fromAsync(answer as AsyncIterable<OpenAI.ChatCompletionChunk>)).map(
            ({ choices }) => choices[0]?.delta.content ?? '',
          )
        : [(answer as OpenAI.ChatCompletion).choices[0]?.message.content];
      assert.equal(texts.join(''), 'hello back');
      const how = stream ? 'invoke-with-response-stream' : 'invoke';
      assert.equal(bedrock.received.at(-1)?.url, `/model/${profile}/${how}`);
      await settled(task, 'bedrock');
    }
  });

  test('errors of a provider are the classes of the SDK that asked, with when to come again', async () => {
    const task = await world.task();
    const throttled = { name: 'ThrottlingException', status: 429, message: 'Too many tokens, please wait.' };
    bedrock.reply = bedrockReply({ ...bedrockRules, exception: throttled });
    await assert.rejects(anthropic(task).messages.create({ ...asked, model: 'bedrock' }), (error) => {
      assert.ok(error instanceof Anthropic.RateLimitError, String(error));
      assert.deepEqual(error.error, {
        ...{ type: 'error', error: { type: 'rate_limit_error', message: throttled.message } },
      });
      return true;
    });
    vertex.reply = vertexReply({ ...vertexRules, error: { status: 404, name: 'NOT_FOUND', message: 'no such model' } });
    await assert.rejects(anthropic(task).messages.create({ ...asked, model: 'vertex' }), Anthropic.NotFoundError);
    await assert.rejects(openai(task).chat.completions.create({ ...chatAsked, model: 'gemini' }), (error) => {
      assert.ok(error instanceof OpenAI.NotFoundError, String(error));
      assert.deepEqual([error.code, error.message], ['NOT_FOUND', '404 no such model']);
      return true;
    });
    const headers = { 'content-type': 'application/json', 'retry-after': '3', 'retry-after-ms': '2500' };
    const body = '{"error":{"code":"429","message":"Rate limit is exceeded."}}';
    azure.reply = azureReply({ ...azureRules, error: { status: 429, headers, body } });
    await assert.rejects(openai(task).chat.completions.create({ ...chatAsked, model: 'azure' }), (error) => {
      assert.ok(error instanceof OpenAI.RateLimitError, String(error));
      assert.deepEqual([error.headers?.get('retry-after'), error.headers?.get('retry-after-ms')], ['3', '2500']);
      return true;
    });
    const outcomes = await world.events({ task: task.id, type: 'outcome' });
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      [429, 404, 404, 429],
    );
  });

  test('an exception in a stream of bedrock is an error of the SDK, and a stream that breaks off is no answer', async () => {
    const said = { name: 'ModelStreamErrorException', status: 424, message: 'the model stopped', after: 4 };
    // Nobody has counted what was written until then: all that was held is charged.
    const tokensMin = 60;
    for (const [rules, message] of [
      [{ exception: said }, /the model stopped/],
      [{ breakAfter: 4 }, /broke off/],
    ] as const) {
      bedrock.reply = bedrockReply({ ...bedrockRules, ...rules });
      const task = await world.task();
      const stream = await anthropic(task).messages.create({ ...asked, model: 'bedrock', stream: true });
      const types: string[] = [];
      const reading = async () => {
        for await (const { type } of stream) types.push(type);
      };
      await assert.rejects(reading, (error) => {
        assert.ok(error instanceof Anthropic.APIError, String(error));
        assert.match(error.message, message);
        return true;
      });
      assert.ok(types.includes('message_start') && !types.includes('message_stop'), types.join());
      const { spent, reserved } = (await world.taskDocument(task)).budget;
      assert.ok(spent.tokens >= tokensMin && reserved.tokens === 0, `charged ${spent.tokens}`);
      const [outcome] = await world.events({ task: task.id, type: 'outcome' });
      assert.equal(outcome?.cost_usd, spent.cost_usd);
    }
  });
});

/** But for the name of the model, which is the route's for an agent. */
function withoutModel(events: readonly Anthropic.RawMessageStreamEvent[]): readonly unknown[] {
  return events.map((event) => {
    if (event.type === 'message_start') return { ...event, message: { ...event.message, model: '' } };
    const { 'amazon-bedrock-invocationMetrics': _measured, ...rest } = event as unknown as Record<string, unknown>;
    return rest;
  });
}

function withoutName(answer: object): object {
  return { ...answer, model: '', _request_id: '' };
}
