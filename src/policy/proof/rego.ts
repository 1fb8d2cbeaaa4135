/**
 * What the proof needs to know of Rego sources, from OPA's own parser: which rules there are, where, what each refers
 * to, and the literals in it. Only static references count; one through a variable reaches everything below its start.
 */
import { type OpaAccess, parseFiles } from '../rego-files.ts';
import type { SourceFile } from '../sources.ts';

/** One clause of a rule; functions and constants too. */
export interface RegoRule {
  readonly file: string;
  readonly row: number;
  readonly column: number;
  /** Words of its package, without `data`. */
  readonly package: readonly string[];
  /** Full name, for example `tollgate.call.deny`. */
  readonly name: string;
  /** Characters of the first word of its head. */
  readonly headChars: number;
  readonly text: string;
  readonly kind: 'set' | 'object' | 'value' | 'function' | 'default';
  readonly usesInput: boolean;
  /** Full names that it refers to, built-ins included. */
  readonly references: ReadonlySet<string>;
  readonly strings: readonly string[];
  readonly numbers: readonly number[];
  /** Static paths below `input`. */
  readonly places: readonly (readonly string[])[];
  /** Literals that stand in one expression with a path below `input`. */
  readonly compared: readonly Compared[];
  /** As OPA's parser has it. */
  readonly clause: Clause;
  /** What names in it stand for by its file's imports, as words from the root on. */
  readonly aliases: ReadonlyMap<string, readonly Term[]>;
}

/** Head and body, and what stands behind `else`. */
export interface Clause {
  readonly head: Head;
  readonly body?: readonly Expression[];
  readonly else?: Clause;
}

interface Head {
  readonly ref: readonly Term[];
  readonly args?: readonly Term[];
  readonly key?: Term;
  readonly value?: Term;
}

export interface Expression {
  readonly negated?: boolean;
  readonly location?: Term['location'];
  /** A list is a call, its function first. */
  readonly terms: Term | readonly Term[] | SomeTerms | EveryTerms;
}

export interface SomeTerms {
  readonly symbols: readonly Term[];
}

export interface EveryTerms {
  readonly key: Term | null;
  readonly value: Term;
  readonly domain: Term;
  readonly body: readonly Expression[];
}

export interface Compared {
  readonly place: readonly string[];
  readonly literals: readonly (string | number)[];
}

export interface Term {
  readonly type?: string;
  readonly value?: unknown;
  readonly location?: { readonly row: number; readonly col: number; readonly text?: string };
}

interface ParsedRule extends Record<string, unknown>, Clause {
  readonly default?: boolean;
  readonly location: { readonly row: number; readonly col: number; readonly text: string };
}

interface ParsedModule {
  readonly package: { readonly path: readonly Term[] };
  readonly imports?: readonly { readonly path: Term; readonly alias?: string }[];
  readonly rules?: readonly ParsedRule[];
}

/** The rules of all Rego in `files`, in their order. `folder` takes a copy of them. Throws BundleError for bad Rego. */
export async function parseRules(access: OpaAccess, files: readonly SourceFile[], folder: string): Promise<RegoRule[]> {
  const parsed = await parseFiles<ParsedModule>(access, files, folder);
  return parsed.flatMap(({ file, module }) => rulesOf(file, module));
}

function strings(terms: readonly Term[]): string[] {
  const names: string[] = [];
  for (const { type, value } of terms) {
    if (type !== 'string') break;
    names.push(value as string);
  }
  return names;
}

function rulesOf(file: string, module: ParsedModule): RegoRule[] {
  const packagePath = strings(module.package.path.slice(1));
  const aliases = new Map<string, readonly Term[]>();
  for (const { path, alias } of module.imports ?? []) {
    const reference = path.value as readonly Term[];
    const name = alias ?? reference.at(-1)?.value;
    if (typeof name === 'string') aliases.set(name, reference);
  }
  return (module.rules ?? []).map((rule) => ruleOf(file, packagePath, aliases, rule));
}

function ruleOf(
  file: string,
  packagePath: readonly string[],
  aliases: ReadonlyMap<string, readonly Term[]>,
  rule: ParsedRule,
): RegoRule {
  const { head, location } = rule;
  const first = head.ref[0]?.value as string;
  const seen = { usesInput: false, references: new Set<string>(), places: [] as string[][] };
  const literals = { strings: new Set<string>(), numbers: new Set<number>() };
  const refer = (reference: readonly Term[]): void => {
    const [root, ...rest] = reference;
    if (root?.type !== 'var') return;
    const imported = aliases.get(root.value as string);
    if (imported !== undefined) {
      refer([...imported, ...rest]);
      return;
    }
    const path = strings(rest);
    if (root.value === 'input') {
      seen.usesInput = true;
      if (path.length > 0) seen.places.push(path);
    } else if (root.value === 'data') seen.references.add(path.join('.'));
    else {
      seen.references.add([...packagePath, root.value as string, ...path].join('.'));
      seen.references.add([root.value as string, ...path].join('.'));
    }
  };
  const compared: Compared[] = [];
  const expression = (terms: unknown): void => {
    const before = { places: seen.places, literals: { ...literals } };
    Object.assign(seen, { places: [] });
    Object.assign(literals, { strings: new Set<string>(), numbers: new Set<number>() });
    visit(terms);
    const found = [...literals.strings, ...literals.numbers];
    if (found.length > 0) for (const place of seen.places) compared.push({ place, literals: found });
    for (const text of before.literals.strings) literals.strings.add(text);
    for (const number of before.literals.numbers) literals.numbers.add(number);
    seen.places.push(...before.places);
  };
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) {
      for (const item of node) visit(item);
      return;
    }
    if (typeof node !== 'object' || node === null) return;
    const { type, value } = node as Term;
    if (type === 'string' && typeof value === 'string') literals.strings.add(value);
    else if (type === 'number' && typeof value === 'number') literals.numbers.add(value);
    else if (type === 'var') refer([node as Term]);
    else if (type === 'ref') {
      refer(value as readonly Term[]);
      for (const term of (value as readonly Term[]).slice(1)) visit(term);
      return;
    }
    for (const [name, member] of Object.entries(node)) {
      if (name === 'terms') expression(member);
      else if (name !== 'location' && name !== 'ref') visit(member);
    }
  };
  visit({ ...rule, location: null });
  const path = [first, ...strings(head.ref.slice(1))];
  return {
    file,
    row: location.row,
    column: location.col,
    package: packagePath,
    name: [...packagePath, ...path].join('.'),
    headChars: Buffer.from(head.ref[0]?.location?.text ?? '', 'base64').toString('utf8').length,
    text: Buffer.from(location.text, 'base64').toString('utf8'),
    kind: kindOf(rule),
    usesInput: seen.usesInput,
    references: seen.references,
    strings: [...literals.strings],
    numbers: [...literals.numbers],
    places: seen.places,
    compared,
    clause: rule,
    aliases,
  };
}

function kindOf({ default: isDefault, head }: ParsedRule): RegoRule['kind'] {
  if (isDefault === true) return 'default';
  if (head.args !== undefined) return 'function';
  if (head.key !== undefined) return 'set';
  return head.ref.length > 1 ? 'object' : 'value';
}
