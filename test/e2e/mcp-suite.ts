/**
 * The official conformance suite of MCP, run against a server: every scenario that it has for servers of a version of the
 * specification, extensions aside, in one process. It has no functions to call, so its command is run and what it wrote
 * is read. A check that a scenario makes more than once counts as often; one that is
 * `INFO` was not made, or judges nothing.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';

export type Status = 'SUCCESS' | 'FAILURE' | 'WARNING' | 'SKIPPED' | 'INFO';

export interface Check {
  /** `{scenario}/{check}`, with a number behind it from its second time on. */
  readonly name: string;
  readonly status: Status;
  readonly fault?: string;
}

const suite = resolve(import.meta.dirname, '../../node_modules/@modelcontextprotocol/conformance/dist/index.js');

/** What the suite says of the server at `url`. Rejects where it did not run all it said it would. */
export async function conformance(url: string, version: string): Promise<ReadonlyMap<string, Check>> {
  const folder = await mkdtemp(join(tmpdir(), 'tollgate-conformance-'));
  try {
    const args = [suite, 'server', '--url', url, '--suite', 'all', '--spec-version', version, '--output-dir', folder];
    const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
    const said = await text(child.stdout);
    const promised = Number(/\((\d+) scenarios\)/.exec(said)?.[1]);
    const runs = await readdir(folder);
    if (runs.length !== promised) throw new Error(`${runs.length} of ${promised} scenarios ran:\n${said}`);
    const all = await Promise.all(
      runs.map(async (run) => {
        const scenario = run.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT.*$/, '');
        return checksOf(scenario, await readFile(join(folder, run, 'checks.json'), 'utf8'));
      }),
    );
    return new Map(all.flat().map((check) => [check.name, check]));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Written {
  readonly id: string;
  readonly status: Status;
  readonly errorMessage?: string;
}

function checksOf(scenario: string, written: string): readonly Check[] {
  const times = new Map<string, number>();
  return (JSON.parse(written) as readonly Written[]).map(({ id, status, errorMessage }) => {
    const time = (times.get(id) ?? 0) + 1;
    times.set(id, time);
    const name = `${scenario}/${id}${time === 1 ? '' : ` ${time}`}`;
    return { name, status, ...(errorMessage === undefined ? {} : { fault: errorMessage }) };
  });
}
