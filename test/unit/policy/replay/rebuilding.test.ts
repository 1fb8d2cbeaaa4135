/** Inputs put back together out of a trail: whatever overlapped, exactly; and never a guess where something is gone. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { RecordedTrail } from '../../../../src/audit/recorded.ts';
import { Sampler } from '../../../../src/audit/sampler.ts';
import { storeFiles } from '../../../../src/audit/sinks/sqlite-schema.ts';
import { intentStage, type Recorder, recordOutcome } from '../../../../src/audit/stage.ts';
import type { AuditTrail } from '../../../../src/audit/trail.ts';
import type { Json, JsonObject, Outcome, Payload, TaskRecord } from '../../../../src/call.ts';
import type { TaskId } from '../../../../src/clock.ts';
import { deny } from '../../../../src/denial.ts';
import { unsentOutcome } from '../../../../src/outcome.ts';
import { callInput } from '../../../../src/policy/input.ts';
import { inputParts, type LeftOut, wholeInput } from '../../../../src/policy/input-parts.ts';
import { type Archive, Rebuilding } from '../../../../src/policy/replay/rebuilding.ts';
import { Replay } from '../../../../src/policy/replay/replay.ts';
import { endHistory, enterHistory } from '../../../../src/task/history.ts';
import { ManualClock } from '../../../fakes/clock.ts';
import { fakeOperation, fakeOutcome, fakeTask } from '../../../fakes/task.ts';
import { part } from '../../../parts.ts';
import { auditConfig, intendedCall, openTrail, target } from '../../audit/fixture.ts';
import { seeded } from '../../wire/request.ts';
import { bundleOf } from '../bundles.ts';
import { candidateOf } from './trail.ts';

const everything: LeftOut = new Set(inputParts);
const gateway = { id: 'gate-1', cloud: 'azure', region: 'westeurope' };
const redact = (value: Json): Json => value;
const operations = ['refunds.create_refund', 'orders.get_order', 'mail.send'].map((name) =>
  fakeOperation(name, { effect: name === 'orders.get_order' ? 'read' : 'write' }),
);

type Intended = ReturnType<typeof intendedCall>;

/** Tasks whose calls overlap as a seed says: when each enters, is written down, ends, and has its end written down. */
class Bustle {
  readonly clock = new ManualClock(undefined, 5);
  /** What the input of each call would have been, built of its task as it was. */
  readonly inputs = new Map<string, JsonObject>();
  readonly #random: () => number;
  readonly #trail: Recorder;
  readonly #sampler = new Sampler(this.clock, 10);
  readonly #records = new Map<string, TaskRecord>();
  readonly #running: { call: Intended; sent: boolean; outcome: Outcome | null; ended: boolean }[] = [];

  constructor(trail: AuditTrail, seed: number) {
    // Thousands of commits, one after the other, would test the disk.
    this.#trail = { append: (event, options) => trail.append(event, { ...options, durable: false }) };
    this.#random = seeded(seed);
  }

