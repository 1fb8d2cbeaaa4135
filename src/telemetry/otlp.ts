/**
 * Spans on their way to an OTLP/HTTP receiver, as JSON: OpenTelemetry's batch processor and serializer, and a way out
 * that is handed in, because only the gate's one dialer dials. The SDK is loaded when this opens and not before. What
 * a reader would get wrong: no tracer and no global provider stands here; spans come in ended, under ids of the audit
 * trail, so that two gates in one process never mix and no context has to be carried along a call.
 */
import type { Attributes, Link, SpanContext } from '@opentelemetry/api';
import type { JsonTraceSerializer } from '@opentelemetry/otlp-transformer';
import type { BatchSpanProcessor, ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace';
import { type Clock, sleep } from '../clock.ts';
import { genAiSchemaUrl, type SpanData } from './call-spans.ts';
import type { Log } from './log.ts';

/** One request to the receiver: its status and, where it names one, how long to wait. Throws if nothing answers. */
export type Post = (request: {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly timeoutMs: number;
}) => Promise<{ readonly status: number; readonly retryAfterMs: number | null }>;

export interface SpanExportParts {
  /** Base URL; `/v1/traces` is added. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** What is said of this gateway as a whole (`service.name`, …). */
  readonly resource: Readonly<Record<string, string>>;
  readonly post: Post;
  readonly clock: Clock;
  readonly log: Log;
  readonly count: (outcome: 'exported' | 'dropped' | 'failed', spans: number) => void;
}

/** Spans that wait or are being sent; what comes beyond is dropped and counted. */
export const spansMax = 8_192;
const batchMax = 512;
const delayMs = 1_000;
const postMs = 3_000;
const triesMax = 3;
const backoffMs = 1_000;
const waitMsMax = 5_000;
/** Longer than all tries and waits of one batch. */
const exportMs = triesMax * (postMs + waitMsMax);
// OTLP/HTTP, "Retryable Response Codes".
const retryable: ReadonlySet<number> = new Set([429, 502, 503, 504]);

const kinds = { internal: 0, server: 1, client: 2 } as const;
const errorStatus = 2;

export class SpanExport implements AsyncDisposable {
  readonly #parts: SpanExportParts;
  #processor: BatchSpanProcessor | undefined;
  #ended: ((span: SpanData) => ReadableSpan) | undefined;
  #pending = 0;
  #failing = false;
  #closed = false;

  constructor(parts: SpanExportParts) {
    this.#parts = parts;
  }

  /** Loads the SDK; a tenth of a second. Dials nothing. */
  async open(): Promise<void> {
    const [{ BatchSpanProcessor }, { JsonTraceSerializer }, { resourceFromAttributes }] = await Promise.all([
      import('@opentelemetry/sdk-trace'),
      import('@opentelemetry/otlp-transformer'),
      import('@opentelemetry/resources'),
    ]);
    const resource = resourceFromAttributes({ ...this.#parts.resource });
    const scope = { name: 'tollgate', schemaUrl: genAiSchemaUrl };
    this.#ended = (span) => readable(span, resource, scope);
    this.#processor = new BatchSpanProcessor({
      exporter: this.#exporter(JsonTraceSerializer),
      maxQueueSize: spansMax,
      maxExportBatchSize: batchMax,
      scheduledDelayMillis: delayMs,
      exportTimeoutMillis: exportMs,
    });
  }

  /** Takes ended spans of a sampled trace. Never waits; drops them where too many wait already. */
  take(spans: readonly SpanData[]): void {
    if (this.#processor === undefined || this.#ended === undefined || this.#closed) return;
    if (this.#pending + spans.length > spansMax) {
      this.#parts.count('dropped', spans.length);
      return;
    }
    this.#pending += spans.length;
    for (const span of spans) this.#processor.onEnd(this.#ended(span));
  }

  /** Sends what waits, trying once, and lets go. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    // It rejects where the receiver does not take the last spans; that is counted already.
    await this.#processor?.shutdown().catch(() => undefined);
  }

  #exporter(serializer: typeof JsonTraceSerializer): SpanExporter {
    return {
      export: (spans, done) => {
        const body = serializer.serializeRequest(spans);
        const sent =
          body === undefined ? Promise.resolve('the spans cannot be written') : this.#send(Buffer.from(body));
        void sent.then((fault) => {
          this.#pending -= spans.length;
          this.#parts.count(fault === null ? 'exported' : 'failed', spans.length);
          this.#tell(fault);
          done({ code: fault === null ? 0 : 1 });
        });
      },
      shutdown: async () => undefined,
    };
  }

  /** Null when the receiver has them, else why it has not. */
  async #send(body: Buffer): Promise<string | null> {
    const { url, headers, post, clock } = this.#parts;
    let fault = '';
    for (let attempt = 1; attempt <= triesMax; attempt++) {
      let waitMs = backoffMs * 2 ** (attempt - 1);
      try {
        const { status, retryAfterMs } = await post({
          url: `${url.replace(/\/+$/, '')}/v1/traces`,
          headers: { ...headers, 'content-type': 'application/json', 'user-agent': 'tollgate' },
          body,
          timeoutMs: postMs,
        });
        if (status >= 200 && status < 300) return null;
        fault = `it answers ${status}`;
        if (!retryable.has(status)) return fault;
        waitMs = retryAfterMs ?? waitMs;
      } catch (error) {
        fault = error instanceof Error ? error.message : 'it cannot be reached';
      }
      if (this.#closed || attempt === triesMax) break;
      await sleep(clock, Math.min(waitMs, waitMsMax));
    }
    return fault;
  }

  /** Says once that the receiver is away, and once that it is back. */
  #tell(fault: string | null): void {
    const failing = fault !== null;
    if (failing === this.#failing) return;
    this.#failing = failing;
    if (failing) this.#parts.log('warn', 'spans cannot be exported, and are dropped', { fault });
    else this.#parts.log('info', 'spans are exported again');
  }
}

function hrTime(ms: number): [seconds: number, nanoseconds: number] {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.min(999_999_999, Math.round((ms - seconds * 1000) * 1e6))];
}

function readable(
  span: SpanData,
  resource: ReadableSpan['resource'],
  instrumentationScope: ReadableSpan['instrumentationScope'],
): ReadableSpan {
  const { traceId, spanId, parent } = span;
  const context: SpanContext = { traceId, spanId, traceFlags: 1 };
  const links: Link[] = span.links.map((link) => ({ context: { ...link, traceFlags: 1 } }));
  return {
    name: span.name,
    kind: kinds[span.kind],
    spanContext: () => context,
    ...(parent === null
      ? {}
      : { parentSpanContext: { traceId, spanId: parent.spanId, traceFlags: 1, isRemote: parent.remote } }),
    startTime: hrTime(span.startMs),
    endTime: hrTime(span.endMs),
    duration: hrTime(Math.max(0, span.endMs - span.startMs)),
    status: { code: span.failed ? errorStatus : 0 },
    attributes: span.attributes as Attributes,
    links,
    events: [],
    ended: true,
    resource,
    instrumentationScope,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}
