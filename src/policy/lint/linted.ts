/**
 * The lint as a gate runs it: a bundle with faults is refused with all of them, so that a wrong edit leaves the last good
 * bundle in force. What was found good is noted on disk under a hash of the sources and of the names that the
 * configuration has, so that an unchanged folder costs nothing at the next start.
 */
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { BundleError, digest, type SourceFile } from '../sources.ts';
import { faultLines, type LintFault } from './fault.ts';
import { lintBundle, lintData, type UnknownOperations } from './lint.ts';
import { type LintWorld, worldDigest } from './world.ts';

/** Part of every note's name: raise it when the lint finds more. */
const lintRecipe = '2';
const notesKept = 32;

/** What the lint is told by whoever runs it. */
export interface LintSettings {
  /** Asked at each load; null where the names are not known. Left out: not known. */
  readonly world?: () => LintWorld | null;
  /** `refuse` without it. */
  readonly unknownOperations?: UnknownOperations;
  /** Told what is found and does not refuse the bundle. */
  readonly warn?: (message: string, fields: Readonly<Record<string, unknown>>) => void;
}

export interface LintedFolder {
  readonly files: readonly SourceFile[];
  /** Digest of `files`. */
  readonly sources: string;
  /** Notes are kept in its `lint` folder. */
  readonly dataDir: string;
  readonly opa: () => Promise<string>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Throws BundleError with a line for each fault of a folder's sources. */
export async function passLint(folder: LintedFolder, settings: LintSettings): Promise<void> {
  const { files, sources, dataDir, clock, signal } = folder;
  const world = settings.world?.() ?? null;
  const { unknownOperations = 'refuse' } = settings;
  const notes = join(dataDir, 'lint');
  const note = join(notes, `${digest([lintRecipe, sources, worldDigest(world), unknownOperations])}.json`);
  let faults = await noted(note);
  if (faults === null) {
    const opa = await folder.opa();
    faults = await lintBundle({ files, world, unknownOperations, opa, clock, signal });
    if (!faults.some(isError)) await keep(notes, note, faults, clock);
  }
  judge(faults, settings);
}

/** As `passLint`, for a bundle of which there is only the data: `purposes` is `data.tollgate.purposes` of it. */
export function passDataLint(purposes: unknown, settings: LintSettings): void {
  judge(lintData({ tollgate: { purposes } }, settings.world?.() ?? null, settings.unknownOperations), settings);
}

function isError({ severity }: LintFault): boolean {
  return severity === 'error';
}

function judge(faults: readonly LintFault[], { warn }: LintSettings): void {
  const errors = faults.filter(isError);
  if (errors.length > 0) throw new BundleError(`the policies have faults:\n${faultLines(errors).join('\n')}`);
  if (faults.length > 0) warn?.('the policies name what the configuration does not', { faults: faultLines(faults) });
}

/** What was found before; null where nothing was, or the note cannot be read. */
async function noted(note: string): Promise<LintFault[] | null> {
  try {
    const faults = JSON.parse(await readFile(note, 'utf8')) as unknown;
    return Array.isArray(faults) ? (faults as LintFault[]) : null;
  } catch {
    return null;
  }
}

async function keep(folder: string, note: string, faults: readonly LintFault[], clock: Clock): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const half = `${note}.${clock.randomBytes(8).toString('hex')}.part`;
  await writeFile(half, JSON.stringify(faults), { mode: 0o600 });
  await rename(half, note);
  const notes: { readonly path: string; readonly mtimeMs: number }[] = [];
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const entry = await stat(path).catch(() => undefined);
    if (entry !== undefined && path !== note) notes.push({ path, mtimeMs: entry.mtimeMs });
  }
  notes.sort((left, right) => right.mtimeMs - left.mtimeMs);
  for (const { path } of notes.slice(notesKept - 1)) await rm(path, { force: true });
}
