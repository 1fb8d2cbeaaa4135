/**
 * Reads bundles aside, in a thread of their own: unpacking and hashing what somebody else made may take seconds and
 * a lot of memory, and neither may stand in the way of the calls. A thread that dies takes the bundle with it, no more.
 */
import { Worker } from 'node:worker_threads';
import { type Bundle, parseBundle } from './bundle.ts';
import type { SigningKey } from './signing-key.ts';
import { BundleError } from './sources.ts';

/** What the gate compiled itself and is no larger is read where it is asked for: a thread would cost more. */
const smallBytes = 256 * 1_024;
const heapMegabytesMax = 1_024;

type Answer = { readonly bundle: Bundle } | { readonly refused: string };

export interface ReadOptions {
  readonly keys: readonly SigningKey[];
  /** Ends the thread. */
  readonly signal: AbortSignal;
  /** The gate made it itself. */
  readonly own?: boolean;
}

// Emitted JavaScript has other file names than its source, and the compiler leaves strings alone.
function workerFile(): URL {
  return new URL(`./bundle-worker${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`, import.meta.url);
}

/** As `parseBundle`, without holding up whoever asks. Throws BundleError. */
export async function readAside(packed: Buffer, { keys, signal, own = false }: ReadOptions): Promise<Bundle> {
  if (own && packed.length <= smallBytes) return parseBundle(packed, keys);
  signal.throwIfAborted();
  const worker = new Worker(workerFile(), {
    workerData: { packed: new Uint8Array(packed), keys },
    execArgv: [],
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: heapMegabytesMax },
  });
  const end = () => void worker.terminate();
  signal.addEventListener('abort', end, { once: true });
  try {
    const answer = await new Promise<Answer>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', (fault) =>
        reject(new BundleError(`the bundle cannot be read: ${(fault as Error).message}`)),
      );
      worker.once('exit', () => reject(new BundleError('the bundle cannot be read: its thread ended')));
    });
    if ('refused' in answer) throw new BundleError(answer.refused);
    const { bundle } = answer;
    return { ...bundle, wasm: Buffer.from(bundle.wasm), data: Buffer.from(bundle.data) };
  } finally {
    signal.removeEventListener('abort', end);
    await worker.terminate();
  }
}
