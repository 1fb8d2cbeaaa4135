/** The backends of the store, by the `kind` that tollgate.yaml names. A new one is a file here and a line below. */
import type { Clock } from '../../clock.ts';
import type { StoreConfig } from '../section.ts';
import type { Store } from '../store.ts';
import { MemoryStore } from './memory.ts';

export interface BackendParts {
  readonly clock: Clock;
  /** Told of what a subscriber threw; the other subscribers get their message all the same. */
  readonly onListenerFault?: (error: unknown) => void;
}

export const backends: Readonly<Record<StoreConfig['kind'], (config: StoreConfig, parts: BackendParts) => Store>> = {
  memory: (_config, parts) => new MemoryStore(parts),
};

/** The store that the config names, constructed; the caller opens and disposes it. */
export function createStore(config: StoreConfig, parts: BackendParts): Store {
  return backends[config.kind](config, parts);
}
