/**
 * What we use of @open-policy-agent/opa-wasm, whose package names type files that it does not ship, and of the
 * WebAssembly global, which only the library of the browser declares.
 */
declare namespace WebAssembly {
  interface Module {
    readonly [Symbol.toStringTag]: 'WebAssembly.Module';
  }
  interface Memory {
    readonly buffer: ArrayBuffer;
  }
  interface MemoryDescriptor {
    initial: number;
    maximum?: number;
  }
  function compile(bytes: ArrayBuffer): Promise<Module>;
}

declare module '@open-policy-agent/opa-wasm' {
  export interface LoadedPolicy {
    readonly entrypoints: Readonly<Record<string, number>>;
    readonly mem: WebAssembly.Memory;
    evaluate(input: ArrayBuffer, entrypoint: string): unknown;
    setData(data: ArrayBuffer): void;
  }
  const opa: {
    loadPolicySync(module: WebAssembly.Module, memory: WebAssembly.MemoryDescriptor): LoadedPolicy;
  };
  export default opa;
}
