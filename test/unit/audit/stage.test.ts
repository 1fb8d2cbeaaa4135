import assert from 'node:assert/strict';
import { test } from 'node:test';
import { denialCodeOf } from '../../../src/audit/event.ts';
import { Sampler } from '../../../src/audit/sampler.ts';
import {
  intentStage,
  proposalStage,
  recordOutcome,
  recordRefusedRequest,
  recordReportedThought,
  recordRest,
  recordTask,
} from '../../../src/audit/stage.ts';
import type { AuditTrail } from '../../../src/audit/trail.ts';
import type { Json, Underway } from '../../../src/call.ts';
import { newId, type ThoughtId } from '../../../src/clock.ts';
import { deny, isDenial } from '../../../src/denial.ts';
import { judge, Ladder } from '../../../src/stage.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { fakeAgent, fakeOperation, fakeOutcome, fakeTask } from '../../fakes/task.ts';
import { auditConfig, decision, intendedCall, openTrail, target } from './fixture.ts';
import { ScriptedSink } from './scripted-sink.ts';

const clock = new ManualClock(undefined, 77);
const { durability } = auditConfig;
// Stands for the inspection room: what it would take out is marked in these tests.
const redact = (value: Json): Json => JSON.parse(JSON.stringify(value).replaceAll('anna@example.com', '[email]'));
const settings = () => ({ redact, sampler: new Sampler(clock, 10) });

async function admitted(trail: AuditTrail, call: ReturnType<typeof intendedCall>) {
  const given = await intentStage(trail, { durability, redact }).admit(call);
  assert.ok(!isDenial(given));
  return { ...call, ...given };
}

test('an allowed call has an intent with decision, commitments and planned target, and an outcome bound to it', async (t) => {
  const { trail } = await openTrail(t);
  const record = fakeTask();
  const thought = { id: newId(clock, 'thought'), source: 'observed', match: 'exact', toolCallId: 'call_x' } as const;
  const call = await admitted(
    trail,
    intendedCall(clock, {
      record,
      thought,
      proposed: { note: 'anna@example.com' },
      sent: { note: '[email]' },
      over: { obeyed: { changed: true, unhandled: [{ type: 'phone', count: 3, where: '/x', confidence: 1 }] } },
    }),
  );
  const attempts = [{ target: 'aws-fra', status: 200, error: null, latencyMs: 12.34567, sent: true }];
  const outcome = fakeOutcome({ target, attempts, costMicroUsd: 5_400, latencyMs: 20, overheadMs: 2.5 });
  await recordOutcome(trail, call, outcome, settings());

  const [intent, ended, ...more] = (await trail.events({ task: record.id })).events;
  assert.ok(intent !== undefined && ended !== undefined && more.length === 0);
  assert.deepEqual([intent.type, ended.type, intent.id], ['intent', 'outcome', call.intent.eventId]);
  assert.equal(ended.intent_hash, intent.hash);
  assert.deepEqual(
    [intent.agent, intent.issuer, intent.tenant, intent.subject?.id, intent.subject?.assurance],
    ['coordinator', 'azure', 'acme', 'C-1', 'asserted'],
  );
  assert.deepEqual([intent.thought, intent.match], [thought.id, 'exact']);
  assert.deepEqual([intent.operation, intent.effect], ['refunds.create_refund', 'write']);
  assert.deepEqual(intent.target, { route: 'orders', name: 'aws-fra', cloud: 'aws', region: 'eu-central-1' });
  assert.deepEqual([intent.decision?.allow, intent.decision?.revision], [true, 'r1']);
  assert.deepEqual(
    intent.decision?.reasons.map(({ code, count }) => [code, count]),
    [
      ['within_limit', undefined],
      ['findings_unhandled', 3],
    ],
  );
  assert.match(intent.proposed_commitment ?? '', /^[0-9a-f]{64}$/);
  assert.match(intent.sent_commitment ?? '', /^[0-9a-f]{64}$/);
  assert.notEqual(intent.proposed_commitment, intent.sent_commitment);
  assert.deepEqual([ended.status, ended.cost_usd, ended.latency_ms, ended.overhead_ms], [200, 0.0054, 20, 2.5]);
  assert.equal(ended.attempts[0]?.latency_ms, 12.346);
  assert.equal(denialCodeOf(ended), null);
  assert.equal(JSON.stringify([intent, ended]).includes('anna@'), false);

  const { payloads } = await trail.payloads({ task: record.id, call: call.id });
  assert.deepEqual(
    payloads.map(({ kind, text }) => [kind, JSON.parse(text)]),
    [
      ['arguments', { body: { amount_cents: 1999 } }],
      [
        'policy_input',
        {
          // Of a call what tells its place in the task's history; no policy saw it.
          remembered: { kind: 'tool', at_ms: call.receivedAtMs, entered: 0, facts: {} },
          phase: 'call',
          agent: { id: 'coordinator' },
        },
      ],
    ],
  );
});

