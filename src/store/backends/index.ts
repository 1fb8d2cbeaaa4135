/** The backends of the store, by the `kind` that tollgate.yaml names. A new one is a file here and a line below. */
import type { StoreConfig } from '../section.ts';
import type { Store } from '../store.ts';
import type { BackendParts } from './backend-parts.ts';
import { MemoryStore } from './memory.ts';
import { RedisStore } from './redis.ts';

type Kind = StoreConfig['kind'];
type ConfigOf<K extends Kind> = Extract<StoreConfig, { readonly kind: K }>;

export const backends: { readonly [K in Kind]: (config: ConfigOf<K>, parts: BackendParts) => Store } = {
  memory: (_config, parts) => new MemoryStore(parts),
  redis: (config, parts) => new RedisStore(config, parts),
};

/** The store that the config names, constructed; the caller opens and disposes it. */
export function createStore(config: StoreConfig, parts: BackendParts): Store {
  const create: (config: never, parts: BackendParts) => Store = backends[config.kind];
  return create(config as never, parts);
}
