/**
 * What we use of @open-policy-agent/opa-wasm, whose package names type files that it does not ship, and of the
 * WebAssembly global, which only the library of the browser declares.
 */
declare namespace WebAssembly {
  interface Module {
    readonly [Symbol.toStringTag]: 'WebAssembly.Module';
  }
  const Module: new (bytes: ArrayBuffer) => Module;
  interface Memory {
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }
  interface MemoryDescriptor {
    initial: number;
    maximum?: number;
  }
  function compile(bytes: ArrayBuffer): Promise<Module>;
}

declare module '@open-policy-agent/opa-wasm' {
  /** The functions of OPA's ABI that we call; addresses and lengths are bytes in the memory. */
  export interface PolicyExports {
    opa_malloc(length: number): number;
    /** 0 where the text is no JSON. */
    opa_json_parse(address: number, length: number): number;
    opa_heap_ptr_get(): number;
    opa_heap_ptr_set(address: number): void;
    /** ABI 1.2. Gives the address of a NUL-terminated JSON text. */
    opa_eval(
      reserved: 0,
      entrypoint: number,
      data: number,
      input: number,
      inputLength: number,
      heap: number,
      format: 0,
    ): number;
  }
  export interface LoadedPolicy {
    readonly entrypoints: Readonly<Record<string, number>>;
    readonly mem: WebAssembly.Memory;
    readonly minorVersion: number | undefined;
    readonly baseHeapPtr: number;
    readonly wasmInstance: { readonly exports: PolicyExports };
  }
  const opa: {
    /** Checks the major version of the ABI and supplies the built-ins. */
    loadPolicySync(module: WebAssembly.Module, memory: WebAssembly.MemoryDescriptor): LoadedPolicy;
  };
  export default opa;
}
