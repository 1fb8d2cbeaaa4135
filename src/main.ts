/**
 * The composition root: config → store → rooms → pipeline → servers. It decides nothing; `assembly/` hands each room
 * what it needs of another, so that rooms never import each other.
 */
import { type Edition, Editions } from './assembly/editions.ts';
import { Lease } from './assembly/lease.ts';
import { withConversations } from './assembly/mcp.ts';
import { OpenApiFetch } from './assembly/openapi.ts';
import { type EditionSource, type Foundation, openFoundation, openParts } from './assembly/parts.ts';
import { dataPlaneOf, planesOf, readinessOf } from './assembly/planes.ts';
import { type ReloadCause, type Reloaded, Reloader } from './assembly/reload.ts';
import { roomsOf } from './assembly/rooms.ts';
import { tableOf } from './assembly/table.ts';
import { type Clock, systemClock } from './clock.ts';
import type { ConfigFault } from './config/document.ts';
import { configValidator, loadConfig } from './config/load.ts';
import { ConfigWatch } from './config/watch.ts';
import { Pipeline, type Rooms } from './pipeline.ts';
import { adminTokenFile } from './server/admin-token.ts';
import type { Readiness } from './server/readiness.ts';
import { within } from './stage.ts';
import { type Log, openLog } from './telemetry/log.ts';

/** Beyond the drain: a disk that hangs must not keep the process for ever. */
const closingMs = 15_000;

export interface StartOptions {
  readonly configFile: string;
  /** What `${env:…}` in the file, and the search for the OPA compiler, draw on. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
  readonly log?: Log;
  /** Puts other rooms in place of the gate's own, for tests that hand in faults. */
  readonly alterRooms?: (rooms: Rooms) => Rooms;
}

/** A gate that is up. */
export interface Gate {
  /** Base URL of the data plane, as it can be reached from this machine. */
  readonly url: string;
  readonly adminUrl: string;
  readonly adminToken: string;
  readonly adminTokenFile: string;
  /** URL of the issuer by which people sign in; null while the admin token is what opens the admin plane. */
  readonly peopleIssuer: string | null;
  readonly dataDir: string;
  /** Puts the configuration in force as it stands in its files now, without a dropped request. Never rejects. */
  reload(cause: ReloadCause): Promise<Reloaded>;
  /** Takes nothing new, lets what runs end within `limits.drain_ms`, and closes everything. Rejects if a part hangs. */
  close(): Promise<void>;
}

/** The configuration is not good; nothing was started. */
export class ConfigFaults extends Error {
  override readonly name = 'ConfigFaults';
  readonly faults: readonly ConfigFault[];
  constructor(faults: readonly ConfigFault[]) {
    super(`the configuration has ${faults.length} faults`);
    this.faults = faults;
  }
}

/** What `tollgate check` tells: all faults of a configuration, or how much there is in a good one. */
export async function checkConfig(
  configFile: string,
  env: StartOptions['env'],
): Promise<{ faults: readonly ConfigFault[] } | { routes: number; operations: number; issuers: number }> {
  const clock = systemClock();
  const loaded = await loadConfig(configFile, env, configValidator(), new OpenApiFetch(clock).fetch);
  if ('faults' in loaded) return loaded;
  const table = await tableOf(loaded, clock);
  if ('faults' in table) return table;
  const { routes, issuers } = loaded.config;
  return { routes: routes.length, operations: table.all().length, issuers: issuers.length };
}

/**
 * Starts a gate from its configuration. Throws `ConfigFaults` with every fault, `PortTaken`, or what kept a part from
 * opening; then everything that was open is closed again.
 */
