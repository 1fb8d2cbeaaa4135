/**
 * An OTLP/HTTP receiver on loopback that speaks JSON: keeps the spans it was sent, flattened, and every body as it
 * came. `answer` can make it refuse or hang.
 */
import { setTimeout } from 'node:timers/promises';
import { FakeUpstream, type Received, type Reply } from './upstream.ts';

export interface ReceivedSpan {
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | null;
  readonly traceState: string | null;
  readonly startNano: bigint;
  readonly endNano: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly failed: boolean;
  readonly schemaUrl: string;
  readonly resource: Readonly<Record<string, unknown>>;
}

type OtlpAttribute = { readonly key: string; readonly value: Record<string, unknown> };

interface OtlpRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly OtlpAttribute[] };
    readonly scopeSpans: readonly {
      readonly schemaUrl?: string;
      readonly spans: readonly {
        readonly name: string;
        readonly kind: number;
        readonly traceId: string;
        readonly spanId: string;
        readonly parentSpanId?: string;
        readonly traceState?: string;
        readonly startTimeUnixNano: string;
        readonly endTimeUnixNano: string;
        readonly attributes: readonly OtlpAttribute[];
        readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
        readonly status: { readonly code?: number };
      }[];
    }[];
  }[];
}

const answered: Reply = (_request, response) =>
  void response.writeHead(200, { 'content-type': 'application/json' }).end('{"partialSuccess":{}}');

function flat(attributes: readonly OtlpAttribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}

/** The spans of one export, as they stand in its body. */
export function spansOf(body: Buffer): ReceivedSpan[] {
  const { resourceSpans } = JSON.parse(body.toString()) as OtlpRequest;
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ schemaUrl = '', spans }) =>
      spans.map((span) => ({
        name: span.name,
        kind: span.kind,
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId ?? null,
        traceState: span.traceState ?? null,
        startNano: BigInt(span.startTimeUnixNano),
        endNano: BigInt(span.endTimeUnixNano),
        attributes: flat(span.attributes),
        links: span.links.map(({ traceId, spanId }) => ({ traceId, spanId })),
        failed: span.status.code === 2,
        schemaUrl,
        resource: flat(resource.attributes),
      })),
    ),
  );
}

export class OtlpReceiver implements AsyncDisposable {
  readonly #server: FakeUpstream;

  private constructor(server: FakeUpstream) {
    this.#server = server;
  }

  static async open(): Promise<OtlpReceiver> {
    return new OtlpReceiver(await FakeUpstream.open(answered));
  }

  get url(): string {
    return this.#server.url;
  }

  /** The exports as they came, refused ones included. */
  get received(): readonly Received[] {
    return this.#server.received;
  }

  set answer(reply: Reply) {
    this.#server.reply = reply;
  }

  get spans(): readonly ReceivedSpan[] {
    return this.received.flatMap(({ body }) => spansOf(body));
  }

  /** Resolves when as many spans are there as `enough` asks for; rejects after `ms`. */
  async until(enough: (spans: readonly ReceivedSpan[]) => boolean, ms = 5_000): Promise<readonly ReceivedSpan[]> {
    for (let waitedMs = 0; waitedMs < ms; waitedMs += 20) {
      const { spans } = this;
      if (enough(spans)) return spans;
      await setTimeout(20);
    }
    throw new Error(`the spans did not come: ${this.spans.map(({ name }) => name).join(', ')}`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server[Symbol.asyncDispose]();
  }
}
