/**
 * One workload through one row: tasks are opened, the load runs, and the processor time of what stands in between is
 * read before and after. A row whose answers are not as they should be breaks the run.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { faultLine } from '../src/config/load.ts';
import { checkConfig } from '../src/main.ts';
import type { Decided, Ran, Usage } from './messages.ts';
import { type Breakdown, breakdown, type CpuProfile } from './profile.ts';
import { type Core, Program } from './programs.ts';
import { configOf, type Row, type TaskShape } from './rows.ts';
import { type WorkloadName, workloads } from './workloads.ts';

/** How much load: tasks of one cell at full load, connections there, and tasks at light load. */
export interface Load {
  readonly tasks: Readonly<Record<WorkloadName, number>>;
  readonly connections: number;
  readonly lightTasks: number;
  /** The most calls that a task makes, and the most before that. */
  readonly callsMax: number;
}
export const wholeLoad: Load = {
  tasks: { read: 64, write: 64, chat: 64, stream: 16 },
  connections: 16,
  lightTasks: 4,
  callsMax: 1000,
};
export const quickLoad: Load = {
  tasks: { read: 4, write: 4, chat: 4, stream: 4 },
  connections: 4,
  lightTasks: 1,
  callsMax: 8,
};
const connectionsLight = 2;
const runMsMax = 60_000;
/** What is still under way when the last answer is there: settlement, the trail's batch. */
const settleMs = 80;

const noTasks: TaskShape = { calls: 24, before: 0 };

/** One workload through one row, once. */
export interface Cell {
  /** Null where nothing stands in between. */
  readonly cpuUs: number | null;
  readonly mainUs: number | null;
  readonly perSecond: number;
  /** At light load, where nobody waits for a processor. */
  readonly light: Pick<Ran, 'firstByteUs' | 'wholeUs'>;
}

export interface Measured {
  readonly row: Row;
  /** Why there is nothing. */
  readonly absent?: string;
  readonly idleBytes?: number;
  loadedBytes?: number;
  readonly cells: Readonly<Record<WorkloadName, Cell[]>>;
}

export interface Profiled {
  readonly workload: WorkloadName;
  readonly mainUs: number;
  readonly otherUs: number;
  readonly breakdown: Breakdown;
}

export interface Running {
  readonly measured: Measured;
  readonly program: Program | undefined;
}

export class Bench {
  readonly #world: Program;
  readonly #load: Program;
  readonly #size: Load;
  tasksOpened = 0;

  constructor(world: Program, load: Program, size: Load) {
    this.#world = world;
    this.#load = load;
    this.#size = size;
  }

