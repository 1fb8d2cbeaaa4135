/**
 * Finds one's way in a parsed OpenAPI document: local `$ref`s, and the list of what is wrong with it. A `$ref` that
 * leads out of the document is a fault, wherever it stands: what an operation takes must not depend on another host.
 */
import { pointerTokens } from '../../pointer.ts';

export interface DocumentFault {
  /** A JSON pointer into the document. */
  readonly pointer: string;
  readonly message: string;
}

/** `value` as an object; undefined for anything else, arrays included. */
export function objectIn(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

/** Longest chain of references to references. */
const chainMax = 32;
const faultsMax = 100;

export class DocumentReader {
  readonly root: Record<string, unknown>;
  readonly is30: boolean;
  readonly faults: DocumentFault[] = [];

  constructor(document: unknown) {
    this.root = objectIn(document) ?? {};
    const version = this.root.openapi;
    this.is30 = typeof version === 'string' && version.startsWith('3.0.');
    if (!this.is30 && !(typeof version === 'string' && version.startsWith('3.1.'))) {
      this.fault('/openapi', 'must be an OpenAPI document of version 3.0 or 3.1');
    }
    this.#checkReferences();
  }

  fault(pointer: string, message: string): void {
    if (
      this.faults.length < faultsMax &&
      !this.faults.some((known) => known.pointer === pointer && known.message === message)
    ) {
      this.faults.push({ pointer, message });
    }
  }

  /** What a `$ref` names, with its pointer; undefined (and a fault at `from`) if it names nothing in the document. */
  resolve(ref: unknown, from: string): { readonly value: unknown; readonly pointer: string } | undefined {
    const found = this.#find(ref);
    if (found === undefined) this.fault(from, 'the $ref names nothing in this document');
    return found;
  }

  /** `value`, or what it refers to through any number of `$ref`s; undefined where that leads nowhere. */
  follow(value: unknown): unknown {
    let at = value;
    for (let count = 0; count < chainMax; count++) {
      const ref = objectIn(at)?.$ref;
      if (typeof ref !== 'string') return at;
      at = this.#find(ref)?.value;
    }
    return undefined;
  }

  #find(ref: unknown): { readonly value: unknown; readonly pointer: string } | undefined {
    if (typeof ref !== 'string' || !ref.startsWith('#')) return undefined;
    let pointer: string;
    try {
      pointer = decodeURIComponent(ref.slice(1));
    } catch {
      return undefined;
    }
    let value: unknown = this.root;
    for (const token of pointerTokens(pointer) ?? ['\0']) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, token)) return undefined;
      value = (value as Record<string, unknown>)[token];
    }
    return { value, pointer };
  }

  #checkReferences(): void {
    const seen = new Set<unknown>();
    const open: { readonly value: unknown; readonly pointer: string }[] = [{ value: this.root, pointer: '' }];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { value, pointer } = next;
      if (typeof value !== 'object' || value === null || seen.has(value)) continue;
      seen.add(value);
      for (const [name, inner] of Object.entries(value)) {
        // Examples are data, and may hold whatever the service answers.
        if (name === 'example' || name === 'examples') continue;
        if (name === '$ref' && typeof inner === 'string' && !inner.startsWith('#')) {
          this.fault(pointer, 'a $ref may not lead out of the document');
        }
        const token = name.replaceAll('~', '~0').replaceAll('/', '~1');
        open.push({ value: inner, pointer: `${pointer}/${token}` });
      }
    }
  }
}
