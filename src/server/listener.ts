/**
 * One HTTP listener, for either plane: takes a request in within its bounds and hands it on as bytes, sends back what
 * comes. Routing is not done here: fastify would decode and normalise paths, and what was decided on must be what was
 * sent, so the raw path goes to whoever reads it.
 */
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { type Denial, deny } from '../denial.ts';
import { clientGone, type Reply } from '../pipeline.ts';
import type { RawRequest } from '../wire/dialect.ts';

export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly bodyBytesMax: number;
  readonly headerBytesMax: number;
  /** Answers a request. Must not reject; `abort` is aborted with `clientGone` when the client leaves. */
  readonly answer: (request: RawRequest, abort: AbortController) => Promise<Reply>;
  /** Answers what could not be taken in. */
  readonly refuse: (request: RawRequest, denial: Denial) => Reply;
}

/** A request that arrives slower than this is cut off (headers and body each). */
const slowRequestMs = 15_000;
const keepAliveMs = 65_000;

/** The port is taken: says which, so that the command line can say how to choose another. */
export class PortTaken extends Error {
  override readonly name = 'PortTaken';
  readonly address: string;
  constructor(address: string) {
    super(`${address} is already in use`);
    this.address = address;
  }
}

export class Listener implements AsyncDisposable {
  readonly #options: ListenerOptions;
  readonly #app: FastifyInstance;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#app = fastify({
      bodyLimit: options.bodyBytesMax,
      requestTimeout: slowRequestMs,
      keepAliveTimeout: keepAliveMs,
      exposeHeadRoutes: false,
      forceCloseConnections: 'idle',
      http: { maxHeaderSize: options.headerBytesMax, headersTimeout: slowRequestMs },
      frameworkErrors: (error, request, reply) => this.#failed(error, request, reply),
    });
    this.#app.removeAllContentTypeParsers();
    this.#app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    this.#app.setErrorHandler<FastifyError>((error, request, reply) => this.#failed(error, request, reply));
    this.#app.all('*', (request, reply) => this.#take(request, reply));
    this.#app.setNotFoundHandler((request, reply) => {
      const denial = deny('method_not_allowed', `The method ${request.method} is not known here.`);
      return this.#send(reply, options.refuse(rawRequest(request.raw, noBytes), denial));
    });
  }

  /** Begins to listen; gives the address, with the port that was chosen where 0 was asked for. */
  async open(): Promise<{ readonly host: string; readonly port: number }> {
    const { host, port } = this.#options;
    try {
      await this.#app.listen({ host, port });
    } catch (fault) {
      if ((fault as NodeJS.ErrnoException).code === 'EADDRINUSE') throw new PortTaken(`${host}:${port}`);
      throw fault;
    }
    const address = this.#app.server.address();
    return { host, port: typeof address === 'object' && address !== null ? address.port : port };
  }

  /** Stops accepting; resolves when running requests have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#app.close();
  }

  async #take(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const abort = new AbortController();
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished && !abort.signal.aborted) abort.abort(clientGone);
    });
    const raw = rawRequest(request.raw, Buffer.isBuffer(request.body) ? request.body : noBytes);
    const twice = ambiguous(raw);
    return this.#send(
      reply,
      twice === undefined ? await this.#options.answer(raw, abort) : this.#options.refuse(raw, twice),
    );
  }

  #failed(error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const { bodyBytesMax, refuse } = this.#options;
    const denial =
      error.statusCode === 413
        ? deny('too_large', `The body is larger than ${bodyBytesMax} bytes.`)
        : error.statusCode === 415
          ? deny('media_type_unsupported', 'The Content-Type header cannot be read.')
          : deny('request_invalid', 'The request cannot be read.');
    return this.#send(reply, refuse(rawRequest(request.raw, noBytes), denial));
  }

  #send(reply: FastifyReply, { status, headers, body }: Reply): FastifyReply {
    reply.code(status).headers(headers);
    return reply.send(Buffer.isBuffer(body) ? body : Readable.from(body, { objectMode: false }));
  }
}

const noBytes = Buffer.alloc(0);

function rawRequest(message: IncomingMessage, body: Buffer): RawRequest {
  const url = message.url ?? '/';
  const mark = url.indexOf('?');
  const headers: Record<string, string | readonly string[]> = {};
  for (const [name, values] of Object.entries(message.headersDistinct)) {
    if (values !== undefined) headers[name] = values.length === 1 ? (values[0] as string) : values;
  }
  return {
    method: message.method ?? 'GET',
    path: mark === -1 ? url : url.slice(0, mark),
    query: mark === -1 ? '' : url.slice(mark + 1),
    headers,
    body,
  };
}

/** Headers that two readers would understand differently if they came twice (RFC 9112 §3.2, §6.1). */
const singular = ['host', 'content-length', 'transfer-encoding', 'content-type', 'authorization', 'x-api-key'];

function ambiguous({ headers, path }: RawRequest): Denial | undefined {
  const twice = singular.find((name) => Array.isArray(headers[name]));
  if (twice !== undefined) return deny('request_invalid', `The header ${twice} came more than once.`);
  return path.startsWith('/') ? undefined : deny('request_invalid', 'The request target must be a path.');
}