test('what nothing changed has one commitment twice', async (t) => {
  const { trail } = await openTrail(t);
  await admitted(trail, intendedCall(clock));
  const [intent] = (await trail.events({})).events;
  assert.equal(intent?.proposed_commitment, intent?.sent_commitment);
});

test('writes, deletes and model calls wait for the disk; reads wait only where the config says strict', async (t) => {
  const waits = async (over: Parameters<typeof fakeOperation>[1], read: 'relaxed' | 'strict') => {
    const sink = new ScriptedSink();
    const { promise, resolve } = Promise.withResolvers<void>();
    sink.gate = promise;
    const { trail } = await openTrail(t, { sink });
    const call = intendedCall(clock, { operation: fakeOperation('orders.op', over) });
    let given = false;
    const admitting = Promise.resolve(
      intentStage(trail, { durability: { read, write: 'strict' }, redact }).admit(call),
    ).then(() => {
      given = true;
    });
    await clock.advance(0);
    const before = given;
    resolve();
    await admitting;
    return !before;
  };
  assert.equal(await waits({ effect: 'read' }, 'relaxed'), false);
  assert.equal(await waits({ effect: 'read' }, 'strict'), true);
  assert.equal(await waits({ effect: 'write' }, 'relaxed'), true);
  assert.equal(await waits({ effect: 'delete' }, 'relaxed'), true);
  assert.equal(await waits({ effect: 'read', kind: 'model' }, 'relaxed'), true);
});

test('a call that cannot be recorded is denied, reads too once the trail is known to fail', async (t) => {
  const sink = new ScriptedSink();
  sink.failing = true;
  const { trail } = await openTrail(t, { sink });
  const stage = intentStage(trail, { durability, redact });
  for (const effect of ['write', 'read'] as const) {
    const given = await stage.admit(intendedCall(clock, { operation: fakeOperation('orders.op', { effect }) }));
    assert.ok(isDenial(given));
    assert.equal(given.code, 'audit_unavailable');
  }
  assert.equal(trail.healthy(), false);
});

test('a denied call has one denial event, with the gate’s code first and the policy’s decision named', async (t) => {
  const { trail } = await openTrail(t);
  const said = decision(clock, { allow: true });
  const call: Underway = intendedCall(clock, { over: { decision: said } });
  const denial = deny('task_budget_exhausted', 'The budget is spent.', {
    reasons: [{ code: 'cost', message: 'Nothing is left.' }],
  });
  await recordOutcome(trail, call, fakeOutcome({ denial, status: 402 }), settings());
  const { events } = await trail.events({});
  assert.equal(events.length, 1);
  const [event] = events;
  assert.deepEqual([event?.type, event?.status, event?.cost_usd], ['denial', 402, 0]);
  assert.deepEqual(
    event?.decision?.reasons.map(({ code }) => code),
    ['task_budget_exhausted', 'cost'],
  );
  assert.deepEqual([event?.decision?.allow, event?.decision?.id], [false, said.id]);
  assert.match(event?.proposed_commitment ?? '', /^[0-9a-f]{64}$/);
  assert.equal(event?.sent_commitment, null);
  assert.equal((await trail.events({ code: 'task_budget_exhausted', decision: 'deny' })).events.length, 1);
});

