/**
 * What somebody gets who installs the package: it is packed from a copy of the checkout, installed into a fresh folder
 * from the registry, and started there. Nothing of the checkout is in reach of it but the OPA compiler.
 */
import assert from 'node:assert/strict';
import { type SpawnOptions, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { newId, systemClock } from '../../src/clock.ts';
import { GateKeys } from '../../src/identity/keys.ts';
import { sentDigest, TxnTokens } from '../../src/identity/txn-token.ts';
import { part, partPath } from '../parts.ts';

const root = resolve(import.meta.dirname, '../..');
const packed = [
  'bin',
  'src',
  'console',
  'policies',
  'scripts',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'LICENSE',
];
const startMs = 20_000;

interface Ran {
  readonly code: number | null;
  readonly out: string;
}

function run(command: string, args: readonly string[], options: SpawnOptions, limitMs = 120_000): Promise<Ran> {
  return new Promise((done, reject) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'], timeout: limitMs });
    let out = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        out += chunk.toString();
      });
    }
    child.on('error', reject);
    child.on('close', (code) => done({ code, out }));
  });
}

// What npm tells its scripts would make npm in the fresh folder work on this checkout.
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^npm_|^NODE_TEST|^INIT_CWD/i.test(name)),
);

async function registry(): Promise<{ skip?: string }> {
  const asked = await run('npm', ['ping', '--fetch-retries=0', '--fetch-timeout=5000'], { env }, 15_000).catch(
    () => undefined,
  );
  return asked?.code === 0 ? {} : { skip: 'the npm registry cannot be reached' };
}

const options = { ...part('opa'), ...(await registry()), timeout: 240_000 };

const config = {
  gateway: { listen: '127.0.0.1:0', admin: '127.0.0.1:0', public_url: 'http://gate.test' },
  // The shipped policies are about another company's routes.
  policy: { bundle: './node_modules/tollgate/policies', unknown_operations: 'warn' },
  issuers: [
    { name: 'local', issuer: 'http://127.0.0.1:9', audiences: ['api://tollgate'], tenant: 'one', cloud: 'local' },
  ],
  routes: [],
};

