/**
 * One instance of a policy module with its data in memory. What a reader would get wrong: the text of the data is
 * parsed into the memory of the module once, and that takes long (160 ms for 11 MB); a further instance, also in another
 * thread, gets the memory as it was then. That is sound because a module of OPA has no other state: its stack pointer,
 * the one global that changes, is where it began after each evaluation that does not throw.
 */
import opaWasm, { type LoadedPolicy } from '@open-policy-agent/opa-wasm';

export const pageBytes = 65_536;
const firstPages = 5;
/** 512 MiB; a policy that wants more is aborted, and what it was asked is denied. */
const pagesMax = 8_192;
/** `opa_eval` came with 1.2, in 2021. */
const abiMinorMin = 2;
/** Copied in one turn of the event loop: about a millisecond, most of it pages that are touched for the first time. */
const sliceBytes = 1_048_576;

/** The memory of an instance right after its data was set: all that makes it what it is. */
export interface MemoryImage {
  /** From address 0 to where the heap ended; what lies beyond is only written before it is read. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly dataAddress: number;
}

export class WasmInstance {
  /** Ids by the names of the entry points. */
  readonly entrypoints: Readonly<Record<string, number>>;
  readonly #policy: LoadedPolicy;
  readonly #dataAddress: number;
  /** Where the data ends; an evaluation starts here. */
  readonly #heapAddress: number;
  #memory: Buffer<ArrayBuffer>;

  private constructor(policy: LoadedPolicy, dataAddress: number, heapAddress: number) {
    this.entrypoints = policy.entrypoints;
    this.#policy = policy;
    this.#dataAddress = dataAddress;
    this.#heapAddress = heapAddress;
    this.#memory = Buffer.from(policy.mem.buffer);
  }

  /** Parses the JSON text `data` into a new instance. Throws whatever the module throws. */
  static withData(module: WebAssembly.Module, data: ArrayBuffer): WasmInstance {
    const policy = instantiate(module, firstPages);
    const { exports } = policy.wasmInstance;
    exports.opa_heap_ptr_set(policy.baseHeapPtr);
    const text = exports.opa_malloc(data.byteLength);
    new Uint8Array(policy.mem.buffer).set(new Uint8Array(data), text);
    const address = exports.opa_json_parse(text, data.byteLength);
    if (address === 0) throw new Error('the data is not JSON');
    return new WasmInstance(policy, address, exports.opa_heap_ptr_get());
  }

  /** An instance as the one that `image` was taken of, all at once: half a millisecond a megabyte. */
  static ofImage(module: WebAssembly.Module, image: MemoryImage): WasmInstance {
    const instance = WasmInstance.#empty(module, image);
    instance.#memory.set(image.bytes);
    return instance;
  }

  /** As `ofImage`, and other work goes on in between. */
  static async ofImageInSlices(module: WebAssembly.Module, image: MemoryImage): Promise<WasmInstance> {
    const instance = WasmInstance.#empty(module, image);
    for (let from = 0; from < image.bytes.length; from += sliceBytes) {
      instance.#memory.set(image.bytes.subarray(from, from + sliceBytes), from);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    return instance;
  }

  static #empty(module: WebAssembly.Module, { bytes, dataAddress }: MemoryImage): WasmInstance {
    const pages = Math.max(firstPages, Math.ceil(bytes.length / pageBytes));
    return new WasmInstance(instantiate(module, pages), dataAddress, bytes.length);
  }

  /** A copy of the memory; to be taken before the first evaluation. */
  image(): MemoryImage {
    const bytes = new Uint8Array(this.#policy.mem.buffer, 0, this.#heapAddress).slice();
    return { bytes, dataAddress: this.#dataAddress };
  }

  get memoryBytes(): number {
    return this.#policy.mem.buffer.byteLength;
  }

  /** The JSON text of the result set for `input`, the bytes of a JSON text. Throws whatever the module throws. */
  evaluate(entrypoint: number, input: ArrayBuffer): string {
    const { mem, wasmInstance } = this.#policy;
    const address = this.#heapAddress;
    const length = input.byteLength;
    const lacking = address + length - mem.buffer.byteLength;
    if (lacking > 0) mem.grow(Math.ceil(lacking / pageBytes));
    this.#seen().set(new Uint8Array(input), address);
    const heap = address + length;
    const result = wasmInstance.exports.opa_eval(0, entrypoint, this.#dataAddress, address, length, heap, 0);
    const memory = this.#seen();
    return memory.toString('utf8', result, memory.indexOf(0, result));
  }

  /** The memory as bytes: where it grew, what it was seen through before is empty. */
  #seen(): Buffer<ArrayBuffer> {
    const { buffer } = this.#policy.mem;
    if (this.#memory.buffer !== buffer) this.#memory = Buffer.from(buffer);
    return this.#memory;
  }
}

function instantiate(module: WebAssembly.Module, initial: number): LoadedPolicy {
  const policy = opaWasm.loadPolicySync(module, { initial, maximum: pagesMax });
  if ((policy.minorVersion ?? 0) < abiMinorMin) {
    throw new Error(`its ABI is 1.${policy.minorVersion}, and 1.${abiMinorMin} is the oldest that can be run`);
  }
  return policy;
}

/** A text of anything thrown: OPA's WASM throws strings and plain objects too. */
export function faultText(fault: unknown): string {
  if (typeof fault === 'string') return fault;
  const message = (fault as { message?: unknown } | null)?.message;
  return typeof message === 'string' ? message : 'an unnamed fault';
}
