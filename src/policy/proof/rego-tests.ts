/**
 * Runs the Rego tests of a bundle folder, with coverage. Tests themselves are not counted as covered: OPA does count
 * them, and so praises a folder for its tests being long.
 */
import { runOpa } from '../opa.ts';
import type { OpaAccess } from '../rego-files.ts';
import { BundleError } from '../sources.ts';

export interface FailedTest {
  /** `file:line`. */
  readonly place: string;
  readonly name: string;
  /** What it printed, or how it failed. */
  readonly output: string;
}

export interface FileCoverage {
  readonly file: string;
  readonly percent: number;
  /** Lines that no test reaches. */
  readonly uncovered: readonly number[];
}

export interface TestRun {
  readonly passed: number;
  readonly skipped: number;
  readonly failed: readonly FailedTest[];
  readonly coverage: readonly FileCoverage[];
  /** Of all files together; 100 where there is nothing to cover. */
  readonly percent: number;
}

interface TestResult {
  readonly location: { readonly file: string; readonly row: number };
  readonly package: string;
  readonly name: string;
  readonly fail?: boolean;
  readonly skip?: boolean;
  readonly error?: unknown;
  readonly output?: string;
}

interface Range {
  readonly start: { readonly row: number };
  readonly end: { readonly row: number };
}

type Coverage = Readonly<
  Record<string, { readonly covered?: readonly Range[]; readonly not_covered?: readonly Range[] }>
>;

/** Throws BundleError where the folder does not compile. */
export async function testPolicies(access: OpaAccess, bundle: string): Promise<TestRun> {
  const run = (...args: string[]) => runOpa({ ...access, args: ['test', '-b', '.', ...args], cwd: bundle });
  const [tests, covered] = await Promise.all([run('--format', 'json'), run('--format', 'json', '--coverage')]);
  let results: readonly TestResult[];
  try {
    results = (JSON.parse(tests.stdout || '[]') ?? []) as readonly TestResult[];
    if (!Array.isArray(results) || (results.length === 0 && tests.stderr.trim() !== '')) throw new SyntaxError();
  } catch {
    throw new BundleError(`OPA could not run the tests: ${`${tests.stdout}${tests.stderr}`.trim().slice(0, 8_000)}`);
  }
  const coverage = coverageOf(covered.stdout);
  const lines = coverage.reduce((sum, { covered: count, uncovered }) => sum + count + uncovered.length, 0);
  const reached = coverage.reduce((sum, { covered: count }) => sum + count, 0);
  const bad = results.filter(({ fail, error }) => fail === true || error != null);
  return {
    passed: results.filter(({ skip }) => skip !== true).length - bad.length,
    skipped: results.filter(({ skip }) => skip === true).length,
    failed: bad.map(failureOf),
    coverage: coverage.map(({ file, covered: count, uncovered }) => ({
      file,
      percent: percentOf(count, count + uncovered.length),
      uncovered,
    })),
    percent: percentOf(reached, lines),
  };
}

function failureOf({ location, package: of, name, output, error }: TestResult): FailedTest {
  const printed = output === undefined ? '' : Buffer.from(output, 'base64').toString('utf8').trimEnd();
  const fault = error == null ? '' : ((error as { message?: string }).message ?? JSON.stringify(error));
  return {
    place: `${location.file}:${location.row}`,
    name: `${of.replace(/^data\./, '')}.${name}`,
    output: [printed, fault].filter((text) => text !== '').join('\n'),
  };
}

function coverageOf(stdout: string): { file: string; covered: number; uncovered: number[] }[] {
  let files: Coverage;
  try {
    files = (JSON.parse(stdout) as { files?: Coverage }).files ?? {};
  } catch {
    // Tests that fail are told by the other run; there is no coverage then.
    return [];
  }
  return Object.entries(files)
    .filter(([file]) => !file.endsWith('_test.rego'))
    .map(([file, { covered = [], not_covered: missed = [] }]) => {
      const uncovered = rowsOf(missed);
      const reached = rowsOf(covered).filter((row) => !uncovered.includes(row));
      return { file, covered: reached.length, uncovered };
    })
    .sort((left, right) => (left.file < right.file ? -1 : 1));
}

function rowsOf(ranges: readonly Range[]): number[] {
  const rows = new Set<number>();
  for (const { start, end } of ranges) for (let row = start.row; row <= end.row; row++) rows.add(row);
  return [...rows].sort((left, right) => left - right);
}

function percentOf(count: number, of: number): number {
  return of === 0 ? 100 : Math.floor((count * 1_000) / of) / 10;
}
