/** The commands of operators against a gate that is up: what they print, do, and exit with. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { FakeUpstream } from '../fakes/upstream.ts';
import { part } from '../parts.ts';
import { AdminWorld } from './admin-world.ts';
import { Authority } from './certificates.ts';
import { World } from './world.ts';

const commandLine = resolve(import.meta.dirname, '../../src/cli/main.ts');

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function tollgate(argv: readonly string[], token?: string): Promise<Ran> {
  const { TOLLGATE_ADMIN_TOKEN: _own, ...env } = process.env;
  const child = spawn(process.execPath, [commandLine, ...argv], {
    env: token === undefined ? env : { ...env, TOLLGATE_ADMIN_TOKEN: token },
  });
  const said = { out: '', err: '' };
  for (const [name, stream] of [['out', child.stdout] as const, ['err', child.stderr] as const]) {
    stream.on('data', (chunk) => {
      said[name] += chunk;
    });
  }
  const [code] = (await once(child, 'close')) as [number];
  return { code, ...said };
}

describe('the commands of operators, with the local token', part('opa'), () => {
  let world: World;
  let directory = '';
  let config = '';
  let url = '';
  before(async () => {
    world = await World.open();
    directory = await mkdtemp(join(tmpdir(), 'tollgate-operator-'));
    url = world.gate.adminUrl;
    // The gate chose its port; a configuration that names it is what an operator has.
    const written = JSON.parse(await readFile(world.configFile, 'utf8')) as Record<string, Record<string, unknown>>;
    const gateway = { ...written.gateway, admin: new URL(url).host, data_dir: world.gate.dataDir };
    config = join(directory, 'tollgate.json');
    const orders = join(resolve(world.configFile, '..'), 'orders.json');
    await writeFile(config, JSON.stringify({ ...written, gateway }).replaceAll('./orders.json', orders));
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    if (directory !== '') await rm(directory, { recursive: true });
  });

  const to = () => ['--admin-url', url, '--token-file', world.gate.adminTokenFile];

  test('tasks are listed, shown and killed; the agent finds the task killed', async () => {
    const task = await world.task({ subject: { id: 'C-9' }, tools: ['orders.*'] });
    const listed = await tollgate(['task', 'ls', '--config', config]);
    assert.deepEqual([listed.code, listed.err], [0, '']);
    assert.match(listed.out, /^TASK +STATE +TENANT +AGENT +SUBJECT +PURPOSE +CREATED +EXPIRES\n/);
    assert.match(listed.out, new RegExp(`^${task.id}  active  acme +azure/coordinator +C-9 +test +`, 'm'));
    const asJson = await tollgate([
      'task',
      'ls',
      '--state',
      'active',
      '--agent',
      'coordinator',
      '--json',
      '-c',
      config,
    ]);
    assert.equal((JSON.parse(asJson.out) as { tasks: { id: string }[] }).tasks[0]?.id, task.id);

    const shown = await tollgate(['task', 'show', task.id, '--config', config]);
    assert.match(shown.out, /^subject +C-9 \(customer, asserted\)$/m);
    assert.match(shown.out, /^BUDGET +TOKENS +COST_USD +CALLS +SECONDS$/m);

    const more = ['--calls', '+1', '--cost-usd', '2.5', '--ttl', '7200'];
    const raised = await tollgate(['task', 'raise', task.id, ...more, '--config', config]);
    assert.match(
      raised.out,
      /^task_\w+ is active; its limits: tokens \d+, cost_usd 2\.5, calls 501, seconds \d+; ends /,
    );
    assert.equal((await tollgate(['task', 'raise', task.id, '--calls', 'many', '--config', config])).code, 2);

    const killed = await tollgate(['task', 'kill', task.id, '--reason', 'a try', '--config', config]);
    assert.deepEqual([killed.code, killed.out], [0, `${task.id} is killed\n`]);
    assert.equal((await world.refund(task.token, 5)).status, 403);
    assert.equal(world.orders.received.length, 0);
    const [raise, deed] = await world.events({ task: task.id, type: 'admin' });
    assert.equal(raise?.operation, 'task.raise');
    assert.deepEqual([deed?.operation, deed?.subject?.id], ['task.kill', 'admin-token']);
    const unknown = await tollgate(['task', 'kill', 'task_00000000000000000000000000', '--config', config]);
    assert.deepEqual([unknown.code, unknown.out], [1, '']);
    assert.match(unknown.err, /^tollgate task kill: task_unknown: There is no such task\.\n$/);
  });

  test('a list goes on where it ended, and holds as many as were asked for', async () => {
    const opened: string[] = [];
    for (let count = 0; count < 3; count++) opened.push((await world.task({}, 'lister')).id);
    const first = await tollgate(['task', 'ls', '--agent', 'lister', '--limit', '2', '--json', ...to()]);
    const page = JSON.parse(first.out) as { tasks: { id: string }[]; next_cursor: string };
    assert.deepEqual(
      page.tasks.map(({ id }) => id),
      opened.toReversed().slice(0, 2),
    );
    const rest = await tollgate(['task', 'ls', '--agent', 'lister', '--cursor', page.next_cursor, ...to()]);
    assert.deepEqual([...rest.out.matchAll(/^task_\w+/gm)].map(String), [opened[0]]);
  });

  test('an agent, a tenant, an issuer and a route are suspended, listed and resumed', async () => {
    const { token } = await world.task();
    for (const [whom, said, refused] of [
      [['coordinator', '--issuer', 'azure'], 'agent coordinator of azure', true],
      [['coordinator', '--issuer', 'azure', '--tenant', 'other'], 'agent coordinator of azure in other', false],
      [['--tenant', 'acme'], 'tenant acme', true],
      [['--issuer', 'azure'], 'issuer azure', true],
      [['--route', 'orders'], 'route orders', true],
    ] as const) {
      const suspended = await tollgate(['agent', 'suspend', ...whom, '--reason', 'a try', ...to()]);
      assert.deepEqual(
        [suspended.code, suspended.out],
        [0, `suspended: ${said}, until it is resumed\n`],
        suspended.err,
      );
      assert.equal((await world.refund(token, 5)).status, refused ? 403 : 200, said);
      const listed = await tollgate(['agent', 'ls', ...to()]);
      assert.match(listed.out, /^KIND .*\n\w+ .* admin-token +a try\n$/);
      const resumed = await tollgate(['agent', 'resume', ...whom, ...to()]);
      assert.deepEqual([resumed.code, resumed.out], [0, `resumed: ${said}\n`]);
      assert.equal((await world.refund(token, 5)).status, 200, said);
    }
    const again = await tollgate(['agent', 'resume', '--tenant', 'acme', ...to()]);
    assert.deepEqual([again.code, again.out], [1, 'was not suspended: tenant acme\n']);
    const forAWhile = ['agent', 'suspend', '--tenant', 'other', '--reason', 'r', '--for', '2h', '--json', ...to()];
    const { until } = JSON.parse((await tollgate(forAWhile)).out) as { until: string };
    assert.ok(Math.abs(Date.parse(until) - Date.now() - 7_200_000) < 60_000, until);
    const typo = await tollgate(['agent', 'suspend', '--route', 'ordres', '--reason', 'r', ...to()]);
    assert.equal(typo.code, 1);
    assert.match(
      typo.err,
      /args_invalid: There is no route of this name[^\n]*\n {2}\/id: no route is named so\n {2}one of: gpt, orders/,
    );
  });

  test('keys are listed and rotated, and tokens of the old key go on', async () => {
    const { token } = await world.task();
    const before = (await tollgate(['keys', 'ls', ...to()])).out;
    assert.match(before, /^PURPOSE +STATE +ALG +KID +CREATED +SIGNS FROM +VERIFIES UNTIL\n/);
    assert.match(before, /^task +signing +ES256 +gw-test/m);
    const rotated = await tollgate(['keys', 'rotate', 'task', '--lead-seconds', '0', ...to()]);
    assert.equal(rotated.code, 0, rotated.err);
    const [, kid = ''] = /^the task key (\S+) signs from \d{4}-/.exec(rotated.out) ?? [];
    assert.match((await tollgate(['keys', 'ls', ...to()])).out, new RegExp(`^task +signing +ES256 +${kid} `, 'm'));
    assert.equal((await world.refund(token, 5)).status, 200);
    const audit = await tollgate(['keys', 'rotate', 'audit', ...to()]);
    assert.equal(audit.code, 1);
    assert.match(audit.err, /args_invalid: The audit key is not rotated while the gate runs/);
  });

  test('a wrong token, none, and a gate that is not up or is none are told apart, with exit 1', async () => {
    const file = join(directory, 'token');
    await writeFile(file, 'not-the-token\n');
    const wrong = await tollgate(['task', 'ls', '--admin-url', url, '--token-file', file]);
    assert.equal(wrong.code, 1);
    assert.match(wrong.err, new RegExp(`the token is not accepted \\(it came from ${file}\\): `));
    assert.equal(wrong.err.includes('not-the-token'), false);
    const fromEnv = await tollgate(['task', 'ls', '--admin-url', url], 'nor-this-one');
    assert.match(fromEnv.err, /it came from TOLLGATE_ADMIN_TOKEN/);
    const good = await tollgate(['task', 'ls', '--admin-url', url], world.gate.adminToken);
    assert.equal(good.code, 0, good.err);
    await writeFile(file, '');
    assert.match(
      (await tollgate(['keys', 'ls', '--admin-url', url, '--token-file', file])).err,
      /does not hold a token/,
    );
    const gone = await tollgate(['keys', 'ls', '--admin-url', url, '--token-file', join(directory, 'gone')]);
    assert.match(gone.err, /the token in .*gone cannot be read \(ENOENT\)/);

    const down = await tollgate(['task', 'ls', '--admin-url', 'http://127.0.0.1:9'], 'x');
    assert.equal(down.code, 1);
    assert.match(
      down.err,
      /the admin plane at http:\/\/127\.0\.0\.1:9\/ cannot be reached \(ECONNREFUSED\); is the gate up\?/,
    );
    await using other = await FakeUpstream.open(
      (_request, response) => void response.writeHead(302, { location: url }).end('elsewhere'),
    );
    const none = await tollgate(['task', 'ls', '--admin-url', other.url], world.gate.adminToken);
    assert.deepEqual([none.code, other.received.length], [1, 1]);
    assert.match(none.err, /answered 302, and not as an admin plane does; is it one\?/);
  });

  test('what is called wrongly exits 2, says how it is called, and asks no gate', async () => {
    const wrong = [
      ['task', 'ls'],
      ['task', 'ls', '--config', config, '--admin-url', url],
      ['task', 'ls', '--admin-url', url],
      ['task', 'ls', '--config', config, '--limit', '0'],
      ['task', 'ls', '--config', config, '--token', 'x'],
      ['task', 'ls', '--admin-url', 'gate.example.com'],
      ['task', 'ls', '--admin-url', 'http://gate.example.com'],
      ['task', 'ls', '--admin-url', 'https://gate.example.com/x'],
      ['task', 'show', '--config', config],
      ['task', 'kill', 'a', 'b', '--config', config],
      ['agent', 'suspend', 'a', '--issuer', 'azure', '--config', config],
      ['agent', 'suspend', 'a', '--reason', 'r', '--config', config],
      ['agent', 'suspend', '--reason', 'r', '--config', config],
      ['agent', 'suspend', '--tenant', 'a', '--route', 'b', '--reason', 'r', '--config', config],
      ['agent', 'suspend', '--tenant', 'a', '--reason', 'r', '--for', '2 weeks', '--config', config],
      ['agent', 'resume', 'a', '--issuer', 'azure', '--route', 'b', '--config', config],
      ['keys', 'rotate', '--config', config],
      ['keys', 'rotate', 'task', '--lead-seconds', 'soon', '--config', config],
    ];
    const ran = await Promise.all(wrong.map(async (argv) => ({ argv, ...(await tollgate(argv)) })));
    for (const { argv, code, err, out } of ran) {
      assert.deepEqual([code, out], [2, ''], `${argv.join(' ')}: ${err}`);
      assert.match(err, /usage: tollgate/);
    }
    assert.equal(
      (await world.events({ type: 'denial', code: 'unauthenticated' })).length,
      2,
      'those of the wrong tokens',
    );
  });
});

describe('the commands of people who sign in by OIDC', part('opa'), () => {
  test('a role that is missing is named, and the local token is not taken for one', async () => {
    await using admin = await AdminWorld.open();
    const url = admin.world.gate.adminUrl;
    const task = await admin.world.task();
    const auditor = admin.token(['auditor']);
    assert.equal((await tollgate(['task', 'show', task.id, '--admin-url', url], auditor)).code, 0);
    const kill = await tollgate(['task', 'kill', task.id, '--admin-url', url], auditor);
    assert.deepEqual(
      [kill.code, kill.err],
      [1, 'tollgate task kill: your roles do not allow this; it takes one of: operator\n'],
    );
    const done = await tollgate(['task', 'kill', task.id, '--admin-url', url], admin.token(['operator']));
    assert.equal(done.code, 0, done.err);
    const [deed] = (await admin.deeds('task.kill')).slice(-1);
    assert.deepEqual([deed?.subject?.id, deed?.status], ['operator@example.com', 200]);

    const directory = resolve(admin.world.configFile, '..');
    const config = JSON.parse(await readFile(admin.world.configFile, 'utf8')) as { gateway: Record<string, unknown> };
    config.gateway.admin = new URL(url).host;
    const file = join(directory, 'operator.json');
    await writeFile(file, JSON.stringify(config));
    const local = await tollgate(['task', 'ls', '--config', file]);
    assert.equal(local.code, 2);
    assert.match(local.err, /people sign in by OIDC at this gate: --token-file F, or TOLLGATE_ADMIN_TOKEN/);
  });
});

describe('the commands of operators over TLS', { ...part('opa'), ...part('openssl') }, () => {
  test('an authority of their own vouches for the gate, and a certificate for them', async () => {
    using authority = new Authority('people');
    const [server, client] = [authority.issue('server'), authority.issue('client')];
    const admin_tls = {
      ...{ cert: server.certFile, key: server.keyFile, client: 'require', client_ca: authority.certFile },
    };
    await using world = await World.open({ config: { gateway: { admin_tls } } });
    const to = ['task', 'ls', '--admin-url', world.gate.adminUrl];
    const own = ['--cert', client.certFile, '--key', client.keyFile];
    const run = (...argv: string[]) => tollgate([...to, ...argv], world.gate.adminToken);
    const good = await run('--ca', authority.certFile, ...own);
    assert.equal(good.code, 0, good.err);
    const untrusted = await run(...own);
    assert.equal(untrusted.code, 1);
    assert.match(
      untrusted.err,
      /the certificate of https:\/\/127\.0\.0\.1:\d+\/ is not trusted \([A-Z_]+\); name its authorities with --ca/,
    );
    assert.equal((await run('--ca', authority.certFile)).code, 1, 'without a certificate of their own');
    assert.equal((await run('--ca', authority.certFile, '--cert', client.certFile)).code, 2);
  });
});
