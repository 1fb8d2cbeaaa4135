/**
 * Finds the OPA compiler of the one version this project is tested with: TOLLGATE_OPA, PATH, the cache, the official
 * release (its checksum verified), or `go install`, in this order. Plain JavaScript without dependencies: it runs
 * before anything is installed. Another version is never used, also when it is the only one there.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { chmod, open } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The pinned version, as `opa version` prints it. */
export const opaVersion = '1.22.0';

const officialReleases = 'https://github.com/open-policy-agent/opa/releases/download';
const opaModule = 'github.com/open-policy-agent/opa';

/** Until the head of an answer is there: an offline machine must get to the next way quickly. */
const headMsMax = 5_000;
const downloadMsMax = 180_000;
const downloadBytesMax = 300 * 1024 * 1024;
const checksumBytesMax = 4_096;
const goInstallMsMax = 600_000;
const versionMsMax = 10_000;
const rememberedChecksMax = 32;
const errorTextMax = 2_000;

/** None of the ways led to a compiler; the message names them all and what became of each. */
export class OpaMissing extends Error {
  name = 'OpaMissing';
}

/** Something claims to be the compiler and is not: a wrong checksum, or TOLLGATE_OPA of another version. */
export class OpaRefused extends Error {
  name = 'OpaRefused';
}

/**
 * The folder that compilers are kept in: the project's own `.cache/opa`, or the user's cache where the project is
 * an installed package, whose folder may be read-only and is wiped by the next install.
 * @param {NodeJS.ProcessEnv} env
 * @param {string} root folder of package.json
 */
export function opaCacheDir(env, root = dirname(dirname(fileURLToPath(import.meta.url)))) {
  if (!root.split(sep).includes('node_modules')) return join(root, '.cache', 'opa');
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'tollgate', 'opa');
}

/** The name OPA publishes its binary under, or undefined where it publishes none. */
export function opaAsset(platform = process.platform, arch = process.arch) {
  const assets = {
    'linux-x64': 'opa_linux_amd64_static',
    'linux-arm64': 'opa_linux_arm64_static',
    'darwin-x64': 'opa_darwin_amd64',
    'darwin-arm64': 'opa_darwin_arm64_static',
  };
  return assets[/** @type {keyof typeof assets} */ (`${platform}-${arch}`)];
}

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function readChecks(path) {
  try {
    const checks = JSON.parse(readFileSync(path, 'utf8'));
    return typeof checks === 'object' && checks !== null && !Array.isArray(checks) ? checks : {};
  } catch {
    return {}; // Not there, or cut: it only saves time, so it is simply made again.
  }
}

async function writeWhole(path, text) {
  const temporary = `${path}.${process.pid}.${randomBytes(6).toString('hex')}`;
  mkdirSync(dirname(path), { recursive: true });
  const file = await open(temporary, 'w');
  try {
    await file.writeFile(text);
  } finally {
    await file.close();
  }
  renameSync(temporary, path);
}

