/** The rollout of policies over HTTP: shadow, canary, full, back, by people, by the gate itself, at several gateways. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { bucketOf, inCanary } from '../../src/policy/rollout/share.ts';
import { RedisServer } from '../fakes/redis-server.ts';
import { part } from '../parts.ts';
import { candidateCode, RolloutWorld } from './rollout-world.ts';

const options = part('opa');
const said = `403 ${candidateCode}`;
const never = { new_denies_percent: 100 };

test(
  '[policy.candidate-only-shadows] a candidate in shadow is asked about every call, counted, and obeyed by none',
  options,
  async () => {
    await using rollout = await RolloutWorld.open();
    const { world } = rollout;
    const task = await rollout.denied('C-1');
    for (let calls = 0; calls < 3; calls++) assert.equal(await rollout.refund(task), '200');
    assert.equal(world.orders.received.length, 3);
    // The task, three calls and three answers.
    await rollout.until('all compared', async () => (await rollout.policy()).comparison.shadowed.decisions === 7);
    const { gateway, comparison, rollout: state, gateways } = await rollout.policy();
    assert.deepEqual([gateway.stage, gateway.percent, state], ['shadow', 0, null]);
    assert.deepEqual(
      gateways.map(({ candidate }) => candidate),
      [gateway.candidate],
    );
    assert.notEqual(gateway.candidate?.content, gateway.content);
    const { new_deny: newDenies, agree } = comparison.shadowed;
    assert.deepEqual([comparison.acted.decisions, newDenies, agree], [0, 3, 4]);
    const { call, at: _at, ...sample } = comparison.samples[0] as Record<string, unknown>;
    assert.deepEqual(sample, {
      ...{
        phase: 'call',
        operation: 'orders.create_refund',
        agent: 'coordinator',
        outcome: 'new_deny',
        acting: 'stable',
      },
      stable: { allow: true, failed: false, codes: [] },
      candidate: { allow: false, failed: false, codes: [candidateCode] },
    });
    const [last] = (await world.events({ task: task.id, type: 'outcome' })).slice(-1);
    assert.deepEqual([last?.call, last?.decision?.revision], [call, gateway.revision]);
    const metrics = await (await world.admin('/metrics')).text();
    assert.match(metrics, /^tollgate_policy_compared_total\{outcome="new_deny"\} 3$/m);
    assert.match(metrics, /^tollgate_policy_rollout_stage\{stage="shadow"\} 1$/m);
  },
);

test(
  '[policy.canary-is-steady] a canary decides for its share of principals, the same in every call; full for all; back for none',
  options,
  async () => {
    await using rollout = await RolloutWorld.open(never);
    const { world } = rollout;
    const shadow = await rollout.policy();
    const { revision, content } = shadow.gateway.candidate as { revision: string; content: string };
    assert.equal((await rollout.step({ stage: 'canary', percent: 30, revision })).status, 200);
    const id = (await rollout.policy()).rollout?.id as string;
    const subjects = Array.from({ length: 30 }, (_, index) => `C-${index}`);
    const isIn = (subject: string, percent: number) =>
      inCanary(bucketOf(id, { issuer: 'azure', agent: 'coordinator', subject }), percent);
    const tasks = new Map<string, Awaited<ReturnType<typeof rollout.denied>>>();
    for (const subject of subjects) tasks.set(subject, await rollout.denied(subject));
    const refunds = async () => {
      const found: [string, string][] = [];
      for (const [subject, task] of tasks) found.push([subject, await rollout.refund(task)]);
      return found;
    };
    const expected = (percent: number) => subjects.map((subject) => [subject, isIn(subject, percent) ? said : '200']);
    assert.ok(new Set(expected(30).map(([, how]) => how)).size === 2, 'some are in and some are not');
    for (let round = 0; round < 2; round++) assert.deepEqual(await refunds(), expected(30), `round ${round}`);
    const sent = world.orders.received.length;
    assert.equal(sent, 2 * expected(30).filter(([, how]) => how === '200').length);
    await rollout.step({ stage: 'canary', percent: 60 });
    assert.deepEqual(await refunds(), expected(60));

    assert.equal((await rollout.step({ stage: 'full' })).status, 200);
    assert.deepEqual(new Set((await refunds()).map(([, how]) => how)), new Set([said]));
    const [first] = tasks.values();
    const [refusal] = (await world.events({ task: first?.id as string, type: 'denial' })).slice(-1);
    assert.deepEqual(refusal?.decision?.reasons.map(({ code }) => code).slice(0, 2), ['policy_denied', candidateCode]);

    assert.equal((await rollout.step({ stage: 'rolled_back', reason: 'support is flooded' })).status, 200);
    assert.deepEqual(new Set((await refunds()).map(([, how]) => how)), new Set(['200']));
    const refused = await rollout.step({ stage: 'canary', percent: 1 });
    assert.deepEqual(
      [refused.status, refused.code, refused.reasons?.[0]?.code],
      [412, 'precondition_failed', 'rolled_back'],
    );
    assert.equal((await rollout.step({ stage: 'shadow', force: true })).status, 200);

    const deeds = (await world.events({ type: 'admin' })).filter(({ operation }) => operation === 'policy.rollout');
    const notes = deeds.map(({ decision, status }) => [
      status,
      ...['stage', 'percent', 'content', 'reason_given'].map(
        (name) => decision?.reasons.find(({ code }) => code === name)?.message,
      ),
    ]);
    assert.deepEqual(notes, [
      [200, 'canary', '30', content, undefined],
      [200, 'canary', '60', content, undefined],
      [200, 'full', undefined, content, undefined],
      [200, 'rolled_back', undefined, content, 'support is flooded'],
      [412, 'canary', '1', undefined, undefined],
      [200, 'shadow', undefined, content, undefined],
    ]);
  },
);

test(
  '[policy.rolls-back-by-itself] a candidate that denies too much is taken back, and the trail says by whom and why',
  options,
  async () => {
    await using rollout = await RolloutWorld.open({ decisions_min: 10 });
    const { world } = rollout;
    const { gateway } = await rollout.policy();
    await rollout.step({ stage: 'canary', percent: 100 });
    const task = await rollout.denied('C-1');
    let refused = 0;
    await rollout.until('taken back', async () => {
      if ((await rollout.refund(task)) === '200') return true;
      refused += 1;
      return false;
    });
    assert.ok(refused >= 9, `${refused} were refused before`);
    const { rollout: state } = await rollout.policy();
    assert.deepEqual([state?.stage, state?.reason?.code], ['rolled_back', 'new_denies_exceeded']);
    assert.match(state?.by ?? '', /^gateway gw-test/);
    assert.equal(await rollout.refund(task), '200');
    const events = (await world.events({ type: 'policy' })).filter(({ operation }) => operation === 'policy.roll_back');
    assert.equal(events.length, 1);
    const { decision } = events[0] as (typeof events)[number];
    assert.deepEqual(
      [decision?.allow, decision?.bundle, decision?.revision],
      [false, 'next', gateway.candidate?.revision],
    );
    assert.deepEqual(
      decision?.reasons.map(({ code }) => code),
      ['new_denies_exceeded'],
    );
  },
);

test(
  'a running task keeps the policies it was opened under, while what the new ones deny is denied at once',
  options,
  async () => {
    await using rollout = await RolloutWorld.open(never);
    const { world } = rollout;
    const newly = () => world.task({ labels: { deny: 'orders.create_refund', candidate: 'allow' } });
    const [tightened, before] = [await rollout.denied('C-1'), await newly()];
    assert.deepEqual([await rollout.refund(tightened), await rollout.refund(before)], ['200', '403 labelled']);
    await rollout.step({ stage: 'full' });
    assert.deepEqual([await rollout.refund(tightened), await rollout.refund(before)], [said, '403 labelled']);
    assert.equal(await rollout.refund(await newly()), '200');
  },
);

test('a step that cannot be meant is refused with what is wrong, and changes nothing', options, async () => {
  await using rollout = await RolloutWorld.open();
  const rows: readonly [Record<string, unknown>, number, string | undefined][] = [
    [{}, 422, 'missing'],
    [{ stage: 'half' }, 422, 'invalid'],
    [{ stage: 'canary' }, 422, 'percent_invalid'],
    [{ stage: 'canary', percent: 101 }, 422, 'invalid'],
    [{ stage: 'canary', percent: 0.001 }, 422, 'percent_invalid'],
    [{ stage: 'full', percent: 50 }, 422, 'percent_invalid'],
    [{ stage: 'full', forced: true }, 422, 'unknown_field'],
    [{ stage: 'full', revision: 'another' }, 412, 'candidate_other'],
    [{ stage: 'full', content: '0'.repeat(64) }, 412, 'candidate_other'],
  ];
  for (const [body, status, code] of rows) {
    const refused = await rollout.step(body);
    assert.deepEqual([refused.status, refused.reasons?.[0]?.code], [status, code], JSON.stringify(body));
  }
  assert.equal((await rollout.policy()).rollout, null);
});

const redis = part('redis-server').skip === undefined ? options : part('redis-server');

test(
  'two gateways of a store stand at the same stage within a second, and end the rollout when both run the candidate',
  redis,
  async () => {
    await using server = await RedisServer.start();
    const store = { kind: 'redis', url: server.url, command_timeout_ms: 500 };
    await using rollout = await RolloutWorld.open(never, { store });
    const second = await rollout.world.secondGate('gw-second');
    const stages = async () => [(await rollout.policy()).gateway.stage, (await rollout.policy(second)).gateway.stage];
    for (const [body, stage] of [
      [{ stage: 'canary', percent: 30.5 }, 'canary'],
      [{ stage: 'full' }, 'full'],
      [{ stage: 'rolled_back' }, 'rolled_back'],
      [{ stage: 'shadow', force: true }, 'shadow'],
      [{ stage: 'full' }, 'full'],
    ] as const) {
      assert.equal((await rollout.step(body)).status, 200);
      await rollout.until(stage, async () => (await stages()).every((found) => found === stage), 1_000);
    }
    const { gateways, gateway } = await rollout.policy(second);
    assert.deepEqual(
      gateways.map((row) => [row.candidate?.revision, row.revision]),
      [
        [gateway.candidate?.revision, gateway.revision],
        [gateway.candidate?.revision, gateway.revision],
      ],
    );
    await rollout.publish();
    await rollout.until('the rollout ends', async () => (await rollout.policy()).rollout === null, 20_000);
    assert.equal((await rollout.policy(second)).gateway.content, gateway.candidate?.content);
    const task = await rollout.denied('C-1');
    assert.equal(await rollout.refund(task), said, 'it is what decides now');
    const ends = await rollout.world.events({ type: 'policy' });
    const headers = { authorization: `Bearer ${second.adminToken}` };
    const others = await fetch(`${second.adminUrl}/audit/events?type=policy&limit=1000`, { headers });
    ends.push(...((await others.json()) as { events: typeof ends }).events);
    const finished = ends.filter(({ operation }) => operation === 'policy.rollout_finished');
    assert.deepEqual(
      finished.map(({ decision }) => [decision?.allow, decision?.revision]),
      [[true, gateway.candidate?.revision]],
      'by one of them',
    );
  },
);

const commandLine = resolve(import.meta.dirname, '../../src/cli/main.ts');

test('the command shows where the candidate stands at each gateway, moves it, and waits for all', options, async () => {
  await using rollout = await RolloutWorld.open();
  const { gate } = rollout.world;
  const tollgate = async (...argv: string[]) => {
    const to = ['--admin-url', gate.adminUrl, '--token-file', gate.adminTokenFile];
    const child = spawn(process.execPath, [commandLine, 'policy', 'rollout', ...argv, ...to]);
    const found = { out: '', err: '' };
    child.stdout.on('data', (chunk) => (found.out += chunk));
    child.stderr.on('data', (chunk) => (found.err += chunk));
    const [code] = (await once(child, 'close')) as [number];
    return { code, ...found };
  };
  const { gateway } = await rollout.policy();
  const revision = gateway.candidate?.revision as string;
  const shown = await tollgate();
  assert.deepEqual([shown.code, shown.err], [0, '']);
  assert.match(shown.out, /^no rollout: a candidate that is loaded is in shadow\n/);
  assert.match(shown.out, /^GATEWAY +CLOUD +REGION +REVISION +CANDIDATE +STAGE +NOTE +AT$/m);
  assert.match(shown.out, new RegExp(`^${gateway.gateway} .*${gateway.revision} +${revision} +shadow +- `, 'm'));
  const moved = await tollgate('canary', '12.5', '--revision', revision, '--reason', 'a try', '--wait', '10');
  assert.deepEqual([moved.code, moved.err], [0, '']);
  assert.match(moved.out, new RegExp(`^${revision}: canary 12\\.5 %\n`));
  assert.match(moved.out, /^reason +a try$/m);
  const other = await tollgate('full', '--revision', 'another');
  assert.deepEqual([other.code, other.out], [1, '']);
  assert.match(other.err, /^tollgate policy rollout: precondition_failed: The candidate is /);
  const json = JSON.parse((await tollgate('status', '--json')).out) as { rollout: { stage: string; percent: number } };
  assert.deepEqual([json.rollout.stage, json.rollout.percent], ['canary', 12.5]);
  assert.match((await tollgate('back')).out, /: rolled_back\n$/);
  assert.equal((await tollgate('shadow')).code, 1);
  assert.match((await tollgate('shadow', '--again')).out, /: shadow\n$/);
  for (const wrong of [
    ['half'],
    ['canary'],
    ['canary', '101'],
    ['canary', '1.234'],
    ['full', '5'],
    ['full', '--again'],
    ['--wait', '5'],
  ]) {
    assert.equal((await tollgate(...wrong)).code, 2, wrong.join(' '));
  }
});
