/** The keepers of the gate's keys, one file each. A new one is a file beside these and a line here. */
import type { Clock } from '../../clock.ts';
import type { Store } from '../../store/store.ts';
import { CommandKeeper } from './command.ts';
import { FilesKeeper } from './files.ts';
import type { Keeper } from './keeper.ts';
import type { KeysConfig } from './section.ts';
import { StoreKeeper } from './store.ts';

export interface KeeperParts {
  readonly config: KeysConfig;
  readonly dataDir: string;
  readonly gatewayId: string;
  readonly store: Store;
  readonly clock: Clock;
  /** `PATH` of the gate, for the program of `command`. */
  readonly path: string | undefined;
  readonly faulted: (where: string, fault: unknown) => void;
}

const keepers: Readonly<Record<KeysConfig['source'], (parts: KeeperParts) => Keeper>> = {
  files: (parts) => new FilesKeeper(parts),
  store: ({ config, store, clock }) =>
    new StoreKeeper({ store, clock, name: config.name, secret: required(config.secret, 'secret') }),
  command: ({ config, clock, path, faulted }) =>
    new CommandKeeper({
      ...{ clock, path, name: config.name, timeoutMs: config.timeout_ms },
      command: required(config.command, 'command') as [string, ...string[]],
      faulted: (fault) => faulted('identity', fault),
    }),
};

/** The keeper that a checked configuration names, not yet open. */
export function createKeeper(parts: KeeperParts): Keeper {
  return keepers[parts.config.source](parts);
}

function required<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new TypeError(`keys.${name} is missing; checkKeys lets no such configuration in`);
  return value;
}
