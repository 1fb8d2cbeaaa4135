/**
 * A YAML or JSON file as a value that still knows on which line each part stands, with `${env:NAME}` and
 * `${file:path}` put in. Substitution happens in scalars after parsing, so what a variable holds can never change the
 * structure of the file.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Document, isMap, isScalar, LineCounter, type Node, parseDocument, visit } from 'yaml';
import type { Json } from '../call.ts';

/** Something wrong in the file. Lines and columns count from 1; 0 where the fault has no place in it. */
export interface ConfigFault {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** JSON pointer to the value that is wrong. */
  readonly pointer: string;
  readonly message: string;
}

export interface ConfigDocument {
  readonly value: Json;
  readonly faults: readonly ConfigFault[];
  /** Absolute paths of the files that were put in, found or not. */
  readonly files: readonly string[];
  /** Where the value at a JSON pointer stands, or the nearest one around it. */
  place(pointer: string): { readonly line: number; readonly column: number };
}

/** What the substitutions draw on. `directory` is that of the file: `${file:…}` is relative to it. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly directory: string;
}

const fileBytesMax = 1_048_576;
const substitution = /\$\{([^}]*)\}/g;

function segmentsOf(pointer: string): string[] {
  return pointer === ''
    ? []
    : pointer
        .slice(1)
        .split('/')
        .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** The node at `pointer`, or the deepest one on the way to it. For a member, its name: that is where eyes look. */
function nodeAt(document: Document, pointer: string): Node | null {
  let node: Node | null = document.contents;
  let nearest = node;
  for (const segment of segmentsOf(pointer)) {
    let next: unknown;
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === segment);
      if (pair !== undefined) nearest = pair.key as Node;
      next = pair?.value;
    } else {
      next = (node as { get?: (key: number, keep: boolean) => unknown } | null)?.get?.(Number(segment), true);
      if (next !== undefined && next !== null) nearest = next as Node;
    }
    if (next === undefined || next === null) break;
    node = next as Node;
  }
  return nearest;
}

function substitute(text: string, surroundings: Surroundings, files: string[]): { text: string; problem?: string } {
  let problem: string | undefined;
  const replaced = text.replaceAll(substitution, (whole, inside: string) => {
    const colon = inside.indexOf(':');
    const kind = inside.slice(0, colon);
    const name = inside.slice(colon + 1);
    if (colon > 0 && kind === 'env') {
      const value = surroundings.env[name];
      if (value === undefined) problem = `the environment variable ${name} is not set`;
      return value ?? whole;
    }
    if (colon > 0 && kind === 'file') {
      const path = resolve(surroundings.directory, name);
      files.push(path);
      try {
        const content = readFileSync(path, 'utf8');
        if (content.length > fileBytesMax) problem = `the file ${name} is larger than ${fileBytesMax} bytes`;
        return content.replace(/\r?\n$/, '');
      } catch (fault) {
        problem = `the file ${name} cannot be read: ${(fault as Error).message}`;
        return whole;
      }
    }
    problem = `expected \${env:NAME} or \${file:path}, found ${whole}`;
    return whole;
  });
  return problem === undefined ? { text: replaced } : { text: replaced, problem };
}

/** Parses `source`. Faults of syntax and substitution are listed, all of them; the value is null if there is none. */
export function parseConfig(file: string, source: string, surroundings: Surroundings): ConfigDocument {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, uniqueKeys: true, strict: true, version: '1.2' });
  const place = (pointer: string) => {
    const offset = nodeAt(document, pointer)?.range?.[0];
    if (offset === undefined) return { line: 0, column: 0 };
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const faults: ConfigFault[] = document.errors.map((error) => {
    const { line, col } = lines.linePos(error.pos[0]);
    return { file, line, column: col, pointer: '', message: error.message.split('\n')[0] as string };
  });
  const files: string[] = [];
  if (faults.length > 0) return { value: null, faults, files, place };
  visit(document, {
    Scalar(_key, scalar) {
      if (typeof scalar.value !== 'string' || !scalar.value.includes('${')) return;
      const { text, problem } = substitute(scalar.value, surroundings, files);
      scalar.value = text;
      if (problem !== undefined) {
        const { line, col } = lines.linePos(scalar.range?.[0] ?? 0);
        faults.push({ file, line, column: col, pointer: '', message: problem });
      }
    },
  });
  return { value: document.toJS({ maxAliasCount: 100 }) as Json, faults, files, place };
}