  async run(calls: number, taskOf: (random: number) => TaskId): Promise<void> {
    let entered = 0;
    while (entered < calls || this.#running.length > 0) {
      const room = this.#running.length < 6 && entered < calls;
      if (room && this.#random() < 0.5) {
        this.#enter(taskOf(this.#random()));
        entered += 1;
      } else await this.#goOn(Math.floor(this.#random() * this.#running.length));
      if (this.#random() < 0.2) await this.clock.advance(Math.floor(this.#random() * 50));
    }
  }

  #enter(id: TaskId): void {
    const before = this.#records.get(id) ?? fakeTask({ id });
    const operation = operations[Math.floor(this.#random() * operations.length)] as (typeof operations)[number];
    const amount = Math.floor(this.#random() * 1000);
    const facts: JsonObject = this.#random() < 0.7 ? { 'body.amount_cents': amount, 'body.note': `n${amount}` } : {};
    const view = { record: before, spent: before.budget, reserved: before.budget, remaining: before.budget };
    const entry = { thought: null, repeats: 0, task: view, facts };
    const base = intendedCall(this.clock, { operation, record: before, over: { entry } });
    const args = { path: { order: 'C-1' }, body: { amount_cents: amount } };
    const payload: Payload = { ...base.resolved.payload, args };
    const call = { ...base, resolved: { operation, payload } };
    const nowMs = this.clock.nowMs();
    this.inputs.set(call.id, JSON.parse(JSON.stringify(callInput(call, gateway, nowMs))) as JsonObject);
    const input = callInput(call, gateway, nowMs, everything);
    const decision = { ...base.decision, obligations: {}, reasons: [], input, leftOut: [...inputParts].sort() };
    const kept = { callId: call.id, kind: operation.kind, operation: operation.name, effect: operation.effect };
    const history = {
      ...kept,
      state: 'pending',
      atMs: call.receivedAtMs,
      costMicroUsd: 0,
      target: null,
      facts,
    } as const;
    this.#records.set(id, enterHistory(before, { ...history, digest: 'd' }, 200));
    this.#running.push({ call: { ...call, decision }, sent: false, outcome: null, ended: false });
  }

  /** One step of one call: its intent, then its end in the task and its end in the trail, in either order. */
  async #goOn(index: number): Promise<void> {
    const running = this.#running[index];
    if (running === undefined) return;
    const { call } = running;
    if (running.outcome === null && !running.sent) {
      if (this.#random() < 0.15) running.outcome = unsentOutcome(deny('budget_exhausted', 'All is spent.'));
      else {
        const stage = intentStage(this.#trail, { durability: { read: 'relaxed', write: 'strict' }, redact });
        running.call = { ...call, ...((await stage.admit(call)) as object) };
        running.sent = true;
        return;
      }
    }
    running.outcome ??= this.#outcome();
    const { outcome } = running;
    if (!running.ended && this.#random() < 0.6) {
      this.#end(call, outcome);
      running.ended = true;
      return;
    }
    this.#running.splice(index, 1);
    await recordOutcome(this.#trail, running.call, outcome, { redact, sampler: this.#sampler });
    if (!running.ended) this.#end(call, outcome);
  }

  #end({ id: callId, task, entry, resolved }: Intended, outcome: Outcome): void {
    const record = this.#records.get(task.record.id) as TaskRecord;
    const { name: operation, route } = resolved.operation;
    const ending = { callId, operation, route, facts: entry.facts, outcome, atMs: this.clock.nowMs() };
    this.#records.set(record.id, endHistory(record, ending));
  }

  #outcome(): Outcome {
    const kind = this.#random();
    const status = kind < 0.6 ? 200 : kind < 0.75 ? 404 : kind < 0.9 ? 503 : null;
    const attempts = [{ target: target.name, status, error: null, latencyMs: 1, sent: true }];
    const costMicroUsd = Math.floor(this.#random() * 5000);
    const denial = status === null ? deny('upstream_timeout', 'Nothing came.') : null;
    return fakeOutcome({
      attempts,
      status: status ?? 504,
      costMicroUsd,
      denial,
      target: status === null ? null : target,
    });
  }
}

async function bustling(t: TestContext, calls: number, taskOf: (random: number) => TaskId, seed = 11) {
  const config = { ...auditConfig, sign_every: 1000, queue_events: 50_000 };
  const { trail, dataDir } = await openTrail(t, { config });
  const bustle = new Bustle(trail, seed);
  await bustle.run(calls, taskOf);
  await trail.events({}, { limit: 1 });
  return { trail, dataDir, inputs: bustle.inputs };
}

const taskId = (number: number) => `task_${String(number).padStart(26, '0')}` as TaskId;
/** What tasks got is told when they are opened, and these never were. */
const notTold = ['agent.claims', 'subject.claims', 'task.labels', 'task.plan'];
const asked = new Set(inputParts.filter((name) => notTold.includes(name)));

const whatIsTold = ({ agent, subject, task, ...input }: Record<string, Json>): JsonObject => {
  const without = (of: Json | undefined, ...names: string[]) =>
    Object.fromEntries(Object.entries(of as JsonObject).filter(([name]) => !names.includes(name)));
  const parts = { agent: without(agent, 'claims'), subject: without(subject, 'claims') };
  return JSON.parse(JSON.stringify({ ...input, ...parts, task: without(task, 'labels', 'plan') })) as JsonObject;
};

test('history and counts come out as they were, however calls of a task overlapped', async (t) => {
  for (const seed of [1, 2, 3]) {
    const { dataDir, inputs } = await bustling(t, 700, (random) => taskId(Math.floor(random * 4)), seed);
    using trail = new RecordedTrail(dataDir);
    const rebuilding = new Rebuilding(trail, asked);
    let compared = 0;
    let pending = 0;
    for (const { event, input } of [...trail.pages({ fromMs: 0, types: ['intent', 'denial'] })].flat()) {
      assert.ok(input.state === 'kept');
      const rebuilt = rebuilding.input(event, input.text);
      assert.deepEqual(rebuilt?.missing, []);
      const expected = inputs.get(event.call ?? '') as JsonObject;
      assert.deepEqual(whatIsTold(rebuilt?.document as Record<string, Json>), whatIsTold({ ...expected }));
      compared += 1;
      pending += Number(JSON.stringify(expected).includes('"pending"'));
    }
    assert.equal(compared, inputs.size);
    assert.ok(pending > 300, String(pending));
  }
});

test('what rests on a call that is gone is missing, and nothing else', async (t) => {
  const { dataDir, inputs } = await bustling(t, 200, () => taskId(1));
  const database = new DatabaseSync(storeFiles(dataDir).database);
  // As on a store of several gateways, each of which has a trail of its own.
  const gone = database.prepare("SELECT seq FROM events WHERE type = 'intent' LIMIT 1 OFFSET 60").get() as {
    seq: number;
  };
  database.prepare('DELETE FROM payloads WHERE seq = ?').run(gone.seq);
  database.close();
  using trail = new RecordedTrail(dataDir);
  const rebuilding = new Rebuilding(trail, asked);
  const missing = new Map<string, readonly string[]>();
  for (const { event, input } of [...trail.pages({ fromMs: 0, types: ['intent', 'denial'] })].flat()) {
    if (input.state !== 'kept') continue;
    const rebuilt = rebuilding.input(event, input.text);
    assert.ok(rebuilt !== null);
    missing.set(event.call ?? '', rebuilt.missing);
    for (const part of ['history', 'counts']) {
      if (rebuilt.missing.includes(`task.${part}`)) continue;
      const whole = inputs.get(event.call ?? '') as { task: JsonObject };
      const expected = whole.task[part];
      assert.deepEqual((rebuilt.document.task as JsonObject)[part], expected);
    }
  }
  const counted = [...missing.values()].map((names) => names.join());
  assert.deepEqual([...new Set(counted)].sort(), ['', 'task.counts', 'task.counts,task.history']);
  assert.equal(counted.filter((names) => names.includes('task.history')).length, 50);
});

test(
  '[policy.replay-rebuilds] ten thousand calls that were recorded without what a candidate asks for are decided again within ten seconds',
  part('opa'),
  async (t) => {
    const calls = 10_000;
    const { dataDir, inputs } = await bustling(t, calls, (random) =>
      taskId(random < 0.3 ? 0 : Math.floor(random * 500)),
    );
    const rules = `
decision := {"allow": count(deny) == 0, "reasons": [reason | some reason in deny]}

deny contains {"code": "sum_over_limit", "message": "Too much."} if {
	spent := object.get(input.task.counts, [input.call.operation, "sums", "body.amount_cents"], 0)
	spent + input.call.arguments.body.amount_cents > 2000
}

deny contains {"code": "failing", "message": "It fails."} if {
	failed := [entry | some entry in input.task.history; entry.state == "failed"]
	count(failed) > 5
	input.call.effect == "write"
}
`;
    const candidate = await candidateOf(t, bundleOf(rules));
    const expected = [...inputs.values()].filter((input) => {
      const { task, call } = input as {
        task: { counts: Record<string, { sums: Record<string, number> }>; history: { state: string }[] };
        call: { operation: string; effect: string; arguments: { body: { amount_cents: number } } };
      };
      const spent = task.counts[call.operation]?.sums['body.amount_cents'] ?? 0;
      const failed = task.history.filter(({ state }) => state === 'failed').length;
      return spent + call.arguments.body.amount_cents > 2000 || (failed > 5 && call.effect === 'write');
    });
    const startMs = performance.now();
    const before = process.cpuUsage();
    using trail = new RecordedTrail(dataDir);
    const replay = new Replay(candidate, trail);
    for (const page of trail.pages({ fromMs: 0, types: ['intent', 'outcome', 'denial', 'task'] })) {
      for (const decision of page) replay.add(decision);
    }
    const tookMs = performance.now() - startMs;
    // What it costs, not how long others had the machine.
    const { user, system } = process.cpuUsage(before);
    const cpuMs = (user + system) / 1000;
    const report = replay.report();
    assert.deepEqual([report.decided_calls, report.rebuilt, report.uncertain.left_out], [calls, calls, {}]);
    assert.deepEqual(
      [report.by_change, expected.length > 1000],
      [[{ name: 'allow_to_deny', count: expected.length }], true],
    );
    assert.ok(cpuMs < 10_000, `${cpuMs} ms`);
    t.diagnostic(`${calls} calls in ${Math.round(tookMs)} ms (${Math.round(cpuMs)} of CPU), ${report.changed} flips`);
  },
);

test('a document of a newer gate that left out what this one does not know is never decided', () => {
  const nothing: Archive = { eventsOf: () => [], intentOf: () => undefined, argumentsOf: () => ({ state: 'none' }) };
  const rebuilding = new Rebuilding(nothing, wholeInput);
  const event = { seq: 1, task: null };
  const text = JSON.stringify({
    left_out: ['task.moon', 'task.history', 'call.tools'],
    call: { kind: 'tool' },
    task: {},
  });
  const rebuilt = rebuilding.input(event, text);
  assert.deepEqual([rebuilt?.missing, rebuilt?.parts], [['task.moon', 'task.history'], ['call.tools']]);
  assert.equal(rebuilding.input(event, '[]'), null);
});
