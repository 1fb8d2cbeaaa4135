import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Obligations, TaskRecord } from '../../../src/call.ts';
import { demandsOf, stricter } from '../../../src/policy/stricter.ts';
import { bundleOf, callDocument, type Running, taskDocument, temporaryFolder, writeFiles } from './bundles.ts';
import { record } from './calls.ts';
import { decided, policySetOn } from './sets.ts';

/** Lets the gate look at its files, until `condition` holds; compiling takes real time. */
async function until({ clock }: Running, condition: () => boolean): Promise<void> {
  const endsAt = Date.now() + 20_000;
  while (!condition()) {
    assert.ok(Date.now() < endsAt, 'the condition holds in time');
    await clock.advance(1_000);
    await setTimeout(20);
  }
}

/** Calls of the listed operations pass; `mark` tells which revision said so. */
const allowing = (mark: string, operations: readonly string[], more = '') =>
  bundleOf(`listed := ${JSON.stringify(operations)}
decision := {"allow": true, "reasons": [{"code": "${mark}", "message": "Listed."}], "obligations": demands} if input.call.operation in listed
else := {"allow": false, "reasons": [{"code": "${mark}", "message": "Not listed."}]}
default demands := {}
${more}`);

const call = (operation: string) => callDocument({ operation });
const read = call('orders.get_order');
const assess = call('risk.assess_return');
const refund = call('refunds.create_refund');

const under = (policy: string | undefined): TaskRecord => {
  const { policy: _, ...plain } = record;
  return policy === undefined ? plain : { ...plain, policy };
};

test('a running task goes on under its own policies: what is newly allowed is not, what is newly refused is', async (t) => {
  const folder = await temporaryFolder(t);
  await writeFiles(folder, allowing('old', ['orders.get_order', 'risk.assess_return']));
  const { policies, running } = await policySetOn(t, folder);
  await policies.open();
  const before = policies.decideTask(taskDocument() as never, { issuer: 'azure', agent: 'a', subject: 'C' });
  const task = under(before.content);
  assert.equal(decided(policies, task, read).allow, true);
  assert.equal(decided(policies, task, read).alsoBy, undefined, 'one revision is asked once');

  await writeFiles(folder, allowing('new', ['orders.get_order', 'refunds.create_refund']));
  await until(running, () => policies.active.revision !== before.revision);
  const codes = (input: unknown, of = task) => {
    const { allow, reasons, revision, alsoBy } = decided(policies, of, input);
    return { allow, code: reasons[0]?.code, revision, alsoBy };
  };
  const fresh = policies.active.revision;
  const old = before.revision;
  assert.deepEqual(codes(read), { allow: true, code: 'old', revision: old, alsoBy: fresh });
  assert.deepEqual(codes(assess), { allow: false, code: 'new', revision: fresh, alsoBy: old }, 'it tightens at once');
  assert.deepEqual(codes(refund), { allow: false, code: 'old', revision: old, alsoBy: fresh }, 'and is not loosened');
  assert.deepEqual(codes(refund, under(undefined)), { allow: true, code: 'new', revision: fresh, alsoBy: undefined });
  assert.deepEqual(
    codes(refund, under('f'.repeat(64))),
    { allow: true, code: 'new', revision: fresh, alsoBy: undefined },
    'of policies that are nowhere, nothing is left to go on under',
  );
});

