/**
 * One loaded bundle: a compiled WASM module with its data, and the instance that evaluates. All packages live in the
 * one instance, so replacing a LoadedBundle replaces them at once. A module's memory is not trusted after it threw, and
 * it never shrinks after a large input: in both cases the next evaluation gets a new instance, of the image that was
 * taken when the data was set.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Bundle } from './bundle.ts';
import { type LeftOut, wholeInput } from './input-parts.ts';
import { contentOf, exactBuffer, trialOf } from './readiness.ts';
import { BundleError, type SourceFile } from './sources.ts';
import { faultText, type MemoryImage, WasmInstance } from './wasm-instance.ts';

export { faultText } from './wasm-instance.ts';

const growthBytesMax = 32 * 1_048_576;
/** A decision is recorded, sent and obeyed: what is longer than an input may be is none. */
const resultCharsMax = 1_048_576;

export type Phase = 'task' | 'call' | 'response';

export const entrypoints: Readonly<Record<Phase, string>> = {
  task: 'tollgate/task/decision',
  call: 'tollgate/call/decision',
  response: 'tollgate/response/decision',
};

interface Ready {
  readonly content: string;
  readonly module: WebAssembly.Module;
  readonly image: MemoryImage;
  readonly instance: WasmInstance;
}

export class LoadedBundle {
  readonly revision: string;
  /** Digest of what runs; a revision is only what somebody calls it. */
  readonly content: string;
  /** What no rule of it refers to. */
  readonly unusedInput: LeftOut;
  /** As `Bundle.sources`. */
  readonly sources: readonly SourceFile[];
  readonly #module: WebAssembly.Module;
  readonly #image: MemoryImage;
  readonly #entrypoints: ReadonlyMap<string, number>;
  readonly #memoryBytesMax: number;
  #instance: WasmInstance | null;

  private constructor(bundle: Bundle, revision: string | undefined, { content, module, image, instance }: Ready) {
    this.revision = bundle.revision ?? revision ?? content;
    this.content = content;
    this.unusedInput = bundle.terms?.unusedInput ?? wholeInput;
    this.sources = bundle.sources;
    this.#module = module;
    this.#image = image;
    this.#entrypoints = new Map(Object.entries(instance.entrypoints));
    this.#memoryBytesMax = instance.memoryBytes + growthBytesMax;
    this.#instance = instance;
  }

  /**
   * Compiles and instantiates, data included; of a bundle that was made ready aside, without holding up other work.
   * `warn` is told where what was made ready is of no use. Throws BundleError for a module this gate cannot run.
   */
  static async load(
    bundle: Bundle,
    fallbackRevision?: string,
    warn?: (message: string) => void,
  ): Promise<LoadedBundle> {
    try {
      const ready = (await taken(bundle, warn)) ?? (await made(bundle));
      for (const phase of ['task', 'call'] as const) {
        if (Object.hasOwn(ready.instance.entrypoints, entrypoints[phase])) continue;
        throw new BundleError(`policy.wasm has no entry point ${entrypoints[phase]}`);
      }
      return new LoadedBundle(bundle, fallbackRevision, ready);
    } catch (fault) {
      if (fault instanceof BundleError) throw fault;
      throw new BundleError(`policy.wasm cannot be loaded: ${faultText(fault)}`);
    }
  }

  /** What the instance holds now; 0 where the next evaluation makes a new one. */
  get memoryBytes(): number {
    return this.#instance?.memoryBytes ?? 0;
  }

  /** Whether the other one decides the same, is called the same, and needs as much of the input. */
  isSame(other: LoadedBundle | null): boolean {
    if (this.content !== other?.content || this.revision !== other.revision) return false;
    return this.unusedInput.symmetricDifference(other.unusedInput).size === 0;
  }

  has(phase: Phase): boolean {
    return this.#entrypoints.has(entrypoints[phase]);
  }

  /**
   * Evaluates the decision of a package on `input`, the bytes of a JSON text. Gives `undefined` where the decision is
   * undefined. Throws whatever the module threw, which need not be an Error.
   */
  evaluate(phase: Phase, input: ArrayBuffer): unknown {
    return this.evaluateEntrypoint(entrypoints[phase], input);
  }

  /** Whether the module has the entry point with this path. */
  hasEntrypoint(path: string): boolean {
    return this.#entrypoints.has(path);
  }

  /**
   * Evaluates any entry point by its path, such as `system/log/mask`. Gives `undefined` where the module has none, and
   * where what it stands for is undefined. Throws as `evaluate`.
   */
  evaluateEntrypoint(path: string, input: ArrayBuffer): unknown {
    const entrypoint = this.#entrypoints.get(path);
    if (entrypoint === undefined) return undefined;
    this.#instance ??= WasmInstance.ofImage(this.#module, this.#image);
    const instance = this.#instance;
    let results: unknown;
    try {
      const text = instance.evaluate(entrypoint, input);
      if (text.length > resultCharsMax) throw new Error(`the result is longer than ${resultCharsMax} characters`);
      results = JSON.parse(text);
    } catch (fault) {
      this.#instance = null;
      throw fault;
    }
    if (instance.memoryBytes > this.#memoryBytesMax) this.#instance = null;
    if (!Array.isArray(results) || results.length !== 1) return undefined;
    return (results[0] as { result?: unknown } | null)?.result;
  }
}

/** What is needed, made here: as long as the data is being parsed, nothing else is done. */
async function made(bundle: Bundle): Promise<Ready> {
  const module = await WebAssembly.compile(exactBuffer(bundle.wasm));
  const instance = WasmInstance.withData(module, exactBuffer(bundle.data));
  return { content: contentOf(bundle), module, image: instance.image(), instance };
}

/** What was made ready aside, if it decides here as it did there. */
async function taken({ readied }: Bundle, warn: ((message: string) => void) | undefined): Promise<Ready | null> {
  if (readied === undefined) return null;
  const { content, module, image, trial } = readied;
  const instance = await WasmInstance.ofImageInSlices(module, image);
  if (!isDeepStrictEqual(trialOf(instance), trial)) {
    warn?.('the policy decides otherwise in the memory that was made ready for it; its data is set here');
    return null;
  }
  return {
    content,
    module,
    image,
    instance: trial.threw ? await WasmInstance.ofImageInSlices(module, image) : instance,
  };
}
