/**
 * A server of OPA's bundle API: ETag, 304, and long polls, which it holds until the bundle changes. It can be told to
 * answer anything else instead, and to go away and come back on the same port.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

const longPollType = 'application/vnd.openpolicyagent.bundles';

export interface Asked {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
}

export class BundleServerFake implements AsyncDisposable {
  readonly asked: Asked[] = [];
  /** Answers in place of the bundle while it is set. */
  instead: ((response: ServerResponse) => void) | null = null;
  /** Whether it says that it knows long polls, and holds them. */
  longPolls: boolean;
  /** Requests that are held now. */
  held = 0;
  #server: Server;
  #bundle: Buffer;
  /** By path, where another bundle stands. */
  #others: Readonly<Record<string, Buffer>>;
  #version = 1;
  #port = 0;
  readonly #sockets = new Set<Socket>();
  readonly #waiting = new Set<() => void>();

  private constructor(bundle: Buffer, longPolls: boolean, others: Readonly<Record<string, Buffer>>) {
    this.#bundle = bundle;
    this.#others = others;
    this.longPolls = longPolls;
    this.#server = this.#create();
  }

  static async open(
    bundle: Buffer,
    longPolls = false,
    others: Readonly<Record<string, Buffer>> = {},
  ): Promise<BundleServerFake> {
    const fake = new BundleServerFake(bundle, longPolls, others);
    await fake.come();
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Serves other bundles from now on; who waits for one gets it. */
  put(bundle: Buffer, others: Readonly<Record<string, Buffer>> = {}): void {
    this.#bundle = bundle;
    this.#others = others;
    this.#version += 1;
    for (const answer of [...this.#waiting]) answer();
  }

  /** Closes the port and every connection. */
  async leave(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** Listens, after `leave` on the same port. */
  async come(): Promise<void> {
    this.#server = this.#create();
    await new Promise<void>((resolve) => {
      this.#server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.leave();
  }

  #create(): Server {
    const server = createServer((request, response) => this.#answer(request, response));
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    return server;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { url: path = '', headers } = request;
    this.asked.push({ path, headers });
    if (this.instead !== null) {
      this.instead(response);
      return;
    }
    const waitSeconds = Number(/wait=(\d+)/.exec(String(headers.prefer ?? ''))?.[1] ?? 0);
    if (headers['if-none-match'] !== this.#etag()) this.#send(path, response);
    else if (!this.longPolls || waitSeconds === 0) this.#unchanged(response);
    else this.#hold(path, response, waitSeconds);
  }

  #hold(path: string, response: ServerResponse, waitSeconds: number): void {
    const end = () => {
      clearTimeout(timer);
      this.held -= 1;
      this.#waiting.delete(changed);
    };
    const changed = () => {
      end();
      this.#send(path, response);
    };
    const timer = setTimeout(() => {
      end();
      this.#unchanged(response);
    }, waitSeconds * 1000);
    response.on('close', () => {
      if (this.#waiting.has(changed)) end();
    });
    this.held += 1;
    this.#waiting.add(changed);
  }

  #etag(): string {
    return `"v${this.#version}"`;
  }

  #unchanged(response: ServerResponse): void {
    response.writeHead(304, { etag: this.#etag() }).end();
  }

  #send(path: string, response: ServerResponse): void {
    const bundle = this.#others[path] ?? this.#bundle;
    const type = this.longPolls ? longPollType : 'application/gzip';
    response.writeHead(200, { etag: this.#etag(), 'content-type': type, 'content-length': bundle.length });
    response.end(bundle);
  }
}
