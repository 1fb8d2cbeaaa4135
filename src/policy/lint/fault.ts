/**
 * What the lint finds: faults that compile, and that no test notices which has the same fault. Each has a code, which
 * stays, and a place that an editor can go to.
 */
import { nearest } from '../../wire/schema-faults.ts';

/** Faults that depend on what the gate's configuration names; with other routes the same bundle may have none. */
export const worldCodes = [
  'operation_unknown',
  'route_unknown',
  'issuer_unknown',
  'argument_not_remembered',
  'argument_impossible',
] as const;

export type LintCode =
  | (typeof worldCodes)[number]
  | 'data_syntax'
  | 'data_shape'
  | 'purpose_unknown'
  | 'input_unknown'
  | 'literal_unknown'
  | 'asserted_only';

export interface LintFault {
  /** Relative to the bundle; for a bundle without sources `data.json`. */
  readonly file: string;
  /** From 1; 0 where the file has no lines to tell of. */
  readonly line: number;
  readonly column?: number;
  /** JSON pointer into the file, for data. */
  readonly pointer?: string;
  readonly code: LintCode;
  /** Says what was expected, and the nearest name that is known. */
  readonly message: string;
  readonly severity: 'error' | 'warning';
}

export type Found = Omit<LintFault, 'severity'>;

const faultsShown = 50;
const namesShown = 12;

/** A fault as one line, `file:line: message`; data without lines by its pointer. */
export function faultText({ file, line, pointer, message }: LintFault): string {
  if (line > 0) return `${file}:${line}: ${message}`;
  return pointer === undefined ? `${file}: ${message}` : `${file}${pointer}: ${message}`;
}

/** Faults as lines, at most 50 of them. */
export function faultLines(faults: readonly LintFault[]): string[] {
  const lines = faults.slice(0, faultsShown).map(faultText);
  return faults.length > faultsShown ? [...lines, `and ${faults.length - faultsShown} more`] : lines;
}

/** What to write instead of `name`: the nearest of `known`, or all of a few. */
export function hintOf(name: string, known: readonly string[]): string {
  const guess = nearest(name.slice(0, 256), known);
  if (guess !== undefined) return `did you mean ${guess}?`;
  if (known.length === 0) return 'there is none';
  const more = known.length > namesShown ? `, and ${known.length - namesShown} more` : '';
  return `expected one of: ${known.slice(0, namesShown).join(', ')}${more}`;
}
