/**
 * Parts that a test needs and a machine may lack. `part('redis-server')` gives the options of a node:test test that
 * skip it by name where the part is missing; under TOLLGATE_REQUIRE=all the runner counts that skip as a failure.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { opaCacheDir, opaVersion } from '../scripts/opa.js';

const programs = {
  'redis-server': ['redis-server'],
  chromium: ['chromium', 'chromium-browser', 'google-chrome'],
  opa: ['opa'],
  openssl: ['openssl'],
  'docker-compose': ['docker-compose'],
} as const satisfies Record<string, readonly string[]>;

export type Part = keyof typeof programs;

function candidates(part: Part, env: NodeJS.ProcessEnv): readonly string[] {
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => isAbsolute(folder));
  const onPath = folders.flatMap((folder) => programs[part].map((name) => join(folder, name)));
  if (part !== 'opa') return onPath;
  // Of another version than the pinned one it is no use: what the bootstrap found goes first, then its cache.
  const known = env.TOLLGATE_OPA === undefined ? [] : [env.TOLLGATE_OPA];
  return [...known, join(opaCacheDir(env), opaVersion, 'opa'), ...onPath];
}

/** Absolute path of the program, or undefined where it is not on this machine. */
export function partPath(part: Part, env: NodeJS.ProcessEnv = process.env): string | undefined {
  return candidates(part, env).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Options for `test(name, part('opa'), …)`. */
export function part(name: Part, env: NodeJS.ProcessEnv = process.env): { readonly skip?: string } {
  return partPath(name, env) === undefined ? { skip: `${name} is not on this machine` } : {};
}
