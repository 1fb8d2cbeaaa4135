/** The contract of providers, for every one; and what only some of them have. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { OutboundRequest, Target } from '../../src/call.ts';
import { DialError } from '../../src/upstream/exchange.ts';
import { providerOf, providers } from '../../src/upstream/providers/index.ts';
import { providerNames } from '../../src/wire/model-apis.ts';
import { eventFramesOf, exceptionFrame, frame } from '../fakes/providers/bedrock.ts';
import { targetOf } from '../unit/wire/request.ts';
import { answerOf, askedFor, bytesOf, providerContract, readStream, wholeOf } from './provider.ts';
import { anthropics, chat, chunk, events, filtered, google, openais, sse } from './provider-answers.ts';

providerContract('openai', {
  target: { provider: 'openai', api: 'openai' },
  paths: [
    { asked: '/chat/completions', sent: '/chat/completions' },
    { asked: '/responses', sent: '/responses' },
  ],
  stream: chat(),
  error: openais,
});

providerContract('anthropic', {
  target: { provider: 'anthropic', api: 'anthropic' },
  paths: [
    { asked: '/v1/messages', stream: true, sent: '/v1/messages' },
    { asked: '/v1/messages?beta=true', sent: '/v1/messages?beta=true' },
    { asked: '/v1/messages/count_tokens', sent: '/v1/messages/count_tokens' },
  ],
  stream: sse,
  error: anthropics,
});

const resource = 'https://we.openai.azure.com/openai';
providerContract('azure (v1)', {
  target: { provider: 'azure', api: 'openai', url: `${resource}/v1` },
  paths: [
    { asked: '/chat/completions', sent: '/chat/completions' },
    { asked: '/embeddings', sent: '/embeddings' },
  ],
  stream: chat(chunk([], { id: '', model: '', prompt_filter_results: filtered })),
  error: (status, message) => ({ body: JSON.stringify({ statusCode: status, message }), headers: {} }),
});

providerContract('azure (classic)', {
  target: { provider: 'azure', api: 'openai', url: resource, apiVersion: '2024-10-21' },
  paths: [
    { asked: '/chat/completions', sent: '/deployments/the-model/chat/completions?api-version=2024-10-21' },
    { asked: '/embeddings', sent: '/deployments/the-model/embeddings?api-version=2024-10-21' },
    { asked: '/responses', sent: '/responses?api-version=2024-10-21' },
    { asked: '/responses?stream=1', sent: '/responses?stream=1&api-version=2024-10-21' },
  ],
  stream: chat(chunk([], { id: '', model: '', prompt_filter_results: filtered })),
  error: (_status, message) => ({ body: JSON.stringify({ error: { code: 'X', message } }), headers: {} }),
});

for (const url of [`${resource}/v1`, `${resource}/deployments/d`, 'https://we.services.ai.azure.com/models']) {
  providerContract(`azure (versions, ${url})`, {
    target: { provider: 'azure', api: 'openai', url, apiVersion: 'preview' },
    paths: [{ asked: '/chat/completions', sent: '/chat/completions?api-version=preview' }],
    stream: chat(),
    error: openais,
  });
}

const invoked = { model: null, stream: null, anthropic_version: 'bedrock-2023-05-31' };
providerContract('bedrock', {
  target: { provider: 'bedrock', api: 'anthropic', url: 'https://bedrock-runtime.eu-central-1.amazonaws.com' },
  paths: [
    { asked: '/v1/messages', sent: '/model/the-model/invoke', body: invoked },
    {
      asked: '/v1/messages?beta=true',
      stream: true,
      sent: '/model/the-model/invoke-with-response-stream',
      body: invoked,
    },
    {
      ...{
        asked: '/v1/messages/count_tokens',
        sent: '/model/the-model/count-tokens',
        body: { ...invoked, max_tokens: 1 },
      },
      unpacked: (sent) => {
        const { input } = JSON.parse(String(sent)) as { input: { invokeModel: { body: string } } };
        return Buffer.from(input.invokeModel.body, 'base64');
      },
    },
  ],
  stream: { type: 'application/vnd.amazon.eventstream', bytes: Buffer.concat(eventFramesOf(events)) },
  error: (_status, message) => ({
    body: JSON.stringify({ message }),
    headers: { 'x-amzn-errortype': 'SomethingException' },
  }),
});

const publisher = '/publishers/anthropic/models';
providerContract('vertex (Anthropic)', {
  target: { provider: 'vertex', api: 'anthropic' },
  paths: [
    {
      asked: '/v1/messages',
      sent: `${publisher}/the-model:rawPredict`,
      body: { model: null, anthropic_version: 'vertex-2023-10-16' },
    },
    {
      ...{ asked: '/v1/messages?beta=true', stream: true, sent: `${publisher}/the-model:streamRawPredict` },
      body: { model: null, anthropic_version: 'vertex-2023-10-16' },
    },
    {
      ...{ asked: '/v1/messages/count_tokens', sent: `${publisher}/count-tokens:rawPredict` },
      body: { anthropic_version: 'vertex-2023-10-16' },
    },
  ],
  stream: sse,
  error: google(false),
});

providerContract('vertex (OpenAI)', {
  target: { provider: 'vertex', api: 'openai' },
  paths: [{ asked: '/chat/completions', sent: '/endpoints/openapi/chat/completions' }],
  stream: chat(),
  error: google(true),
});

const bedrockTarget: Target = { ...targetOf('m'), provider: 'bedrock', api: 'anthropic' };
const bedrock = providerOf(bedrockTarget);
const sentTo = (target: Partial<Target>, asked: Partial<OutboundRequest> = {}, path = '/v1/messages') => {
  const request = { ...askedFor('anthropic', path), ...asked };
  return providerOf({ ...bedrockTarget, ...target }).request(request, { ...bedrockTarget, ...target });
};
const bodyOf = ({ body }: OutboundRequest) => JSON.parse(String(body)) as Record<string, unknown>;

describe('the providers', () => {
  it('are those that a configuration may name, and nothing else is taken for one', () => {
    assert.deepEqual(providers.map(({ name }) => name).toSorted(), [...providerNames].toSorted());
    const asked = askedFor('anthropic', '/v1/messages');
    assert.equal(providerOf({ ...bedrockTarget, kind: 'tool' }).request(asked, bedrockTarget), asked);
  });

  it('that name the model in the path name it so that it is one segment', () => {
    const arn = 'arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2';
    assert.equal(sentTo({ model: arn }).path, `/model/${arn.replace('/', '%2F')}/invoke`);
    assert.equal(
      sentTo({ model: 'anthropic.claude-3-5-sonnet-20241022-v2:0' }).path,
      '/model/anthropic.claude-3-5-sonnet-20241022-v2:0/invoke',
    );
    const vertex = { provider: 'vertex', model: 'claude-sonnet-4-5@20250929' };
    assert.equal(sentTo(vertex).path, `${publisher}/claude-sonnet-4-5@20250929:rawPredict`);
    for (const model of ['a/../b', 'a?b=c', 'a#b', 'a;b', 'a b', 'ä']) {
      assert.equal(decodeURIComponent(/^\/model\/([^/?#; ]+)\/invoke$/.exec(sentTo({ model }).path)?.[1] ?? ''), model);
    }
  });

  it('that take the version in the body get it by their own name, or as the target says', () => {
    const version = (target: Partial<Target>, asked?: string) => {
      const headers = {
        'content-type': 'application/json',
        ...(asked === undefined ? {} : { 'anthropic-version': asked }),
      };
      const sent = sentTo(target, { headers });
      assert.equal(sent.headers['anthropic-version'], undefined);
      return bodyOf(sent).anthropic_version;
    };
    assert.equal(version({}), 'bedrock-2023-05-31');
    assert.equal(version({}, '2026-10-21'), '2026-10-21');
    assert.equal(version({ apiVersion: 'bedrock-2023-05-31' }, '2026-10-21'), 'bedrock-2023-05-31');
    assert.equal(version({ provider: 'vertex' }, '2023-06-01'), 'vertex-2023-10-16');
    assert.equal(version({ provider: 'vertex', apiVersion: 'vertex-2023-10-16' }, '2026-10-21'), 'vertex-2023-10-16');
  });

  it('take no member of the body that would go around what was decided on [upstream.decided-members-only]', () => {
    const smuggled = Buffer.from(
      '{"model":"r","messages":[],"anthropic_beta":["x-1"],"anthropic_version":"v","user_profile_id":"u"}',
    );
    const headers = {
      'content-type': 'application/json',
      'anthropic-beta': 'a-1, b-2',
      'anthropic-version': '2023-06-01',
    };
    const plain = bodyOf(sentTo({}, { body: smuggled, headers: { 'anthropic-version': '2023-06-01' } }));
    assert.deepEqual(plain, { messages: [], anthropic_version: 'bedrock-2023-05-31' });
    const named = sentTo({}, { body: smuggled, headers: { ...headers, 'anthropic-user-profile-id': 'uprof_1' } });
    assert.deepEqual(bodyOf(named), {
      ...{ messages: [], anthropic_version: 'bedrock-2023-05-31' },
      ...{ anthropic_beta: ['a-1', 'b-2'], user_profile_id: 'uprof_1' },
    });
    assert.deepEqual(Object.keys(named.headers).toSorted(), ['accept', 'anthropic-beta', 'content-type']);
    const vertex = sentTo({ provider: 'vertex' }, { body: smuggled, headers });
    assert.equal(bodyOf(vertex).anthropic_beta, undefined);
    assert.equal(vertex.headers['anthropic-beta'], 'a-1, b-2');
  });

  it('count by the model where a profile cannot, and below a limit that thinking fits in', () => {
    const countOf = (model: string, body: string) => {
      const sent = sentTo({ model }, { body: Buffer.from(body) }, '/v1/messages/count_tokens');
      const { input } = bodyOf(sent) as { input: { invokeModel: { body: string } } };
      return [sent.path, JSON.parse(Buffer.from(input.invokeModel.body, 'base64').toString()).max_tokens];
    };
    const plain = '{"model":"r","messages":[]}';
    const id = 'anthropic.claude-sonnet-4-5-20250929-v1:0';
    const arn = 'arn:aws:bedrock:eu-central-1:1:';
    for (const model of [id, `eu.${id}`, `us-gov.${id}`, `${arn}inference-profile/global.${id}`]) {
      assert.deepEqual(countOf(model, plain), [`/model/${id}/count-tokens`, 1], model);
    }
    const opaque = `${arn}application-inference-profile/a1b2`;
    assert.equal(countOf(opaque, plain)[0], `/model/${opaque.replace('/', '%2F')}/count-tokens`);
    const thinking = '{"model":"r","messages":[],"thinking":{"type":"enabled","budget_tokens":2048}}';
    assert.deepEqual(countOf(id, thinking), [`/model/${id}/count-tokens`, 2049]);
  });
});

describe('a stream of Bedrock', () => {
  const asked = askedFor('anthropic', '/v1/messages', true);
  const flowing = (...chunks: Uint8Array[]) =>
    bedrock.answer(answerOf(200, 'application/vnd.amazon.eventstream', bytesOf(...chunks)), asked, bedrockTarget);
  const framed = eventFramesOf(events);
  const whole = Buffer.concat(framed);
  const chunkFrame = (bytes: string) =>
    frame({ ':event-type': 'chunk', ':message-type': 'event' }, JSON.stringify({ bytes }));
  const base64 = (text: string) => Buffer.from(text).toString('base64');

  it('keeps the bytes of the model, but for what Bedrock measured', async () => {
    const expected = events.map((one) => `event: ${one.type}\ndata: ${JSON.stringify(one)}\n\n`).join('');
    assert.equal(String(await wholeOf(flowing(whole).body)), expected);
    const spaced = chunkFrame(base64('{ "type" : "ping",\r\n "n": 12345678901234567890 }'));
    assert.equal(
      String(await wholeOf(flowing(spaced).body)),
      'event: ping\ndata: { "type" : "ping",   "n": 12345678901234567890 }\n\n',
    );
    const ignored = [chunkFrame(base64('{"no":"type"}')), chunkFrame(base64('{"type":"a\\ndata: b"}'))];
    ignored.push(frame({ ':event-type': 'initial-response', ':message-type': 'event' }, ''));
    assert.equal(String(await wholeOf(flowing(...ignored).body)), '');
  });

  it('of which one byte is damaged breaks off before that message [upstream.frames-whole-or-not]', async () => {
    const [begin, second] = [framed[0] as Buffer, framed[1] as Buffer];
    const good = await wholeOf(flowing(begin).body);
    for (let at = 0; at < second.length; at++) {
      const damaged = Buffer.from(second);
      damaged[at] = (damaged[at] as number) ^ 0x55;
      const told: Uint8Array[] = [];
      const reading = async () => {
        for await (const bytes of flowing(begin, damaged).body) told.push(bytes);
      };
      await assert.rejects(reading, DialError, `byte ${at}`);
      assert.ok(Buffer.concat(told).equals(good), `byte ${at}`);
    }
  });

  it('that ends within a message has broken off, wherever it does', async () => {
    const [begin, second] = [framed[0] as Buffer, framed[1] as Buffer];
    for (let at = 1; at < second.length; at++) {
      await assert.rejects(wholeOf(flowing(begin, second.subarray(0, at)).body), DialError, `after ${at} bytes`);
    }
    assert.ok((await wholeOf(flowing(begin, second).body)).length > 0);
  });

  it('with a message that is too long, too short, or no document breaks off at once', async () => {
    const { crc32 } = await import('node:zlib');
    const prelude = (length: number) => {
      const bytes = Buffer.alloc(12);
      bytes.writeUInt32BE(length, 0);
      bytes.writeUInt32BE(crc32(bytes.subarray(0, 8)), 8);
      return bytes;
    };
    // Nothing of it is waited for: the stream does not end here.
    async function* endless(first: Buffer): AsyncGenerator<Uint8Array> {
      yield first;
      await new Promise(() => undefined);
    }
    for (const length of [0xffff_ffff, 8 * 1024 * 1024 + 1, 15, 0]) {
      const answer = answerOf(200, 'application/vnd.amazon.eventstream', endless(prelude(length)));
      await assert.rejects(wholeOf(bedrock.answer(answer, asked, bedrockTarget).body), DialError, String(length));
    }
    for (const bytes of [base64('no json'), ''])
      await assert.rejects(wholeOf(flowing(chunkFrame(bytes)).body), DialError);
  });

  it('ends with an error event where an exception comes, and nothing after it is read', async () => {
    const types = {
      throttlingException: 'rate_limit_error',
      serviceUnavailableException: 'overloaded_error',
      modelStreamErrorException: 'api_error',
      internalServerException: 'api_error',
      modelTimeoutException: 'timeout_error',
      validationException: 'invalid_request_error',
      somethingNewException: 'api_error',
    };
    for (const [name, type] of Object.entries(types)) {
      const bytes = Buffer.concat([...framed.slice(0, 3), exceptionFrame(name, 'too much')]);
      const text = String(await wholeOf(flowing(bytes, Buffer.from('garbage')).body));
      const [, data = ''] = /event: error\ndata: (.*)\n\n$/.exec(text) ?? [];
      assert.deepEqual(JSON.parse(data), { type: 'error', error: { type, message: 'too much' } }, name);
      const read = await readStream('anthropic', flowing(bytes));
      assert.deepEqual(read.events.at(-1), { type: 'end', reason: 'error' });
    }
    const error = { ':message-type': 'error', ':error-code': 'InternalFailure', ':error-message': 'no idea' };
    const text = String(await wholeOf(flowing(frame(error, '')).body));
    assert.match(text, /^event: error\ndata: .*"api_error","message":"no idea"/);
  });

  it('is left alone where it is none, and a count is one of the API', async () => {
    const plain = answerOf(200, 'application/json', bytesOf(Buffer.from('{"type":"message"}')));
    assert.equal(bedrock.answer(plain, asked, bedrockTarget), plain);
    const counted = async (body: string) => {
      const answer = answerOf(200, 'application/json', bytesOf(Buffer.from(body)));
      const request = askedFor('anthropic', '/v1/messages/count_tokens');
      return String(await wholeOf(bedrock.answer(answer, request, bedrockTarget).body));
    };
    assert.equal(await counted('{"inputTokens":7}'), '{"input_tokens":7}');
    for (const odd of ['{"inputTokens":"7"}', 'no json']) assert.equal(await counted(odd), odd);
  });

  it('is refused by the name of the exception, whatever stands behind that', async () => {
    const headers = {
      'content-type': 'application/x-amz-json-1.1',
      'x-amzn-errortype': 'ThrottlingException:http://x/',
    };
    const answer = { status: 400, headers, body: bytesOf(Buffer.from('{"message":"slow"}')) };
    const changed = bedrock.answer(answer, asked, bedrockTarget);
    assert.deepEqual([changed.status, changed.headers['content-type']], [400, 'application/json']);
    assert.deepEqual(JSON.parse(String(await wholeOf(changed.body))), {
      ...{ type: 'error', error: { type: 'rate_limit_error', message: 'slow' } },
    });
    const long = { ...answer, body: bytesOf(Buffer.alloc(1024 * 1024 + 1, ' ')) };
    await assert.rejects(wholeOf(bedrock.answer(long, asked, bedrockTarget).body), DialError);
  });
});
