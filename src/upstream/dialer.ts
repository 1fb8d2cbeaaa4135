/**
 * The one way out of the gate: every request to a target, a JWKS or a discovery document goes through a Dialer. It
 * dials only hosts of the configuration, judges the address a name resolves to, follows no redirect, and bounds time,
 * size and connections. Retries, credentials and header allow-lists are not here; see `send.ts`.
 */
import { createHash } from 'node:crypto';
import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { getCACertificates } from 'node:tls';
import { Agent, buildConnector } from 'undici';
import type { Json } from '../call.ts';
import type { Clock } from '../clock.ts';
import { type AllowedHost, addressJudge, hostKey, type Resolve, splitUrl } from './address.ts';
import { type DialAnswer, DialError, exchange, type Timeouts } from './exchange.ts';

export { type AllowedHost, allowedHost } from './address.ts';
export { type DialAnswer, DialError, type DialErrorKind, type Timeouts } from './exchange.ts';

export interface DialerOptions {
  readonly clock: Clock;
  /** Every place the configuration names: targets, issuers, jwks_uris. */
  readonly allow: readonly AllowedHost[];
  /** A PEM certificate trusted besides the ones Node trusts by default. */
  readonly ca?: string;
  /** Connections to one origin. */
  readonly connectionsMax?: number;
  /** Requests to one origin that are under way or wait for a connection; what comes beyond fails at once. */
  readonly inFlightMax?: number;
  readonly headerBytesMax?: number;
  readonly bodyBytesMax?: number;
  /** Asks the operating system by default. */
  readonly resolve?: Resolve;
}

const defaults = {
  connectionsMax: 128,
  inFlightMax: 1_024,
  headerBytesMax: 32 * 1024,
  bodyBytesMax: 32 * 1024 * 1024,
};
const bufferedBytesMax = 256 * 1024;
const idleMs = 4_000;
/** An upper bound for a connection that hangs; requests have their own, shorter time-out. */
const connectMsMax = 15_000;
/** Client certificates with connections of their own at once; beyond it the one unused longest is let go. */
const identitiesMax = 64;

export interface SendRequest {
  /** Sent byte for byte; a path with dot segments or characters outside RFC 3986 is refused. */
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | null;
  readonly signal: AbortSignal;
  readonly timeoutMs: Timeouts;
  /** The certificate to connect with; https only. Connections made with it are used by no request without it. */
  readonly identity?: TlsIdentity;
}

/** A client certificate with its key, all in PEM. */
export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
  /** Authorities the other side must be certified by, in place of those trusted by default. */
  readonly ca?: string;
}

const systemResolve: Resolve = (host, callback) => lookup(host, { all: true }, callback);

