/**
 * The composition root: config → store → rooms → pipeline → servers. It decides nothing; `assembly/` hands each room
 * what it needs of another, so that rooms never import each other.
 */
import { openParts } from './assembly/parts.ts';
import { planesOf } from './assembly/planes.ts';
import { roomsOf } from './assembly/rooms.ts';
import { type Clock, systemClock } from './clock.ts';
import type { ConfigFault } from './config/document.ts';
import { type Loaded, loadConfig } from './config/load.ts';
import { Pipeline, type Rooms } from './pipeline.ts';
import { RouteTable, RouteTableFaulty } from './route/table.ts';
import { adminTokenFile } from './server/admin-token.ts';
import { within } from './stage.ts';
import { type Log, openLog } from './telemetry/log.ts';
import { operationSources } from './wire/dialects/index.ts';

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
  readonly dataDir: string;
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

function buildTable({ config, openapi, fault }: Loaded): RouteTable {
  try {
    return RouteTable.build({ routes: config.routes, sources: operationSources, openapi });
  } catch (error) {
    if (!(error instanceof RouteTableFaulty)) throw error;
    throw new ConfigFaults(error.faults.map(({ pointer, message }) => fault(pointer, message)));
  }
}

/** What `tollgate check` tells: all faults of a configuration, or how much there is in a good one. */
export async function checkConfig(
  configFile: string,
  env: StartOptions['env'],
): Promise<{ faults: readonly ConfigFault[] } | { routes: number; operations: number; issuers: number }> {
  const loaded = await loadConfig(configFile, env);
  if ('faults' in loaded) return loaded;
  try {
    const table = buildTable(loaded);
    const { routes, issuers } = loaded.config;
    return { routes: routes.length, operations: table.all().length, issuers: issuers.length };
  } catch (error) {
    if (error instanceof ConfigFaults) return { faults: error.faults };
    throw error;
  }
}

/**
 * Starts a gate from its configuration. Throws `ConfigFaults` with every fault, `PortTaken`, or what kept a part from
 * opening; then everything that was open is closed again.
 */
export async function startGate(options: StartOptions): Promise<Gate> {
  const loaded = await loadConfig(options.configFile, options.env);
  if ('faults' in loaded) throw new ConfigFaults(loaded.faults);
  const table = buildTable(loaded);
  const { config } = loaded;
  const clock = options.clock ?? systemClock();
  const log = options.log ?? openLog(config.telemetry.log);

  await using opened = new AsyncDisposableStack();
  const parts = await openParts({ loaded, table, env: options.env, clock, log }, opened);
  const own = roomsOf(parts);
  const rooms = options.alterRooms?.(own) ?? own;
  const { stage_ms: stageMs, answer_bytes: answerBytesMax } = config.limits;
  const planes = planesOf(parts, new Pipeline({ rooms, clock, stageMs, answerBytesMax, faulted: parts.faulted }));
  await planes.open();
  opened.defer(() => planes.close());
  // Only clouds that federate the gate need this key, and it takes a second to make: not on the way up.
  const federation = parts.keys.prepareFederation().catch((fault: unknown) => parts.faulted('identity', fault));
  opened.defer(() => federation);

  log('info', 'the gate is up', { agents: planes.url, people: planes.adminUrl, ...parts.policy.active });
  const { url, adminUrl } = planes;
  const dataDir = config.gateway.data_dir;
  const held = opened.move();
  return {
    ...{ url, adminUrl, dataDir },
    adminToken: parts.adminToken,
    adminTokenFile: adminTokenFile(dataDir),
    close: () => within(clock, config.limits.drain_ms + closingMs, held.disposeAsync()),
  };
}
