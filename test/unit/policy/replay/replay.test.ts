/** What a bundle would have decided otherwise: exactly what differs, told apart, and what cannot be known. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../../../src/call.ts';
import type { TaskId } from '../../../../src/clock.ts';
import { Replay } from '../../../../src/policy/replay/replay.ts';
import { part } from '../../../parts.ts';
import { auditConfig, openTrail } from '../../audit/fixture.ts';

import { seeded } from '../../wire/request.ts';
import { bundleOf, shippedPolicies } from '../bundles.ts';
import { candidateAt, candidateOf, Recording, replayed } from './trail.ts';

const rules = (limit: number, more = '') => `
decision := {"allow": count(deny) == 0, "reasons": [reason | some reason in deny], "obligations": obligations}

amount := object.get(input.call.arguments, ["body", "amount_cents"], 0)

deny contains {"code": "over_limit", "message": "Too much at once."} if amount > ${limit}

deny contains {"code": "never_delete", "message": "Nothing is deleted."} if input.call.effect == "delete"

default obligations := {}
${more}`;

const refund = (amount: number, note = 'as agreed'): JsonObject => ({
  route: 'refunds',
  operation: 'refunds.create_refund',
  effect: 'write',
  method: 'POST',
  path: '/refunds',
  arguments: { path: {}, body: { amount_cents: amount, note } },
});
const read: JsonObject = {};
const deletion: JsonObject = { operation: 'orders.delete_order', effect: 'delete', method: 'DELETE' };

test(
  '[policy.replay-finds-every-flip] ten thousand recorded calls are decided again within ten seconds, and exactly the planted flips are found',
  part('opa'),
  async (t) => {
    const { trail, dataDir } = await openTrail(t, {
      config: { ...auditConfig, sign_every: 1000, queue_events: 50_000 },
    });
    const policy = await candidateOf(t, bundleOf(rules(10_000)));
    const recording = new Recording(trail, policy);
    const random = seeded(6);
    const planted: { id: string; agent: string }[] = [];
    const calls = 10_000;
    for (let first = 0; first < calls; first += 500) {
      const batch = Array.from({ length: 500 }, async (_, index) => {
        const agent = `agent-${Math.floor(random() * 4)}`;
        const task = `task_${String(Math.floor(random() * 700)).padStart(26, '0')}` as TaskId;
        const kind = random();
        const amount = Math.floor(random() * 12_000);
        const call = kind < 0.6 ? refund(amount) : kind < 0.9 ? read : deletion;
        const id = await recording.add({ call: { ...call, id: `call_${first + index}` }, agent, taskId: task });
        if (kind < 0.6 && amount > 9_900 && amount <= 10_000) planted.push({ id, agent });
      });
      await Promise.all(batch);
    }
    assert.ok(planted.length > 20 && planted.length < 100, String(planted.length));
    await trail.events({}, { limit: 1 });

    const same = replayed(dataDir, policy);
    assert.deepEqual([same.decided, same.changed, same.groups], [calls, 0, []]);
    assert.deepEqual(same.same_revision, { decided: calls, changed: 0 });

    const candidate = await candidateOf(t, bundleOf(rules(9_900)));
    const startMs = performance.now();
    const report = replayed(dataDir, candidate);
    const tookMs = performance.now() - startMs;
    assert.deepEqual([report.recorded, report.decided, report.uncertain.undecided_rate], [calls, calls, 0]);
    assert.equal(report.changed, planted.length);
    assert.deepEqual(report.by_change, [{ name: 'allow_to_deny', count: planted.length }]);
    assert.deepEqual(report.by_rule, [{ name: 'over_limit', count: planted.length }]);
    assert.deepEqual(report.by_operation, [{ name: 'refunds.create_refund', count: planted.length }]);
    const ids = new Set(planted.map(({ id }) => id));
    for (const { name, count } of report.by_agent) {
      assert.equal(count, planted.filter(({ agent }) => `azure/${agent}` === name).length, name);
    }
    for (const group of report.groups) {
      assert.equal(group.examples.length, Math.min(3, group.count));
      for (const example of group.examples) assert.ok(ids.has(example.call ?? ''), JSON.stringify(example));
    }
    assert.ok(tookMs < 10_000, `${tookMs} ms`);
    t.diagnostic(`${calls} calls in ${Math.round(tookMs)} ms, ${planted.length} flips`);
  },
);

test(
  'what is let through, stopped, approved, obliged and reasoned otherwise is told apart, the gravest first',
  part('opa'),
  async (t) => {
    const { trail, dataDir } = await openTrail(t);
    const recording = new Recording(trail, await candidateOf(t, bundleOf(rules(100))));
    const [small, large] = [await recording.add({ call: refund(50) }), await recording.add({ call: refund(150) })];
    const looked = await recording.add({ call: read });
    const gone = await recording.add({ call: deletion });
    await trail.events({}, { limit: 1 });
    const other = `
decision := {"allow": count(deny) == 0, "reasons": [reason | some reason in deny], "obligations": obligations}

deny contains {"code": "no_deletion", "message": "Ask a person to delete it."} if input.call.effect == "delete"

obligations := {"approval": {"role": "lead", "ttl_seconds": 60, "reason": "money"}} if {
	input.call.effect == "write"
	input.call.arguments.body.amount_cents < 100
} else := {"drop": ["/note"]} if input.call.effect == "read" else := {}
`;
    const report = replayed(dataDir, await candidateOf(t, bundleOf(other)));
    assert.deepEqual(
      report.groups.map(({ change, rules: from, count, examples }) => [change, from, count, examples[0]?.call]),
      [
        ['deny_to_allow', ['over_limit'], 1, large],
        ['allow_to_approval', ['obligation:approval'], 1, small],
        ['obligations', ['obligation:drop'], 1, looked],
        ['reasons', ['+no_deletion', '-never_delete'], 1, gone],
      ],
    );
    const [, , , reasoned] = report.groups;
    assert.deepEqual(reasoned?.examples[0]?.messages, ['Ask a person to delete it.']);
    assert.equal(reasoned?.agent, 'azure/coordinator');
    assert.match(reasoned?.examples[0]?.task ?? '', /^task_/);
  },
);

test(
  'a refusal of a later rung was allowed by the policy, and the own refusals of the gate are left alone',
  part('opa'),
  async (t) => {
    const { trail, dataDir } = await openTrail(t);
    const policy = await candidateOf(t, bundleOf(rules(100)));
    const recording = new Recording(trail, policy);
    await recording.add({ call: refund(50), refusedLater: 'budget_exhausted' });
    await recording.add({ call: refund(50), refusedLater: 'policy_unavailable' });
    await trail.events({}, { limit: 1 });
    const same = replayed(dataDir, policy);
    assert.deepEqual([same.decided, same.changed, same.uncertain.decision_unknown], [1, 0, 1]);
    const report = replayed(dataDir, await candidateOf(t, bundleOf(rules(10))));
    assert.deepEqual(report.by_change, [{ name: 'allow_to_deny', count: 1 }]);

    const event = {
      seq: 1,
      attempts: [],
      type: 'denial',
      id: 'evt_1',
      time: '',
      task: 't',
      call: 'c',
      agent: 'a',
      issuer: 'i',
      operation: 'o',
    };
    const decision = { id: 'dec_1', allow: false, obligations: {}, revision: 'r' };
    const own = new Replay(policy);
    const reasons = [{ code: 'policy_denied' }, { code: 'not_in_task' }];
    own.add({ event: { ...event, decision: { ...decision, reasons } }, input: { state: 'kept', text: '{}' } });
    const offPlan = [{ code: 'policy_denied' }, { code: 'off_plan' }];
    own.add({ event: { ...event, decision: { ...decision, reasons: offPlan } }, input: { state: 'kept', text: '{}' } });
    own.add({ event: { ...event, decision: { ...decision, id: null, reasons } }, input: { state: 'none' } });
    assert.deepEqual([own.report().recorded, own.report().refused_by_gate, own.report().decided], [2, 2, 0]);
  },
);

test(
  'a decision that asked for an approval, or for what could not be met, is what it was and no denial',
  part('opa'),
  async (t) => {
    const { trail, dataDir } = await openTrail(t);
    const demands = (write: string, cap: number) => `
decision := {"allow": true, "reasons": [], "obligations": obligations}

default obligations := {"max_tokens": {"value": ${cap}, "on_excess": "deny"}}

obligations := ${write} if input.call.effect == "write"
`;
    const approval = '{"approval": {"role": "lead", "ttl_seconds": 60, "reason": "money"}}';
    const policy = await candidateOf(t, bundleOf(demands(approval, 100)));
    const recording = new Recording(trail, policy);
    await recording.add({ call: refund(5), refusedLater: 'approval_required' });
    await recording.add({ call: read, refusedLater: 'policy_denied' });
    await trail.events({}, { limit: 1 });
    const same = replayed(dataDir, policy);
    assert.deepEqual([same.decided, same.changed], [2, 0]);
    const report = replayed(dataDir, await candidateOf(t, bundleOf(demands('{}', 200))));
    assert.deepEqual(
      report.groups.map(({ change, rules: from }) => [change, from]),
      [
        ['approval_to_allow', ['obligation:approval']],
        ['obligations', ['obligation:max_tokens']],
      ],
    );
  },
);

test(
  'decisions on redacted values are counted, and so are those that other values would turn',
  part('opa'),
  async (t) => {
    const { trail, dataDir } = await openTrail(t);
    const reading = `
decision := {"allow": count(deny) == 0, "reasons": [reason | some reason in deny]}

deny contains {"code": "to_a_stranger", "message": "Not this one."} if input.call.arguments.body.note == "jane@example.com"
`;
    const policy = await candidateOf(t, bundleOf(reading));
    const recording = new Recording(trail, policy);
    await recording.add({ call: refund(5, 'jane@example.com') });
    await recording.add({ call: refund(5, 'write to john@example.com') });
    await recording.add({ call: refund(5, 'nobody [in brackets]') });
    await trail.events({}, { limit: 1 });
    const same = replayed(dataDir, policy);
    // The address that the rule asks for is not in the record: the flip is found, and known to be doubtful.
    assert.deepEqual([same.changed, same.changed_on_redacted, same.groups[0]?.redacted], [1, 1, 1]);
    assert.deepEqual(same.uncertain.redacted, { decided: 2, sensitive: 0 });
    assert.deepEqual(same.same_revision, { decided: 1, changed: 0 });
    const marked = await candidateOf(t, bundleOf(reading.replace('jane@example.com', '[email]')));
    assert.deepEqual(replayed(dataDir, marked).uncertain.redacted, { decided: 2, sensitive: 1 });
  },
);

test('what was erased, cut, of another version or never kept is counted and never decided', part('opa'), async (t) => {
  const { trail, dataDir } = await openTrail(t, { config: { ...auditConfig, payload_bytes: 4096 } });
  const policy = await candidateOf(t, bundleOf(rules(100)));
  const recording = new Recording(trail, policy);
  const erased = 'task_00000000000000000000000009' as TaskId;
  await recording.add({ call: refund(5), taskId: erased });
  await recording.add({ call: refund(5, 'long '.repeat(2000)) });
  await recording.add({ call: refund(5) });
  assert.equal(await trail.eraseTask(erased), true);
  const replay = new Replay(policy);
  const { uncertain } = replayed(dataDir, policy);
  assert.deepEqual([uncertain.erased, uncertain.cut, uncertain.undecided_rate], [1, 1, 2 / 3]);

  const event = {
    seq: 1,
    attempts: [],
    type: 'intent',
    id: 'evt_1',
    time: '',
    task: 't',
    call: 'c',
    agent: 'a',
    issuer: 'i',
    operation: 'o',
  };
  const decided = { id: 'dec_1', allow: true, reasons: [], obligations: {}, revision: 'r' };
  const texts = ['{}', '[]', 'no json', '{"phase":"call","agent":{}}', '{"phase":"other"}'];
  for (const text of texts) replay.add({ event: { ...event, decision: decided }, input: { state: 'kept', text } });
  replay.add({ event: { ...event, decision: decided }, input: { state: 'none' } });
  const report = replay.report();
  assert.deepEqual([report.decided, report.uncertain.other_shape, report.uncertain.not_recorded], [0, 5, 1]);
  assert.equal(report.uncertain.undecided_rate, 1);
  assert.match(report.uncertain.problems.map(({ problem }) => problem).join(), /required property/);
});

test('a candidate that throws or is undefined would deny', part('opa'), async (t) => {
  const { trail, dataDir } = await openTrail(t);
  const recording = new Recording(trail, await candidateOf(t, bundleOf(rules(100))));
  await recording.add({ call: refund(5) });
  await trail.events({}, { limit: 1 });
  const undecided = await candidateOf(
    t,
    bundleOf('decision := {"allow": true, "reasons": []} if input.call.id == "x"'),
  );
  assert.deepEqual(replayed(dataDir, undecided).by_rule, [{ name: 'policy_undefined', count: 1 }]);
  const demanding = 'decision := {"allow": true, "reasons": [], "obligations": {"fly": {}}}';
  assert.deepEqual(replayed(dataDir, await candidateOf(t, bundleOf(demanding))).by_rule, [
    { name: 'obligation_unknown', count: 1 },
  ]);
});

test('the shipped policies, replayed over what they decided, change nothing', part('opa'), async (t) => {
  const { trail, dataDir } = await openTrail(t);
  const policy = await candidateAt(shippedPolicies);
  const recording = new Recording(trail, policy);
  const random = seeded(3);
  for (let index = 0; index < 200; index++) {
    const customer = random() < 0.7 ? 'C' : 'D';
    const body = { customer_id: customer, amount_cents: Math.floor(random() * 15_000) };
    const call = random() < 0.5 ? { ...refund(0), arguments: { path: {}, body } } : random() < 0.5 ? read : deletion;
    await recording.add({ call });
  }
  await trail.events({}, { limit: 1 });
  const report = replayed(dataDir, policy);
  assert.deepEqual([report.decided, report.changed, report.same_revision.decided], [200, 0, 200]);
});
