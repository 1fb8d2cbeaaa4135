/**
 * What every provider must do: `providerContract(name, under)` registers the suite for one. It stands between a payload,
 * which speaks the API of the target, and an endpoint with ways of its own; the readers of the API and the error classes
 * of its SDK judge what comes out.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import type { ModelApi, OutboundRequest, StreamEvent, Target } from '../../src/call.ts';
import { DialError } from '../../src/upstream/exchange.ts';
import { type ProviderAnswer, providerOf } from '../../src/upstream/providers/index.ts';
import { readMessageStream } from '../../src/wire/dialects/anthropic/stream.ts';
import { readChatStream } from '../../src/wire/dialects/openai/stream.ts';
import { StreamBroken } from '../../src/wire/event-frames.ts';
import { targetOf } from '../unit/wire/request.ts';

export interface ProviderUnderTest {
  readonly target: Partial<Target> & { readonly provider: string; readonly api: ModelApi };
  /** The path of a request of the API, and where it goes; with the members of the body that differ from the API's. */
  readonly paths: readonly {
    readonly asked: string;
    readonly stream?: boolean;
    readonly sent: string;
    readonly body?: Readonly<Record<string, unknown>>;
    /** The body of the API as it stands in what is sent; left out: it is all of it. */
    readonly unpacked?: (sent: Buffer) => Buffer;
  }[];
  /** A whole streamed answer as the provider sends it. */
  readonly stream: { readonly type: string; readonly bytes: Buffer };
  /** An error as the provider words it; `headers` besides its type. */
  readonly error: (
    status: number,
    message: string,
  ) => { readonly body: string; readonly headers: Record<string, string> };
}

/** Spaces and escapes that nobody would write anew in the same way. */
const messages = '[ {"role":"user", "content" : "caf\\u00e9 \\/ 12345678901234567890"} ]';
const maxTokens = '"max_tokens" :  50';

export function askedFor(api: ModelApi, path: string, stream = false): OutboundRequest {
  const flows = stream ? ', "stream":true' : '';
  const limit = path.endsWith('count_tokens') ? '' : `, ${maxTokens}`;
  const own = api === 'anthropic' ? { 'anthropic-version': '2023-06-01' } : {};
  return {
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json', accept: 'application/json', ...own },
    body: Buffer.from(`{"model": "the-model"${limit}, "messages": ${messages}${flows}}`),
  };
}

