/**
 * Parts that a test needs and a machine may lack. `part('redis-server')` gives the options of a node:test test that
 * skip it by name where the part is missing; under TOLLGATE_REQUIRE=all the runner counts that skip as a failure.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { opaCacheDir, opaVersion } from '../scripts/opa.js';

const programs = {
  'redis-server': ['redis-server'],
  chromium: ['chromium', 'chromium-browser', 'google-chrome'],
  opa: ['opa'],
  openssl: ['openssl'],
  'docker-compose': ['docker-compose'],
  go: ['go'],
  'python3-cryptography': ['python3'],
  'python3-mcp': ['python3'],
} as const satisfies Record<string, readonly string[]>;

export type Part = keyof typeof programs;

/** A program is the part only if it exits 0 on these: the first Python on PATH may be one without the package. */
const probes: Partial<Record<Part, readonly string[]>> = {
  'python3-cryptography': ['-c', 'import cryptography'],
  // It was installed for one Python, whose compiled packages no other can load.
  'python3-mcp': [
    '-c',
    'import sys; sys.path.insert(0, sys.argv[1]); import pydantic_core, rpds, importlib.util as u; assert u.find_spec("mcp")',
    resolve(import.meta.dirname, '../.cache/python-mcp'),
  ],
};

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
      const probe = probes[part];
      return probe === undefined || spawnSync(path, probe, { env, stdio: 'ignore', timeout: 20_000 }).status === 0;
    } catch {
      return false;
    }
  });
}

/** Options for `test(name, part('opa'), …)`. */
export function part(name: Part, env: NodeJS.ProcessEnv = process.env): { readonly skip?: string } {
  return partPath(name, env) === undefined ? { skip: `${name} is not on this machine` } : {};
}
