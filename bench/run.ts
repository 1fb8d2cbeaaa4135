/**
 * `npm run bench`: what a call costs, row by row, on this machine, written to docs/benchmarks.md. All programs are up
 * for the whole run and only one of them works at a time; each workload goes through all rows before the next round
 * begins, so that noise of the machine falls on all rows alike. `--quick` makes one short round, writes nothing, and
 * fails only on a broken run: never on a time.
 */
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ensurePackages } from '../scripts/bootstrap.js';
import {
  Bench,
  type Cell,
  decisionCosts,
  decisionFigures,
  type Measured,
  type Profiled,
  quickLoad,
  type Running,
  type Site,
  startRow,
  wholeLoad,
} from './cells.ts';
import { machineFacts } from './machine.ts';
import { onPath, Program, pinned, startRedis } from './programs.ts';
import { decisionTable, document } from './report.ts';
import { decisionRow, governedRow, quickRows, type Row, rows } from './rows.ts';
import { type WorkloadName, workloadNames, workloads } from './workloads.ts';

const usage = `usage: npm run bench -- [--quick] [--rounds N] [--rows id,id] [--out FILE] [--profiles DIR]

  --quick         one short round of the outermost rows; writes nothing; fails only on a broken run
  --rounds N      rounds of the whole run, 5 if left out
  --rows ids      only these rows; then nothing is written unless --out says where; decision is what one costs by itself
  --out FILE      docs/benchmarks.md if left out
  --profiles DIR  keeps the CPU profiles there
`;

const warmRounds = 1;

interface Options {
  readonly quick: boolean;
  readonly rounds: number;
  readonly only: readonly string[];
  readonly out: string | undefined;
  readonly profiles: string | undefined;
}

function readOptions(args: string[]): Options | undefined {
  try {
    const { values } = parseArgs({
      args,
      options: {
        quick: { type: 'boolean', default: false },
        rounds: { type: 'string', default: '5' },
        rows: { type: 'string', default: '' },
        out: { type: 'string' },
        profiles: { type: 'string' },
      },
    });
    const rounds = Number(values.rounds);
    if (!Number.isInteger(rounds) || rounds < 1 || rounds > 50) return undefined;
    const only = values.rows.split(',').filter((id) => id !== '');
    const usual = values.quick || only.length > 0 ? undefined : resolve(import.meta.dirname, '../docs/benchmarks.md');
    return {
      quick: values.quick,
      rounds: values.quick ? 1 : rounds,
      only,
      out: values.out ?? usual,
      profiles: values.profiles,
    };
  } catch {
    return undefined;
  }
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function sayCell({ row }: Measured, workload: WorkloadName, { cpuUs, mainUs, perSecond }: Cell): void {
  const cpu = cpuUs === null ? '' : `${cpuUs.toFixed(0)} µs (main ${mainUs?.toFixed(0)})`;
  say(`  ${row.id.padEnd(11)} ${workload.padEnd(7)} ${cpu.padEnd(22)} ${perSecond.toFixed(0)}/s`);
}

async function main(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (options === undefined) {
    process.stderr.write(usage);
    return 2;
  }
  const { quick } = options;
  const startMs = performance.now();
  await ensurePackages(import.meta.dirname);
  const decides = options.only.length === 0 || options.only.includes(decisionRow);
  const decisions = decides
    ? await decisionCosts(quick ? 'any' : 'measured', quick ? decisionFigures.quick : decisionFigures.whole)
    : [];
  if (decides) say(decisionTable(decisions));
  if (options.only.length > 0 && options.only.every((id) => id === decisionRow)) return 0;
  const directory = await mkdtemp(join(tmpdir(), 'tollgate-bench-'));
  await using opened = new AsyncDisposableStack();
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const world = opened.use(await Program.start(quick ? 'any' : 'others', 'world.ts'));
  const load = opened.use(await Program.start(quick ? 'any' : 'others', 'load.ts'));
  const redis = await startRedis(directory);
  if (redis !== undefined) opened.use(redis);
  const bench = new Bench(world, load, quick ? quickLoad : wholeLoad);

  const only = options.only.length === 0 && quick ? quickRows : options.only;
  const wanted = rows(redis?.url ?? 'redis://127.0.0.1:1').filter(({ id }) => only.length === 0 || only.includes(id));
  const site: Site = {
    ...{ worldUrl: world.ready.url, directory, redis: redis !== undefined },
    core: quick ? 'any' : 'measured',
  };
  const start = async (row: Row): Promise<Running> => {
    const started = await startRow(row, site);
    if (started.program !== undefined) opened.use(started.program);
    say(`${row.id}: ${started.measured.absent === undefined ? 'ready' : `not measured: ${started.measured.absent}`}`);
    return started;
  };
  const running: Running[] = [];
  if (quick) running.push(...(await Promise.all(wanted.map(start))));
  else for (const row of wanted) running.push(await start(row));
  const present = running.filter(({ measured }) => measured.absent === undefined);
  for (let round = 1 - (quick ? 0 : warmRounds); round <= options.rounds; round++) {
    say(round < 1 ? 'warming up' : `round ${round} of ${options.rounds}`);
    for (const workload of workloadNames) {
      for (const one of present) {
        const cell = await bench.cell(one, workload, round < 1 ? 0.5 : 1);
        if (round < 1) continue;
        one.measured.cells[workload].push(cell);
        sayCell(one.measured, workload, cell);
      }
    }
  }
  const profiles: Profiled[] = [];
  const governed = present.find(({ measured }) => measured.row.id === governedRow);
  if (governed !== undefined) {
    const kept = options.profiles ?? directory;
    await mkdir(kept, { recursive: true });
    const profiled: readonly WorkloadName[] = quick ? ['chat'] : workloadNames;
    for (const workload of profiled) profiles.push(await bench.profile(governed, workload, kept));
    for (const {
      workload,
      breakdown: { functions },
      mainUs,
    } of profiles) {
      say(`dearest functions, ${workloads[workload].title}, µs of the main thread's ${mainUs.toFixed(0)}:`);
      for (const { where, share } of functions.slice(0, quick ? 5 : 30))
        say(`  ${(share * mainUs).toFixed(1).padStart(6)}  ${where}`);
    }
  }
  const measured = running.map((one) => one.measured);
  const facts = machineFacts(directory, pinned && !quick, onPath('redis-server'));
  const text = document({
    measured,
    profiles,
    facts,
    rounds: options.rounds,
    tasksOpened: bench.tasksOpened,
    connections: (quick ? quickLoad : wholeLoad).connections,
    decisions,
  });
  if (options.out === undefined) process.stdout.write(text);
  else await writeFile(options.out, text);
  say(`${options.out ?? 'nothing'} written; ${((performance.now() - startMs) / 1000).toFixed(0)} s`);
  return 0;
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.once(signal, () => process.exit(code));
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  say(`the run is broken: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