test('after a restart a task finds its policies on disk, and those that were tampered with are none', async (t) => {
  const folder = await temporaryFolder(t);
  const dataDir = await temporaryFolder(t);
  await writeFiles(folder, allowing('old', ['orders.get_order']));
  const first = await policySetOn(t, folder, { dataDir });
  await first.policies.open();
  const { content } = first.policies.decideTask(taskDocument() as never, { issuer: 'i', agent: 'a', subject: null });
  assert.ok(content !== undefined);
  await writeFiles(folder, allowing('new', ['orders.get_order', 'refunds.create_refund']));
  const restarted = async () => {
    const set = await policySetOn(t, folder, { dataDir });
    await set.policies.open();
    await set.policies.prepare(under(content));
    assert.equal(set.policies.prepare(under(content)), undefined, 'it is known now');
    return decided(set.policies, under(content), refund);
  };
  assert.deepEqual((await restarted()).reasons[0]?.code, 'old');
  await writeFiles(`${dataDir}/bundles/past/${content}`, { 'data.json': '{"tollgate":{"other":1}}' });
  assert.deepEqual((await restarted()).reasons[0]?.code, 'new');
  await rm(`${dataDir}/bundles/past/${content}`, { recursive: true });
  assert.deepEqual((await restarted()).reasons[0]?.code, 'new');
});

test('a candidate decides for those it should, and is compared on all others', async (t) => {
  const [stable, candidate] = [await temporaryFolder(t), await temporaryFolder(t)];
  await writeFiles(stable, allowing('stable', ['orders.get_order', 'risk.assess_return']));
  await writeFiles(candidate, allowing('candidate', ['orders.get_order']));
  const { policies, running, rollout, compared } = await policySetOn(t, stable, { candidate });
  await policies.open();
  const said = (agent: string, input: unknown) =>
    decided(policies, { ...under(undefined), agent: { ...record.agent, id: agent } }, input).reasons[0]?.code;
  const settle = () => running.clock.advance(10);

  assert.equal(said('one', assess), 'stable', 'in shadow it does not act');
  await settle();
  assert.deepEqual(compared.at(-1)?.stable, true);
  assert.deepEqual(compared.at(-1)?.candidate, false);
  assert.equal(compared.at(-1)?.pair.acting, 'stable');

  rollout.stage = 'canary';
  rollout.canary = ({ agent }) => agent === 'one';
  assert.equal(said('one', assess), 'candidate');
  assert.equal(said('two', assess), 'stable');
  await settle();
  assert.deepEqual(
    compared.slice(-2).map(({ pair }) => pair.acting),
    ['candidate', 'stable'],
  );
  assert.deepEqual(
    compared.slice(-2).map(({ stable: one, candidate: other }) => [one, other]),
    [
      [true, false],
      [true, false],
    ],
  );

  rollout.stage = 'full';
  assert.equal(said('two', assess), 'candidate');
  assert.match(policies.active.bundle, /./);

  const opened = policies.decideTask(taskDocument() as never, { issuer: 'i', agent: 'a', subject: null });
  rollout.stage = 'rolled_back';
  rollout.takenBack.add(opened.content as string);
  await settle();
  const before = compared.length;
  assert.equal(said('one', assess), 'stable');
  assert.equal(decided(policies, under(opened.content), assess).reasons[0]?.code, 'stable', 'nobody goes on under it');
  await settle();
  assert.equal(compared.length, before, 'what was taken back is not even asked');
});

test('what was rolled out to all goes on deciding when its place is taken by another candidate, also after a restart', async (t) => {
  const [stable, candidate, dataDir] = [await temporaryFolder(t), await temporaryFolder(t), await temporaryFolder(t)];
  await writeFiles(stable, allowing('stable', ['orders.get_order']));
  await writeFiles(candidate, allowing('first', ['orders.get_order']));
  const before = await policySetOn(t, stable, { candidate, dataDir });
  await before.policies.open();
  const content = before.policies.engines.candidate?.revision?.loaded.content as string;
  await writeFiles(candidate, allowing('second', ['orders.get_order']));
  const { policies, rollout } = await policySetOn(t, stable, { candidate, dataDir });
  Object.assign(rollout, { stage: 'full', content });
  await policies.open();
  assert.equal(decided(policies, record, read).reasons[0]?.code, 'first');
  assert.notEqual(policies.active.revision, policies.engines.stable.active.revision);
  assert.equal(policies.healthy(), true);
});

