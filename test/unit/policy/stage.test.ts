import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Decision, DecisionFact, Json, JsonObject, Obligations } from '../../../src/call.ts';
import type { DecisionId } from '../../../src/clock.ts';
import { Denial } from '../../../src/denial.ts';
import {
  type Decider,
  decideAnswer,
  decideStage,
  denyAnswer,
  enforceStage,
  isDecision,
} from '../../../src/policy/stage.ts';
import { judge } from '../../../src/stage.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { shippedPolicies } from './bundles.ts';
import { gateway, judgedCall, record } from './calls.ts';
import { policySetOn } from './sets.ts';

function decisionWith(changes: Partial<Decision> = {}): Decision {
  return {
    id: 'dec_1' as DecisionId,
    allow: true,
    reasons: [],
    obligations: {},
    bundle: 'policies',
    revision: 'r1',
    input: {},
    ...changes,
  };
}

const enforce = (decision: Decision, tools: readonly string[] | null = null) =>
  enforceStage().admit({ decision, entry: judgedCall({ record: { tools } }).entry });

test('the decision is made on the arguments, by the shipped policy, and keeps its input', async (t) => {
  const { policies } = await policySetOn(t, shippedPolicies);
  await policies.open();
  const stage = decideStage(policies, { gateway, clock: new ManualClock() });
  const own = (await stage.admit(judgedCall())) as DecisionFact;
  assert.equal(own.decision.allow, true);
  assert.ok(judge(stage, own), 'the guard accepts a real decision');
  assert.equal((own.decision.input.call as JsonObject).operation, 'refunds.create_refund');
  const args = { body: { customer_id: 'C', amount_cents: 11_001 } };
  const over = (await stage.admit(judgedCall({ payload: { args } }))) as DecisionFact;
  assert.deepEqual(
    over.decision.reasons.map(({ code }) => code),
    ['refund_over_limit', 'refund_sum_over_limit'],
  );
  assert.match(over.decision.reasons[1]?.message ?? '', /4000 are spent, 11000 are left, and this call asks for 11001/);
});

test('a call off the toolset is refused with a decision of its own, before the policy is asked', async (t) => {
  const { policies } = await policySetOn(t, shippedPolicies);
  await policies.open();
  const panel = policies.panel(record);
  const decide = () => {
    throw new Error('the policy was asked');
  };
  const watched: Decider = { prepare: () => undefined, panel: () => ({ ...panel, decide }) };
  const stage = decideStage(watched, { gateway, clock: new ManualClock() });
  const call = judgedCall({ record: { tools: ['orders.*'] } });
  const given = (await stage.admit(call)) as DecisionFact;
  assert.ok(judge(stage, given));
  assert.match(given.decision.id, /^dec_/);
  assert.deepEqual(given.decision.reasons, [
    { code: 'not_in_task', message: 'refunds.create_refund is not one of the tools of this task.' },
  ]);
  const denial = enforceStage().admit({ ...call, ...given });
  assert.ok(denial instanceof Denial);
  assert.equal(denial.code, 'policy_denied');
  assert.deepEqual(denial.details.allowed, ['orders.*']);
});

test('a call off the plan is refused before the policy is asked, and told what the plan lets go next', async (t) => {
  const { policies } = await policySetOn(t, shippedPolicies);
  await policies.open();
  const panel = policies.panel(record);
  const decide = () => {
    throw new Error('the policy was asked');
  };
  const watched: Decider = { prepare: () => undefined, panel: () => ({ ...panel, decide }) };
  const stage = decideStage(watched, { gateway, clock: new ManualClock() });
  const plan = [
    { operation: 'orders.*' },
    { operation: 'vendor.get_article' },
    { operation: 'refunds.create_refund', atMost: 1 },
  ];
  const call = judgedCall({ record: { plan } });
  const given = (await stage.admit(call)) as DecisionFact;
  assert.ok(judge(stage, given));
  assert.deepEqual(given.decision.reasons, [
    {
      code: 'off_plan',
      message: 'The plan of this task has refunds.create_refund at most 1 times, and that is done.',
    },
  ]);
  const denial = enforceStage().admit({ ...call, ...given });
  assert.ok(denial instanceof Denial);
  assert.equal(denial.code, 'policy_denied');
  assert.deepEqual(denial.details.allowed, ['orders.*'], 'the vendor is on the plan, and not a tool of the task');
});

