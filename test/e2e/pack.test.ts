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
import { part, partPath } from '../parts.ts';

const root = resolve(import.meta.dirname, '../..');
const packed = ['bin', 'src', 'policies', 'scripts', 'package.json', 'tsconfig.json', 'tsconfig.build.json', 'LICENSE'];
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
  policy: { bundle: './node_modules/tollgate/policies' },
  issuers: [
    { name: 'local', issuer: 'http://127.0.0.1:9', audiences: ['api://tollgate'], tenant: 'one', cloud: 'local' },
  ],
  routes: [],
};

test(
  '[cli.packed] the package, installed in a fresh folder, checks, starts, is ready, and stops',
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
      for (const file of ['dist/cli/main.js', 'dist/audit/sinks/sqlite-worker.js', 'policies/capabilities.json']) {
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
      const verified = await run('npx', ['tollgate', 'audit', 'verify', '--config', 'tollgate.yaml'], there);
      assert.equal(verified.code, 0, verified.out);
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  },
);

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
    child.kill('SIGTERM');
    assert.equal(await ended, 0, said);
  } finally {
    child.kill('SIGKILL');
  }
}
