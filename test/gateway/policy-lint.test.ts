/** What compiles and is wrong all the same: a gate does not start on it, and one that runs keeps its last good policies. */
import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { part } from '../parts.ts';
import { World } from './world.ts';

const options = part('opa');
const fixture = resolve(import.meta.dirname, '../fixtures/policy');

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tollgate-lint-gate-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await cp(fixture, folder, { recursive: true });
  return folder;
}

const rule = (place: string) => `package tollgate.call

deny contains {"code": "much", "message": "Too much at once."} if {
	input.call.effect == "write"
	${place} > 1000
}
`;

async function until(condition: () => boolean): Promise<void> {
  for (let look = 0; look < 400 && !condition(); look++) await new Promise((done) => setTimeout(done, 25));
  assert.ok(condition(), 'it did not come to pass');
}

test(
  '[policy.faults-told-by-line] a gate does not start on a place that the input does not have',
  options,
  async (t) => {
    const bundle = await folderOf(t);
    await using world = await World.open({ config: { policy: { bundle } } });
    const task = await world.task();
    await writeFile(join(bundle, 'tollgate/call/much.rego'), rule('input.call.argments.body.amount_cents'));
    await assert.rejects(
      world.secondGate('gw-second'),
      /the policies have faults:\ntollgate\/call\/much\.rego:5: .*no input\.call\.argments; did you mean arguments\?/,
    );
    assert.equal((await world.refund(task.token, 1001)).status, 200, 'the gate that runs goes on');
    assert.equal(world.orders.received.length, 1);
    assert.equal((await world.events({ type: 'intent' })).length, 1);
  },
);

test(
  '[policy.faults-told-by-line] a wrong edit leaves the last good policies in force, and is told by its line',
  options,
  async (t) => {
    const bundle = await folderOf(t);
    const file = join(bundle, 'tollgate/call/much.rego');
    await writeFile(file, rule('input.call.arguments.body.amount_cents'));
    await using world = await World.open({ config: { policy: { bundle } } });
    const task = await world.task();
    assert.equal((await world.refund(task.token, 1001)).status, 403);
    await writeFile(file, rule('input.call.arguments.body.amount_cents').replace('"write"', '"wirte"'));
    const refused = () => world.logs.find((line) => line.includes('the changed policy bundle is refused'));
    await until(() => refused() !== undefined);
    assert.match(
      refused() ?? '',
      /tollgate\/call\/much\.rego:4: input\.call\.effect is never \\"wirte\\"; did you mean write\?/,
    );
    const other = await world.task();
    assert.equal((await world.refund(other.token, 1001)).status, 403, 'the last good ones decide');
    assert.equal(world.orders.received.length, 0);
    const { length } = await world.events({ type: 'denial' });
    assert.equal(length, 2);
  },
);

test(
  '[policy.faults-told-by-line] a routing table is not put in force while the policies name an operation it has not',
  options,
  async (t) => {
    const bundle = await folderOf(t);
    const known = { 'tollgate/call/named.rego': 'input.call.operation == "orders.get_order"' };
    for (const [path, condition] of Object.entries(known)) {
      await writeFile(
        join(bundle, path),
        `package tollgate.call\n\ndeny contains {"code": "odd", "message": "Odd."} if {\n\t${condition}\n\tinput.call.repeats > 100\n}\n`,
      );
    }
    await using world = await World.open({ config: { policy: { bundle } } });
    const task = await world.task();
    const file = JSON.parse(await readFile(world.configFile, 'utf8')) as { routes: { name: string }[] };
    const renamed = file.routes.map((route) => (route.name === 'orders' ? { ...route, name: 'ordres' } : route));
    await writeFile(world.configFile, JSON.stringify({ ...file, routes: renamed }));
    const { outcome, faults } = await world.gate.reload('signal');
    assert.equal(outcome, 'refused');
    assert.match(JSON.stringify(faults), /tollgate\/call\/named\.rego:4: .*orders\.get_order/);
    assert.equal((await world.fetch('/tools/orders/orders/O-1', task.token)).status, 200, 'the one before goes on');
    assert.equal(world.orders.received.length, 1);

    const lenient = { bundle, unknown_operations: 'warn' };
    await writeFile(world.configFile, JSON.stringify({ ...file, routes: renamed, policy: lenient }));
    assert.equal((await world.gate.reload('signal')).outcome, 'applied');
    assert.ok(world.logs.some((line) => line.includes('the policies name what the configuration does not')));
  },
);
