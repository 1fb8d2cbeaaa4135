/**
 * What a server says of its resources, templates and prompts, without the instructions that hide in it: each entry of a
 * list is judged as the definition of a tool is. What a reader would get wrong: what a resource holds and what a prompt
 * says is content, and not judged here; only what describes them is. Icons are looked at by people and left as they are.
 */
import { createHash } from 'node:crypto';
import type { Json, JsonObject } from '../call.ts';
import type { Log } from '../telemetry/log.ts';
import type { EntryRules } from './entries.ts';
import { cleanDocument, type HiddenAt } from './hidden/definition.ts';

export interface SaidTextsParts {
  readonly route: string;
  readonly rule: EntryRules['hidden'];
  /** Links to these hosts are the server's own. */
  readonly hosts: readonly string[];
  readonly log: Log;
}

/** What becomes of an entry, and what was found in it. */
interface Judged {
  /** Undefined where it is left out. */
  readonly entry: JsonObject | undefined;
  readonly hidden: readonly HiddenAt[];
}

/** Where the entries stand in the result of each list. */
const lists: Readonly<Record<string, string>> = {
  'resources/list': 'resources',
  'resources/templates/list': 'resourceTemplates',
  'prompts/list': 'prompts',
};

/** Entries of one answer; what stands behind them is left out. */
const entriesMax = 1_000;
/** What is judged anew of one answer, since nothing else runs meanwhile: the rest is, when the list is asked for again. */
const newBytesMax = 262_144;
/** As definitions of tools. */
const entryBytesMax = 65_536;
/** Entries that are remembered, since agents ask for the same lists again and again. */
const knownMax = 4_096;
const saidMax = 1_024;
const namedMax = 64;

export class SaidTexts {
  readonly #parts: SaidTextsParts;
  readonly #known = new Map<string, Judged>();
  readonly #said = new Set<string>();

  constructor(parts: SaidTextsParts) {
    this.#parts = parts;
  }

  /** Whether answers to this method say something that is judged here. */
  judges(method: string): boolean {
    return method === 'prompts/get' || Object.hasOwn(lists, method);
  }

  /** The result of a method as agents get it; the same object where nothing of it changes. */
  cleaned(method: string, result: JsonObject): JsonObject {
    if (method === 'prompts/get') return this.#described(method, result);
    const member = lists[method] ?? '';
    const entries = result[member];
    if (!Array.isArray(entries)) return result;
    const kept: Json[] = [];
    const left = { bytes: newBytesMax };
    for (const entry of (entries as readonly Json[]).slice(0, entriesMax)) {
      const said = isObject(entry) ? this.#entry(method, entry, left) : undefined;
      if (said !== undefined) kept.push(said);
    }
    if (entries.length > entriesMax || left.bytes < 0) {
      const what = { route: this.#parts.route, method, entries: entries.length };
      this.#once(`many ${method}`, 'a list of a server is too long, and some of it is left out', what);
    }
    const isSame = kept.length === entries.length && kept.every((entry, index) => entry === entries[index]);
    return isSame ? result : { ...result, [member]: kept };
  }

  /** What a prompt says of itself beside its messages. */
  #described(method: string, result: JsonObject): JsonObject {
    const { description, ...rest } = result;
    if (typeof description !== 'string') return result;
    const left = this.#entry(method, { description }, { bytes: newBytesMax })?.description;
    if (left === description) return result;
    return left === undefined ? rest : { ...rest, description: left };
  }

  /** `left` is how much of an answer may still be judged anew. */
  #entry(method: string, entry: JsonObject, left: { bytes: number }): JsonObject | undefined {
    const text = JSON.stringify(entry);
    const key = createHash('sha256').update(`${method}\0${text}`).digest('base64url');
    let known = this.#known.get(key);
    if (known === undefined) {
      left.bytes -= Buffer.byteLength(text);
      if (left.bytes < 0) return this.#parts.rule === 'flag' ? entry : undefined;
      known = this.#judge(entry);
    }
    this.#known.delete(key);
    this.#known.set(key, known);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= knownMax) break;
      this.#known.delete(oldest);
    }
    const { hidden } = known;
    if (hidden.length > 0) {
      const { route, rule } = this.#parts;
      const name = String(entry.name ?? entry.uri ?? '').slice(0, namedMax);
      const places = hidden.map(({ where, kind }) => `${kind} ${where}`).join(', ');
      const what = { route, method, name, does: rule, places };
      this.#once(`hidden ${key}`, 'a server tells the model more than what it has', what);
    }
    // Kept by its content, but given back as it came, so that who asks sees that nothing has changed.
    return known.entry !== undefined && (hidden.length === 0 || this.#parts.rule === 'flag') ? entry : known.entry;
  }

  #judge(entry: JsonObject): Judged {
    const { rule, hosts } = this.#parts;
    const { icons, ...said } = entry;
    if (Buffer.byteLength(JSON.stringify(said)) > entryBytesMax) {
      const hidden: HiddenAt[] = [{ kind: 'markup', excerpt: `more than ${entryBytesMax} bytes`, where: '' }];
      return { entry: rule === 'flag' ? entry : undefined, hidden };
    }
    const { document, hidden, unfit } = cleanDocument(said, hosts);
    if (hidden.length === 0 && !unfit) return { entry, hidden };
    const isOut = rule === 'block' || (rule === 'strip' && unfit);
    return { entry: isOut ? undefined : { ...document, ...(icons === undefined ? {} : { icons }) }, hidden };
  }

  #once(key: string, message: string, fields: Readonly<Record<string, unknown>>): void {
    if (this.#said.has(key)) return;
    if (this.#said.size >= saidMax) this.#said.clear();
    this.#said.add(key);
    this.#parts.log('warn', message, fields);
  }
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