test('without a policy the stage throws, and its fault is policy_unavailable', async (t) => {
  const { policies } = await policySetOn(t, shippedPolicies);
  const stage = decideStage(policies, { gateway, clock: new ManualClock() });
  assert.throws(() => stage.admit(judgedCall()), /no policy is in force/);
  assert.equal(stage.fault, 'policy_unavailable');
});

test('only a decision that allows exactly is admitted', () => {
  assert.deepEqual(enforce(decisionWith()), { allowed: true });
  for (const allow of [false, undefined, null, 1, 'true', {}]) {
    const denial = enforce(decisionWith({ allow: allow as boolean, reasons: [{ code: 'no', message: 'Because.' }] }));
    assert.ok(denial instanceof Denial, String(allow));
    assert.equal(denial.code, 'policy_denied');
    assert.equal(denial.message, 'The policy does not allow this call: Because.');
    assert.deepEqual(denial.reasons, [{ code: 'no', message: 'Because.' }]);
    assert.equal(denial.details.allowed, undefined);
  }
});

test('a call that needs an approval is denied until there is one, and a denial beats an approval', () => {
  const obligations: Obligations = { approval: { role: 'lead', ttl_seconds: 60, reason: 'It is a large refund.' } };
  const waiting = enforce(decisionWith({ obligations }));
  assert.ok(waiting instanceof Denial);
  assert.equal(waiting.code, 'approval_required');
  const refused = enforce(decisionWith({ allow: false, obligations }));
  assert.ok(refused instanceof Denial);
  assert.equal(refused.code, 'policy_denied');
});

test('the guards refuse garbage in place of a decision', () => {
  assert.ok(isDecision(decisionWith()));
  const { input: _, ...withoutInput } = decisionWith();
  const garbage = [
    undefined,
    null,
    true,
    'allow',
    [],
    {},
    { allow: true },
    withoutInput,
    decisionWith({ id: 'call_1' as unknown as DecisionId }),
    decisionWith({ allow: 'true' as unknown as boolean }),
    decisionWith({ reasons: 'fine' as never }),
    decisionWith({ reasons: [null] as never }),
    decisionWith({ reasons: [{ code: 'x' }] as never }),
    decisionWith({ obligations: null as never }),
    decisionWith({ obligations: [] as never }),
    decisionWith({ obligations: { watermark: true } as never }),
    decisionWith({ revision: 1 as never }),
    decisionWith({ input: [] as never }),
  ];
  for (const value of garbage) assert.equal(isDecision(value), false, JSON.stringify(value));
  for (const value of [false, undefined, 'true', {}]) {
    assert.equal(judge(enforceStage(), { allowed: value }), undefined, JSON.stringify(value));
  }
});

const deps = { gateway, clock: new ManualClock() };
const answered = (status: number, body: Json) => ({ head: { status, headers: {} }, body, findings: [] });

test('an answer is decided on the input of its call', async (t) => {
  const { policies } = await policySetOn(t, shippedPolicies);
  await policies.open();
  const stage = decideStage(policies, { gateway, clock: new ManualClock() });
  const given = (await stage.admit(judgedCall())) as DecisionFact;
  const decision = decideAnswer(policies, { ...judgedCall(), ...given }, answered(201, { id: 'R-1' }), deps);
  assert.equal(decision.allow, true);
  assert.notEqual(decision.id, given.decision.id);
  assert.deepEqual(decision.obligations.redact?.[0], { type: 'card' });
  assert.equal(denyAnswer(decision), undefined);
  const refused = decideAnswer(policies, { ...judgedCall(), ...given }, answered(9_999, null), deps);
  assert.equal(denyAnswer(refused)?.code, 'policy_denied');
  assert.equal(denyAnswer(refused)?.reasons[0]?.code, 'input_invalid');
});