export class Dialer implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #allowed: ReadonlySet<string>;
  readonly #agent: Agent;
  readonly #agentWith: (tls: { readonly ca?: string[]; readonly cert?: string; readonly key?: string }) => Agent;
  /** By what the certificate is, in the order of their last use. */
  readonly #agentsOf = new Map<string, Agent>();
  readonly #names = new WeakMap<TlsIdentity, string>();
  readonly #retired = new Set<Agent>();
  readonly #bodyBytesMax: number;
  readonly #inFlightMax: number;
  readonly #inFlight = new Map<string, number>();

  /** Opens no connection before the first `send`. */
  constructor(options: DialerOptions) {
    this.#clock = options.clock;
    this.#allowed = new Set(options.allow.map(hostKey));
    this.#bodyBytesMax = options.bodyBytesMax ?? defaults.bodyBytesMax;
    this.#inFlightMax = options.inFlightMax ?? defaults.inFlightMax;
    const trusted = options.ca === undefined ? {} : { ca: [...getCACertificates('default'), options.ca] };
    this.#agentWith = (tls) => {
      const connect = buildConnector({
        allowH2: false,
        timeout: connectMsMax,
        // Node hands names to `lookup`, never literal addresses: those are allowed by being configured.
        lookup: judgedLookup(options.resolve ?? systemResolve),
        ...trusted,
        ...tls,
      } as buildConnector.BuildOptions);
      return new Agent({
        connect,
        connections: options.connectionsMax ?? defaults.connectionsMax,
        pipelining: 1,
        allowH2: false,
        maxHeaderSize: options.headerBytesMax ?? defaults.headerBytesMax,
        keepAliveTimeout: idleMs,
        keepAliveMaxTimeout: idleMs,
      });
    };
    this.#agent = this.#agentWith({});
  }

  /**
   * Sends one request and gives the head of the answer, whatever its status, with the body to be read. Throws only
   * DialError. An abort of `signal` closes the connection at once, also while the target still thinks.
   */
  async send(request: SendRequest): Promise<DialAnswer> {
    const parts = splitUrl(request.url);
    if (parts === undefined) throw new DialError('protocol', 'the URL cannot be sent as it stands', false);
    const key = hostKey(parts.allowed);
    if (!this.#allowed.has(key)) throw new DialError('refused_host', `${key} is not a configured host`, false);
    if (request.identity !== undefined && parts.allowed.protocol !== 'https:') {
      throw new DialError('protocol', 'a client certificate goes to https only', false);
    }
    const inFlight = this.#inFlight.get(key) ?? 0;
    if (inFlight >= this.#inFlightMax) throw new DialError('connect', `${inFlight} requests to ${key} already`, false);
    this.#inFlight.set(key, inFlight + 1);
    const { method, headers, body, signal, timeoutMs } = request;
    return exchange(
      request.identity === undefined ? this.#agent : this.#agentOf(request.identity),
      {
        origin: new URL(request.url).origin,
        path: parts.path,
        method,
        headers,
        body,
        signal,
        timeoutMs,
        bodyBytesMax: this.#bodyBytesMax,
        bufferedBytesMax,
      },
      this.#clock,
      () => {
        const left = (this.#inFlight.get(key) ?? 1) - 1;
        if (left === 0) this.#inFlight.delete(key);
        else this.#inFlight.set(key, left);
      },
    );
  }

  /**
   * Gets a JSON document: 200 and at most `maxBytes`, nothing else; a redirect is an error. The media type is not
   * asked for, because issuers serve keys under many. Throws DialError.
   */
  async fetchJson(url: string, options: { readonly maxBytes: number; readonly timeoutMs: number }): Promise<Json> {
    const { maxBytes, timeoutMs } = options;
    const { status, body, close } = await this.send({
      url,
      method: 'GET',
      headers: { accept: 'application/json', 'accept-encoding': 'identity', 'user-agent': 'tollgate' },
      body: null,
      signal: new AbortController().signal,
      timeoutMs: { connect: timeoutMs, firstByte: timeoutMs, total: timeoutMs },
    });
    if (status !== 200) {
      close();
      throw new DialError('protocol', `HTTP ${status} where a JSON document was expected`, true);
    }
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw new DialError('protocol', `the document is larger than ${maxBytes} bytes`, true);
      chunks.push(chunk);
    }
    try {
      return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))) as Json;
    } catch (error) {
      throw new DialError('protocol', 'the document is not JSON', true, error);
    }
  }

  /** Ends every request under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    const agents = [this.#agent, ...this.#agentsOf.values(), ...this.#retired];
    this.#agentsOf.clear();
    await Promise.all(agents.map((agent) => agent.destroy()));
  }

  /** Connections of this certificate alone. An equal one of a changed configuration finds them warm. */
  #agentOf(identity: TlsIdentity): Agent {
    const { cert, key, ca } = identity;
    const text = JSON.stringify([cert, key, ca]);
    const name = this.#names.get(identity) ?? createHash('sha256').update(text).digest('base64url');
    this.#names.set(identity, name);
    const agent = this.#agentsOf.get(name) ?? this.#agentWith({ cert, key, ...(ca === undefined ? {} : { ca: [ca] }) });
    this.#agentsOf.delete(name);
    this.#agentsOf.set(name, agent);
    for (const [oldest, unused] of this.#agentsOf) {
      if (this.#agentsOf.size <= identitiesMax) break;
      this.#agentsOf.delete(oldest);
      // What runs on it ends first.
      this.#retired.add(unused);
      void unused.close().finally(() => this.#retired.delete(unused));
    }
    return agent;
  }
}

/** A look-up that gives no address at all if one of them is forbidden: who mixes them in is not to be trusted. */
function judgedLookup(resolve: Resolve): LookupFunction {
  const forbidden = addressJudge();
  return (host, options, callback) => {
    resolve(host, (error, addresses) => {
      const wanted = addresses?.filter(({ family }) => !options.family || options.family === family);
      if (error !== null) {
        callback(error, []);
      } else if (addresses.some(({ address }) => forbidden(address))) {
        callback(new DialError('refused_host', `${host} resolves to an address that is never dialled`, false), []);
      } else if (options.all) {
        callback(null, [...wanted]);
      } else {
        const [first] = wanted;
        if (first === undefined) callback(new DialError('connect', `${host} has no address`, false), []);
        else callback(null, first.address, first.family);
      }
    });
  };
}