test('a call denied after its intent keeps the intent, and its outcome carries the code', async (t) => {
  const { trail } = await openTrail(t);
  const call = await admitted(trail, intendedCall(clock));
  const denial = deny('upstream_timeout', 'The target did not answer in time.');
  await recordOutcome(trail, call, fakeOutcome({ denial, status: 504 }), settings());
  const { events } = await trail.events({});
  assert.deepEqual(
    events.map(({ type }) => type),
    ['intent', 'outcome'],
  );
  assert.equal(denialCodeOf(events[1] as never), 'upstream_timeout');
  assert.equal((await trail.events({ code: 'upstream_timeout' })).events.length, 1);
});

test('what a model said is a thought of its own, its text and proposals apart from the event and redacted', async (t) => {
  const { trail } = await openTrail(t);
  const record = fakeTask();
  const model = fakeOperation('gpt-4.1.chat', { kind: 'model', effect: 'write' });
  const call = await admitted(trail, intendedCall(clock, { record, operation: model }));
  const thoughtId = newId(clock, 'thought');
  const outcome = fakeOutcome({
    usage: { inputTokens: 10, outputTokens: 5, cachedInputTokens: 0 },
    text: 'I write to anna@example.com.',
    proposals: [{ id: 'call_1', name: 'refunds', arguments: '{}' }],
    thoughtId,
  });
  await recordOutcome(trail, call, outcome, settings());
  const { events } = await trail.events({});
  assert.deepEqual(
    events.map(({ type, thought, match, call: id }) => [type, thought, match, id]),
    [
      ['intent', null, null, call.id],
      ['outcome', null, null, call.id],
      ['thought', thoughtId, 'observed', call.id],
    ],
  );
  assert.deepEqual(events[1]?.usage, { input_tokens: 10, output_tokens: 5, cached_input_tokens: 0 });
  const { payloads } = await trail.payloads({ task: record.id, kind: 'thought' });
  assert.deepEqual(JSON.parse(payloads[0]?.text ?? ''), {
    text: 'I write to [email].',
    tool_calls: [{ id: 'call_1', name: 'refunds', arguments: '{}' }],
  });
});

test('the text of an answer that is no thought is kept as answer', async (t) => {
  const { trail } = await openTrail(t);
  const call = await admitted(trail, intendedCall(clock));
  await recordOutcome(trail, call, fakeOutcome({ text: 'to anna@example.com' }), settings());
  const { payloads } = await trail.payloads({ task: call.task.record.id, kind: 'answer' });
  assert.deepEqual(
    payloads.map(({ text }) => text),
    ['"to [email]"'],
  );
});

test('a reported thought is marked so', async (t) => {
  const { trail } = await openTrail(t);
  const id = 'tht_1' as ThoughtId;
  await recordReportedThought(trail, { id, text: 'x', proposals: [] }, { record: fakeTask(), redact });
  const [event] = (await trail.events({ type: 'thought' })).events;
  assert.deepEqual([event?.thought, event?.match, event?.call], [id, 'reported', null]);
});

test('refusals of unknown callers are sampled and counted, those of known callers are all recorded', async (t) => {
  const { trail } = await openTrail(t);
  const sampler = new Sampler(clock, 3);
  const { caller: _, task: __, entry: ___, resolved: ____, decision: _____, ...stranger } = intendedCall(clock);
  const denial = deny('unauthenticated', 'The token is not accepted.');
  const outcome = fakeOutcome({ denial, status: 401 });
  for (let count = 0; count < 9; count++)
    await recordOutcome(trail, stranger as Underway, outcome, { redact, sampler });
  await recordRefusedRequest(trail, { id: null, trace: null, denial: deny('request_invalid', 'Not JSON.') }, sampler);
  const recorded = async () => (await trail.events({ type: 'denial' })).events;
  assert.equal((await recorded()).length, 3);

  const known = intendedCall(clock);
  for (let count = 0; count < 5; count++) {
    await recordOutcome(trail, known, fakeOutcome({ denial: deny('task_unknown', 'No.') }), { redact, sampler });
  }
  assert.equal((await recorded()).length, 8);

  await clock.advance(1_000);
  await recordRefusedRequest(trail, { id: null, trace: null, denial: deny('request_invalid', 'Not JSON.') }, sampler);
  const last = (await recorded()).at(-1);
  assert.deepEqual(
    last?.decision?.reasons.map(({ code, count }) => [code, count]),
    [
      ['request_invalid', undefined],
      ['not_recorded', 7],
    ],
  );
  assert.deepEqual([last?.agent, last?.task], [null, null]);
});

