/**
 * What a running task goes on under was lost on the way: while a call was out, when candidates came and went, when the
 * same rules were published under other terms, through a sub-task; and an expired roll-out, or the next candidate, let
 * the bundle before it decide again.
 */
import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { DecisionFact } from '../../src/call.ts';
import { isDenial } from '../../src/denial.ts';
import type { Bundle } from '../../src/policy/bundle.ts';
import type { Revision } from '../../src/policy/engine.ts';
import type { LoadedBundle } from '../../src/policy/instance.ts';
import { PastRevisions } from '../../src/policy/past-revisions.ts';
import { noRecord, type ReadRecord, stepped, type Transition } from '../../src/policy/rollout/rollout-state.ts';
import { decideAnswer, decideStage } from '../../src/policy/stage.ts';
import { ManualClock } from '../fakes/clock.ts';
import { exchange, partOf } from '../gateway/exchange-form.ts';
import { RolloutWorld } from '../gateway/rollout-world.ts';
import { bundleOf, callDocument, engineOn, taskDocument, temporaryFolder, writeFiles } from '../unit/policy/bundles.ts';
import { gateway, judgedCall, record } from '../unit/policy/calls.ts';
import { decided, policySetOn } from '../unit/policy/sets.ts';

const allowing = (code: string) =>
  bundleOf(`decision := {"allow": true, "reasons": [{"code": "${code}", "message": "Allowed."}]}`);
const answers = (decision: string) => `package tollgate.response\n\ndecision := ${decision}\n`;
const noAnswers = answers('{"allow": false, "reasons": [{"code": "no_answers", "message": "No answer passes."}]}');
const allAnswers = answers('{"allow": true, "reasons": []}');
const log = () => undefined;

/** A revision that is only looked for, never asked. */
const named = (content: string): Revision => ({
  bundle: 'b',
  loaded: { content, revision: content.slice(0, 8), unusedInput: new Set() } as unknown as LoadedBundle,
  expiresAtMs: null,
});
const digestOf = (index: number) => index.toString(16).padStart(64, '0');

/** Lets the gate look at its files until `condition` holds. */
async function until(clock: ManualClock, condition: () => boolean): Promise<void> {
  const endsAt = Date.now() + 20_000;
  while (!condition()) {
    assert.ok(Date.now() < endsAt, 'the condition holds in time');
    await clock.advance(1_000);
    await setTimeout(20);
  }
}

test('the answer is decided by the policies its call was decided by, though others have taken their place in memory', async (t) => {
  const folder = await temporaryFolder(t);
  await writeFiles(folder, { ...allowing('old'), 'tollgate/response/response.rego': noAnswers });
  const { policies, past, running } = await policySetOn(t, folder);
  await policies.open();
  const { clock } = running;
  const old = policies.engines.stable.revision as Revision;
  const call = judgedCall({ record: { policy: old.loaded.content } });
  const stage = decideStage(policies, { gateway, clock });
  for (const held of ['in force when it came', 'in force before it came']) {
    const given = (await stage.admit(call)) as DecisionFact;
    if (held === 'in force when it came') {
      await writeFiles(folder, { ...allowing('new'), 'tollgate/response/response.rego': allAnswers });
      await until(clock, () => policies.engines.stable.revision?.loaded.content !== old.loaded.content);
    }
    for (let index = 1; index <= 5; index++) past.remember(named(digestOf(index)));
    assert.equal(past.known(old.loaded.content), false, 'it is in memory no more');
    const came = { head: { status: 200, headers: {} }, body: { id: 1 }, findings: [] };
    const decision = decideAnswer(policies, { ...call, ...given }, came as never, { gateway, clock });
    assert.deepEqual([decision.allow, decision.reasons[0]?.code], [false, 'no_answers'], held);
    await policies.prepare(call.entry.task.record);
  }
});

test('revisions that decide stay in memory, whatever else is looked at', () => {
  const past = new PastRevisions({ dataDir: '/nowhere', clock: new ManualClock(), log });
  past.remember(named(digestOf(0)));
  for (let index = 1; index <= 10; index++) {
    past.remember(named(digestOf(index)));
    assert.equal(past.get(digestOf(0))?.loaded.content, digestOf(0));
  }
});

test('what is in force stays on disk, however many candidates come after it', async (t) => {
  const dataDir = await temporaryFolder(t);
  const clock = new ManualClock();
  const past = new PastRevisions({ dataDir, clock, log, inForce: () => [digestOf(0)] });
  const bundle = { wasm: Buffer.from('w'), data: Buffer.from('{}'), revision: null, sources: [] } satisfies Bundle;
  const isKept = (index: number) =>
    stat(join(dataDir, 'bundles', 'past', digestOf(index))).then(
      () => true,
      () => false,
    );
  for (let index = 0; index <= 20; index++) {
    await past.keep(named(digestOf(index)), bundle);
    await setTimeout(5);
  }
  assert.deepEqual([await isKept(0), await isKept(1), await isKept(20)], [true, false, true]);
});

