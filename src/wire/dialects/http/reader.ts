/**
 * Finds one's way in a parsed OpenAPI document, joined with those its `$ref`s lead to (references.ts), and keeps the
 * list of what is wrong with it. A `$ref` that leads anywhere else is a fault, wherever it stands: what an operation
 * takes must not depend on another host.
 */
import { pointerTokens } from '../../pointer.ts';
import { type Joined, joined } from './references.ts';

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
/** Dialects of JSON Schema that schemas of OpenAPI 3.1 are read as. */
const dialects =
  /^https:\/\/(?:json-schema\.org\/draft\/2020-12\/schema|spec\.openapis\.org\/oas\/3\.1\/dialect\/.*)#?$/;

export class DocumentReader {
  readonly root: Record<string, unknown>;
  readonly is30: boolean;
  readonly faults: DocumentFault[] = [];
  readonly #place: Joined['place'];

  private constructor(root: unknown, place: Joined['place']) {
    this.root = objectIn(root) ?? {};
    this.#place = place;
    const version = this.root.openapi;
    this.is30 = typeof version === 'string' && version.startsWith('3.0.');
    if (!this.is30 && !(typeof version === 'string' && version.startsWith('3.1.'))) {
      this.fault('/openapi', 'must be an OpenAPI document of version 3.0 or 3.1');
    }
    const dialect = this.root.jsonSchemaDialect;
    if (dialect !== undefined && !(typeof dialect === 'string' && dialects.test(dialect))) {
      this.fault('/jsonSchemaDialect', 'must be JSON Schema 2020-12');
    }
  }

  /** Reads a parsed document, or an OpenApiDocuments. Yields now and then. */
  static *read(source: unknown): Generator<void, DocumentReader> {
    const { root, faults, place } = yield* joined(source);
    const reader = new DocumentReader(root, place);
    for (const { pointer, message } of faults) reader.fault(pointer, message);
    return reader;
  }

  fault(pointer: string, message: string): void {
    const place = this.#place(pointer);
    const where = place.document === null ? message : `${message} (in ${place.document})`;
    const isKnown = (known: DocumentFault) => known.pointer === place.pointer && known.message === where;
    if (this.faults.length < faultsMax && !this.faults.some(isKnown)) {
      this.faults.push({ pointer: place.pointer, message: where });
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
}
