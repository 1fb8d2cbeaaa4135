/**
 * The data files of a bundle, put together as OPA does it: each stands at the path of its folder. What a reader would get
 * wrong: one document may be spread over several files, so the place of a fault is looked for in all of them. And JSON is
 * read as YAML only for the lines of its faults: that takes a hundred times as long, and a gate that waits for it serves
 * nobody.
 */
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { parseAnswerJson } from '../../wire/json.ts';
import { child, pointerTokens } from '../../wire/pointer.ts';
import { type SourceFile, sourceBytesMax } from '../sources.ts';
import type { Found } from './fault.ts';

const aliasesMax = 1_000;
/** Of JSON that is read as such: every value of a bundle fits. */
const jsonLimits = { depth: 256, values: sourceBytesMax };

export interface DataPlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Into the file. */
  readonly pointer: string;
}

interface DataFile {
  readonly file: string;
  /** Words of the folder: where its content stands in `data`. */
  readonly at: readonly string[];
  readonly value: unknown;
  /** Its syntax; of JSON that has no fault of its own it is not there before somebody asks. */
  readonly syntax: () => Syntax;
}

interface Syntax {
  readonly document: Document;
  readonly lines: LineCounter;
}

function syntaxOf(content: Buffer): Syntax {
  const lines = new LineCounter();
  // JSON is YAML, too; so its faults have lines.
  return {
    document: parseDocument(content.toString('utf8'), { lineCounter: lines, version: '1.2', merge: true }),
    lines,
  };
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0] ?? '';
}

function once<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

export class DataFiles {
  readonly #files: readonly DataFile[];
  readonly faults: readonly Found[];

  private constructor(files: readonly DataFile[], faults: readonly Found[]) {
    this.#files = files;
    this.faults = faults;
  }

  /** Never throws: what cannot be read is in `faults`, and not in the document. */
  static read(files: readonly SourceFile[]): DataFiles {
    const read: DataFile[] = [];
    const faults: Found[] = [];
    for (const { path, content } of files) {
      const words = path.split('/');
      const name = words.pop();
      if (name !== 'data.yaml' && name !== 'data.json') continue;
      const syntax = once(() => syntaxOf(content));
      const json = name === 'data.json' ? parseAnswerJson(content, jsonLimits) : undefined;
      if (json !== undefined) {
        read.push({ file: path, at: words, value: json.value, syntax });
        continue;
      }
      const { document, lines } = syntax();
      for (const error of document.errors) {
        const { line, col } = lines.linePos(error.pos[0]);
        faults.push({ file: path, line, column: col, code: 'data_syntax', message: firstLine(error.message) });
      }
      if (document.errors.length > 0) continue;
      try {
        const value: unknown = document.toJS({ maxAliasCount: aliasesMax });
        // An anchor that holds itself is no tree; OPA refuses it as well.
        JSON.stringify(value);
        read.push({ file: path, at: words, value, syntax });
      } catch (fault) {
        faults.push({ file: path, line: 1, code: 'data_syntax', message: firstLine((fault as Error).message) });
      }
    }
    return new DataFiles(read, faults);
  }

  /** The document below the path `words`; undefined where no file has any of it. */
  document(words: readonly string[]): unknown {
    return this.#files.map((file) => partOf(file, words)).reduce(merged, undefined);
  }

  /** Where in the files the value at `pointer` of the document below `words` stands, or the nearest around it. */
  place(words: readonly string[], pointer: string): DataPlace {
    const path = [...words, ...(pointerTokens(pointer) ?? [])];
    let best: { readonly place: DataPlace; readonly depth: number } | undefined;
    for (const { file, at, syntax } of this.#files) {
      if (!at.every((word, index) => index >= path.length || path[index] === word)) continue;
      const { document, lines } = syntax();
      const inside = path.slice(at.length);
      const { node, depth } = nodeAt(document, inside);
      if (best !== undefined && at.length + depth <= best.depth) continue;
      const { line, col } = lines.linePos(node?.range?.[0] ?? 0);
      const place = { file, line, column: col, pointer: inside.reduce(child, '') };
      best = { place, depth: at.length + depth };
    }
    return best?.place ?? { file: 'data.json', line: 0, column: 0, pointer: path.reduce(child, '') };
  }
}

/** What the file says below `words`. */
function partOf({ at, value }: DataFile, words: readonly string[]): unknown {
  const common = Math.min(at.length, words.length);
  if (!at.slice(0, common).every((word, index) => words[index] === word)) return undefined;
  if (at.length > words.length) {
    return at.slice(words.length).reduceRight((inner: unknown, word) => ({ [word]: inner }), value);
  }
  return words.slice(at.length).reduce<unknown>((holder, word) => memberOf(holder, word), value);
}

function memberOf(holder: unknown, name: string): unknown {
  return isObject(holder) && Object.hasOwn(holder, name) ? holder[name] : undefined;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function merged(left: unknown, right: unknown): unknown {
  if (right === undefined || left === undefined) return right ?? left;
  if (!isObject(left) || !isObject(right)) return left;
  const names = new Set([...Object.keys(left), ...Object.keys(right)]);
  return Object.fromEntries([...names].map((name) => [name, merged(memberOf(left, name), memberOf(right, name))]));
}

/** The node that the steps lead to, or the deepest on the way. For a member, its name: that is where eyes look. */
function nodeAt(document: Document, steps: readonly string[]): { readonly node: Node | null; readonly depth: number } {
  let holder: unknown = document.contents;
  let nearest = document.contents as Node | null;
  let depth = 0;
  for (const step of steps) {
    if (isAlias(holder)) holder = holder.resolve(document);
    let next: unknown;
    if (isMap(holder)) {
      const pair = holder.items.find(({ key }) => isScalar(key) && String(key.value) === step);
      if (pair === undefined) break;
      nearest = pair.key as Node;
      next = pair.value;
    } else if (isSeq(holder)) {
      next = holder.items[Number(step)];
      if (next === undefined) break;
      nearest = next as Node;
    } else break;
    depth += 1;
    holder = next;
  }
  return { node: nearest, depth };
}
