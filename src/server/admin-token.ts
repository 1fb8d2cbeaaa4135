/**
 * The token of the admin plane until people sign in by OIDC: a random secret in `data_dir/admin-token`, readable by
 * the owner of the process alone, made at the first start. The command line reads it from there.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { link, mkdir, readFile, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { Person } from '../principal.ts';
import { everyRole } from './admin-routes.ts';

export const adminTokenFile = (dataDir: string): string => join(dataDir, 'admin-token');

/** The token, made if it is not there yet. Throws if the file may be read by others. */
export async function openAdminToken(dataDir: string, clock: Clock): Promise<string> {
  const file = adminTokenFile(dataDir);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const fresh = `${file}.${clock.randomBytes(6).toString('hex')}`;
  await writeFile(fresh, `${clock.randomBytes(32).toString('base64url')}\n`, { mode: 0o600 });
  try {
    // A link is made by one process only, if two start at once; the other takes what is there.
    await link(fresh, file);
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code !== 'EEXIST') throw fault;
  } finally {
    await unlink(fresh);
  }
  const { mode } = await stat(file);
  if ((mode & 0o077) !== 0) throw new Error(`${file} can be read by others; set its mode to 0600`);
  return (await readFile(file, 'utf8')).trim();
}

/** Compares in constant time, whatever the lengths. */
export function isToken(shown: string, token: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(shown), digest(token));
}

/** Whoever holds the token: nobody knows who, so everything is theirs. */
export const tokenHolder: Person = { id: 'admin-token', issuer: 'admin-token', roles: everyRole };