/** The version a program says it is, or null. */
function askVersion(path, env) {
  const run = spawnSync(path, ['version'], {
    encoding: 'utf8',
    timeout: versionMsMax,
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return run.status === 0 ? (/^Version: v?(\S+)/m.exec(run.stdout)?.[1] ?? null) : null;
}

/**
 * As `askVersion`, for a program that stays where it is. The answer is remembered by path, size and time of change, so that a
 * second start does not run the program.
 */
async function versionOf(path, cacheDir, env) {
  const { mtimeMs, size } = statSync(path);
  const checksFile = join(cacheDir, 'checks.json');
  const checks = readChecks(checksFile);
  const known = checks[path];
  if (known?.mtimeMs === mtimeMs && known.size === size) return known.version;
  const version = askVersion(path, env);
  delete checks[path];
  const kept = [...Object.entries(checks).slice(1 - rememberedChecksMax), [path, { mtimeMs, size, version }]];
  // A cache that cannot be written (a read-only image) costs 20 ms a start, no more.
  await writeWhole(checksFile, JSON.stringify(Object.fromEntries(kept))).catch(() => undefined);
  return version;
}

/**
 * The compiler if it is on this machine already; installs nothing and asks no network.
 * @param {{env?: NodeJS.ProcessEnv, cacheDir?: string}} options
 * @returns {Promise<string | undefined>} absolute path
 */
export async function knownOpa({ env = process.env, cacheDir = opaCacheDir(env) } = {}) {
  if (env.TOLLGATE_OPA) {
    const version = isProgram(env.TOLLGATE_OPA) ? await versionOf(env.TOLLGATE_OPA, cacheDir, env) : null;
    if (version === opaVersion) return env.TOLLGATE_OPA;
    throw new OpaRefused(
      `TOLLGATE_OPA names ${env.TOLLGATE_OPA}, which is ${version === null ? 'not an OPA that runs' : `OPA ${version}`}; this project needs ${opaVersion}.`,
    );
  }
  const onPath = (env.PATH ?? '').split(delimiter).filter((folder) => folder.startsWith(sep));
  for (const folder of onPath) {
    const path = join(folder, 'opa');
    if (isProgram(path) && (await versionOf(path, cacheDir, env)) === opaVersion) return path;
  }
  const cached = join(cacheDir, opaVersion, 'opa');
  if (isProgram(cached) && (await versionOf(cached, cacheDir, env)) === opaVersion) return cached;
  return undefined;
}

/** Plain HTTP only on loopback: the checksum comes from the same place as the binary, so the way must be safe. */
function checkTransport(address) {
  const url = new URL(address);
  const loopback = url.hostname === 'localhost' || url.hostname === '[::1]' || /^127(\.\d+){3}$/.test(url.hostname);
  if (url.protocol === 'https:' || (url.protocol === 'http:' && loopback)) return;
  throw new Error(`${url.origin} is neither https nor on loopback`);
}

/** Reads `address`, handing each piece to `take`. Throws on any status but 200, and beyond `bytesMax`. */
async function read(address, bytesMax, headMs, take) {
  checkTransport(address);
  const controller = new AbortController();
  let timer = setTimeout(() => controller.abort(new Error(`no answer within ${headMs} ms`)), headMs);
  try {
    const response = await fetch(address, { signal: controller.signal, redirect: 'follow' });
    clearTimeout(timer);
    timer = setTimeout(() => controller.abort(new Error(`not read within ${downloadMsMax} ms`)), downloadMsMax);
    checkTransport(response.url); // Releases redirect to a storage host; never to plain HTTP.
    if (response.status !== 200 || response.body === null) throw new Error(`HTTP ${response.status} for ${address}`);
    let bytes = 0;
    for await (const piece of response.body) {
      bytes += piece.length;
      if (bytes > bytesMax) throw new Error(`more than ${bytesMax} bytes at ${address}`);
      await take(piece);
    }
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    clearTimeout(timer);
    controller.abort();
  }
}

/** Downloads the release into `temporary`. Throws OpaRefused if its bytes are not those of the published checksum. */
async function download(base, asset, temporary, headMs) {
  const address = `${base.replace(/\/+$/, '')}/v${opaVersion}/${asset}`;
  let text = '';
  await read(`${address}.sha256`, checksumBytesMax, headMs, (piece) => {
    text += Buffer.from(piece).toString('latin1');
  });
  const expected = /^([0-9a-f]{64})(\s|$)/i.exec(text.trim())?.[1]?.toLowerCase();
  if (expected === undefined) throw new Error(`${address}.sha256 holds no checksum`);
  const hash = createHash('sha256');
  const file = await open(temporary, 'wx', 0o600);
  try {
    await read(address, downloadBytesMax, headMs, async (piece) => {
      hash.update(piece);
      await file.write(piece);
    });
    await file.sync();
  } finally {
    await file.close();
  }
  const actual = hash.digest('hex');
  if (actual !== expected) {
    throw new OpaRefused(
      `${address} is not what its publisher signed off: SHA-256 ${actual}, expected ${expected}. It was deleted.`,
    );
  }
  await chmod(temporary, 0o755);
}

/** Builds the compiler from the Go module, whose contents Go checks against its checksum database. */
function goInstall(folder, env) {
  const { GOOS: _os, GOARCH: _arch, ...own } = env; // Go refuses GOBIN when it cross-compiles.
  return new Promise((resolve, reject) => {
    const child = spawn('go', ['install', '-trimpath', `${opaModule}@v${opaVersion}`], {
      cwd: folder,
      env: { ...own, GOBIN: folder, CGO_ENABLED: '0' },
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: goInstallMsMax,
    });
    let errors = '';
    child.stderr.on('data', (piece) => {
      errors = (errors + piece).slice(-errorTextMax);
    });
    child.on('error', (error) => reject(error.code === 'ENOENT' ? new Error('go is not on PATH') : error));
    child.on('close', (code, signal) => {
      if (code === 0) resolve(undefined);
      else
        reject(
          new Error(`go install ended with ${signal ?? code}: ${errors.trim().split('\n').slice(-3).join(' / ')}`),
        );
    });
  });
}

/**
 * The compiler of the pinned version, installed into the cache if need be. Two that run at once each make their own
 * copy and rename it into place; whoever comes second replaces the file by an equal one.
 * @param {import('./opa.js').FindOpaOptions} options
 * @returns {Promise<string>} absolute path
 * @throws {OpaMissing} if no way led to it
 * @throws {OpaRefused} if a download does not match its checksum, or TOLLGATE_OPA is of another version
 */
export async function findOpa(options = {}) {
  const { env = process.env, log = () => undefined, headMs = headMsMax } = options;
  const cacheDir = options.cacheDir ?? opaCacheDir(env);
  const known = await knownOpa({ env, cacheDir });
  if (known !== undefined) return known;

  const final = join(cacheDir, opaVersion, 'opa');
  // `go install` names its output itself, so every run has a folder of its own.
  const own = join(cacheDir, `.new-${process.pid}-${randomBytes(6).toString('hex')}`);
  const temporary = join(own, 'opa');
  const failures = [];
  mkdirSync(own, { recursive: true });
  try {
    const asset = 'asset' in options ? options.asset : opaAsset();
    const base = env.TOLLGATE_OPA_RELEASES || officialReleases;
    const ways = [
      [
        'release',
        () => (asset ? download(base, asset, temporary, headMs) : Promise.reject(new Error('none for this platform'))),
      ],
      ['go install', () => goInstall(own, env)],
    ];
    for (const [way, install] of ways) {
      log(`Getting OPA ${opaVersion} by ${way === 'release' ? `its release at ${base}` : way} …`);
      try {
        await install();
        const version = existsSync(temporary) ? askVersion(temporary, env) : null;
        if (version !== opaVersion) throw new Error(`what it gave says it is version ${version}`);
        mkdirSync(dirname(final), { recursive: true });
        renameSync(temporary, final);
        return final;
      } catch (error) {
        if (error instanceof OpaRefused) throw error;
        failures.push(`${way}: ${error.cause?.message ?? error.message}`);
        rmSync(temporary, { force: true });
      }
    }
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
  throw new OpaMissing(
    [
      `OPA ${opaVersion}, which compiles the policies, is not on this machine and could not be got.`,
      ...failures.map((failure) => `  ${failure}`),
      'Any one of these helps:',
      `  1. put opa ${opaVersion} on PATH, or name it in TOLLGATE_OPA`,
      `  2. copy it to ${final}`,
      `  3. let this machine reach ${officialReleases}, or name a mirror in TOLLGATE_OPA_RELEASES`,
      `  4. install Go, so that \`go install ${opaModule}@v${opaVersion}\` works`,
    ].join('\n'),
  );
}

if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === process.argv[1]) {
  try {
    console.log(await findOpa({ log: (line) => console.error(line) }));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
