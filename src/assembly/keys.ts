/**
 * The keys of the gate, put together: who holds them, the directory of all gateways on the store, and what is signed
 * for clouds. The directory has published every key before anything listens, so nothing is signed that nobody knows.
 */
import type { Config } from '../config/schema.ts';
import { FederationAssertions } from '../identity/federation.ts';
import { createKeeper } from '../identity/keepers/index.ts';
import { KeyDirectory } from '../identity/key-directory.ts';
import { GateKeys } from '../identity/keys.ts';
import type { Store } from '../store/store.ts';
import type { Materials } from './parts.ts';

export interface KeyParts {
  readonly store: Store;
  readonly publicUrl: string;
  readonly faulted: (where: string, fault: unknown) => void;
}

/** Opens the keys and publishes them. Rejects with KeyFault, SignerUnavailable or `StoreUnavailable`. */
export async function openKeys(
  { config, env, clock }: Pick<Materials, 'config' | 'env' | 'clock'>,
  { store, publicUrl, faulted }: KeyParts,
  opened: AsyncDisposableStack,
): Promise<{ keys: GateKeys; keyDirectory: KeyDirectory; federation: FederationAssertions }> {
  const { id: gatewayId, data_dir: dataDir } = config.gateway;
  const keeper = createKeeper({ config: config.keys, dataDir, gatewayId, store, clock, path: env.PATH, faulted });
  const keys = opened.use(new GateKeys({ dataDir, gatewayId, clock, keeper }));
  await keys.open();
  const { name, secret } = config.keys;
  const leadMs = leadMsOf(config.keys);
  const keyDirectory = opened.use(new KeyDirectory({ keys, gatewayId, store, clock, faulted, name, secret, leadMs }));
  await keyDirectory.open();
  return { keys, keyDirectory, federation: new FederationAssertions({ keys: keyDirectory, publicUrl, clock }) };
}

function leadMsOf({ lead_seconds: { task, txn, federation } }: Config['keys']) {
  return { task: task * 1000, txn: txn * 1000, federation: federation * 1000 };
}
