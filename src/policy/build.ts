/**
 * Compiles a bundle folder to WASM with OPA and keeps the result under a hash of everything that went in, so that a
 * second start with unchanged policies runs no compiler. OPA sees a copy of the sources that were hashed, never the
 * folder itself. Built at `-O0`: higher levels drop rules over data that is absent at build time when roots are
 * missing, and are no faster.
 */
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../clock.ts';
import { runOpa } from './opa.ts';
import { unusedInput } from './references.ts';
import { logEntrypoints } from './report/log-policy.ts';
import { BundleError, digest, type SourceFile, sourcesDigest } from './sources.ts';

/** The built-ins that OPA's WASM has; without it OPA compiles calls that throw when they run. */
export const capabilitiesFile = fileURLToPath(new URL('../../policies/capabilities.json', import.meta.url));

const compilerTextCharsMax = 16_384;
const bundlesKept = 16;
/** Part of every cache key: raise it when the way bundles are built changes. */
const buildRecipe = '3';
const requiredPackages = ['tollgate.task', 'tollgate.call'] as const;
const optionalPackages = ['tollgate.response'] as const;

export interface BuildOptions {
  readonly files: readonly SourceFile[];
  readonly dataDir: string;
  /** Absolute path of the compiler; asked for even if the cache has the bundle, so that another OPA builds anew. */
  readonly opa: () => Promise<string>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface Built {
  /** Path of the bundle file. */
  readonly file: string;
  /** Digest of the sources alone. */
  readonly sources: string;
  readonly cached: boolean;
}

function packagesOf(files: readonly SourceFile[]): Set<string> {
  const names = new Set<string>();
  for (const { path, content } of files) {
    if (!path.endsWith('.rego')) continue;
    const name = /^[ \t]*package[ \t]+([\w.]+)/m.exec(content.toString('utf8'))?.[1];
    if (name !== undefined) names.add(name);
  }
  return names;
}

/** What is built of a bundle. Throws BundleError where a package that must be there is not. */
export function entrypointsOf(files: readonly SourceFile[]): string[] {
  const packages = packagesOf(files);
  const missing = requiredPackages.filter((name) => !packages.has(name));
  if (missing.length > 0) throw new BundleError(`the bundle has no package ${missing.join(' and no package ')}`);
  const present = [...requiredPackages, ...optionalPackages.filter((name) => packages.has(name))];
  return [...present.map((name) => `${name.replaceAll('.', '/')}/decision`), ...logRulesOf(files)];
}

/** Entry points of the package that says what of a decision is reported; each only where its rule is. */
function logRulesOf(files: readonly SourceFile[]): string[] {
  const sources = files.filter((file) => packagesOf([file]).has('system.log'));
  return Object.entries(logEntrypoints)
    .filter(([rule]) => {
      const head = new RegExp(`^(?:default[ \\t]+)?${rule}\\b`, 'm');
      return sources.some(({ content }) => head.test(content.toString('utf8')));
    })
    .map(([, entrypoint]) => entrypoint);
}

/** Which compiler it is, without running it. */
async function identify(opa: string): Promise<string> {
  try {
    const { size, mtimeMs } = await stat(opa);
    return `${size}:${mtimeMs}`;
  } catch (fault) {
    throw new BundleError(`the OPA compiler cannot be found at ${opa}: ${(fault as Error).message}`);
  }
}

/**
 * The compiled bundle of `files`, from the cache or new. Throws BundleError with OPA's own words, in which paths are
 * relative to the bundle folder.
 */
export async function buildBundle(options: BuildOptions): Promise<Built> {
  const entrypoints = entrypointsOf(options.files);
  const capabilities = await readFile(capabilitiesFile);
  const opa = await options.opa();
  const sources = sourcesDigest(options.files);
  const key = digest([buildRecipe, sources, capabilities, await identify(opa), ...entrypoints]);
  const folder = join(options.dataDir, 'bundles');
  const file = join(folder, `${key}.tar.gz`);
  if (
    await stat(file).then(
      () => true,
      () => false,
    )
  )
    return { file, sources, cached: true };

  const work = join(folder, `.build-${options.clock.randomBytes(8).toString('hex')}`);
  await mkdir(join(work, 'sources'), { recursive: true, mode: 0o700 });
  try {
    await writeSources(join(work, 'sources'), options.files);
    const output = join(work, 'bundle.tar.gz');
    const { clock, signal } = options;
    const unused = await unusedInput({ opa, folder: join(work, 'sources'), entrypoints, clock, signal });
    await noteUnused(join(work, 'sources', '.manifest'), unused);
    await compile(opa, join(work, 'sources'), output, entrypoints, options);
    // Renamed when whole, so that a crash never leaves half a bundle under a name that is trusted.
    await rename(output, file);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  await prune(folder, file);
  return { file, sources, cached: false };
}

/** Writes `files` below `folder` as a bundle that claims no more than what the gate asks for. */
export async function writeSources(folder: string, files: readonly SourceFile[]): Promise<void> {
  for (const { path, content } of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  // Without roots a bundle claims everything; what the gate asks for lies under these.
  if (!files.some(({ path }) => path === '.manifest')) {
    const roots = packagesOf(files).has('system.log') ? ['tollgate', 'system/log'] : ['tollgate'];
    await writeFile(join(folder, '.manifest'), JSON.stringify({ roots }));
  }
}

/**
 * Notes in the manifest what of the input no rule uses, over whatever stood there: only what was looked up in these very
 * sources may be left out. A manifest that is none is left to OPA to refuse.
 */
async function noteUnused(file: string, unused: readonly string[]): Promise<void> {
  let manifest: unknown;
  try {
    manifest = JSON.parse(await readFile(file, 'utf8'));
  } catch {
    return;
  }
  if (!isObject(manifest)) return;
  const { metadata = {} } = manifest;
  const own = isObject(metadata) ? (metadata.tollgate ?? {}) : null;
  // What is written wrongly there is refused when the bundle is read.
  if (!isObject(metadata) || !isObject(own)) return;
  const noted = { ...manifest, metadata: { ...metadata, tollgate: { ...own, unused_input: unused } } };
  await writeFile(file, JSON.stringify(noted));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

async function compile(
  opa: string,
  folder: string,
  output: string,
  entrypoints: readonly string[],
  { clock, signal }: Pick<BuildOptions, 'clock' | 'signal'>,
): Promise<void> {
  const args = ['build', '-t', 'wasm', '-O', '0', '-b', '.', '--capabilities', capabilitiesFile, '-o', output];
  for (const entrypoint of entrypoints) args.push('-e', entrypoint);
  const { code, stdout, stderr } = await runOpa({ opa, args, cwd: folder, clock, signal });
  if (code === 0) return;
  const said = `${stdout}${stderr}`.trim().slice(0, compilerTextCharsMax);
  throw new BundleError(`OPA refused the policies: ${said || `exit ${code}`}`);
}

/** Keeps the newest bundles; who goes back to an older policy builds it again. */
async function prune(folder: string, current: string): Promise<void> {
  const bundles: { path: string; mtimeMs: number }[] = [];
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (!name.endsWith('.tar.gz') || path === current) continue;
    const entry = await stat(path).catch(() => undefined);
    if (entry !== undefined) bundles.push({ path, mtimeMs: entry.mtimeMs });
  }
  bundles.sort((left, right) => right.mtimeMs - left.mtimeMs);
  for (const { path } of bundles.slice(bundlesKept - 1)) await rm(path, { force: true });
}
