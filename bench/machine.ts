/** What the numbers were taken on: they mean nothing without it. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { statfsSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';

/** What a program says of itself, or undefined if it cannot be run. */
function said(command: string, args: readonly string[]): string | undefined {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 5000 }).trim();
  } catch {
    return undefined;
  }
}

const fileSystems: Readonly<Record<number, string>> = {
  16914836: 'memory (tmpfs)',
  61267: 'ext4',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  2035054128: 'overlayfs',
};

const hashedBytes = 64 * 2 ** 20;

/** How fast a core is right now: shared machines are throttled without saying so. */
function paceMs(): number {
  const bytes = Buffer.alloc(hashedBytes);
  const startMs = performance.now();
  createHash('sha256').update(bytes).digest();
  return performance.now() - startMs;
}

/** A line a fact. `directory` is where the trails of the run lie. */
export function machineFacts(directory: string, pinned: boolean, redisServer: string | undefined): readonly string[] {
  const commit = said('git', ['-C', import.meta.dirname, 'rev-parse', '--short', 'HEAD']);
  const changed = said('git', ['-C', import.meta.dirname, 'status', '--porcelain', '--', '../src', '../policies']);
  const redis = redisServer === undefined ? undefined : /v=(\S+)/.exec(said(redisServer, ['--version']) ?? '')?.[1];
  const disk = fileSystems[statfsSync(directory).type] ?? 'an unnamed file system';
  return [
    `date: ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    ...(commit === undefined ? [] : [`commit: ${commit}${changed === '' ? '' : ' and changes on top of it'}`]),
    `processor: ${cpus()[0]?.model.trim() || 'unnamed'}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GB; ${type()} ${release()}`,
    `Node ${process.versions.node}${redis === undefined ? '' : `, Redis ${redis}`}; trails on ${disk}`,
    `pace: SHA-256 over 64 MiB took ${paceMs().toFixed(0)} ms at the end of the run`,
    pinned
      ? 'what is measured has core 0 for itself, all its threads included; load, upstream and Redis share core 1'
      : 'nothing is pinned to a core here, so throughput mixes the load with what is measured',
  ];
}
