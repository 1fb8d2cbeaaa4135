/** The thread in which a bundle is unpacked and its signature checked: it reads one, answers, and ends. */
import { parentPort, workerData } from 'node:worker_threads';
import { parseBundle } from './bundle.ts';
import type { SigningKey } from './signing-key.ts';

const { packed, keys } = workerData as { readonly packed: Uint8Array; readonly keys: readonly SigningKey[] };

try {
  const bundle = await parseBundle(Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength), keys);
  parentPort?.postMessage({ bundle });
} catch (fault) {
  parentPort?.postMessage({ refused: (fault as Error).message });
}
