/**
 * Puts a changed configuration in force without a dropped request: it is loaded and checked whole, everything that
 * follows from it is built beside what runs, and then one assignment makes it the one for new requests. Whatever is
 * wrong with it, the running one stays. Each attempt is an audit event; what is applied is on disk before it counts.
 */
import { createHash } from 'node:crypto';
import { adminEvent } from '../audit/deed.ts';
import type { ConfigFault } from '../config/document.ts';
import { withoutRestart } from '../config/fixed.ts';
import { faultLine, type Loaded, type LoadResult } from '../config/load.ts';
import type { RouteTable } from '../route/table.ts';
import type { Planes } from '../server/planes.ts';
import type { Edition, Editions } from './editions.ts';
import type { Foundation } from './parts.ts';

/** Who asked for it: a person by a signal or a command, or the files by having changed. */
export type ReloadCause = 'signal' | 'files';

export interface Reloaded {
  /** `unchanged`: the files say what is in force already. */
  readonly outcome: 'applied' | 'refused' | 'unchanged';
  readonly faults: readonly ConfigFault[];
  /** JSON pointers of changes that wait for a restart. */
  readonly restart: readonly string[];
}

export interface ReloaderPorts {
  readonly foundation: Foundation;
  readonly editions: Editions;
  readonly planes: Planes;
  readonly load: () => Promise<LoadResult>;
  /** The routing table, or what is wrong with it. */
  readonly tableOf: (loaded: Loaded) => Promise<RouteTable | { readonly faults: readonly ConfigFault[] }>;
  readonly build: (loaded: Loaded, table: RouteTable, before: Edition) => Promise<Edition>;
}

export class Reloader {
  readonly #ports: ReloaderPorts;
  #turn: Promise<unknown> = Promise.resolve();
  #inForce: string;
  #files: readonly string[];

  constructor(ports: ReloaderPorts, started: Loaded) {
    this.#ports = ports;
    this.#inForce = contentOf(started);
    this.#files = started.files;
  }

  /** The files that make the configuration; those of the last attempt, also if it was refused. */
  get files(): readonly string[] {
    return this.#files;
  }

  /** Loads the configuration anew; one after the other. Never rejects. */
  reload(cause: ReloadCause): Promise<Reloaded> {
    const turn = this.#turn.then(() => this.#reload(cause));
    this.#turn = turn;
    return turn;
  }

  async #reload(cause: ReloadCause): Promise<Reloaded> {
    const { load, tableOf } = this.#ports;
    try {
      const loaded = await load();
      this.#files = loaded.files;
      if ('faults' in loaded) return await this.#refuse(cause, loaded.faults);
      const content = contentOf(loaded);
      if (content === this.#inForce) return await this.#leave(cause);
      const table = await tableOf(loaded);
      if ('faults' in table) return await this.#refuse(cause, table.faults);
      return await this.#apply(cause, loaded, table, content);
    } catch (fault) {
      this.#ports.foundation.faulted('reload', fault);
      return { outcome: 'refused', faults: [], restart: [] };
    }
  }

  async #apply(cause: ReloadCause, loaded: Loaded, table: RouteTable, content: string): Promise<Reloaded> {
    const { foundation, editions, planes, build } = this.#ports;
    const before = editions.current;
    const { config, restart } = withoutRestart(before.parts.config, loaded.config);
    let next: Edition;
    try {
      next = await build({ ...loaded, config }, table, before);
    } catch (fault) {
      // The policies are the one part that is read from outside while it opens.
      return await this.#refuse(cause, [loaded.fault('/policy/bundle', (fault as Error).message)]);
    }
    try {
      await this.#record(cause, 200);
      planes.adjust(config.gateway, config.limits, tlsInForce(config, loaded));
    } catch (fault) {
      await next.lease[Symbol.asyncDispose]();
      throw fault;
    }
    editions.replace(next);
    this.#inForce = content;
    const { log } = foundation;
    log('info', 'the changed configuration is in force', { cause, routes: config.routes.length });
    if (restart.length > 0)
      log('warn', 'some changes of the configuration need a restart', { keys: restart.join(' ') });
    return { outcome: 'applied', faults: [], restart };
  }

  /** Files that were only touched are nobody's doing; a person who asks gets an answer in the trail. */
  async #leave(cause: ReloadCause): Promise<Reloaded> {
    if (cause === 'signal') {
      this.#ports.foundation.log('info', 'the configuration is in force as it stands in its files', { cause });
      await this.#record(cause, 304);
    }
    return { outcome: 'unchanged', faults: [], restart: [] };
  }

  async #refuse(cause: ReloadCause, faults: readonly ConfigFault[]): Promise<Reloaded> {
    const { log, faulted } = this.#ports.foundation;
    for (const fault of faults) log('error', 'a fault of the changed configuration', { fault: faultLine(fault) });
    log('error', 'the changed configuration is refused; the running one stays', { cause, faults: faults.length });
    await this.#record(cause, 422).catch((fault: unknown) => faulted('audit', fault));
    return { outcome: 'refused', faults, restart: [] };
  }

  async #record(cause: ReloadCause, status: number): Promise<void> {
    const event = adminEvent({ operation: 'config.reload', actor: cause, status });
    await this.#ports.foundation.trail.append(event, { durable: true });
  }
}

/** Tells configurations apart. A digest, because the text would hold every credential once more. */
function contentOf({ config, openapi, tools, prices, tls, identities }: Loaded): string {
  return createHash('sha256')
    .update(JSON.stringify([config, openapi, tools, prices, tls, identities]))
    .digest('hex');
}

/** Certificates of a plane whose TLS waits for a restart stay as they are. */
function tlsInForce({ gateway }: Loaded['config'], { config, tls }: Loaded): Loaded['tls'] {
  return {
    data: JSON.stringify(gateway.tls) === JSON.stringify(config.gateway.tls) ? tls.data : null,
    admin: JSON.stringify(gateway.admin_tls) === JSON.stringify(config.gateway.admin_tls) ? tls.admin : null,
  };
}
