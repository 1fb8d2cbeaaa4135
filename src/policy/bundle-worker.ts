/**
 * The thread in which a bundle is unpacked, its signature checked, and its memory made ready where it has much data: it
 * does that for one, answers, and ends. What is large in the answer is handed over, not copied.
 */
import { isMarkedAsUntransferable, parentPort, workerData } from 'node:worker_threads';
import { parseBundle } from './bundle.ts';
import type { Answer, Work } from './bundle-reader.ts';

/** Data below is set within a few milliseconds where it is needed. */
const smallDataBytes = 256 * 1_024;
const handedOverBytes = 65_536;

const { packed, keys, bundle: given } = workerData as Work;
const bytes = ({ buffer, byteOffset, byteLength }: Uint8Array) =>
  Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);

function say(answer: Answer): void {
  const whole = 'bundle' in answer ? answer.bundle : undefined;
  const parts = [whole?.wasm, whole?.data, whole?.readied?.image.bytes].filter((part) => part !== undefined);
  const large = parts.filter(({ length, buffer }) => length >= handedOverBytes && !isMarkedAsUntransferable(buffer));
  parentPort?.postMessage(answer, [...new Set(large.map(({ buffer }) => buffer as ArrayBuffer))]);
}

try {
  const bundle =
    given === null
      ? await parseBundle(bytes(packed), keys)
      : { ...given, wasm: bytes(given.wasm), data: bytes(given.data) };
  // What readies is loaded only where it is needed: it costs more than to unpack a small bundle.
  const ready = bundle.data.length < smallDataBytes ? null : (await import('./readiness.ts')).readied(bundle);
  say({ bundle: ready === null ? bundle : { ...bundle, readied: ready } });
} catch (fault) {
  say({ refused: (fault as Error).message });
}