export async function startGate(options: StartOptions): Promise<Gate> {
  const validator = configValidator();
  const { env, clock = systemClock() } = options;
  const documents = new OpenApiFetch(clock);
  const load = () => {
    documents.forget();
    return loadConfig(options.configFile, env, validator, documents.fetch);
  };
  const loaded = await load();
  if ('faults' in loaded) throw new ConfigFaults(loaded.faults);
  const { config } = loaded;
  const { log = openLog(config.telemetry.log) } = options;
  const table = await tableOf(loaded, clock);
  if ('faults' in table) throw new ConfigFaults(table.faults);
  await documents.settle(config.gateway.data_dir, log);

  await using opened = new AsyncDisposableStack();
  const kindOf = (operation: string) => editions.current.parts.table.get(operation)?.kind;
  const taintKeptMs = () => editions.current.parts.config.task.taint_seconds * 1000;
  const policies = () => editions.current.parts.policy;
  const foundation = await openFoundation({ config, env, clock, log, kindOf, taintKeptMs, policies }, opened);
  const { faulted, keyDirectory } = foundation;
  const editions = opened.use(new Editions(faulted));
  const readiness = readinessOf(foundation, policies);
  const underWay = () => editions.underWay;
  const build = (source: EditionSource, before?: Edition) =>
    openEdition({
      ...{ foundation, source, before, readiness, underWay, editions, alterRooms: options.alterRooms },
      address: () => planes.dataAddress,
    });
  editions.replace(await build({ loaded, table }));
  await foundation.rollout.reports.open();
  // Only clouds that federate the gate need this key, and it takes a second to make: not on the way up.
  // A signer that has none for them is not asked before a cloud is.
  if (config.keys.source !== 'command') {
    const prepared = keyDirectory.prepareFederation().catch((fault: unknown) => faulted('identity', fault));
    opened.defer(() => prepared);
  }
  const planes = planesOf(foundation, editions, readiness, loaded.tls);
  await planes.open();
  opened.defer(() => planes.close());
  const reloader = new Reloader(
    {
      ...{ foundation, editions, planes },
      load,
      tableOf: async (changed) => {
        const changedTable = await tableOf(changed, clock);
        if (!('faults' in changedTable)) await documents.settle(config.gateway.data_dir, log);
        return changedTable;
      },
      build: (changed, changedTable, before) => build({ loaded: changed, table: changedTable }, before),
    },
    loaded,
  );
  const watch = opened.use(
    new ConfigWatch({ clock, files: () => reloader.files, changed: () => reloader.reload('files') }),
  );
  await watch.open();

  log('info', 'the gate is up', {
    agents: planes.url,
    people: planes.adminUrl,
    ...editions.current.parts.policy.active,
  });
  const { url, adminUrl } = planes;
  const dataDir = config.gateway.data_dir;
  const held = opened.move();
  return {
    ...{ url, adminUrl, dataDir },
    adminToken: foundation.adminToken,
    adminTokenFile: adminTokenFile(dataDir),
    peopleIssuer: config.admin?.issuer ?? null,
    reload: (cause) => reloader.reload(cause),
    close: () => within(clock, editions.current.parts.config.limits.drain_ms + closingMs, held.disposeAsync()),
  };
}

interface EditionMaterials {
  readonly foundation: Foundation;
  readonly source: EditionSource;
  readonly before: Edition | undefined;
  readonly readiness: Readiness;
  readonly underWay: () => number;
  readonly editions: Editions;
  /** Where the data plane listens. */
  readonly address: () => { readonly host: string; readonly port: number };
  readonly alterRooms: StartOptions['alterRooms'];
}

/** Everything that follows from one configuration; what is open when a part of it fails is closed again. */
async function openEdition(materials: EditionMaterials): Promise<Edition> {
  const { foundation, source, before, readiness, underWay, editions, address, alterRooms } = materials;
  const lease = new Lease(before?.lease);
  try {
    const parts = await openParts(foundation, source, lease.take);
    const own = withConversations(roomsOf(parts), foundation.clock, foundation.faulted);
    const rooms = alterRooms?.(own) ?? own;
    const { stage_ms: stageMs, answer_bytes: answerBytesMax } = parts.config.limits;
    const { clock, faulted } = foundation;
    const pipeline = new Pipeline({ rooms, clock, stageMs, answerBytesMax, faulted });
    const hold = () => editions.hold(edition);
    const leaving = () => readiness.draining || !editions.isCurrent(edition);
    const surroundings = { readiness, underWay, hold, leaving, address };
    const edition: Edition = { source, parts, lease, ...dataPlaneOf(parts, pipeline, surroundings) };
    return edition;
  } catch (fault) {
    await lease[Symbol.asyncDispose]();
    throw fault;
  }
}