const expiring = (expires: string) =>
  JSON.stringify({ roots: ['tollgate'], revision: 'r1', metadata: { tollgate: { expires } } });

/** An engine over a folder whose manifest says `expires`, and what it has kept. */
async function keeping(t: TestContext, expires: string) {
  const [folder, dataDir] = [await temporaryFolder(t), await temporaryFolder(t)];
  await writeFiles(folder, { ...allowing('r'), '.manifest': expiring(expires) });
  const clock = new ManualClock();
  const past = new PastRevisions({ dataDir, clock, log });
  const kept: Revision[] = [];
  const { engine } = await engineOn(t, folder, {
    clock,
    keep: async (revision, bundle) => {
      await past.keep(revision, bundle);
      kept.push(revision);
    },
  });
  await engine.open();
  return { folder, dataDir, clock, engine, kept };
}

test('the same rules published anew to run longer are kept with the time they have now', async (t) => {
  const { folder, dataDir, clock, kept } = await keeping(t, '2027-01-01T00:00:00Z');
  await writeFile(join(folder, '.manifest'), expiring('2028-01-01T00:00:00Z'));
  await until(clock, () => kept.length === 2);
  const [first, second] = kept as [Revision, Revision];
  assert.equal(first.loaded.content, second.loaded.content);
  const restarted = new PastRevisions({ dataDir, clock, log });
  await restarted.look(first.loaded.content);
  assert.equal(restarted.get(first.loaded.content)?.expiresAtMs, Date.parse('2028-01-01T00:00:00Z'));
});

test('where what was rolled out to everybody expires, nothing is decided: the bundle before it does not come back', async (t) => {
  const [stable, candidate] = [await temporaryFolder(t), await temporaryFolder(t)];
  await writeFiles(stable, allowing('stable'));
  const expires = new Date(new ManualClock().nowMs() + 60_000).toISOString();
  await writeFiles(candidate, { ...allowing('candidate'), '.manifest': expiring(expires) });
  const { policies, running, rollout } = await policySetOn(t, stable, { candidate });
  await policies.open();
  const content = policies.engines.candidate?.revision?.loaded.content as string;
  Object.assign(rollout, { stage: 'full', content });
  const said = () => decided(policies, record, callDocument()).reasons[0]?.code;
  assert.equal(said(), 'candidate');
  await running.clock.advance(61_000);
  assert.throws(said, /no policy is in force/);
  assert.deepEqual([policies.healthy(), policies.note, policies.active.revision], [false, 'expired', 'r1']);
  Object.assign(rollout, { stage: 'rolled_back' });
  assert.equal(said(), 'stable', 'going back is the way out');
});

test('another candidate does not begin in place of one that everybody has, or only by force', () => {
  const [one, two] = ['a', 'b'].map((digit) => ({ content: digit.repeat(64), revision: digit }));
  let atMs = 0;
  const step = (before: ReadRecord, asked: Transition, candidate = one ?? null) => {
    atMs += 1;
    return stepped(before, asked, { candidate, by: 'ann', atMs, freshId: `rol_${atMs}` });
  };
  const full = step(noRecord, { stage: 'full' }) as ReadRecord;
  const named = { revision: 'b' };
  for (const asked of [
    { stage: 'shadow' },
    { stage: 'canary', percent: 1, ...named },
    { stage: 'full', ...named },
  ] as const) {
    const refused = step(full, asked, two);
    assert.ok(isDenial(refused), asked.stage);
    assert.equal(refused.reasons[0]?.code, 'rollout_unfinished');
  }
  const forced = step(full, { stage: 'shadow', force: true }, two);
  assert.equal((forced as ReadRecord).state?.content, two?.content);
  const back = step(full, { stage: 'rolled_back' }, two) as ReadRecord;
  assert.equal((step(back, { stage: 'shadow' }, two) as ReadRecord).state?.content, two?.content);
});

