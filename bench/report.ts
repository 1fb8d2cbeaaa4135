/** The page: one table of rows and workloads, what one caller feels, and where the microseconds go. */

import type { Measured, Profiled } from './cells.ts';
import type { Decided, DecisionPart } from './messages.ts';
import { proxyRow } from './rows.ts';
import { streamChunks, type WorkloadName, workloadNames, workloads } from './workloads.ts';

export interface Findings {
  readonly measured: readonly Measured[];
  readonly profiles: readonly Profiled[];
  readonly facts: readonly string[];
  readonly rounds: number;
  readonly tasksOpened: number;
  readonly connections: number;
  /** Empty where it was not measured. */
  readonly decisions: readonly Decided[];
}

/** Parts of a profile below this many microseconds in every column go together. */
const smallUs = 1;

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle) - 1] ?? 0)) / 2;
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function megabytes(bytes: number | undefined): string {
  return bytes === undefined ? '' : whole(bytes / 2 ** 20);
}

function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  const lines = [head, head.map((_, column) => (column === 0 ? '---' : '---:')), ...body];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Processor time of one cell: median, spread over the rounds, and how many times the bare proxy's, round by round. */
function cost({ row, cells }: Measured, workload: WorkloadName, proxy: Measured | undefined): string {
  const rounds = cells[workload];
  const rate = `${whole(median(rounds.map(({ perSecond }) => perSecond)))}/s`;
  const cpu = rounds.flatMap(({ cpuUs }) => (cpuUs === null ? [] : [cpuUs]));
  if (cpu.length === 0) return rate;
  const base = proxy?.cells[workload] ?? [];
  const ratios = cpu.flatMap((us, round) => {
    const against = base[round]?.cpuUs;
    return against === undefined || against === null ? [] : [us / against];
  });
  const ratio = ratios.length === 0 || row.id === proxyRow ? '' : ` **${median(ratios).toFixed(2)}×**`;
  return `${whole(median(cpu))} µs (${whole(Math.min(...cpu))}–${whole(Math.max(...cpu))})${ratio} ${rate}`;
}

function costs(measured: readonly Measured[]): string {
  const proxy = measured.find(({ row }) => row.id === proxyRow);
  const body = measured.map((one) => {
    const { row, absent, idleBytes, loadedBytes } = one;
    if (absent !== undefined) return [row.title, `not measured: ${absent}`, '', '', '', ''];
    const memory = idleBytes === undefined ? '' : `${megabytes(idleBytes)} → ${megabytes(loadedBytes)}`;
    return [row.title, ...workloadNames.map((workload) => cost(one, workload, proxy)), memory];
  });
  return table(
    ['what is on', ...workloadNames.map((name) => workloads[name].title), 'MB resident, idle → loaded'],
    body,
  );
}

/** What is added to the way without anything in between, in milliseconds, median and 99th percentile. */
function latencies(measured: readonly Measured[]): string {
  const direct = measured.find(({ row }) => row.id === 'direct');
  const at = (one: Measured, workload: WorkloadName, share: 'p50' | 'p99') =>
    median(one.cells[workload].map(({ light }) => light[workload === 'stream' ? 'firstByteUs' : 'wholeUs'][share])) /
    1000;
  const body = measured
    .filter(({ absent }) => absent === undefined)
    .map((one) => [
      one.row.title,
      ...workloadNames.map((workload) => {
        const [p50, p99] = [at(one, workload, 'p50'), at(one, workload, 'p99')];
        if (direct === undefined || one === direct) return `${p50.toFixed(2)} (${p99.toFixed(1)})`;
        const added = p50 - at(direct, workload, 'p50');
        return `${added < 0 ? '−' : '+'}${Math.abs(added).toFixed(2)} (${p99.toFixed(1)})`;
      }),
    ]);
  const titles = workloadNames.map((name) => `${workloads[name].title}${name === 'stream' ? ', first byte' : ''}`);
  return table(['what is on', ...titles], body);
}

function breakdowns(profiles: readonly Profiled[]): string {
  const names = [...new Set(profiles.flatMap(({ breakdown }) => [...breakdown.folders.keys()]))];
  const spent = (name: string, { mainUs, breakdown }: Profiled, how: 'self' | 'inclusive') =>
    (breakdown.folders.get(name)?.[how] ?? 0) * mainUs;
  const dear = names.filter((name) =>
    profiles.some((one) => spent(name, one, 'inclusive') >= smallUs || spent(name, one, 'self') >= smallUs),
  );
  const cells = (folders: readonly string[]) =>
    profiles.flatMap((one) =>
      (['self', 'inclusive'] as const).map((how) => {
        const us = folders.reduce((sum, name) => sum + spent(name, one, how), 0);
        return us < 0.05 ? '' : us.toFixed(us < 10 ? 1 : 0);
      }),
    );
  const body = [
    ...dear.map((name) => [name, ...cells([name])]),
    ['all the rest', ...cells(names.filter((name) => !dear.includes(name)))],
    ['main thread', ...profiles.flatMap(({ mainUs }) => [whole(mainUs), whole(mainUs)])],
    [
      "other threads: the trail's writer, V8's collector and compiler",
      ...profiles.flatMap(({ otherUs }) => [whole(otherUs), whole(otherUs)]),
    ],
  ];
  const head = [
    'µs a request',
    ...profiles.flatMap(({ workload }) => [`${workloads[workload].title}: self`, 'with what it calls']),
  ];
  return table(head, body);
}