test(
  '[cli.packed] [identity.verifier-alone] the package, installed in a fresh folder, checks, starts, is ready, stops, and verifies',
  options,
  async () => {
    const scratch = await mkdtemp(join(tmpdir(), 'tollgate-pack-'));
    const [source, fresh] = [join(scratch, 'source'), join(scratch, 'fresh')];
    try {
      await mkdir(source);
      await mkdir(fresh);
      for (const name of packed) await cp(join(root, name), join(source, name), { recursive: true });
      await symlink(join(root, 'node_modules'), join(source, 'node_modules'));
      const made = await run('npm', ['pack', '--pack-destination', scratch], { cwd: source, env });
      assert.equal(made.code, 0, made.out);
      const [tarball = ''] = (await readdir(scratch)).filter((name) => name.endsWith('.tgz'));
      const listed = (await run('tar', ['-tzf', join(scratch, tarball)], {})).out.split('\n');
      const files = ['cli/main.js', 'audit/sinks/sqlite-worker.js', 'console/main.js'].map((file) => `dist/${file}`);
      for (const file of [...files, 'policies/capabilities.json', 'console/index.html', 'console/console.css']) {
        assert.ok(listed.includes(`package/${file}`), `${file} is packed`);
      }
      assert.deepEqual(
        listed.filter((file) => /^package\/(src|test|data|node_modules|examples)\//.test(file)),
        [],
      );

      await writeFile(join(fresh, 'package.json'), '{"private": true}');
      const quiet = ['--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts', '--loglevel=error'];
      const installed = await run('npm', ['install', ...quiet, join(scratch, tarball)], { cwd: fresh, env });
      assert.equal(installed.code, 0, installed.out);
      await rm(source, { recursive: true });

      const there = { cwd: fresh, env: { ...env, TOLLGATE_OPA: partPath('opa') } };
      await writeFile(join(fresh, 'tollgate.yaml'), JSON.stringify(config));
      const help = await run('npx', ['tollgate', '--help'], there);
      assert.equal(help.code, 0, help.out);
      assert.match(help.out, /usage: tollgate <command>/);
      const checked = await run('npx', ['tollgate', 'check', '--config', 'tollgate.yaml'], there);
      assert.equal(checked.code, 0, checked.out);
      assert.match(checked.out, /tollgate\.yaml: good/);
      await startAndStop(fresh, there.env);
      await verifiesToken(fresh, scratch);
      const verified = await run('npx', ['tollgate', 'audit', 'verify', '--config', 'tollgate.yaml'], there);
      assert.equal(verified.code, 0, verified.out);
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  },
);

/** Writes down what is loaded with the verifier, then asks it twice about the same token. */
const askingScript = `
import { registerHooks } from 'node:module';
const loaded = [];
registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
const { createTxnTokenVerifier, isRefusal } = await import('tollgate/verify');
const { jwks, issuer, trustDomain, token, request } = JSON.parse(process.argv[2]);
const verifier = createTxnTokenVerifier({ jwks, issuer, trustDomain });
const ask = () => verifier.verify(token, { ...request, body: Buffer.from(request.body) });
const [first, second] = [await ask(), await ask()];
const deep = await import('tollgate/dist/main.js').catch((error) => error.code);
console.log(JSON.stringify({ loaded, first, second: isRefusal(second) && second.reason, deep }));
`;

/** What a service in TypeScript writes; it is only compiled. */
const typedService = `
import {
  createTxnTokenVerifier, isRefusal, rawBodyOf, type ReceivedRequest, type RefusalReason, type Transaction, type TxnMemory,
  txnTokenOf,
} from 'tollgate/verify';
import { createServer } from 'node:http';
const memory: TxnMemory = { use: async (txn, notAfterMs) => (txn === String(notAfterMs) ? 'used' : 'fresh') };
const jwks = { uri: 'https://gate.test/.well-known/jwks.json' };
const verifier = createTxnTokenVerifier({ jwks, issuer: 'https://gate.test', trustDomain: 'example.test', memory });
createServer(async (message, response) => {
  const { method = '', url = '' } = message;
  const received: ReceivedRequest = { method, pathWithQuery: url, body: await rawBodyOf(message, 9), operation: 'a.b' };
  const txn = await verifier.verify(txnTokenOf(message), received);
  const reason: RefusalReason | undefined = isRefusal(txn) ? txn.reason : undefined;
  const known: Transaction | undefined = isRefusal(txn) ? undefined : txn;
  response.end(reason ?? known?.actors.join());
});
// @ts-expect-error an operation must be asked for
void verifier.verify('', { method: 'GET', pathWithQuery: '/', body: null });
`;

async function verifiesToken(fresh: string, scratch: string): Promise<void> {
  const clock = systemClock();
  await using keys = new GateKeys({ dataDir: join(scratch, 'gate'), gatewayId: 'gw', clock });
  await keys.open();
  const [issuer, trustDomain] = ['https://gate.test', 'example.test'];
  const gateway = { id: 'gw', cloud: 'local', region: 'local' };
  const tokens = new TxnTokens({ keys, trustDomain, publicUrl: issuer, gateway, clock });
  const taskId = newId(clock, 'task');
  const request = { method: 'POST', pathWithQuery: '/refunds', body: '{}', operation: 'refunds.create_refund' };
  const token = await tokens.mint({
    callId: newId(clock, 'call'),
    subject: null,
    agent: { id: 'a', issuer: 'i', tenant: 't', cloud: 'local', claims: {}, actors: [], verifiedAtMs: clock.nowMs() },
    operation: request.operation,
    taskId,
    rootTaskId: taskId,
    purpose: 'test',
    sentDigest: sentDigest(request.method, request.pathWithQuery, Buffer.from(request.body)),
  });
  await writeFile(join(fresh, 'ask.mjs'), askingScript);
  const asked = JSON.stringify({ jwks: { document: keys.jwks() }, issuer, trustDomain, token, request });
  const ran = await run(process.execPath, ['ask.mjs', asked], { cwd: fresh, env });
  assert.equal(ran.code, 0, ran.out);
  const said = JSON.parse(ran.out) as { loaded: string[]; first: object; second: string; deep: string };
  assert.deepEqual(
    [(said.first as { taskId?: string }).taskId, said.second, said.deep],
    [taskId, 'token_replayed', 'ERR_PACKAGE_PATH_NOT_EXPORTED'],
  );
  const files = said.loaded.filter((url) => !url.startsWith('node:'));
  assert.ok(files.length > 5, files.join());
  const own = /\/node_modules\/tollgate\/dist\/(?:clock|identity\/[a-z-]+)\.js$/;
  assert.deepEqual(
    files.filter((url) => !own.test(url)),
    [],
  );

  await writeFile(join(fresh, 'service.mts'), typedService);
  const flags = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--skipLibCheck', 'false'];
  const target = ['--module', 'nodenext', '--target', 'es2022', '--types', 'node'];
  const roots = ['--typeRoots', join(root, 'node_modules', '@types')];
  const tsc = join(root, 'node_modules', '.bin', 'tsc');
  const typed = await run(tsc, [...flags, ...target, ...roots, 'service.mts'], { cwd: fresh, env });
  assert.equal(typed.code, 0, typed.out);
}

/** Every file that the pages name, from the document on. */
async function servesConsole(adminUrl: string): Promise<void> {
  const toSee = ['', 'main.js', 'console.css'];
  const seen = new Set<string>();
  for (let name = toSee.pop(); name !== undefined; name = toSee.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    const response = await fetch(`${adminUrl}/console/${name}`);
    const text = await response.text();
    assert.equal(response.status, 200, `${name}: ${text}`);
    if (!name.endsWith('.js')) continue;
    for (const [, from = ''] of text.matchAll(/(?:\bfrom|\bimport)\s*["']\.\/([^"'\n]+)["']/g)) toSee.push(from);
  }
  assert.ok(seen.has('playground.js') && seen.has('preact-hooks.js'), [...seen].join());
}

/** Runs what `npx tollgate` resolves to: npx itself does not pass a signal on that comes to it alone. */
async function startAndStop(folder: string, surroundings: NodeJS.ProcessEnv): Promise<void> {
  const command = join(folder, 'node_modules', '.bin', 'tollgate');
  const child = spawn(command, ['start', '--config', 'tollgate.yaml'], { cwd: folder, env: surroundings });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  }
  const ended = new Promise<number | null>((done) => {
    child.on('exit', (code) => done(code));
  });
  try {
    const end = performance.now() + startMs;
    let status = 0;
    while (status !== 200 && performance.now() < end && child.exitCode === null) {
      await new Promise((done) => setTimeout(done, 50));
      const [, url] = /tollgate is up: agents (\S+),/.exec(said) ?? [];
      if (url !== undefined) status = (await fetch(`${url}/readyz`)).status;
    }
    assert.equal(status, 200, said);
    await servesConsole(/people (http[^\s,(]+)/.exec(said)?.[1] ?? '');
    child.kill('SIGTERM');
    assert.equal(await ended, 0, said);
  } finally {
    child.kill('SIGKILL');
  }
}