test('at the end of a gate the refusals that were only counted are written down', async (t) => {
  const { trail } = await openTrail(t);
  const sampler = new Sampler(clock, 1);
  await recordRest(trail, sampler);
  for (let turn = 0; turn < 4; turn++) sampler.take();
  await recordRest(trail, sampler);
  const { events } = await trail.events({});
  assert.deepEqual(
    events.map((event) => event.decision?.reasons.at(-1)?.count),
    [3],
  );
});

test('an intent that came too late is ended, so that it never looks like a call that runs', async (t) => {
  const { trail } = await openTrail(t);
  const call = intendedCall(clock);
  const stage = intentStage(trail, { durability, redact });
  const given = await stage.admit(call);
  assert.ok(!isDenial(given));
  await stage.late?.(call, given);
  const { events } = await trail.events({ call: call.id });
  assert.deepEqual(
    events.map(({ type, status }) => [type, status]),
    [
      ['intent', null],
      ['outcome', 503],
    ],
  );
});

test('a task’s life is recorded with what the policy said, and a refused task with who asked', async (t) => {
  const { trail } = await openTrail(t);
  const record = fakeTask();
  const said = decision(clock);
  await recordTask(
    trail,
    { record, operation: 'task.create', status: 201, decision: said, details: { purpose: 'x' } },
    redact,
  );
  const denial = deny('policy_denied', 'Not for this purpose.');
  const asked = { agent: fakeAgent, subject: record.subject, trace: null };
  await recordTask(trail, { asked, denial }, redact);
  const [made, refused] = (await trail.events({})).events;
  assert.deepEqual(
    [made?.type, made?.operation, made?.task, made?.task_seq, made?.status],
    ['task', 'task.create', record.id, 1, 201],
  );
  assert.equal(made?.decision?.id, said.id);
  assert.deepEqual([refused?.type, refused?.agent, refused?.task], ['denial', 'coordinator', null]);
  assert.equal(denialCodeOf(refused as never), 'policy_denied');
  assert.deepEqual(
    (await trail.payloads({ task: record.id })).payloads.map(({ kind }) => kind),
    ['arguments', 'policy_input'],
  );
});

test('what an agent wrote into labels and plan is redacted in the kept policy input, and in what it got of them', async (t) => {
  const { trail } = await openTrail(t);
  const plan = [{ operation: 'mail.send', where: { 'body.to': 'anna@example.com' } }];
  const record = fakeTask({ labels: { owner: 'anna@example.com' }, plan });
  const input = { phase: 'task', task: { purpose: 'x', labels: { for: 'anna@example.com' }, plan } };
  const said = decision(clock, { input });
  await recordTask(trail, { record, operation: 'task.create', status: 201, decision: said }, redact);
  const [kept] = (await trail.payloads({ task: record.id, kind: 'policy_input' })).payloads;
  const remembered = { labels: record.labels, plan };
  assert.deepEqual(JSON.parse(kept?.text ?? ''), redact({ remembered, ...input } as Json));
});

test('the stages give what their guards accept, and stand on a ladder in their order', async (t) => {
  const { trail } = await openTrail(t);
  const proposal = proposalStage();
  const intent = intentStage(trail, { durability, redact });
  const call = { ...intendedCall(clock, { sent: { b: 1, a: 2 } }), recalled: { items: 0 } };
  const proposed = await proposal.admit(call);
  assert.deepEqual(judge(proposal, proposed), {
    proposed: { canonical: '{"a":2,"b":1}', args: { body: { amount_cents: 1999 } } },
  });
  assert.ok(judge(intent, await intent.admit(call)));
  for (const garbage of [{}, { intent: null }, { intent: { eventId: '' } }, { proposed: {} }]) {
    assert.equal(judge(intent, garbage), undefined);
    assert.equal(judge(proposal, garbage), undefined);
  }
  type Before = Omit<typeof call, 'proposed'>;
  assert.equal(Ladder.from<Before>().rung(proposal).rung(intent).stages.length, 2);
  // @ts-expect-error: without the proposal there is nothing to commit to
  Ladder.from<Before>().rung(intent);
});
