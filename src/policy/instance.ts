/**
 * One loaded bundle: a compiled WASM module with its data, and the instance that evaluates. All three packages live
 * in the one instance, so replacing a Loaded replaces them at once. A module's memory is not trusted after it threw,
 * and it never shrinks after a large input: in both cases the next evaluation gets a new instance.
 */
import opaWasm, { type LoadedPolicy } from '@open-policy-agent/opa-wasm';
import type { Bundle } from './bundle.ts';
import { BundleError, digest } from './sources.ts';

const pageBytes = 65_536;
const firstPages = 5;
/** 512 MiB; a policy that wants more is aborted, and what it was asked is denied. */
const pagesMax = 8_192;
const growthBytesMax = 32 * 1_048_576;

export type Phase = 'task' | 'call' | 'response';

export const entrypoints: Readonly<Record<Phase, string>> = {
  task: 'tollgate/task/decision',
  call: 'tollgate/call/decision',
  response: 'tollgate/response/decision',
};

function exactBuffer(bytes: Buffer): ArrayBuffer {
  const copy = new ArrayBuffer(bytes.byteLength);
  new Uint8Array(copy).set(bytes);
  return copy;
}

export class LoadedBundle {
  readonly revision: string;
  /** Digest of what runs; a revision is only what somebody calls it. */
  readonly content: string;
  readonly #module: WebAssembly.Module;
  readonly #data: ArrayBuffer;
  #instance: LoadedPolicy | null = null;
  #memoryBytesMax = 0;

  private constructor(revision: string, content: string, module: WebAssembly.Module, data: ArrayBuffer) {
    this.revision = revision;
    this.content = content;
    this.#module = module;
    this.#data = data;
  }

  /** Compiles and instantiates, data included. Throws BundleError for a module this gate cannot run. */
  static async load(bundle: Bundle, fallbackRevision?: string): Promise<LoadedBundle> {
    const content = digest([bundle.wasm, bundle.data]);
    const revision = bundle.revision ?? fallbackRevision ?? content;
    try {
      const module = await WebAssembly.compile(exactBuffer(bundle.wasm));
      const loaded = new LoadedBundle(revision, content, module, exactBuffer(bundle.data));
      const instance = loaded.#current();
      for (const phase of ['task', 'call'] as const) {
        if (!Object.hasOwn(instance.entrypoints, entrypoints[phase])) {
          throw new BundleError(`policy.wasm has no entry point ${entrypoints[phase]}`);
        }
      }
      return loaded;
    } catch (fault) {
      if (fault instanceof BundleError) throw fault;
      throw new BundleError(`policy.wasm cannot be loaded: ${faultText(fault)}`);
    }
  }

  /** What the instance holds now; 0 where the next evaluation makes a new one. */
  get memoryBytes(): number {
    return this.#instance?.mem.buffer.byteLength ?? 0;
  }

  has(phase: Phase): boolean {
    return Object.hasOwn(this.#current().entrypoints, entrypoints[phase]);
  }

  /**
   * Evaluates the decision of a package on `input`, the bytes of a JSON text. Gives `undefined` where the decision is
   * undefined. Throws whatever the module threw, which need not be an Error.
   */
  evaluate(phase: Phase, input: ArrayBuffer): unknown {
    const instance = this.#current();
    let results: unknown;
    try {
      results = instance.evaluate(input, entrypoints[phase]);
    } catch (fault) {
      this.#instance = null;
      throw fault;
    }
    if (instance.mem.buffer.byteLength > this.#memoryBytesMax) this.#instance = null;
    if (!Array.isArray(results) || results.length !== 1) return undefined;
    return (results[0] as { result?: unknown } | null)?.result;
  }

  #current(): LoadedPolicy {
    if (this.#instance !== null) return this.#instance;
    const instance = opaWasm.loadPolicySync(this.#module, { initial: firstPages, maximum: pagesMax });
    instance.setData(this.#data);
    this.#memoryBytesMax = Math.max(instance.mem.buffer.byteLength, firstPages * pageBytes) + growthBytesMax;
    this.#instance = instance;
    return instance;
  }
}

/** A text of anything thrown: OPA's WASM throws strings and plain objects too. */
export function faultText(fault: unknown): string {
  if (typeof fault === 'string') return fault;
  const message = (fault as { message?: unknown } | null)?.message;
  return typeof message === 'string' ? message : 'an unnamed fault';
}
