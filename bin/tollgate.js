#!/usr/bin/env node
/**
 * The `tollgate` command. It only finds what the command line runs on: the emitted JavaScript of the published
 * package or the sources of a checkout, Node 26, and the OPA compiler if it is on this machine already. What the
 * command line does stands in src/cli.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ensurePackages, findNode, handOver, nodeMajor, noNode } from '../scripts/bootstrap.js';
import { knownOpa } from '../scripts/opa.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const emitted = join(root, 'dist', 'cli', 'main.js');
const source = join(root, 'src', 'cli', 'main.ts');
// A checkout may hold an old build; there the sources are what somebody means to run.
const published = !existsSync(source);

async function run() {
  if (!published) await ensurePackages(root);
  // Only a look: the command line gets the compiler itself, once a command needs one.
  if (process.env.TOLLGATE_OPA === undefined) {
    const opa = await knownOpa();
    if (opa !== undefined) process.env.TOLLGATE_OPA = opa;
  }

  const entry = published ? emitted : source;
  if (Number.parseInt(process.versions.node, 10) >= nodeMajor) {
    await import(pathToFileURL(entry).href);
    return;
  }
  const node = findNode(root);
  if (node === undefined) throw noNode();
  process.exitCode = await handOver(node, [entry, ...process.argv.slice(2)]);
}

try {
  await run();
} catch (error) {
  console.error(error.name === 'SetupError' ? `tollgate: ${error.message}` : error);
  process.exitCode = 1;
}
