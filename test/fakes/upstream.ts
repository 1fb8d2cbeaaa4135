/**
 * An HTTP server on loopback that stands for a target: it keeps what it received, so that a test can say what reached
 * it (often: nothing), and counts open sockets, so that a test can see a connection close.
 */
import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface Received {
  readonly method: string;
  /** Path and query as they came. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export type Reply = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void | Promise<void>;

export class FakeUpstream implements AsyncDisposable {
  readonly received: Received[] = [];
  readonly sockets = new Set<Socket>();
  reply: Reply;
  readonly #server: Server;

  private constructor(reply: Reply) {
    this.reply = reply;
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('error', () => undefined);
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = Buffer.concat(chunks);
        this.received.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body });
        void this.reply(request, response, body);
      });
    });
    this.#server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
  }

  /** Answers 200 with an empty JSON object unless told otherwise. */
  static async open(
    reply: Reply = (_request, response) =>
      void response.writeHead(200, { 'content-type': 'application/json' }).end('{}'),
  ): Promise<FakeUpstream> {
    const upstream = new FakeUpstream(reply);
    upstream.#server.listen(0, '127.0.0.1');
    await once(upstream.#server, 'listening');
    return upstream;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Without a slash at its end. */
  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
