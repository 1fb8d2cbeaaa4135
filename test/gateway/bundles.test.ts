/** Policies from a bundle server: they change under load, are refused, expire, and are reconfigured by a reload. */
import assert from 'node:assert/strict';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { part } from '../parts.ts';
import { runOpa, temporaryFolder } from '../unit/policy/bundles.ts';
import { serverOf } from '../unit/policy/served.ts';
import { type Signer, signerFor } from '../unit/policy/signed.ts';
import { World } from './world.ts';

const fixture = resolve(import.meta.dirname, '../fixtures/policy');
const options = part('opa');
const ours = signerFor('ES256', 'team');

interface Publish {
  readonly revision: string;
  readonly signer?: Signer;
  readonly terms?: Readonly<Record<string, unknown>>;
  /** A further rule of `tollgate.call`. */
  readonly rule?: string;
}

/** The policies of every world as a signed bundle. */
async function published(t: TestContext, { revision, signer = ours, terms = {}, rule }: Publish): Promise<Buffer> {
  const folder = await temporaryFolder(t);
  const sources = join(folder, 'sources');
  await cp(fixture, sources, { recursive: true });
  const manifest = { roots: ['tollgate'], revision, metadata: { tollgate: terms } };
  await writeFile(join(sources, '.manifest'), JSON.stringify(manifest));
  if (rule !== undefined)
    await writeFile(join(sources, 'tollgate/call/more.rego'), `package tollgate.call\n\n${rule}\n`);
  await writeFile(join(folder, 'key.pem'), signer.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const args = ['build', '-t', 'wasm', '-O', '0', '-b', '.', '-o', join(folder, 'b.tar.gz'), '--ignore', '*_test.rego'];
  for (const phase of ['task', 'call', 'response']) args.push('-e', `tollgate/${phase}/decision`);
  args.push('--signing-key', join(folder, 'key.pem'), '--signing-alg', 'ES256', '--verification-key-id', 'team');
  await runOpa(args, sources);
  return readFile(join(folder, 'b.tar.gz'));
}

async function until(condition: () => Promise<boolean> | boolean, what: string): Promise<void> {
  for (let look = 0; look < 400; look++) {
    if (await condition()) return;
    await sleep(25);
  }
  assert.fail(what);
}

const fetchSettings = { long_poll_seconds: 30, min_delay_seconds: 1, max_delay_seconds: 1, token: 'token-for-bundles' };

/** A world whose policies come from a server. */
async function servedWorld(t: TestContext, first: Publish) {
  const server = await serverOf(t, await published(t, first), true);
  const world = await World.open({
    config: {
      policy: { bundle: `${server.url}/team.tar.gz`, fetch: fetchSettings, signing_keys: [ours.key] },
      task: { loop: { repeats: 49 }, budget: { calls: 100_000, cost_usd: 1 } },
    },
  });
  t.after(() => world[Symbol.asyncDispose]());
  return { server, world };
}

test('[policy.last-good-bundle] policies change by URL under load, and no request is dropped', options, async (t) => {
  const { server, world } = await servedWorld(t, { revision: 'r0' });
  const releases = await Promise.all(['r1', 'r2', 'r3', 'r4', 'r5'].map((revision) => published(t, { revision })));
  const task = await world.task({ ttl_seconds: 600 });
  let changing = true;
  let done = 0;
  const client = async () => {
    while (changing) {
      const response = await world.fetch(`/tools/orders/orders/O-${done}`, task.token);
      assert.equal(response.status, 200, await response.clone().text());
      await response.text();
      done++;
      await sleep(10);
    }
  };
  const clients = Promise.all(Array.from({ length: 4 }, client));
  clients.catch(() => {
    changing = false;
  });
  for (const [index, release] of releases.entries()) {
    server.put(release);
    const line = `"revision":"r${index + 1}"`;
    await until(() => world.logs.some((log) => log.includes('policy bundle in force') && log.includes(line)), line);
    await sleep(50);
  }
  changing = false;
  await clients;
  assert.ok(done > 50, `${done} requests`);
  assert.equal(world.orders.received.length, done);
  const outcomes = await world.events({ task: task.id, type: 'outcome' });
  const revisions = new Set(outcomes.map(({ decision }) => decision?.revision));
  assert.ok(
    revisions.size >= 4 && [...revisions].every((revision) => /^r[0-5]$/.test(revision ?? '')),
    [...revisions].join(),
  );
  assert.ok(!world.logs.some((line) => line.includes(fetchSettings.token)));
});

test(
  '[policy.signed-bundles] a served deny holds at once, and a forged bundle does not lift it',
  options,
  async (t) => {
    const { server, world } = await servedWorld(t, { revision: 'open' });
    const task = await world.task();
    assert.equal((await world.fetch('/tools/orders/orders/O-1', task.token)).status, 200);
    const rule =
      'deny contains {"code": "closed", "message": "Closed today."} if input.call.operation == "orders.get_order"';
    server.put(await published(t, { revision: 'closed', rule }));
    await until(() => world.logs.some((line) => line.includes('"revision":"closed"')), 'the deny is in force');
    server.put(await published(t, { revision: 'forged', signer: signerFor('ES256', 'team') }));
    await until(() => world.logs.some((line) => line.includes('it was not made with team')), 'the forgery is refused');
    const received = world.orders.received.length;
    const response = await world.fetch('/tools/orders/orders/O-2', task.token);
    assert.equal(response.status, 403);
    assert.deepEqual(((await response.json()) as { reasons: { code: string }[] }).reasons[0]?.code, 'closed');
    assert.equal(world.orders.received.length, received);
    const [denial] = await world.events({ task: task.id, type: 'denial' });
    assert.equal(denial?.decision?.revision, 'closed');
    const ready = await fetch(`${world.gate.url}/readyz`);
    assert.equal(ready.status, 200);
    assert.deepEqual(((await ready.json()) as { notes: unknown }).notes, { policy: 'last_good_bundle' });
  },
);

test(
  '[policy.no-way-back] a bundle that expires under a running gate closes it until a newer one is there',
  options,
  async (t) => {
    const expires = new Date(Date.now() + 4_000).toISOString();
    const { server, world } = await servedWorld(t, { revision: 'short', terms: { expires } });
    const task = await world.task();
    assert.equal((await world.fetch('/tools/orders/orders/O-1', task.token)).status, 200);
    await until(async () => (await fetch(`${world.gate.url}/readyz`)).status === 503, 'not ready');
    const received = world.orders.received.length;
    const response = await world.fetch('/tools/orders/orders/O-1', task.token);
    assert.equal(response.status, 503);
    assert.equal(((await response.json()) as { code: string }).code, 'policy_unavailable');
    assert.equal(world.orders.received.length, received);
    assert.equal((await world.events({ task: task.id, code: 'policy_unavailable' })).length, 1);
    server.put(await published(t, { revision: 'long' }));
    await until(async () => (await fetch(`${world.gate.url}/readyz`)).status === 200, 'ready again');
    assert.equal((await world.fetch('/tools/orders/orders/O-1', task.token)).status, 200);
  },
);

test(
  'a reload puts other policy settings in force, and refuses keys that the bundle is not signed under',
  options,
  async (t) => {
    const { server, world } = await servedWorld(t, { revision: 'r0', terms: { sequence: 2 } });
    const edit = async (change: (policy: Record<string, unknown>) => void) => {
      const file = JSON.parse(await readFile(world.configFile, 'utf8')) as { policy: Record<string, unknown> };
      change(file.policy);
      await writeFile(world.configFile, JSON.stringify(file, null, 2));
      return world.gate.reload('signal');
    };
    const task = await world.task();
    const refused = await edit((policy) => {
      policy.signing_keys = [signerFor('ES256', 'team').key];
    });
    assert.equal(refused.outcome, 'refused');
    assert.match(refused.faults[0]?.message ?? '', /it was not made with team/);
    assert.equal((await world.fetch('/tools/orders/orders/O-1', task.token)).status, 200);

    server.put(await published(t, { revision: 'older', terms: { sequence: 1 } }));
    await until(() => world.logs.some((line) => line.includes('the bundle goes back')), 'going back is refused');
    const applied = await edit((policy) => {
      policy.signing_keys = [ours.key];
      policy.allow_rollback = true;
    });
    assert.equal(applied.outcome, 'applied', JSON.stringify(applied.faults));
    assert.equal((await world.fetch('/tools/orders/orders/O-2', task.token)).status, 200);
    const [last] = (await world.events({ task: task.id, type: 'outcome' })).slice(-1);
    assert.equal(last?.decision?.revision, 'older');
  },
);
