/**
 * What `npm test` runs: the test files, then the Rego tests with their coverage. A file has a process of its own, but for
 * those of unit and gateway tests, some of which share one: to start a process costs more than most of them. It prints failures
 * as a process ends, skips by name, and closes with one line `N passed, N failed, N skipped` of leaf
 * tests. `npm test -- test/unit/budget policies` runs a part. Exit 1 on a failure, when nothing ran, and, under
 * TOLLGATE_REQUIRE=all, on any skip.
 */
import { spawn } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { LeafResult } from './test-events.ts';

const fileMsDefault = 180_000;
const outputCharsMax = 20_000;
const coveragePercentMin = 95;
/** Folders whose files leave nothing behind in their process, and the most that one process runs. */
const sharing: readonly { readonly folder: RegExp; readonly filesMax: number }[] = [
  { folder: /(?:^|[/\\])test[/\\](?:unit[/\\].+|regression)$/, filesMax: 12 },
  { folder: /(?:^|[/\\])test[/\\]gateway$/, filesMax: 6 },
];
/** Those with more work than others together, and one that makes its tokens long before they would be used. */
const alone = ['agreement.test.ts', 'attack-table.test.ts', 'policy.test.ts', 'proof.test.ts'];

interface FileResult {
  readonly name: string;
  readonly leaves: readonly LeafResult[];
  readonly durationMs: number;
  /** What the file wrote itself; shown only beside a failure. */
  readonly output: string;
}

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly hung: boolean;
}

const running = new Set<number>();

/** Ends a program and what it started; a test that hangs may have servers of its own. */
function end(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It ended by itself in the meantime.
  }
}

function runProgram(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  timeoutMs: number,
): Promise<Ended> {
  return new Promise((settle, reject) => {
    const child = spawn(command, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    const { pid } = child;
    if (pid !== undefined) running.add(pid);
    let stdout = '';
    let stderr = '';
    let hung = false;
    const timer = setTimeout(() => {
      hung = true;
      if (pid !== undefined) end(pid);
    }, timeoutMs);
    child.stdout.on('data', (piece: Buffer) => {
      stdout += piece;
    });
    child.stderr.on('data', (piece: Buffer) => {
      stderr = (stderr + piece).slice(-outputCharsMax);
    });
    child.on('error', reject);
    // On 'exit' and not 'close': a server left behind by a test holds the pipes open.
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      if (pid !== undefined) {
        end(pid);
        running.delete(pid);
      }
      setImmediate(() => settle({ code, signal, stdout, stderr, hung }));
    });
  });
}

function failure(name: string, text: string): LeafResult {
  return { outcome: 'failed', path: [name], text };
}

async function runBatch(files: readonly string[], scratch: string, timeoutMs: number): Promise<FileResult> {
  const [first = ''] = files;
  const name = files.length === 1 ? first : `${dirname(first)} (${files.length} files)`;
  const events = join(scratch, `${first.replaceAll(/[^\w.-]/g, '_')}.ndjson`);
  const reporter = join(import.meta.dirname, 'test-events.ts');
  // A test run started from a test would otherwise report to that one.
  const { NODE_TEST_CONTEXT: _context, ...given } = process.env;
  // A hundred processes load the same files: what one has compiled, the others need not.
  const env = { NODE_COMPILE_CACHE: join(scratch, 'compiled'), ...given };
  const startMs = performance.now();
  const together = files.length === 1 ? [] : ['--test', '--test-isolation=none'];
  const reporting = [`--test-reporter=${reporter}`, `--test-reporter-destination=${events}`, '--enable-source-maps'];
  const ended = await runProgram(process.execPath, [...together, ...reporting, ...files], env, timeoutMs);
  const leaves = readLines(events).map((line) => JSON.parse(line) as LeafResult);
  const held = new Set(leaves.map(({ file }) => file));
  const empty = files.length === 1 ? [] : files.filter((file) => !held.has(resolve(file)));
  if (ended.hung) {
    leaves.push(failure(name, `did not end within ${timeoutMs} ms: a test hangs, or one left something open`));
  } else if (ended.code !== 0 && !leaves.some((leaf) => leaf.outcome === 'failed')) {
    leaves.push(failure(name, `ended with ${ended.signal ?? `exit code ${ended.code}`}`));
  } else if (leaves.length === 0 || empty.length > 0) {
    leaves.push(...(empty.length > 0 ? empty : [name]).map((file) => failure(file, 'holds no test')));
  }
  const output = (ended.stdout + ended.stderr).slice(-outputCharsMax);
  return { name, leaves, durationMs: performance.now() - startMs, output };
}

