/**
 * The HTTP server under a listener, with the bounds that Node leaves open: what a head may look like, how long a
 * client may take to send, to read and to idle, how many may be there. What a reader would get wrong: after a refused
 * head nothing more of that connection is read, because where its next request begins is in doubt.
 */
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import { createServer as createTlsServer, Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { type Denial, deny } from '../denial.ts';
import type { Reply } from '../pipeline.ts';
import { denyFraming } from './framing.ts';
import type { LimitsConfig } from './section.ts';
import { secureContextOf, type Tls } from './tls.ts';

export type Bounds = Pick<LimitsConfig, 'body_bytes' | 'header_bytes' | 'request_ms' | 'idle_ms' | 'connections'>;

export interface GuardedServerOptions {
  readonly bounds: Bounds;
  /** Null for plain HTTP. */
  readonly tls: Tls | null;
  /** Takes a request whose head is in order. */
  readonly take: (message: IncomingMessage, response: ServerResponse) => void;
  /** The answer to one that is not; `message` is null where it could not even be parsed. */
  readonly refuse: (message: IncomingMessage | null, denial: Denial) => Reply & { readonly body: Buffer };
}

/** A fault of the parser or the transport, as Node hands it on. */
export type ClientFault = Error & { readonly code?: string };

/** How often Node looks who is late. It is taken off the limits, so that they are upper bounds. */
const lookMsMax = 500;
/** An unread idle connection is announced this much shorter than it is kept, so that no request meets a closing one. */
const announcedEarlierMsMax = 1000;

export class GuardedServer {
  readonly server: Server;
  readonly #options: GuardedServerOptions;
  readonly #lookMs: number;
  #bounds: Bounds;
  /** Connections of which nothing more is taken. */
  readonly #refused = new WeakSet<Duplex>();
  /** Requests under way, by connection. */
  readonly #underWay = new WeakMap<Duplex, Set<ServerResponse>>();

  constructor(options: GuardedServerOptions) {
    const { bounds, tls } = options;
    this.#options = options;
    this.#bounds = bounds;
    this.#lookMs = Math.min(lookMsMax, Math.ceil(bounds.request_ms / 10));
    const http: ServerOptions = {
      maxHeaderSize: bounds.header_bytes,
      connectionsCheckingInterval: this.#lookMs,
      requireHostHeader: false, // denyFraming says it better
      insecureHTTPParser: false,
    };
    const listener = (message: IncomingMessage, response: ServerResponse) => this.#request(message, response);
    this.server =
      tls === null
        ? createServer(http, listener)
        : createTlsServer(
            {
              ...http,
              ...secureContextOf(tls),
              ALPNProtocols: ['http/1.1'],
              handshakeTimeout: bounds.request_ms,
              requestCert: tls.config.client !== 'none',
              rejectUnauthorized: tls.config.client === 'require',
            },
            listener,
          );
    // Node would leave out the headers beyond its count in silence; all are counted by denyFraming, and bounded in bytes.
    this.server.maxHeadersCount = 0;
    this.server.on('timeout', (socket: Socket) => this.#still(socket));
    this.server.on('connect', (message: IncomingMessage, socket: Duplex) => {
      end(socket, options.refuse(message, deny('method_not_allowed', 'This is no proxy: CONNECT is not known here.')));
    });
    // `self_signed`: any will do, because it is trusted for nothing but being the same one again.
    if (tls?.config.client === 'request') this.server.on('secureConnection', closeUnlessTrusted);
    this.adjust(bounds);
  }

  /** Puts other bounds in force, for connections there are too; `header_bytes` stays as it was. */
  adjust(bounds: Bounds): void {
    this.#bounds = bounds;
    const { server } = this;
    // Two looks: one until it is late, one until that is seen.
    const arriveMs = bounds.request_ms - 2 * this.#lookMs;
    server.requestTimeout = arriveMs;
    server.headersTimeout = arriveMs;
    server.timeout = bounds.request_ms - this.#lookMs;
    const earlierMs = Math.min(announcedEarlierMsMax, Math.ceil(bounds.idle_ms / 10));
    server.keepAliveTimeout = bounds.idle_ms - earlierMs - Math.min(this.#lookMs, Math.ceil(bounds.idle_ms / 10));
    server.keepAliveTimeoutBuffer = earlierMs;
    server.maxConnections = bounds.connections;
  }

  /** Puts another certificate in force for the handshakes to come. Throws if it is none; then the old one stays. */
  renewTls(tls: Tls): void {
    if (this.server instanceof TlsServer) this.server.setSecureContext(secureContextOf(tls));
  }

  /** For fastify's `clientErrorHandler`: what could not be parsed, or did not arrive in time. */
  unreadable(fault: ClientFault, socket: Duplex): void {
    this.#refused.add(socket);
    const spoke = (socket as Partial<{ bytesRead: number }>).bytesRead !== 0;
    // In the middle of an answer more bytes would be taken for a part of it.
    const answering = [...(this.#underWay.get(socket) ?? [])].some(({ headersSent }) => headersSent);
    if (fault.code === 'ECONNRESET' || !socket.writable || !spoke || answering) {
      socket.destroy();
      return;
    }
    end(socket, this.#options.refuse(null, denialOf(fault)));
  }

  #request(message: IncomingMessage, response: ServerResponse): void {
    const { socket } = message;
    // Pipelined behind a refused head: the parser had gone on already.
    if (this.#refused.has(socket)) return;
    const underWay = this.#underWay.get(socket) ?? new Set();
    this.#underWay.set(socket, underWay.add(response));
    response.once('close', () => underWay.delete(response));
    const denial = denyFraming(message);
    if (denial === undefined) {
      this.#options.take(message, response);
      return;
    }
    this.#refused.add(socket);
    const { status, headers, body } = this.#options.refuse(message, denial);
    response.writeHead(status, { ...headers, 'content-length': body.length, connection: 'close' }).end(body);
  }

  /** Nothing has moved on a connection for as long as it may. A call that waits for its target is none of the client's doing. */
  #still(socket: Socket): void {
    const waits = (this.#underWay.get(socket)?.size ?? 0) > 0 && socket.writableLength === 0;
    if (waits) socket.setTimeout(this.#bounds.request_ms);
    else socket.destroy();
  }
}

/** `client: request`: a certificate that is shown and not vouched for is worse than none. */
function closeUnlessTrusted(socket: TLSSocket): void {
  const shown = Object.keys(socket.getPeerCertificate()).length > 0;
  if (shown && !socket.authorized) socket.destroy();
}

function denialOf({ code }: ClientFault): Denial {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return deny('request_invalid', 'The request did not arrive in time.');
    case 'HPE_HEADER_OVERFLOW':
      return deny('too_large', 'The headers are larger than they may be.');
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return deny('too_large', 'The chunk extensions are larger than they may be.');
    default:
      return deny('request_invalid', 'This is not HTTP/1.1 as it is read here.');
  }
}

/** Writes an answer where there is no ServerResponse, and closes. */
function end(socket: Duplex, { status, headers, body }: Reply & { readonly body: Buffer }): void {
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    `content-length: ${body.length}`,
    'connection: close',
  ];
  socket.on('error', () => undefined);
  socket.end(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body]), () => socket.destroy());
}
