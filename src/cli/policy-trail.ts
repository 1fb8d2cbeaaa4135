/** What the commands over recorded decisions have in common: which trail, since when, and with which compiler. */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { findOpa } from '../../scripts/opa.js';
import { systemClock } from '../clock.ts';
import { faultLine, loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { ReplayCandidate } from '../policy/replay/candidate.ts';
import { type Surroundings, Usage } from './command.ts';

export const trailOptions = {
  config: { type: 'string', short: 'c' },
  'data-dir': { type: 'string' },
  since: { type: 'string' },
  bundle: { type: 'string' },
  json: { type: 'boolean' },
} as const;

export const trailHelp = `  --config F        the trail of the gate with this tollgate.yaml; the gate may run
  --data-dir D      the trail in D, a gate's data_dir or a copy of it`;

export interface NamedTrail {
  readonly dataDir: string;
  /** Null where the trail was named by its folder. */
  readonly config: Config | null;
}

export async function namedTrail(
  values: { readonly config?: string | undefined; readonly 'data-dir'?: string | undefined },
  { env }: Surroundings,
): Promise<NamedTrail> {
  const { config: file, 'data-dir': dataDir } = values;
  if ((file === undefined) === (dataDir === undefined)) throw new Usage('one of --config F and --data-dir D');
  if (dataDir !== undefined) return { dataDir, config: null };
  const loaded = await loadConfig(file as string, env);
  if ('faults' in loaded) throw new Error(loaded.faults.map(faultLine).join('\n'));
  return { dataDir: loaded.config.gateway.data_dir, config: loaded.config };
}

const unitMs: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The time that lies `span` (`30m`, `8h`, `7d`) before now, in milliseconds since 1970. */
export function sinceMs(span: string): number {
  const [, count, unit] = /^([1-9][0-9]{0,5})([mhd])$/.exec(span) ?? [];
  if (count === undefined || unit === undefined) throw new Usage('--since takes a span such as 30m, 8h or 7d');
  return Date.now() - Number(count) * (unitMs[unit] as number);
}

/** The bundle at `path`, compiled if it is a folder. Throws BundleError for what no gate could run. */
export async function openCandidate(path: string, { env, err }: Surroundings): Promise<ReplayCandidate> {
  const whole = resolve(path);
  await stat(whole).catch(() => {
    throw new Usage(`--bundle: there is no folder or file ${path}`);
  });
  const opa = () => findOpa({ env, log: err });
  return ReplayCandidate.open({ path: whole, opa, clock: systemClock(), signal: new AbortController().signal });
}