/** Files that run in one process each time, in the order of `files`. */
function batchesOf(files: readonly string[]): readonly (readonly string[])[] {
  const batches: string[][] = [];
  for (const file of files) {
    const last = batches.at(-1);
    const folder = dirname(file);
    const mayShare = !alone.includes(basename(file)) && !alone.includes(basename(last?.[0] ?? ''));
    const filesMax = mayShare ? (sharing.find((one) => one.folder.test(resolve(folder)))?.filesMax ?? 1) : 1;
    if (last !== undefined && last.length < filesMax && dirname(last[0] as string) === folder) last.push(file);
    else batches.push([file]);
  }
  return batches;
}

function readLines(path: string): readonly string[] {
  try {
    // The last line of a file that was ended may be cut.
    return readFileSync(path, 'utf8').split('\n').slice(0, -1);
  } catch {
    return [];
  }
}

interface RegoTest {
  readonly name: string;
  readonly package: string;
  readonly location: { readonly file: string };
  readonly fail?: boolean;
  readonly skip?: boolean;
  readonly error?: unknown;
}

/** The Rego tests, bundle-wise as the gate loads policies (`-b` leaves the schemas out), and their coverage. */
async function runPolicies(folder: string, opa: string): Promise<FileResult> {
  const startMs = performance.now();
  const run = (args: readonly string[]) => runProgram(opa, ['test', ...args, '-b', folder], process.env, fileMsDefault);
  const ended = await run(['--format', 'json']);
  const leaves: LeafResult[] = [];
  try {
    for (const test of JSON.parse(ended.stdout) as readonly RegoTest[]) {
      const outcome = test.skip ? 'skipped' : test.fail || test.error ? 'failed' : 'passed';
      const text =
        outcome === 'failed' ? `${test.location.file}: ${JSON.stringify(test.error ?? 'the rule is not true')}` : '';
      leaves.push({ outcome, path: [test.package, test.name], text });
    }
  } catch {
    leaves.push(failure('opa test', `${ended.stdout}${ended.stderr}`.trim() || 'gave no result'));
  }
  if (!leaves.some((leaf) => leaf.outcome === 'failed')) {
    const covered = await run(['--coverage', '--threshold', String(coveragePercentMin)]);
    const name = `at least ${coveragePercentMin} % of the policies' lines are covered by their tests`;
    leaves.push(covered.code === 0 ? { outcome: 'passed', path: [name], text: '' } : failure(name, uncovered(covered)));
  }
  return { name: relative(process.cwd(), folder), leaves, durationMs: performance.now() - startMs, output: '' };
}

