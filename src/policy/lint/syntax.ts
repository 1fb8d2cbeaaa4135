/**
 * Rego as OPA's own parser reads it, with the place of every term. What a reader would get wrong: terms are
 * `{type, value, location}` all the way down, but an expression's `terms` is a list for a call, one term for a value, and
 * an object of its own for `some` and `every`.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { runOpa } from '../opa.ts';
import { BundleError, type SourceFile } from '../sources.ts';

const parsersMax = 4;

export interface Location {
  readonly row: number;
  readonly col: number;
}

export interface Term {
  readonly type: string;
  readonly value: unknown;
  readonly location?: Location;
}

export interface Expression {
  readonly terms: Term | readonly Term[] | SomeTerms | EveryTerms;
  readonly negated?: boolean;
  readonly with?: readonly { readonly target: Term; readonly value: Term }[];
  readonly location?: Location;
}

export interface SomeTerms {
  readonly symbols: readonly Term[];
}

export interface EveryTerms {
  readonly domain: Term;
  readonly key: Term | null;
  readonly value: Term;
  readonly body: readonly Expression[];
}

export interface ParsedRule {
  readonly default?: boolean;
  readonly head: {
    readonly ref: readonly Term[];
    readonly args?: readonly Term[];
    readonly key?: Term;
    readonly value?: Term;
  };
  readonly body: readonly Expression[];
  readonly else?: ParsedRule;
  readonly annotations?: readonly { readonly custom?: Readonly<Record<string, unknown>> }[];
  readonly location: Location;
}

export interface ParsedModule {
  readonly package: { readonly path: readonly Term[] };
  readonly imports?: readonly { readonly path: Term; readonly alias?: string }[];
  readonly rules?: readonly ParsedRule[];
}

export interface RegoFile {
  readonly file: string;
  readonly module: ParsedModule;
}

export interface OpaAccess {
  readonly opa: string;
  readonly clock: Pick<Clock, 'after'>;
  readonly signal: AbortSignal;
}

/** All Rego of `files`, parsed, in their order. `folder` takes a copy of it. Throws BundleError for what is no Rego. */
export async function parseFiles(
  access: OpaAccess,
  files: readonly SourceFile[],
  folder: string,
): Promise<readonly RegoFile[]> {
  const sources = files.filter(({ path }) => path.endsWith('.rego'));
  const parsed: RegoFile[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < sources.length; index = next++) {
      const { path, content } = sources[index] as SourceFile;
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), content);
      const args = ['parse', '--format', 'json', '--json-include', 'locations,-comments', path];
      const { code, stdout, stderr } = await runOpa({ ...access, args, cwd: folder });
      if (code !== 0) throw new BundleError(`${path} is no Rego: ${(stdout || stderr).trim().slice(0, 4_000)}`);
      parsed[index] = { file: path, module: JSON.parse(stdout) as ParsedModule };
    }
  };
  await Promise.all(Array.from({ length: Math.min(parsersMax, sources.length) }, work));
  return parsed;
}

/** The words that `terms` begin with, up to the first that is no text. */
export function wordsOf(terms: readonly Term[]): string[] {
  const end = terms.findIndex(({ type }) => type !== 'string');
  return (end === -1 ? terms : terms.slice(0, end)).map(({ value }) => value as string);
}

export function isTerm(value: unknown): value is Term {
  return typeof value === 'object' && value !== null && typeof (value as Term).type === 'string' && 'value' in value;
}