/** The dearest folders of a profile, in words. */
function summary({ workload, mainUs, otherUs, breakdown }: Profiled): string {
  const dearest = [...breakdown.folders]
    .slice(0, 6)
    .map(([name, { inclusive }]) => `${name} ${whole(inclusive * mainUs)}`)
    .join(', ');
  return `**${workloads[workload].title}**, ${whole(mainUs + otherUs)} µs: ${dearest}; other threads ${whole(otherUs)}.`;
}

const decisionParts: Readonly<Record<DecisionPart, string>> = {
  build: 'build the input',
  check: 'check and serialise it',
  wasm: 'WASM',
  decision: 'check the decision',
  whole: '**all of it**, as the gate does it',
};

/** What one decision of the shipped policies costs: median, least and most of some figures. */
export function decisionTable(decisions: readonly Decided[]): string {
  const names = Object.keys(decisionParts) as DecisionPart[];
  const cell = (us: readonly number[]) => {
    const sorted = us.toSorted((one, other) => one - other);
    const at = (share: number) => (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(1);
    return `${at(0.5)} (${at(0)}–${at(1)})`;
  };
  const body = decisions.map(({ leftOut, bytes, us }) => [
    leftOut.length === 0
      ? `all of the input, ${whole(bytes)} bytes`
      : `without ${leftOut.join(', ')}, ${whole(bytes)} bytes`,
    ...names.map((name) => cell(us[name])),
  ]);
  return table(['µs a decision', ...names.map((name) => decisionParts[name])], body);
}

export function document({ measured, profiles, facts, rounds, tasksOpened, connections, decisions }: Findings): string {
  const parts = [
    '# What a call costs',
    'Written by `npm run bench` (`bench/`); do not edit, run it again. The numbers hold for one machine on one day, and only ratios travel.',
    facts.map((fact) => `- ${fact}`).join('\n'),
    [
      `A cell is processor time a request, user and system, of all threads of the program in between: median of ${rounds} rounds, the least and`,
      `the most of them, how many times the bare proxy's (round by round), and the requests a second that one core gave, with ${connections} connections.`,
      'All programs are up all the time and work in turn, so that noise of the machine falls on all rows alike. Every answer is checked.',
      'Each row below the least gate has on what the row above it has, and one thing more, up to *fully governed*; the rows after that',
      'change one thing of *fully governed*. The store is in memory unless a row says Redis, which runs on the other core and is not counted.',
      'A task makes 24 calls, each unlike the one before; its token is verified at the first and remembered. Nothing is found in the texts.',
      `A write and a chat call wait until their intent is on disk. Stream chunks (${streamChunks} of them, a packet each) come a millisecond apart.`,
    ].join('\n'),
    costs(measured),
    [
      `Memory is that of the process: once it is ready, and the most after a run; some ${whole(tasksOpened / Math.max(1, measured.filter(({ row, absent }) => row.gate !== undefined && absent === undefined).length))} tasks`,
      'stand in the store of each gate by the end.',
    ].join('\n'),
    '## What one caller waits',
    'Two connections, so that nobody waits for a processor: milliseconds added to the way with nothing in between (its own line is absolute), median, and in brackets the 99th percentile of the whole.',
    latencies(measured),
    ...(decisions.length === 0
      ? []
      : [
          '## What a decision costs',
          [
            'The shipped policies on a read of a task with 20 calls behind it, without the gate around them: processor time of the thread, median of',
            'eleven figures of 6,000 decisions each, in brackets the least and the most. The first line is what the gate does: members of the input that',
            'no rule refers to are left out. The second is what it would cost to give a policy all of it.',
          ].join('\n'),
          decisionTable(decisions),
        ]),
    ...(profiles.length === 0
      ? []
      : [
          '## Where the microseconds go',
          [
            'Fully governed, by a CPU profile of the main thread in a run of its own, scaled to the processor time of a run without it. *Self* is where the',
            'processor was; *with what it calls* gives time in Node, packages and WASM to the folder of `src` that called it. What follows an event',
            'of a socket has no caller any more and stands under Node.',
          ].join('\n'),
          profiles.map(summary).join('\n\n'),
          breakdowns(profiles),
        ]),
  ];
  return `${parts.join('\n\n')}\n`;
}
