/**
 * Both planes on their listeners. They open last, when everything they need stands, and close first: the gate says it
 * is not ready, takes nothing new, and gives what runs a bounded time to end before it is aborted.
 */
import type { Clock } from '../clock.ts';
import { sleep } from '../clock.ts';
import type { Denial } from '../denial.ts';
import type { Reply } from '../pipeline.ts';
import type { RawRequest } from '../wire/dialect.ts';
import { Listener } from './listener.ts';
import type { Readiness } from './readiness.ts';
import { type GatewayConfig, hostAndPort, type LimitsConfig } from './section.ts';

interface Plane {
  answer(request: RawRequest, abort: AbortController): Promise<Reply>;
  refuse(request: RawRequest, denial: Denial): Reply;
}

export interface PlanesParts {
  readonly gateway: GatewayConfig;
  readonly limits: LimitsConfig;
  readonly clock: Clock;
  readonly readiness: Readiness;
  readonly data: Plane;
  readonly admin: Plane;
  /** Ends every call that still runs when the drain is over. */
  readonly abortAll: () => void;
}

const settlingMs = 1_000;

export class Planes {
  readonly #parts: PlanesParts;
  readonly #data: Listener;
  readonly #admin: Listener;
  url = '';
  adminUrl = '';
  /** `host:port` of the admin plane as clients may write it. */
  adminHosts: readonly string[] = [];

  constructor(parts: PlanesParts) {
    this.#parts = parts;
    const { gateway, limits, data, admin } = parts;
    const bounds = { bodyBytesMax: limits.body_bytes, headerBytesMax: limits.header_bytes };
    const listener = (address: string, plane: Plane) =>
      new Listener({
        ...hostAndPort(address),
        ...bounds,
        answer: (request, abort) => plane.answer(request, abort),
        refuse: (request, denial) => plane.refuse(request, denial),
      });
    this.#data = listener(gateway.listen, data);
    this.#admin = listener(gateway.admin, admin);
  }

  /** Begins to listen on both. Throws `PortTaken`; then neither listens. */
  async open(): Promise<void> {
    const data = await this.#data.open();
    try {
      const admin = await this.#admin.open();
      this.url = urlOf(data);
      this.adminUrl = urlOf(admin);
      this.adminHosts = [
        ...new Set([
          `${hostOf(admin.host)}:${admin.port}`,
          `127.0.0.1:${admin.port}`,
          `localhost:${admin.port}`,
          `[::1]:${admin.port}`,
        ]),
      ];
    } catch (fault) {
      await this.#data[Symbol.asyncDispose]();
      throw fault;
    }
  }

  /** Drains: resolves when nothing runs any more, at the latest `limits.drain_ms` and a moment from now. */
  async close(): Promise<void> {
    const { readiness, limits, clock, abortAll } = this.#parts;
    readiness.drain();
    const ended = Promise.all([this.#data[Symbol.asyncDispose](), this.#admin[Symbol.asyncDispose]()]);
    await Promise.race([ended, sleep(clock, limits.drain_ms)]);
    abortAll();
    await Promise.race([ended, sleep(clock, settlingMs)]);
  }
}

function hostOf(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** A URL that a client on this machine can use. */
function urlOf({ host, port }: { readonly host: string; readonly port: number }): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${hostOf(reachable)}:${port}`;
}
