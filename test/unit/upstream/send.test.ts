/** One attempt at one target: what the target receives, what the agent is told, and what a failure becomes. */
import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import type { Admitted, OutboundRequest, Target } from '../../../src/call.ts';
import { systemClock } from '../../../src/clock.ts';
import { deny } from '../../../src/denial.ts';
import { allowedHost, DialError, Dialer } from '../../../src/upstream/dialer.ts';
import { Credentials } from '../../../src/upstream/section.ts';
import { type AttemptResult, denialOfFault, Upstream, type UpstreamOptions } from '../../../src/upstream/send.ts';
import { eventFramesOf, exceptionFrame } from '../../fakes/providers/bedrock.ts';
import { FakeUpstream } from '../../fakes/upstream.ts';

const agentToken = 'eyJ.agents-own.token';
const trace = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), parentSpanId: null, sampled: true, state: 'v=1' };

describe('an attempt at a target', () => {
  let upstream: FakeUpstream;
  let dialer: Dialer;
  before(async () => {
    upstream = await FakeUpstream.open();
    dialer = new Dialer({ clock: systemClock(), allow: [allowedHost(upstream.url)] });
  });
  after(async () => {
    await dialer[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    upstream.received.length = 0;
    upstream.reply = (_request, response) =>
      void response.writeHead(200, { 'content-type': 'text/plain', 'set-cookie': 'a=b' }).end('hello');
  });

  const target = (more: Partial<Target> = {}) =>
    ({
      name: 'aws-fra',
      route: 'orders',
      url: `${upstream.url}/base/`,
      credential: null,
      shown: { scheme: null, certificate: null, proof: null, method: 'POST', path: '/' },
      txnToken: false,
      timeoutMs: { connect: 1_000, firstByte: 1_000, total: 3_000 },
      ...more,
    }) as Target;

  /** The call as far as an attempt reads it. The credential of the arrival is there to be seen not to leave. */
  const call = (outbound: Partial<OutboundRequest> = {}) => {
    const request = {
      method: 'POST',
      path: '/orders?x=1',
      headers: { 'content-type': 'application/json' },
      body: Buffer.from('{"a":1}'),
      ...outbound,
    };
    const payload = { args: {}, encode: () => request };
    return {
      id: 'call_1',
      requestId: 'req-1',
      trace,
      credential: agentToken,
      shown: { scheme: null, certificate: null, proof: null, method: 'POST', path: '/' },
      abort: new AbortController(),
      resolved: { payload },
      task: { record: { id: 'task_1', agent: { id: 'a', issuer: 'i' }, subject: null, purpose: 'p' } },
    } as unknown as Admitted;
  };
  const room = (options: Partial<UpstreamOptions> = {}) =>
    new Upstream({
      dialer,
      credentials: new Credentials(
        { key: { kind: 'header', name: 'Authorization', value: 'Bearer gates-key' } },
        {
          clock: systemClock(),
          assertion: () => assert.fail('no assertion is needed'),
          send: () => assert.fail('no token is needed'),
          identities: {},
        },
      ),
      txnToken: (_call, { name }, sent) => `txn.${name}.${sent.method}.${sent.path}.${sent.body?.length}`,
      clock: systemClock(),
      ...options,
    });
  const answered = (result: AttemptResult) => {
    assert.ok('answer' in result, 'denial' in result ? result.denial.message : '');
    return result;
  };
  const failed = (result: AttemptResult) => {
    assert.ok('denial' in result, 'it was answered');
    return result;
  };
  const text = async (body: AsyncIterable<Uint8Array>) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  };
  const headers = () => upstream.received[0]?.headers ?? {};

  it('sends the encoded payload byte for byte under the base URL of the target', async () => {
    const { answer, attempt } = answered(await room().attempt(call(), target()));
    assert.equal(await text(answer.body), 'hello');
    assert.deepEqual(answer.head, { status: 200, headers: { 'content-type': 'text/plain' } });
    assert.equal(upstream.received[0]?.url, '/base/orders?x=1');
    assert.equal(upstream.received[0]?.body.toString(), '{"a":1}');
    assert.equal(attempt.target, 'aws-fra');
    assert.equal(attempt.status, 200);
    assert.equal(attempt.error, null);
    assert.equal(attempt.sent, true);
  });

  it('adds the credential, and never the token of the agent [upstream.agent-token-never-forwarded]', async () => {
    const request = call({
      headers: { authorization: `Bearer ${agentToken}`, 'x-api-key': agentToken, cookie: agentToken, accept: '*/*' },
    });
    await text(answered(await room().attempt(request, target({ credential: 'key' }))).answer.body);
    assert.equal(headers().authorization, 'Bearer gates-key');
    assert.equal(JSON.stringify(headers()).includes(agentToken), false);
    await text(answered(await room().attempt(request, target())).answer.body);
    assert.equal(upstream.received[1]?.headers.authorization, undefined);
  });

  it('gives a target of the trust domain a Txn-Token for the request as it goes over the wire, and the trace of the call', async () => {
    await text(answered(await room().attempt(call(), target({ txnToken: true }))).answer.body);
    assert.equal(headers()['txn-token'], 'txn.aws-fra.POST./base/orders?x=1.7');
    const [, spanId] = /^00-a{32}-([0-9a-f]{16})-01$/.exec(String(headers().traceparent)) ?? [];
    assert.ok(spanId !== undefined && spanId !== trace.spanId, 'the span of the attempt, below that of the call');
    assert.equal(headers().tracestate, 'v=1');
    assert.equal(headers()['x-request-id'], 'req-1');
  });

  it('gives an outside target a fresh trace, no Txn-Token and no id of ours', async () => {
    await text(answered(await room().attempt(call(), target())).answer.body);
    assert.match(String(headers().traceparent), /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    assert.equal(String(headers().traceparent).includes(trace.traceId), false);
    for (const name of ['tracestate', 'txn-token', 'x-request-id']) assert.equal(headers()[name], undefined, name);
  });

  it('sends nothing where a credential or the Txn-Token cannot be had', async () => {
    const secret = new Error('key=hunter2');
    const rooms = [
      [room(), target({ credential: 'nobody' })],
      [room({ txnToken: () => null }), target({ txnToken: true })],
      [room({ txnToken: () => Promise.reject(secret) }), target({ txnToken: true })],
      [
        room({ credentials: new Map([['key', { grant: () => ({ headers: { 'api-key': 'a\r\nb: c' } }) }]]) }),
        target({ credential: 'key' }),
      ],
    ] as const;
    for (const [upstreamRoom, to] of rooms) {
      const { denial, failed: attempt } = failed(await upstreamRoom.attempt(call(), to));
      assert.equal(denial.code, 'upstream_unavailable');
      assert.equal(denial.message.includes('hunter2'), false);
      assert.equal(attempt.sent, false);
    }
    assert.equal(upstream.received.length, 0);
  });

  it('sends nothing where the path would not arrive as it was decided on', async () => {
    const { denial } = failed(await room().attempt(call({ path: '/orders/../admin' }), target()));
    assert.deepEqual([denial.code, denial.retryable], ['upstream_error', false]);
    assert.equal(upstream.received.length, 0);
  });

  it('passes on what the target itself answers, its errors included', async () => {
    upstream.reply = (_request, response) =>
      void response.writeHead(503, { 'retry-after': '7', server: 'x' }).end('busy');
    const { answer, attempt } = answered(await room().attempt(call(), target()));
    assert.deepEqual(answer.head, { status: 503, headers: { 'retry-after': '7' } });
    assert.equal(attempt.status, 503);
    assert.equal(await text(answer.body), 'busy');
  });

  it('denies upstream_unavailable where nobody listens: nothing was sent, a retry may help', async () => {
    const probe = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => probe.once('listening', resolve));
    const url = `http://127.0.0.1:${(probe.address() as AddressInfo).port}`;
    await new Promise((resolve) => probe.close(resolve));
    await using toNobody = new Dialer({ clock: systemClock(), allow: [allowedHost(url)] });
    const { denial, failed: attempt } = failed(await room({ dialer: toNobody }).attempt(call(), target({ url })));
    assert.deepEqual([denial.code, denial.status, denial.retryable], ['upstream_unavailable', 503, true]);
    assert.deepEqual([attempt.error, attempt.sent, attempt.status], ['connect', false, null]);
    assert.equal(denial.message.includes('127.0.0.1'), false);
  });

  it('denies upstream_timeout where no answer comes', async () => {
    upstream.reply = () => undefined;
    const slow = target({ timeoutMs: { connect: 1_000, firstByte: 50, total: 1_000 } });
    const { denial, failed: attempt } = failed(await room().attempt(call(), slow));
    assert.deepEqual([denial.code, denial.status], ['upstream_timeout', 504]);
    assert.equal(attempt.sent, true);
  });

  it('denies upstream_error where the target breaks off', async () => {
    upstream.reply = (request) => void request.socket.destroy();
    const { denial } = failed(await room().attempt(call(), target()));
    assert.deepEqual([denial.code, denial.status], ['upstream_error', 502]);
  });

  it('denies with what the call was aborted for', async () => {
    upstream.reply = () => undefined;
    const killed = call();
    setTimeout(() => killed.abort.abort(deny('task_killed', 'the task was killed')), 20);
    assert.equal(failed(await room().attempt(killed, target())).denial.code, 'task_killed');
  });

  it('decodes an answer that is compressed although none was asked for', async () => {
    const codings = [
      ...([
        ['gzip', gzipSync],
        ['br', brotliCompressSync],
        ['deflate', deflateSync],
      ] as const),
      ...([
        ['deflate', deflateRawSync],
        ['zstd', zstdCompressSync],
      ] as const),
    ] as const;
    for (const [coding, compress] of codings) {
      upstream.received.length = 0;
      upstream.reply = (_request, response) =>
        void response.writeHead(200, { 'content-encoding': coding }).end(compress('hello'));
      const { answer } = answered(await room().attempt(call(), target()));
      assert.equal(headers()['accept-encoding'], 'identity');
      assert.equal(await text(answer.body), 'hello', coding);
      assert.equal(answer.head.headers['content-encoding'], undefined);
    }
  });

  it('refuses codings it cannot read, damaged data, and bombs', async () => {
    for (const coding of ['compress', 'gzip, br']) {
      upstream.reply = (_request, response) => void response.writeHead(200, { 'content-encoding': coding }).end('x');
      assert.equal(failed(await room().attempt(call(), target())).denial.code, 'upstream_error', coding);
    }
    const bodies = { damaged: Buffer.from('not gzip'), bomb: gzipSync(Buffer.alloc(65 * 1024 * 1024)) };
    for (const [name, body] of Object.entries(bodies)) {
      upstream.reply = (_request, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end(body);
      const { answer } = answered(await room().attempt(call(), target()));
      await assert.rejects(text(answer.body), (error) => error instanceof DialError && error.kind === 'protocol', name);
    }
  });

  it('goes the way of the provider of a model, and looks for its key in what that makes of the answer', async () => {
    const key = 'bedrock-api-key-YmVkcm9jaw==';
    const keys = new Map([['key', { grant: () => ({ headers: { authorization: `Bearer ${key}` } }) }]]);
    const model = target({ kind: 'model', provider: 'bedrock', api: 'anthropic', model: 'm:0', credential: 'key' });
    const headers = { accept: 'text/event-stream', 'anthropic-version': '2023-06-01', 'anthropic-beta': 'a-1' };
    const body = Buffer.from('{"model":"m:0","stream":true,"messages":[]}');
    const ask = () =>
      room({ credentials: keys }).attempt(call({ path: '/v1/messages', headers, body }), {
        ...model,
        headers: { 'anthropic-beta': 'b-2', 'x-amzn-bedrock-trace': 'ENABLED' },
      });
    const type = { 'content-type': 'application/vnd.amazon.eventstream' };
    const [event = Buffer.alloc(0)] = eventFramesOf([{ type: 'ping' }]);
    upstream.reply = (_request, response) => void response.writeHead(200, type).end(event);
    const { answer } = answered(await ask());
    assert.equal(await text(answer.body), 'event: ping\ndata: {"type":"ping"}\n\n');
    assert.equal(answer.head.headers['content-type'], 'text/event-stream; charset=utf-8');
    const [got] = upstream.received;
    assert.equal(got?.url, '/base/model/m:0/invoke-with-response-stream');
    const version = 'bedrock-2023-05-31';
    const sent = { messages: [], anthropic_version: version, anthropic_beta: ['a-1', 'b-2'] };
    assert.deepEqual(JSON.parse(String(got?.body)), sent);
    assert.deepEqual([got?.headers['x-amzn-bedrock-trace'], got?.headers['anthropic-version']], ['ENABLED', undefined]);

    const said = { type: 'ping', said: key };
    const frames = [exceptionFrame('AccessDeniedException', `who shows ${key}?`), ...eventFramesOf([said])];
    assert.ok(!String(frames[1]).includes(key), 'in base64 it does not show');
    for (const bytes of frames) {
      upstream.reply = (_request, response) => void response.writeHead(200, type).end(bytes);
      await assert.rejects(text(answered(await ask()).answer.body), DialError);
    }
  });

  it('takes an answer without a body that names a coding', async () => {
    upstream.reply = (_request, response) =>
      void response.writeHead(304, { 'content-encoding': 'gzip', etag: '"a"' }).end();
    const { answer } = answered(await room().attempt(call({ method: 'GET', body: null }), target()));
    assert.equal(await text(answer.body), '');
  });
});

describe('a failed exchange', () => {
  it('at a host that may not be dialled is not worth a retry', () => {
    const denial = denialOfFault(new DialError('refused_host', 'metadata.internal:80', false), { name: 'x' });
    assert.deepEqual([denial.code, denial.retryable], ['upstream_unavailable', false]);
    assert.equal(denial.message.includes('metadata'), false);
  });
});
