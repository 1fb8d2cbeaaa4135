/**
 * The policies of the fixture, and others that a world says so of, compiled and looked through once a machine and not
 * once a world: a gate keeps both by a hash of everything that went in, so what an earlier test left is what this one
 * would make.
 */
import { copyFile, mkdir, readdir, rename } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

const kept = join(tmpdir(), `tollgate-compiled-${userInfo().uid}`);
const folders = ['bundles', 'lint'] as const;
/** Beyond, nothing more is kept: somebody is changing the fixture, and only the newest is of use. */
const filesMax = 64;

/** Gives a gate that is to start what others have made. */
export async function bringCompiled(dataDir: string): Promise<void> {
  for (const folder of folders) await copyNew(join(kept, folder), join(dataDir, folder));
}

/** Keeps what a gate has made. */
export async function keepCompiled(dataDir: string): Promise<void> {
  for (const folder of folders) await copyNew(join(dataDir, folder), join(kept, folder));
}

async function copyNew(from: string, to: string): Promise<void> {
  const there = new Set(await filesOf(to));
  const missing = (await filesOf(from)).filter((name) => !there.has(name));
  if (missing.length === 0 || there.size + missing.length > filesMax) return;
  await mkdir(to, { recursive: true, mode: 0o700 });
  for (const name of missing) {
    // Others copy at the same time: a file is there whole, or not at all.
    const fresh = join(to, `.${process.pid}-${name}`);
    await copyFile(join(from, name), fresh);
    await rename(fresh, join(to, name));
  }
}

async function filesOf(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.')).map(({ name }) => name);
}
