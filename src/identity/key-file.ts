/**
 * One private key in one file, readable by nobody else. The file is made whole under another name and then linked to
 * its own, which fails if it is there: of two gateways that start at once on one directory, both end with one key.
 */
import { constants, type FileHandle, link, mkdir, open, rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { KeyFault } from './keepers/keeper.ts';
import { isStoredKey, type StoredKey } from './key-pair.ts';

export type { StoredKey } from './key-pair.ts';

/** The key directory or a file in it is not fit to hold a key. The message says what to do. */
export class KeyFileFault extends KeyFault {
  override readonly name = 'KeyFileFault';
}

const fileBytesMax = 65_536;
const othersMask = 0o077;

/** Makes the directory (mode 0700) if it is not there. Throws KeyFileFault if others may enter it. */
export async function openKeyDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const { mode } = await stat(path);
  if ((mode & othersMask) !== 0) throw openToOthers(path, mode, '700');
}

/** The key in `path`; undefined if there is no such file. Throws KeyFileFault for a file others may read, or no key. */
export async function readKeyFile(path: string): Promise<StoredKey | undefined> {
  let file: FileHandle;
  try {
    // Not through a symbolic link: the mode that is checked is that of the file that is read.
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code === 'ELOOP') throw new KeyFileFault(`${path} is a symbolic link; a key must be a file of its own`);
    throw error;
  }
  try {
    const { mode, size } = await file.stat();
    if ((mode & othersMask) !== 0) throw openToOthers(path, mode, '600');
    if (size > fileBytesMax) throw new KeyFileFault(`${path} is not a key of the gate: it is too large`);
    return parseStoredKey(path, await file.readFile('utf8'));
  } finally {
    await file.close();
  }
}

/** Writes `stored` (mode 0600, durable) unless a file is there already; either way the file stands afterwards. */
export async function createKeyFile(path: string, temporaryPath: string, stored: StoredKey): Promise<void> {
  try {
    await writeDurably(temporaryPath, stored);
    await link(temporaryPath, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await removeUnfinished(temporaryPath);
  }
  await syncDirectory(path);
}

/** Puts `stored` in place of what stands in `path`, in one step: a crash leaves the one or the other. */
export async function replaceKeyFile(path: string, temporaryPath: string, stored: StoredKey): Promise<void> {
  try {
    await writeDurably(temporaryPath, stored);
    await rename(temporaryPath, path);
  } catch (error) {
    await removeUnfinished(temporaryPath);
    throw error;
  }
  await syncDirectory(path);
}

/** Removes a key for ever; one that is not there is removed. */
export async function destroyKeyFile(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  await syncDirectory(path);
}

async function writeDurably(path: string, stored: StoredKey): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(stored)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A full disk must not fill with halves of keys, one for each try. */
async function removeUnfinished(path: string): Promise<void> {
  await unlink(path).catch(() => undefined);
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(dirname(path), constants.O_RDONLY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function parseStoredKey(path: string, text: string): StoredKey {
  let value: unknown = null;
  try {
    value = JSON.parse(text);
  } catch {
    // Said below, without the text: it may hold half a key.
  }
  if (isStoredKey(value)) return value;
  throw new KeyFileFault(`${path} is not a key of the gate; move it away and a new one is made`);
}

function openToOthers(path: string, mode: number, wanted: string): KeyFileFault {
  const found = (mode & 0o777).toString(8);
  return new KeyFileFault(`${path} can be read by others (mode ${found}); change it: chmod ${wanted} ${path}`);
}
