/**
 * One HTTP listener, for either plane: takes a request in within its bounds and hands it on as bytes, sends back what
 * comes. Routing is not done here: fastify would decode and normalise paths, and what was decided on must be what was
 * sent, so the raw path goes to whoever reads it.
 */
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import type { Clock } from '../clock.ts';
import { type Denial, deny } from '../denial.ts';
import type { Reply } from '../pipeline.ts';
import { clientGone } from '../settlement.ts';
import type { RawRequest } from '../wire/dialect.ts';
import { trackedBody } from './answer-body.ts';
import { ClientCertificates } from './client-certificate.ts';
import { type Bounds, GuardedServer } from './guarded-server.ts';
import { BodyTooLarge, readBody } from './request-body.ts';
import type { Tls } from './tls.ts';

/** One request's stay: who answers it, and who is told when its answer is gone. */
export interface Visit {
  /** Answers a request. Must not reject; `abort` is aborted with `clientGone` when the client leaves. */
  answer(request: RawRequest, abort: AbortController): Promise<Reply>;
  /** Called once, when the answer has been sent to its end, or nobody is there to take it. */
  leave(): void;
}

export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly bounds: Bounds;
  /** Null for plain HTTP. */
  readonly tls: Tls | null;
  readonly clock: Clock;
  readonly enter: () => Visit;
  /** Answers what could not be taken in. */
  readonly refuse: (request: RawRequest, denial: Denial) => Reply & { readonly body: Buffer };
}

/** A client that takes a large answer slower than this is cut off. */
const slowestBytesPerMs = 32;
/** What is smaller fits into the buffers of the operating system, and is not watched. */
const watchedBytes = 65_536;

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
  /** More than one where a name stands for several addresses. */
  readonly #servers: GuardedServer[] = [];
  readonly #certificates = new ClientCertificates();
  #bounds: Bounds;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#bounds = options.bounds;
    const unreadable = (message: IncomingMessage | null, denial: Denial) =>
      options.refuse(message === null ? nothingRead : this.#raw(message, noBytes), denial);
    this.#app = fastify({
      exposeHeadRoutes: false,
      serverFactory: (take) => {
        const guarded = new GuardedServer({ bounds: this.#bounds, tls: options.tls, take, refuse: unreadable });
        this.#servers.push(guarded);
        return guarded.server;
      },
      clientErrorHandler: (fault, socket) => this.#servers[0]?.unreadable(fault, socket),
      frameworkErrors: (error, request, reply) => this.#failed(error, request, reply),
    });
    this.#app.removeAllContentTypeParsers();
    this.#app.addContentTypeParser('*', (_request: FastifyRequest, payload: IncomingMessage) =>
      readBody(payload, this.#bounds.body_bytes),
    );
    this.#app.setErrorHandler<FastifyError>((error, request, reply) => this.#failed(error, request, reply));
    this.#app.all('*', (request, reply) => this.#take(request, reply));
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

  /** Puts other bounds in force, and another certificate, for what comes from now on. */
  adjust(bounds: Bounds, tls: Tls | null): void {
    this.#bounds = bounds;
    for (const guarded of this.#servers) {
      guarded.adjust(bounds);
      if (tls !== null) guarded.renewTls(tls);
    }
  }

  /** Closes every connection, whatever runs on it. */
  cut(): void {
    for (const { server } of this.#servers) server.closeAllConnections();
  }

  /** Stops accepting; resolves when running requests have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.#app.close();
    for (const { server } of this.#servers) server.closeIdleConnections();
    await closed;
  }

  async #take(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const abort = new AbortController();
    const visit = this.#options.enter();
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished && !abort.signal.aborted) abort.abort(clientGone);
    });
    const raw = this.#raw(request.raw, Buffer.isBuffer(request.body) ? request.body : noBytes);
    const closed = new Promise<void>((resolve) => {
      reply.raw.once('close', resolve);
    });
    const answer = await visit.answer(raw, abort);
    const flowing = Buffer.isBuffer(answer.body) ? undefined : trackedBody(answer.body);
    // Not before a call whose client has left is settled, too.
    Promise.all([closed, flowing?.ended]).then(
      () => visit.leave(),
      () => visit.leave(),
    );
    return this.#send(reply, flowing === undefined ? answer : { ...answer, body: flowing.body });
  }

  #raw(message: IncomingMessage, body: Buffer): RawRequest {
    const certificate = this.#certificates.of(message.socket);
    return { ...rawRequest(message, body), ...(certificate === null ? {} : { certificate }) };
  }

  #failed(error: FastifyError | BodyTooLarge, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const denial =
      error instanceof BodyTooLarge
        ? deny('too_large', `The body is larger than ${error.bytesMax} bytes.`)
        : error.statusCode === 415
          ? deny('media_type_unsupported', 'The Content-Type header cannot be read.')
          : deny('request_invalid', 'The request cannot be read.');
    // What was not read of the body would be read to its end otherwise.
    if (!request.raw.complete) reply.header('connection', 'close');
    return this.#send(reply, this.#options.refuse(this.#raw(request.raw, noBytes), denial));
  }

  #send(reply: FastifyReply, { status, headers, body }: Reply): FastifyReply {
    reply.code(status).headers(headers);
    if (!Buffer.isBuffer(body)) {
      const stream = Readable.from(body, { objectMode: false });
      // Nobody is there any more: fastify would leave the body as it is.
      if (reply.raw.closed) stream.destroy();
      return reply.send(stream);
    }
    if (body.length > watchedBytes) this.#watch(reply, body.length);
    return reply.send(body);
  }

  #watch({ raw }: FastifyReply, bytes: number): void {
    const longestMs = this.#bounds.request_ms + bytes / slowestBytesPerMs;
    const timer = this.#options.clock.after(longestMs, () => raw.destroy());
    raw.once('close', () => timer.cancel());
  }
}

const noBytes = Buffer.alloc(0);
/** Stands for what could not be parsed far enough to have a path. */
const nothingRead: RawRequest = { method: '', path: '', query: '', headers: {}, body: noBytes };

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