test('a step towards deciding is not taken with another candidate than the rollout is about, unless it is named', () => {
  const [one, two] = ['a', 'b'].map((digit) => ({ content: digit.repeat(64), revision: digit }));
  const step = (before: ReadRecord, asked: Transition, candidate = one ?? null) =>
    stepped(before, asked, { candidate, by: 'ann', atMs: before.atMs + 1, freshId: `rol_${before.atMs}` });
  const canary = step(noRecord, { stage: 'canary', percent: 50 }) as ReadRecord;
  const shadow = step(noRecord, { stage: 'shadow' }) as ReadRecord;
  for (const under of [canary, shadow]) {
    const refused = step(under, { stage: 'full' }, two);
    assert.ok(isDenial(refused));
    assert.equal(refused.reasons[0]?.code, 'candidate_other');
    for (const asked of [
      { stage: 'full', revision: 'b' },
      { stage: 'canary', percent: 1, content: two?.content ?? '' },
      { stage: 'shadow' },
    ] as const) {
      assert.equal((step(under, asked, two) as ReadRecord).state?.content, two?.content, asked.stage);
    }
  }
});

test('comparisons that wait are bounded by what they hold, not only by how many they are', async (t) => {
  const [stable, candidate] = [await temporaryFolder(t), await temporaryFolder(t)];
  await writeFiles(stable, allowing('stable'));
  await writeFiles(candidate, allowing('candidate'));
  const { policies, running, compared } = await policySetOn(t, stable, { candidate });
  await policies.open();
  const large = callDocument({ arguments: { text: 'x'.repeat(1_000_000) } });
  for (let index = 0; index < 80; index++) decided(policies, record, large);
  const dropped = policies.comparisonsDropped;
  assert.ok(dropped > 0 && dropped < 40, String(dropped));
  await running.clock.advance(2_000);
  assert.equal(compared.length, 80 - dropped);
  decided(policies, record, large);
  assert.equal(policies.comparisonsDropped, dropped, 'there is room again');
});

test('a part needs leave of the policies that its whole goes on under, and gets what both grant', async (t) => {
  const folder = await temporaryFolder(t);
  const task = (decision: string) => ({
    ...allowing('any'),
    'tollgate/task/task.rego': `package tollgate.task\n\ndecision := ${decision}\n`,
  });
  const granting = (seconds: number, more: string) =>
    `{"allow": true, "reasons": [], "grant": {"ttl_seconds": ${seconds}${more}}} if input.task.purpose != "secret"`;
  const denying = 'else := {"allow": false, "reasons": [{"code": "secret", "message": "Not this."}]}';
  await writeFiles(folder, task(`${granting(60, ', "tools": ["a"]')}\n${denying}`));
  const { policies, running } = await policySetOn(t, folder);
  await policies.open();
  const who = { issuer: 'azure', agent: 'a', subject: 'C' };
  const asked = (purpose: string, whole?: { policy: string }) =>
    policies.decideTask(taskDocument({ purpose }) as never, who, true, whole);
  const whole = { policy: asked('any').content as string };
  await writeFiles(folder, task(granting(30, '').replace('"secret"', '"other"')));
  await until(running.clock, () => policies.engines.stable.revision?.loaded.content !== whole.policy);
  assert.equal(asked('secret').allow, true);
  const refused = asked('secret', whole);
  assert.deepEqual([refused.allow, refused.denial?.code, refused.reasons[0]?.code], [false, 'policy_denied', 'secret']);
  const { allow, grant, alsoGrant, alsoBy } = asked('any', whole);
  assert.deepEqual(
    { allow, grant, alsoGrant },
    { allow, grant: { ttlSeconds: 30 }, alsoGrant: { tools: ['a'], ttlSeconds: 60 } },
  );
  assert.notEqual(alsoBy, undefined);
  assert.equal(asked('other', whole).allow, false, 'and of those in force');
});

test('a sub-task is no way to what its parent may not do', async () => {
  await using rollout = await RolloutWorld.open();
  const { world } = rollout;
  const labels = { deny: 'orders.create_refund', candidate: 'allow' };
  const parent = await world.task({ labels });
  assert.match(await rollout.refund(parent), /^403/);
  const before = await rollout.policy();
  await rollout.publish();
  await rollout.until('the new rules are in force', async () => {
    return (await rollout.policy()).gateway.content !== before.gateway.content;
  });
  assert.match(await rollout.refund(parent), /^403/, 'it goes on under its own');
  const { answer } = await exchange(world, partOf(parent.token, world.issuer.token('coordinator'), { labels }));
  const part = await world.refund(answer.access_token, 5);
  assert.equal(part.status, 403, 'and so does a part of it');
  const [denial] = await world.events({ task: answer.task_id, type: 'denial' });
  const { revision, also_by: alsoBy } = denial?.decision ?? {};
  const now = await rollout.policy();
  assert.deepEqual([revision, alsoBy], [before.gateway.revision, now.gateway.revision], 'the trail names both');
  assert.equal(await rollout.refund(await world.task({ labels })), '200', 'its next task may');
});
