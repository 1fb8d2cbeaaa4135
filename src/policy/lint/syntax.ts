/**
 * Rego as OPA's own parser reads it, with the place of every term. What a reader would get wrong: terms are
 * `{type, value, location}` all the way down, but an expression's `terms` is a list for a call, one term for a value, and
 * an object of its own for `some` and `every`.
 */
import type { ParsedFile } from '../rego-files.ts';

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

export type RegoFile = ParsedFile<ParsedModule>;

/** The words that `terms` begin with, up to the first that is no text. */
export function wordsOf(terms: readonly Term[]): string[] {
  const end = terms.findIndex(({ type }) => type !== 'string');
  return (end === -1 ? terms : terms.slice(0, end)).map(({ value }) => value as string);
}

export function isTerm(value: unknown): value is Term {
  return typeof value === 'object' && value !== null && typeof (value as Term).type === 'string' && 'value' in value;
}