  async #run({ measured, program }: Running, workload: WorkloadName, tasks: number, connections: number): Promise<Ran> {
    const { gate } = measured.row;
    const shape = gate?.task ?? noTasks;
    const [calls, before] = [shape.calls, shape.before].map((count) => Math.min(count, this.#size.callsMax)) as [
      number,
      number,
    ];
    const url = program?.ready.url ?? this.#world.ready.url;
    const count = Math.max(
      Math.min(tasks, connections),
      Math.round((tasks * Math.min(noTasks.calls, this.#size.callsMax)) / calls),
    );
    const { workloadToken } = this.#world.ready;
    const tokens: string[] =
      gate === undefined
        ? Array.from({ length: count }, () => '')
        : await this.#load.ask<string[]>({ ask: 'open', url, workloadToken, tasks: count });
    if (gate !== undefined) this.tasksOpened += count;
    const question = { ask: 'run', workload, url, tokens, connections, msMax: runMsMax };
    if (before > 0) this.#good(measured, workload, await this.#load.ask<Ran>({ ...question, callsPerTask: before }));
    const started = program === undefined ? undefined : await program.ask<Usage>({ ask: 'usage' });
    const ran = this.#good(measured, workload, await this.#load.ask<Ran>({ ...question, callsPerTask: calls }));
    this.started = started;
    return ran;
  }

  /** Usage right before the run that was made last. */
  private started: Usage | undefined;

  #good({ row }: Measured, workload: WorkloadName, ran: Ran): Ran {
    const faults = Object.entries(ran.faults).map(([what, times]) => `${times} × ${what}`);
    if (faults.length > 0)
      throw new Error(`${row.id}, ${workloads[workload].title}: ${faults.join('; ')}: ${ran.sample}`);
    return ran;
  }

  /** Full load for processor time and throughput, then light load for what one caller feels. */
  async cell(running: Running, workload: WorkloadName, share = 1): Promise<Cell> {
    const { connections, lightTasks } = this.#size;
    const tasks = Math.ceil(this.#size.tasks[workload] * share);
    const full = await this.#run(running, workload, tasks, connections);
    const started = this.started;
    await new Promise((settled) => setTimeout(settled, settleMs));
    const done = await running.program?.ask<Usage>({ ask: 'usage' });
    if (done !== undefined) {
      running.measured.loadedBytes = Math.max(running.measured.loadedBytes ?? 0, done.residentBytes);
    }
    const light = await this.#run(running, workload, lightTasks, connectionsLight);
    const each = (key: 'cpuUs' | 'mainUs') =>
      done === undefined || started === undefined ? null : (done[key] - started[key]) / full.requests;
    return {
      cpuUs: each('cpuUs'),
      mainUs: each('mainUs'),
      perSecond: (full.requests * 1000) / full.elapsedMs,
      light: { firstByteUs: light.firstByteUs, wholeUs: light.wholeUs },
    };
  }

  async profile(running: Running, workload: WorkloadName, directory: string): Promise<Profiled> {
    const plain = await this.cell(running, workload);
    const file = join(directory, `${running.measured.row.id}-${workload}.cpuprofile`);
    await running.program?.ask({ ask: 'profile.start' });
    await this.#run(running, workload, this.#size.tasks[workload], this.#size.connections);
    await running.program?.ask({ ask: 'profile.stop', file });
    const profile = JSON.parse(await readFile(file, 'utf8')) as CpuProfile;
    const mainUs = plain.mainUs ?? 0;
    return { workload, mainUs, otherUs: (plain.cpuUs ?? 0) - mainUs, breakdown: breakdown(profile) };
  }
}

/** Of each part of a decision. */
export const decisionFigures = { whole: 11, quick: 1 } as const;

/** What one decision costs, by its parts: as the gate builds the input, and with all of it. */
export async function decisionCosts(core: Core, figures: number): Promise<readonly Decided[]> {
  await using program = await Program.start(core, 'decision.ts');
  return await program.ask<Decided[]>({ figures });
}

const noCells = (): Measured['cells'] => ({ read: [], write: [], chat: [], stream: [] });

export interface Site {
  readonly worldUrl: string;
  readonly directory: string;
  readonly redis: boolean;
  readonly core: Core;
}

/** Starts what the row measures. A configuration that is not good breaks the run. */
export async function startRow(row: Row, { worldUrl, directory, redis, core }: Site): Promise<Running> {
  const absent = (why: string): Running => ({ measured: { row, absent: why, cells: noCells() }, program: undefined });
  if (row.id === 'redis' && !redis) return absent('this machine has no redis-server');
  if (row.program === undefined && row.gate === undefined) {
    return { measured: { row, cells: noCells() }, program: undefined };
  }
  let program: Program;
  if (row.program !== undefined) {
    program = await Program.start(core, row.program, [worldUrl]);
  } else {
    const own = join(directory, row.id);
    await mkdir(own);
    const configFile = join(own, 'tollgate.json');
    await writeFile(configFile, JSON.stringify(configOf(row, { worldUrl, dataDir: join(own, 'data') })));
    const checked = await checkConfig(configFile, process.env);
    if ('faults' in checked) {
      throw new Error(`the configuration of ${row.id} is not good:\n${checked.faults.map(faultLine).join('\n')}`);
    }
    program = await Program.start(core, 'gates/tollgate.ts', [configFile, row.gate?.off.join(',') ?? '']);
  }
  const { residentBytes } = await program.ask<Usage>({ ask: 'usage' });
  return { measured: { row, idleBytes: residentBytes, cells: noCells() }, program };
}