export async function* bytesOf(...chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

export function answerOf(status: number, type: string, body: AsyncIterable<Uint8Array>): ProviderAnswer {
  return { status, headers: { 'content-type': type }, body };
}

export async function wholeOf(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** What an agent that reads the stream is told, and whether it ended as it should. */
export async function readStream(
  api: ModelApi,
  answer: ProviderAnswer,
): Promise<{ events: StreamEvent[]; whole: boolean }> {
  const head = { status: answer.status, headers: answer.headers };
  const stream =
    api === 'anthropic'
      ? readMessageStream(answer.body, 'r')
      : readChatStream(head, answer.body, { route: 'r', usage: true });
  const events: StreamEvent[] = [];
  try {
    for await (const frame of stream) events.push(...frame.events);
    return { events, whole: true };
  } catch (fault) {
    if (!(fault instanceof DialError) && !(fault instanceof StreamBroken)) throw fault;
    return { events, whole: false };
  }
}

const textIn = (events: readonly StreamEvent[]) =>
  events.flatMap((one) => (one.type === 'text' ? [one.text] : [])).join('');

const sdks = { anthropic: Anthropic, openai: OpenAI };
/** The classes that both SDKs make of statuses. */
const statuses = [
  [400, 'BadRequestError'],
  [401, 'AuthenticationError'],
  [403, 'PermissionDeniedError'],
  [404, 'NotFoundError'],
  [429, 'RateLimitError'],
  [500, 'InternalServerError'],
  [503, 'InternalServerError'],
  [529, 'InternalServerError'],
] as const;

export function providerContract(name: string, under: ProviderUnderTest): void {
  const target: Target = { ...targetOf('the-model'), ...under.target };
  const { api } = under.target;
  const provider = providerOf(target);
  const [first] = under.paths;
  assert.ok(first !== undefined);
  const streamed = askedFor(api, first.asked, true);

  describe(`the provider ${name}`, () => {
    it('is sent the request at its own place, with the bytes of the prompt as they came', () => {
      for (const { asked, stream, sent, body = {}, unpacked } of under.paths) {
        const request = askedFor(api, asked, stream);
        const made = provider.request(request, target);
        assert.deepEqual([made.method, made.path], ['POST', sent]);
        assert.equal(made.headers['content-type'], 'application/json');
        const bytes = unpacked?.(made.body ?? Buffer.alloc(0)) ?? made.body ?? Buffer.alloc(0);
        const given = JSON.parse(String(request.body)) as Record<string, unknown>;
        const expected = Object.entries({ ...given, ...body }).filter(([, value]) => value !== null);
        assert.deepEqual(JSON.parse(String(bytes)), Object.fromEntries(expected));
        assert.ok(String(bytes).includes(`"messages": ${messages}`), String(bytes));
        if (!asked.endsWith('count_tokens')) assert.ok(String(bytes).includes(maxTokens));
        if (Object.keys(body).length === 0) assert.equal(made.body, request.body, 'nothing had to change');
      }
    });

    it('streams what an agent reads as the events of its API, wherever the bytes are split', async () => {
      const { type, bytes } = under.stream;
      const answer = (...chunks: Uint8Array[]) =>
        provider.answer(answerOf(200, type, bytesOf(...chunks)), streamed, target);
      const { headers } = answer(bytes);
      assert.match(headers['content-type'] ?? '', /^text\/event-stream/);
      const { events, whole } = await readStream(api, answer(bytes));
      assert.ok(whole);
      assert.equal(textIn(events), 'hello back');
      assert.ok(
        events.some((one) => one.type === 'usage' && one.usage.inputTokens === 10 && one.usage.outputTokens === 5),
      );
      const once = await wholeOf(answer(bytes).body);
      for (let at = 1; at < bytes.length; at++) {
        const halves = await wholeOf(answer(bytes.subarray(0, at), bytes.subarray(at)).body);
        assert.ok(halves.equals(once), `split at ${at}`);
      }
      const single = await wholeOf(answer(...[...bytes].map((byte) => Buffer.from([byte]))).body);
      assert.ok(single.equals(once));
    });

    it('that stops before the end of its answer has broken off', async () => {
      const { type, bytes } = under.stream;
      const step = Math.max(1, Math.floor(bytes.length / 97));
      let told = '';
      for (let at = 0; at < bytes.length; at += step) {
        const cut = provider.answer(answerOf(200, type, bytesOf(bytes.subarray(0, at))), streamed, target);
        const { events, whole } = await readStream(api, cut);
        const text = textIn(events);
        assert.ok('hello back'.startsWith(text) && text.startsWith(told), `${at}: ${text}`);
        told = text;
        if (whole) assert.ok(text === 'hello back' && events.at(-1)?.type === 'end', `whole at ${at}`);
      }
    });

    it('answers errors that the SDK of the API makes its own classes of', async () => {
      for (const [status, expected] of statuses) {
        const { body, headers } = under.error(status, `it is ${status}`);
        const head = { 'content-type': 'application/json', 'retry-after': '7', ...headers };
        const answer = provider.answer({ status, headers: head, body: bytesOf(Buffer.from(body)) }, streamed, target);
        assert.equal(answer.status, status);
        assert.equal(answer.headers['retry-after'], '7');
        const document = JSON.parse(String(await wholeOf(answer.body))) as Record<string, unknown>;
        const sdk = sdks[api];
        const made = sdk.APIError.generate(status, document, undefined, new Headers(answer.headers));
        assert.ok(made instanceof sdk[expected], `${status} is ${made.constructor.name}`);
        assert.match(made.message, new RegExp(`it is ${status}`));
        if (api === 'anthropic')
          assert.equal(typeof (made as { type?: unknown }).type, 'string', 'an error of its own shape');
      }
    });

    it('passes on byte for byte what is no document of anybody', async () => {
      const html = Buffer.from('<html>502 Bad Gateway</html>');
      for (const type of ['text/html', 'application/json']) {
        const answer = provider.answer(answerOf(502, type, bytesOf(html)), streamed, target);
        assert.deepEqual([answer.status, await wholeOf(answer.body)], [502, html]);
      }
    });
  });
}
