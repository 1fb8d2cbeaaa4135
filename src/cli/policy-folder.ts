/** What the `policy` commands have in common: which folder, which compiler, a folder to work in, and the seed. */
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { findOpa } from '../../scripts/opa.js';
import { OpenApiFetch } from '../assembly/openapi.ts';
import { tableOf } from '../assembly/table.ts';
import { systemClock } from '../clock.ts';
import { configValidator, faultLine, loadConfig } from '../config/load.ts';
import { type LintWorld, lintWorld } from '../policy/lint/world.ts';
import type { OpaAccess } from '../policy/rego-files.ts';
import { type Surroundings, Usage } from './command.ts';

export const folderOptions = {
  bundle: { type: 'string', short: 'b' },
  config: { type: 'string', short: 'c' },
} as const;

export const folderHelp = `  --bundle DIR      the folder of Rego and data; without it the config's, else ./policies
  --config F        a tollgate.yaml that names the folder, and the operations and issuers that policies may name`;

export const inputOptions = {
  inputs: { type: 'string', default: '1000' },
  seed: { type: 'string', default: '1' },
} as const;

export const inputHelp = `  --inputs N        inputs a package, 1000 without it
  --seed N          makes other inputs; equal seeds make equal ones, 1 without it`;

const inputsMax = 100_000;
const seedMax = 2 ** 32 - 1;

/** Absolute path of the policy folder. Throws `Usage` where it is none. */
export async function bundleFolder(
  values: { readonly bundle?: string; readonly config?: string },
  surroundings: Surroundings,
): Promise<string> {
  return (await bundleAndWorld(values, surroundings)).bundle;
}

/** The policy folder, and what the configuration names, where one is given. */
export interface NamedFolder {
  /** Absolute. */
  readonly bundle: string;
  readonly world: LintWorld | null;
  readonly unknownOperations: 'refuse' | 'warn';
}

/** As `bundleFolder`, with what policies may name by the configuration. Throws for one with faults. */
export async function bundleAndWorld(
  values: { readonly bundle?: string; readonly config?: string },
  { env }: Surroundings,
): Promise<NamedFolder> {
  if (values.config === undefined) {
    return { bundle: await policyFolder(values.bundle ?? 'policies'), world: null, unknownOperations: 'refuse' };
  }
  const loaded = await loadConfig(values.config, env, configValidator(), new OpenApiFetch(systemClock()).fetch);
  if ('faults' in loaded) throw new Error(loaded.faults.map(faultLine).join('\n'));
  const { config, directory } = loaded;
  const bundle = await policyFolder(values.bundle ?? resolve(directory, config.policy.bundle));
  const table = await tableOf(loaded, systemClock());
  if ('faults' in table) throw new Error(table.faults.map(faultLine).join('\n'));
  return { bundle, world: lintWorld(config, table.all()), unknownOperations: config.policy.unknown_operations };
}

/** `path`, absolute. Throws `Usage` where it is no folder: a compiled bundle has nothing to prove it against. */
export async function policyFolder(path: string): Promise<string> {
  const entry = await stat(path).catch(() => null);
  if (entry?.isDirectory() !== true) throw new Usage(`${path} is no folder of policies`);
  return resolve(path);
}

/** `--inputs` and `--seed`. Throws `Usage` for what is no number in range. */
export function inputsOf(values: { readonly inputs: string; readonly seed: string }): { inputs: number; seed: number } {
  return {
    inputs: wholeNumber('--inputs', values.inputs, 1, inputsMax),
    seed: wholeNumber('--seed', values.seed, 0, seedMax),
  };
}

export function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new Usage(`${name} is a whole number from ${least} to ${most}, not ${text}`);
}

/** Runs `work` with the compiler and a folder that is gone afterwards. */
export async function withOpa<Result>(
  { env, err }: Surroundings,
  work: (access: OpaAccess, folder: string) => Promise<Result>,
): Promise<Result> {
  const opa = await findOpa({ env, log: err });
  const folder = await mkdtemp(join(tmpdir(), 'tollgate-policy-'));
  try {
    return await work({ opa, clock: systemClock(), signal: new AbortController().signal }, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