/** The coverage report with its covered lines left out. */
function uncovered(ended: Ended): string {
  try {
    const report = JSON.parse(ended.stdout) as {
      coverage: number;
      files: Record<string, { coverage?: number; not_covered?: { start: { row: number }; end: { row: number } }[] }>;
    };
    const files = Object.entries(report.files).filter(([, file]) => (file.not_covered ?? []).length > 0);
    const lines = files.map(([path, file]) => {
      const rows = (file.not_covered ?? []).map(({ start, end: last }) =>
        start.row === last.row ? start.row : `${start.row}-${last.row}`,
      );
      return `${path}: lines ${rows.join(', ')}`;
    });
    return [`${report.coverage.toFixed(1)} %; not covered:`, ...lines].join('\n');
  } catch {
    return `${ended.stdout}${ended.stderr}`.trim();
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function testFiles(parts: readonly string[]): readonly string[] {
  const files = parts.flatMap((part) => {
    if (isFolder(part)) return globSync(join(part, '**', '*.test.ts'));
    return globSync(part).filter((path) => path.endsWith('.test.ts'));
  });
  return [...new Set(files.map((file) => resolve(file)))].toSorted();
}

function indented(text: string): string {
  return text.trimEnd().replaceAll(/^/gm, '      ');
}

/** The file of a test, where its process ran several. */
function fileOf(leaf: LeafResult, within: string): string {
  return leaf.file === undefined ? within : relative(process.cwd(), leaf.file);
}

function print(result: FileResult): void {
  const failed = result.leaves.filter((leaf) => leaf.outcome === 'failed');
  const mark = failed.length > 0 ? 'FAILED' : 'ok';
  console.log(`${mark.padEnd(6)} ${result.name}  (${result.leaves.length} tests, ${Math.round(result.durationMs)} ms)`);
  for (const leaf of failed) {
    const file = fileOf(leaf, result.name);
    const place = file === result.name ? '' : ` (${file})`;
    console.log(`  ✗ ${leaf.path.join(' › ')}${place}\n${indented(leaf.text)}`);
  }
  if (failed.length > 0 && result.output.trim() !== '') console.log(`  it wrote:\n${indented(result.output)}`);
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { 'file-timeout-ms': { type: 'string', default: String(fileMsDefault) } },
  });
  const timeoutMs = Number(values['file-timeout-ms']);
  const root = resolve(import.meta.dirname, '..');
  const policies = join(root, 'policies');
  const parts = positionals.length > 0 ? positionals : [join(root, 'test'), policies];
  const files = testFiles(parts).map((file) => relative(process.cwd(), file));
  const results: FileResult[] = [];
  const note = (result: FileResult): void => {
    results.push(result);
    print(result);
  };

  const scratch = mkdtempSync(join(tmpdir(), 'tollgate-test-'));
  try {
    const queue = [...batchesOf(files)];
    const worker = async (): Promise<void> => {
      for (let batch = queue.shift(); batch !== undefined; batch = queue.shift())
        note(await runBatch(batch, scratch, timeoutMs));
    };
    // Many wait more than they reckon: one more than there are processors keeps these busy. Two more upset what measures time.
    await Promise.all(Array.from({ length: availableParallelism() + 1 }, worker));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  const wantsPolicies = parts.some(
    (part) => resolve(part) === policies || resolve(part).startsWith(join(policies, '/')),
  );
  if (wantsPolicies && globSync(join(policies, '**', '*.rego')).length > 0) {
    const opa = process.env.TOLLGATE_OPA;
    if (opa === undefined) {
      note({
        name: 'policies',
        leaves: [{ outcome: 'skipped', path: ['the Rego tests'], text: 'opa is not on this machine' }],
        durationMs: 0,
        output: '',
      });
    } else {
      note(await runPolicies(policies, opa));
    }
  }

  const all = results.flatMap((result) => result.leaves.map((leaf) => ({ ...leaf, file: fileOf(leaf, result.name) })));
  const of = (outcome: LeafResult['outcome']) => all.filter((leaf) => leaf.outcome === outcome);
  const skipped = of('skipped');
  if (skipped.length > 0) console.log('\nskipped:');
  for (const leaf of skipped)
    console.log(`  ${leaf.file}: ${leaf.path.join(' › ')}${leaf.text === '' ? '' : ` (${leaf.text})`}`);
  const counts = { passed: of('passed').length, failed: of('failed').length, skipped: skipped.length };
  if (counts.failed > 0) {
    console.log('\nfailed:');
    for (const leaf of of('failed')) console.log(`  ${leaf.file}: ${leaf.path.join(' › ')}`);
  }
  if (all.length === 0) console.log(`\nnothing to run in ${parts.join(', ')}`);
  console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  const skipsFail = process.env.TOLLGATE_REQUIRE === 'all' && counts.skipped > 0;
  return counts.failed > 0 || skipsFail || counts.passed + counts.failed === 0 ? 1 : 0;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    for (const pid of running) end(pid);
    process.exit(1);
  });
}
process.exitCode = await main();
