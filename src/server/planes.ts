/**
 * Both planes on their listeners. They open last, when everything they need stands. To close is to drain first: the
 * gate says that it is not ready and refuses what is new, but goes on listening, so that whoever asks is told; what
 * runs has a bounded time to end before it is aborted, each stream with its surface's error frame.
 */
import { type Clock, sleep } from '../clock.ts';
import type { Denial } from '../denial.ts';
import type { Reply } from '../pipeline.ts';
import type { RawRequest } from '../wire/dialect.ts';
import { adminHosts } from './admin-origin.ts';
import { Listener, type Visit } from './listener.ts';
import type { Readiness } from './readiness.ts';
import { type GatewayConfig, hostAndPort, type LimitsConfig, type TlsConfig, type TlsFiles } from './section.ts';
import type { Tls } from './tls.ts';

type Refuse = (request: RawRequest, denial: Denial) => Reply & { readonly body: Buffer };

export interface PlanesParts {
  readonly gateway: GatewayConfig;
  readonly limits: LimitsConfig;
  /** Files of the planes' TLS; null for plain HTTP. */
  readonly tls: TlsOfPlanes;
  readonly clock: Clock;
  readonly readiness: Readiness;
  readonly data: {
    readonly enter: () => Visit;
    readonly refuse: Refuse;
    /** Resolves when no visit is under way. */
    readonly empty: () => Promise<void>;
  };
  readonly admin: { answer(request: RawRequest): Promise<Reply>; readonly refuse: Refuse };
  /** Ends every call that still runs when the drain is over. */
  readonly abortAll: () => void;
}

export interface TlsOfPlanes {
  readonly data: TlsFiles | null;
  readonly admin: TlsFiles | null;
}

/** After an abort: for error frames to be sent, and for calls to be settled. */
const settlingMs = 1_000;

export class Planes {
  readonly #parts: PlanesParts;
  readonly #data: Listener;
  readonly #admin: Listener;
  #drainMs: number;
  url = '';
  adminUrl = '';
  /** Where the data plane listens, with the port that was chosen. */
  dataAddress: { readonly host: string; readonly port: number };
  /** Values of the Host header that are the admin plane's, in lower case. */
  adminHosts: readonly string[] = [];
  #adminAddress: { readonly host: string; readonly port: number } | undefined;

  constructor(parts: PlanesParts) {
    this.#parts = parts;
    const { gateway, limits: bounds, tls, clock, data, admin } = parts;
    this.#drainMs = bounds.drain_ms;
    this.dataAddress = hostAndPort(gateway.listen);
    this.#data = new Listener({
      ...hostAndPort(gateway.listen),
      ...{ bounds, clock, tls: tlsOf(gateway.tls, tls.data), enter: data.enter },
      refuse: (request, denial) => data.refuse(request, denial),
    });
    const visit: Visit = { answer: (request) => admin.answer(request), leave: () => undefined };
    this.#admin = new Listener({
      ...hostAndPort(gateway.admin),
      ...{ bounds, clock, tls: tlsOf(gateway.admin_tls, tls.admin), enter: () => visit },
      refuse: (request, denial) => admin.refuse(request, denial),
    });
  }

  /** Begins to listen on both. Throws `PortTaken`; then neither listens. */
  async open(): Promise<void> {
    const { gateway } = this.#parts;
    const data = await this.#data.open();
    this.dataAddress = data;
    try {
      const admin = await this.#admin.open();
      this.url = urlOf(data, gateway.tls);
      this.adminUrl = urlOf(admin, gateway.admin_tls);
      this.#adminAddress = admin;
      this.adminHosts = adminHosts(admin, gateway.admin_hosts);
    } catch (fault) {
      await this.#data[Symbol.asyncDispose]();
      throw fault;
    }
  }

  /** Puts limits, certificates and names of a changed configuration in force; where it listens stays. */
  adjust(gateway: GatewayConfig, limits: LimitsConfig, files: TlsOfPlanes): void {
    this.#drainMs = limits.drain_ms;
    if (this.#adminAddress !== undefined) this.adminHosts = adminHosts(this.#adminAddress, gateway.admin_hosts);
    this.#data.adjust(limits, tlsOf(gateway.tls, files.data));
    this.#admin.adjust(limits, tlsOf(gateway.admin_tls, files.admin));
  }

  /** Drains, then closes: resolves when nothing runs any more, at the latest `limits.drain_ms` and a moment from now. */
  async close(): Promise<void> {
    const { readiness, clock, data, abortAll } = this.#parts;
    readiness.drain();
    await Promise.race([data.empty(), sleep(clock, this.#drainMs)]);
    abortAll();
    await Promise.race([data.empty(), sleep(clock, settlingMs)]);
    const closed = Promise.all([this.#data[Symbol.asyncDispose](), this.#admin[Symbol.asyncDispose]()]);
    // What still stands is no call any more: a half-sent request, a client that does not read.
    this.#data.cut();
    this.#admin.cut();
    await Promise.race([Promise.all([closed, data.empty()]), sleep(clock, settlingMs)]);
  }
}

function tlsOf(config: TlsConfig | undefined, files: TlsFiles | null): Tls | null {
  return config === undefined || files === null ? null : { config, files };
}

function hostOf(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** A URL that a client on this machine can use. */
function urlOf({ host, port }: { readonly host: string; readonly port: number }, tls: TlsConfig | undefined): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `${tls === undefined ? 'http' : 'https'}://${hostOf(reachable)}:${port}`;
}
