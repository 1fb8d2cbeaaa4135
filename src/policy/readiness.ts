/**
 * Readies a bundle with much data, in the thread that reads it: the module compiled, its memory with the data in it,
 * and what it says to an empty input. The gate's own thread then copies the memory and asks the same; an instance that
 * answers otherwise is not used. Nothing is readied of a module that could keep state outside of its memory.
 */
import { BundleError, digest } from './sources.ts';
import { faultText, type MemoryImage, WasmInstance } from './wasm-instance.ts';

const globalSection = 6;

/** What was done aside. The image is handed over, not copied. */
export interface Readied {
  /** As `contentOf`. */
  readonly content: string;
  readonly module: WebAssembly.Module;
  readonly image: MemoryImage;
  readonly trial: Trial;
}

/** What the entry points say to an empty input. */
export interface Trial {
  readonly said: readonly string[];
  /** The last of them threw: the instance is spent. */
  readonly threw: boolean;
}

/** Digest of what runs; a revision is only what somebody calls it. */
export function contentOf({ wasm, data }: { readonly wasm: Buffer; readonly data: Buffer }): string {
  return digest([wasm, data]);
}

/** A copy that begins where its buffer begins. */
export function exactBuffer(bytes: Buffer): ArrayBuffer {
  const copy = new ArrayBuffer(bytes.byteLength);
  new Uint8Array(copy).set(bytes);
  return copy;
}

/** The bundle made ready; null where the module is not known to be safe to copy. Throws BundleError. */
export function readied(bundle: { readonly wasm: Buffer; readonly data: Buffer }): Readied | null {
  if (changingGlobals(bundle.wasm) > 1) return null;
  try {
    const module = new WebAssembly.Module(exactBuffer(bundle.wasm));
    const instance = WasmInstance.withData(module, exactBuffer(bundle.data));
    const image = instance.image();
    return { content: contentOf(bundle), module, image, trial: trialOf(instance) };
  } catch (fault) {
    throw new BundleError(`policy.wasm cannot be loaded: ${faultText(fault)}`);
  }
}

/** What each entry point says to an empty input, up to the first that throws. */
export function trialOf(instance: WasmInstance): Trial {
  const said: string[] = [];
  for (const [name, id] of Object.entries(instance.entrypoints)) {
    try {
      said.push(`${name} ${instance.evaluate(id, new TextEncoder().encode('{}').buffer)}`);
    } catch (fault) {
      said.push(`${name} ${faultText(fault)}`);
      return { said, threw: true };
    }
  }
  return { said, threw: false };
}

/** How many globals of a module can change, by its binary form (WebAssembly Core §5.5.9); infinite where it is odd. */
export function changingGlobals(wasm: Buffer): number {
  let at = 8;
  const number = (): number => {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = wasm.readUInt8(at);
      at += 1;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError('a number of a module is too long');
  };
  try {
    while (at < wasm.length) {
      const section = wasm.readUInt8(at);
      at += 1;
      const end = number() + at;
      if (section === globalSection) {
        let changing = 0;
        for (let left = number(); left > 0; left--) {
          const [type, mutable, opcode] = [wasm.readUInt8(at), wasm.readUInt8(at + 1), wasm.readUInt8(at + 2)];
          // OPA's are 32-bit constants: `i32.const n end`; of any other form we know nothing.
          if (type !== 0x7f || opcode !== 0x41) return Number.POSITIVE_INFINITY;
          at += 3;
          number();
          if (wasm.readUInt8(at) !== 0x0b) return Number.POSITIVE_INFINITY;
          at += 1;
          changing += mutable;
        }
        return changing;
      }
      at = end;
    }
    return 0;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