test('a check is not compared, and too many comparisons are dropped and counted', async (t) => {
  const [stable, candidate] = [await temporaryFolder(t), await temporaryFolder(t)];
  await writeFiles(stable, allowing('stable', ['orders.get_order']));
  await writeFiles(candidate, allowing('candidate', ['orders.get_order']));
  const { policies, running, compared } = await policySetOn(t, stable, { candidate });
  await policies.open();
  policies.panel(record, false).decide('call', read as never);
  await running.clock.advance(10);
  assert.equal(compared.length, 0);
  for (let index = 0; index < 1_005; index++) decided(policies, record, read);
  assert.equal(policies.comparisonsDropped, 5);
  await running.clock.advance(3_000);
  assert.equal(compared.length, 1_000);
});

test('a candidate that cannot be loaded keeps nobody from working', async (t) => {
  const [stable, candidate] = [await temporaryFolder(t), await temporaryFolder(t)];
  await writeFiles(stable, allowing('stable', ['orders.get_order']));
  await writeFiles(candidate, { 'tollgate/call/call.rego': 'package tollgate.call\n\ndecision := \n' });
  const { policies, rollout } = await policySetOn(t, stable, { candidate });
  rollout.stage = 'full';
  await policies.open();
  assert.equal(decided(policies, record, read).reasons[0]?.code, 'stable');
  assert.equal(policies.healthy(), true);
  assert.match(policies.engines.candidate?.lastError ?? '', /no package tollgate.task/);
});

test('two decisions join to what meets both', () => {
  const join = (one: Obligations, other: Obligations) => demandsOf(one, other);
  assert.deepEqual(join({ redact: [{ type: 'email' }] }, {}), { redact: [{ type: 'email' }] });
  assert.deepEqual(join({ redact: [{ type: 'email' }] }, { redact: [{ type: 'card' }, { type: 'email' }] }), {
    redact: [{ type: 'email' }, { type: 'card' }],
  });
  assert.deepEqual(join({ drop: ['/a'], taint: ['x'] }, { drop: ['/b'], taint: ['x', 'y'] }), {
    drop: ['/a', '/b'],
    taint: ['x', 'y'],
  });
  const regions = (one: string[], other: string[]) => join({ regions: one }, { regions: other }).regions;
  assert.deepEqual(regions(['eu-*'], ['eu-west-1', 'us-east-1']), ['eu-west-1']);
  assert.deepEqual(regions(['westeurope', 'eu-*'], ['*']), ['westeurope', 'eu-*']);
  assert.deepEqual(regions(['eu-*'], ['*-1']), ['eu-*-1']);
  assert.deepEqual(regions(['eu-*'], ['us-*']), [], 'nothing fits both, and nothing is permitted');
  assert.deepEqual(regions(['a*b*'], ['*c']), [], 'what one pattern cannot say is not permitted');
  assert.deepEqual(
    join({ max_tokens: { value: 9, on_excess: 'lower' } }, { max_tokens: { value: 5, on_excess: 'deny' } }),
    {
      max_tokens: { value: 5, on_excess: 'deny' },
    },
  );
  const kept = (seconds: number) => ({ cache: { ttl_seconds: seconds } });
  assert.deepEqual(join(kept(9), kept(5)), kept(5));
  assert.deepEqual([join(kept(9), {}), join({}, kept(9))], [{}, {}], 'both must grant it');
  const approval = { role: 'lead', ttl_seconds: 1, reason: 'Large.' };
  assert.deepEqual(join({}, { approval }), { approval });
  assert.deepEqual(join({ mark: { a: 1, b: 1 } }, { mark: { b: 2 } }), { mark: { a: 1, b: 2 } });
  const base = { id: 'dec_1', reasons: [], bundle: 'b', input: {} } as never as Parameters<typeof stricter>[0];
  const one = { ...base, allow: true, revision: '1', obligations: {} };
  assert.equal(stricter(one, { ...one, allow: false, revision: '2' }).allow, false);
  assert.equal(stricter({ ...one, allow: false }, { ...one, revision: '2' }).allow, false);
  assert.equal(stricter(one, { ...one, revision: '2' }).alsoBy, '2');
});
