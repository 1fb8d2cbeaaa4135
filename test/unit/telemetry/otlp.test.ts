import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '../../../src/clock.ts';
import { genAiSchemaUrl, type SpanData } from '../../../src/telemetry/call-spans.ts';
import { type Post, SpanExport, spansMax } from '../../../src/telemetry/otlp.ts';
import { spansOf } from '../../fakes/otlp-receiver.ts';

const span = (over: Partial<SpanData> = {}): SpanData => ({
  name: 'chat gpt',
  kind: 'server',
  traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
  spanId: '00f067aa0ba902b7',
  parent: { spanId: 'aaaaaaaaaaaaaaaa', remote: true },
  startMs: 1_793_611_200_000.25,
  endMs: 1_793_611_200_001.5,
  attributes: { 'gen_ai.operation.name': 'chat', 'gen_ai.usage.input_tokens': 7, stream: true },
  links: [{ traceId: '1'.repeat(32), spanId: '2'.repeat(16) }],
  failed: false,
  ...over,
});

interface Kept {
  readonly sent: { readonly url: string; readonly headers: Readonly<Record<string, string>>; readonly body: Buffer }[];
  readonly counts: Record<string, number>;
  readonly logs: string[];
}

async function opened(post: Post): Promise<{ readonly export_: SpanExport } & Kept> {
  const kept: Kept = { sent: [], counts: {}, logs: [] };
  const export_ = new SpanExport({
    url: 'http://collector.test:4318/',
    headers: { 'x-key': 'k' },
    resource: { 'service.name': 'tollgate' },
    post: (request) => {
      kept.sent.push(request);
      return post(request);
    },
    clock: systemClock(),
    log: (level, message) => void kept.logs.push(`${level} ${message}`),
    count: (outcome, spans) => {
      kept.counts[outcome] = (kept.counts[outcome] ?? 0) + spans;
    },
  });
  await export_.open();
  return { export_, ...kept };
}

const taken: Post = async () => ({ status: 200, retryAfterMs: null });

describe('spans on their way out', () => {
  it('are one OTLP request in JSON, under the ids they had, with the schema of their names', async () => {
    const { export_, sent, counts, logs } = await opened(taken);
    export_.take([span(), span({ parent: null, failed: true, kind: 'client', links: [] })]);
    await export_[Symbol.asyncDispose]();
    assert.equal(sent.length, 1);
    assert.equal(sent[0]?.url, 'http://collector.test:4318/v1/traces');
    assert.deepEqual([sent[0]?.headers['content-type'], sent[0]?.headers['x-key']], ['application/json', 'k']);
    const [first, second] = spansOf(sent[0]?.body ?? Buffer.alloc(0));
    assert.deepEqual(first, {
      name: 'chat gpt',
      kind: 2,
      traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
      spanId: '00f067aa0ba902b7',
      parentSpanId: 'aaaaaaaaaaaaaaaa',
      traceState: null,
      startNano: 1_793_611_200_000_250_000n,
      endNano: 1_793_611_200_001_500_000n,
      attributes: { 'gen_ai.operation.name': 'chat', 'gen_ai.usage.input_tokens': 7, stream: true },
      links: [{ traceId: '1'.repeat(32), spanId: '2'.repeat(16) }],
      failed: false,
      schemaUrl: genAiSchemaUrl,
      resource: { 'service.name': 'tollgate' },
    });
    assert.deepEqual([second?.parentSpanId, second?.failed, second?.kind], [null, true, 3]);
    assert.deepEqual([counts, logs], [{ exported: 2 }, []]);
  });

  it('never wait for more than the bound: what comes beyond is dropped and counted', async () => {
    const later = Promise.withResolvers<Awaited<ReturnType<Post>>>();
    const { export_, counts } = await opened(() => later.promise);
    const call = Array.from({ length: 16 }, () => span());
    for (let calls = 0; calls < spansMax / 16 + 10; calls++) export_.take(call);
    assert.deepEqual(counts, { dropped: 160 });
    later.resolve({ status: 200, retryAfterMs: null });
    await export_[Symbol.asyncDispose]();
    assert.deepEqual(counts, { dropped: 160, exported: spansMax });
  });

  it('are dropped and counted where nobody takes them, which is said once, and once when it is over', async () => {
    let away = true;
    const { export_, counts, logs } = await opened(async () => {
      if (away) throw new Error('ECONNREFUSED');
      return { status: 200, retryAfterMs: null };
    });
    const batch = Array.from({ length: 512 }, () => span());
    export_.take(batch);
    for (let waited = 0; counts.failed === undefined && waited < 500; waited++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.deepEqual(counts, { failed: 512 });
    assert.deepEqual(logs, ['warn spans cannot be exported, and are dropped']);
    away = false;
    export_.take(batch);
    await export_[Symbol.asyncDispose]();
    assert.deepEqual(counts, { failed: 512, exported: 512 });
    assert.equal(logs[1], 'info spans are exported again');
  });

  it('are sent again where the receiver asks for it, and not where it refuses them', async () => {
    const statuses = [503, 429, 200];
    const { export_, sent, counts } = await opened(async () => ({ status: statuses.shift() ?? 0, retryAfterMs: 1 }));
    export_.take(Array.from({ length: 512 }, () => span()));
    for (let waited = 0; sent.length < 3 && waited < 100; waited++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await export_[Symbol.asyncDispose]();
    assert.deepEqual([sent.length, counts], [3, { exported: 512 }]);

    const refused = await opened(async () => ({ status: 400, retryAfterMs: null }));
    refused.export_.take([span()]);
    await refused.export_[Symbol.asyncDispose]();
    assert.deepEqual([refused.sent.length, refused.counts], [1, { failed: 1 }]);
  });
});
