/**
 * Stands before a gate for clients that cannot send a token: it adds `Authorization` to every request and changes nothing
 * else; Host and Origin are those that the client sent, a stream goes out as it comes, and a client that breaks off has
 * broken off.
 */
import { createServer, type IncomingMessage, request as requestOf, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export class BearerForwarder implements AsyncDisposable {
  /** Without a slash at its end. A gate behind it has this for its public URL. */
  readonly url: string;
  readonly #server: Server;
  #to: { readonly port: string; readonly token: string } | undefined;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** On a port of its own on loopback. */
  static async open(): Promise<BearerForwarder> {
    const server = createServer((request, response) => forwarder.#forward(request, response));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const forwarder = new BearerForwarder(server);
    return forwarder;
  }

  /** From now on requests go to the base URL `url`, with `token`. */
  forwardTo(url: string, token: string): void {
    this.#to = { port: new URL(url).port, token };
  }

  /** Cuts every connection that is open; who had one may come again. */
  cut(): void {
    this.#server.closeAllConnections();
  }

  #forward(request: IncomingMessage, response: ServerResponse): void {
    if (this.#to === undefined) return void response.writeHead(502).end();
    const { method, url: path, rawHeaders } = request;
    const headers = [...rawHeaders, 'Authorization', `Bearer ${this.#to.token}`];
    const options = { host: '127.0.0.1', port: this.#to.port, method, path, headers, setHost: false, agent: false };
    const forwarded = requestOf(options, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      response.flushHeaders();
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    });
    forwarded.on('error', () => response.destroy());
    response.on('close', () => forwarded.destroy());
    request.pipe(forwarded);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((done) => this.#server.close(done));
    this.#server.closeAllConnections();
    await closed;
  }
}
