/**
 * What OPA hashes of a file when it signs a bundle: the bytes, but of JSON documents a canonical text, so that white
 * space and the order of members do not count. Numbers stand as they were written. What runs is that canonical text
 * too: of two members of one name, or of a text that two parsers read differently, only what was hashed is left.
 */
import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { BundleError } from './sources.ts';

/** Hashes that a signature may use, by OPA's names for them; its weaker ones are refused. */
const hashes: Readonly<Record<string, string>> = { 'SHA-256': 'sha256', 'SHA-384': 'sha384', 'SHA-512': 'sha512' };

/** What TypeScript does not know of JSON yet: numbers as they were written. */
const json = JSON as unknown as {
  parse(
    text: string,
    reviver: (name: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): object;
  isRawJSON(value: unknown): boolean;
};

/** Whether OPA hashes the file `name` by its structure. */
export function isStructured(name: string): boolean {
  return ['data.json', 'data.yaml', '.manifest', 'signatures.json'].includes(name.slice(name.lastIndexOf('/') + 1));
}

function textOf(value: string): string {
  if (!value.isWellFormed()) throw new BundleError('a document of the bundle holds half a character');
  return JSON.stringify(value).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
}

function write(value: unknown, out: string[]): void {
  if (Array.isArray(value)) {
    for (const [index, member] of value.entries()) {
      out.push(index === 0 ? '[' : ',');
      write(member, out);
    }
    out.push(value.length === 0 ? '[]' : ']');
  } else if (typeof value === 'string') {
    out.push(textOf(value));
  } else if (typeof value !== 'object' || value === null || json.isRawJSON(value)) {
    out.push(JSON.stringify(value));
  } else {
    // By bytes, as Go sorts; UTF-16 has another order.
    const names = Object.keys(value).map((name) => ({ name, bytes: Buffer.from(name) }));
    names.sort((left, right) => Buffer.compare(left.bytes, right.bytes));
    for (const [index, { name }] of names.entries()) {
      out.push(index === 0 ? '{' : ',', textOf(name), ':');
      write((value as Record<string, unknown>)[name], out);
    }
    out.push(names.length === 0 ? '{}' : '}');
  }
}

/** The canonical text of the JSON document `name`. Throws BundleError for what is none. */
export function canonicalText(name: string, bytes: Buffer): Buffer {
  if (!isUtf8(bytes)) throw new BundleError(`${name} of the bundle is not UTF-8`);
  const out: string[] = [];
  try {
    write(
      json.parse(bytes.toString('utf8'), (_name, value, { source }) =>
        typeof value === 'number' && source !== undefined ? json.rawJSON(source) : value,
      ),
      out,
    );
  } catch (fault) {
    if (fault instanceof BundleError) throw fault;
    throw new BundleError(`${name} of the bundle is not JSON`);
  }
  return Buffer.from(out.join(''));
}

/** Lower-case hex of the hash; undefined where the gate does not take `algorithm`. */
export function hashOf(bytes: Buffer, algorithm: string): string | undefined {
  const name = Object.hasOwn(hashes, algorithm) ? hashes[algorithm] : undefined;
  return name === undefined ? undefined : createHash(name).update(bytes).digest('hex');
}
