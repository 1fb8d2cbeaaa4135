/**
 * A bundle folder as OPA would read it with `-b`, taken in one go: what is hashed is what is compiled, also when
 * somebody saves a file in between. Only `.rego` (without tests), `data.yaml`, `data.json` and the top `.manifest`
 * count; a file of any other name is silently not part of a bundle, here as in OPA.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

const filesMax = 2_000;
const depthMax = 16;
/** Looked at in all, of any name: a bundle folder is not somebody's whole checkout, and it is polled. */
const entriesMax = 20_000;
export const sourceBytesMax = 32 * 1_048_576;

export interface SourceFile {
  /** Relative to the folder, with `/`. */
  readonly path: string;
  readonly content: Buffer;
}

interface Found {
  readonly path: string;
  readonly bytes: number;
  readonly mtimeMs: number;
}

export class BundleError extends Error {
  override readonly name = 'BundleError';
}

function isSource(name: string, depth: number): boolean {
  if (name === '.manifest') return depth === 0;
  if (name === 'data.yaml' || name === 'data.json') return true;
  return name.endsWith('.rego') && !name.endsWith('_test.rego') && !name.startsWith('.');
}

async function find(folder: string): Promise<Found[]> {
  const found: Found[] = [];
  let bytes = 0;
  let entries = 0;
  const visit = async (relative: string, depth: number): Promise<void> => {
    if (depth > depthMax) throw new BundleError(`the folder is nested deeper than ${depthMax}: ${relative}`);
    const names = (await readdir(join(folder, relative))).sort();
    entries += names.length;
    if (entries > entriesMax) throw new BundleError(`the folder holds more than ${entriesMax} entries`);
    for (const name of names) {
      const path = relative === '' ? name : `${relative}/${name}`;
      // Follows links of files and folders: a mounted ConfigMap is made of them.
      const entry = await stat(join(folder, path));
      if (entry.isDirectory()) {
        if (!name.startsWith('.')) await visit(path, depth + 1);
        continue;
      }
      if (!entry.isFile() || !isSource(name, depth)) continue;
      bytes += entry.size;
      found.push({ path, bytes: entry.size, mtimeMs: entry.mtimeMs });
      if (found.length > filesMax) throw new BundleError(`the folder holds more than ${filesMax} policy files`);
      if (bytes > sourceBytesMax) throw new BundleError(`the folder holds more than ${sourceBytesMax} bytes of policy`);
    }
  };
  await visit('', 0);
  return found;
}

/** A text that changes when a file of the bundle (a folder or one file) is written, added or taken away. */
export async function fingerprint(path: string): Promise<string> {
  const entry = await stat(path);
  const files = entry.isDirectory() ? await find(path) : [{ path: '', bytes: entry.size, mtimeMs: entry.mtimeMs }];
  return files.map((file) => `${file.path}:${file.bytes}:${file.mtimeMs}`).join('\n');
}

/** The files of a bundle folder, in a stable order. Throws BundleError past its bounds. */
export async function readSources(folder: string): Promise<SourceFile[]> {
  const files: SourceFile[] = [];
  let bytes = 0;
  for (const { path } of await find(folder)) {
    const content = await readFile(join(folder, path));
    bytes += content.length;
    if (bytes > sourceBytesMax) throw new BundleError(`the folder holds more than ${sourceBytesMax} bytes of policy`);
    files.push({ path, content });
  }
  return files;
}

/** Lower-case hex SHA-256 over `parts`, each with its length, so that no two lists give the same bytes. */
export function digest(parts: readonly (string | Buffer)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) {
    const bytes = Buffer.from(part as string);
    hash.update(`${bytes.length}:`).update(bytes);
  }
  return hash.digest('hex');
}

/** What the sources are, whoever compiles them: two gates with equal folders have equal revisions. */
export function sourcesDigest(files: readonly SourceFile[]): string {
  return digest(files.flatMap(({ path, content }) => [path, content]));
}
