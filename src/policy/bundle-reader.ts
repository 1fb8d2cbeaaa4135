/**
 * Reads bundles aside, in a thread of their own: unpacking and hashing what somebody else made, and setting much data,
 * may take seconds and a lot of memory, and neither may stand in the way of the calls. A thread that dies takes the
 * bundle with it, no more.
 */
import { Worker } from 'node:worker_threads';
import { type Bundle, parseBundle } from './bundle.ts';
import type { SigningKey } from './signing-key.ts';
import { BundleError } from './sources.ts';

/** What the gate compiled itself and is no larger is read where it is asked for: a thread would cost more. */
const smallBytes = 256 * 1_024;
const smallUnpackedBytes = 512 * 1_024;
const heapMegabytesMax = 1_024;

/** What a thread is given: a packed bundle, or one that is unpacked and to be made ready. */
export type Work =
  | { readonly packed: Uint8Array<ArrayBuffer>; readonly keys: readonly SigningKey[]; readonly bundle: null }
  | { readonly packed: null; readonly keys: readonly []; readonly bundle: Bundle };

/** What it says. */
export type Answer = { readonly bundle: Bundle } | { readonly refused: string };

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

/** As `parseBundle`, without holding up whoever asks; a bundle with much data comes readied. Throws BundleError. */
export async function readAside(packed: Buffer, { keys, signal, own = false }: ReadOptions): Promise<Bundle> {
  if (own && packed.length <= smallBytes && unpackedBytes(packed) <= smallUnpackedBytes) {
    return parseBundle(packed, keys);
  }
  const copy = new Uint8Array(packed);
  return askThread({ packed: copy, keys, bundle: null }, [copy.buffer], signal);
}

/** A bundle that was read elsewhere, readied where it has much data. Throws BundleError. */
export async function readiedAside(bundle: Bundle, signal: AbortSignal): Promise<Bundle> {
  if (bundle.data.length <= smallBytes || bundle.readied !== undefined) return bundle;
  const { wasm, data } = bundle;
  const { readied } = await askThread({ packed: null, keys: [], bundle: { ...bundle, sources: [] } }, [], signal);
  return { ...bundle, wasm, data, ...(readied === undefined ? {} : { readied }) };
}

/** As the last four bytes of a gzip file say (RFC 1952 §2.3.1): to be believed of what the gate made itself. */
function unpackedBytes(packed: Buffer): number {
  return packed.length < 4 ? 0 : packed.readUInt32LE(packed.length - 4);
}

async function askThread(work: Work, handedOver: readonly ArrayBuffer[], signal: AbortSignal): Promise<Bundle> {
  signal.throwIfAborted();
  const worker = new Worker(workerFile(), {
    workerData: work,
    transferList: [...handedOver],
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
    return withBuffers(answer.bundle);
  } finally {
    signal.removeEventListener('abort', end);
    await worker.terminate();
  }
}

/** A Buffer comes out of a thread as a plain array of bytes; here they are Buffers again, and not copied. */
function withBuffers(bundle: Bundle): Bundle {
  const buffer = ({ buffer: memory, byteOffset, byteLength }: Uint8Array<ArrayBufferLike>) =>
    Buffer.from(memory as ArrayBuffer, byteOffset, byteLength);
  const sources = bundle.sources.map(({ path, content }) => ({ path, content: buffer(content) }));
  return { ...bundle, wasm: buffer(bundle.wasm), data: buffer(bundle.data), sources };
}
