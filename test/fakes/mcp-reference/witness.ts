/**
 * The HTTP side of a reference server: a port of its own on loopback that takes down every request as it came, before
 * the SDK sees it, so that a test can hold what a server received against what an audit trail says. Only loopback is
 * served, by the guards of the SDK.
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { localhostHostValidation, localhostOriginValidation } from '@modelcontextprotocol/node';

export interface RawRequest {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** What it was answered with; 0 until that is over. */
  status: number;
  /** The body as JSON-RPC, where it is any. */
  readonly message?: {
    readonly id?: string | number;
    readonly method?: string;
    readonly params?: Readonly<Record<string, unknown>>;
    readonly result?: unknown;
    readonly error?: unknown;
  };
}

export type Serve = (request: IncomingMessage, response: ServerResponse, body: unknown) => Promise<void>;

export class Witness implements AsyncDisposable {
  readonly url: string;
  /** Everything received, oldest first. */
  readonly received: RawRequest[];
  /** Which tools their callers have broken off. */
  readonly broken: string[];
  readonly #close: () => Promise<void>;

  private constructor(url: string, received: RawRequest[], broken: string[], close: () => Promise<void>) {
    this.url = url;
    this.received = received;
    this.broken = broken;
    this.#close = close;
  }

  /** `closing` ends what `serve` holds. */
  static async open(serve: Serve, broken: string[], closing: () => Promise<void>): Promise<Witness> {
    const received: RawRequest[] = [];
    const hostIsOurs = localhostHostValidation();
    const originIsOurs = localhostOriginValidation();
    const server = createServer(async (request, response) => {
      const body = await textOf(request);
      const parsed = body === '' ? undefined : parse(body);
      const { method = '', headers } = request;
      const message = parsed as RawRequest['message'];
      const raw: RawRequest = { method, headers, body, status: 0, ...(message === undefined ? {} : { message }) };
      received.push(raw);
      response.on('close', () => {
        raw.status = response.statusCode;
      });
      if (!hostIsOurs(request, response) || !originIsOurs(request, response)) return;
      if (body !== '' && parsed === undefined) return void response.writeHead(400).end();
      await serve(request, response, parsed);
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as AddressInfo;
    return new Witness(`http://127.0.0.1:${port}/mcp`, received, broken, async () => {
      await closing();
      const closed = new Promise((done) => server.close(done));
      server.closeAllConnections();
      await closed;
    });
  }

  /** The calls of `method` received, oldest first. */
  calls(method: string): readonly Readonly<Record<string, unknown>>[] {
    return this.received.flatMap(({ message }) => (message?.method === method ? [message.params ?? {}] : []));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
