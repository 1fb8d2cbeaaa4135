/**
 * A program: what one decision costs, without the gate around it. The shipped policies decide about a read of a task with
 * 20 calls behind it, as the gate does: the input is built, checked and serialised, the module evaluates, the decision
 * is checked. Parts and wholes take turns in small batches, so that noise of the machine falls on all alike; a figure is
 * made of many batches, because some systems count processor time in steps of 4 ms.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { HistoryEntry } from '../src/call.ts';
import { type CallId, systemClock } from '../src/clock.ts';
import { ShapeCheck } from '../src/policy/check.ts';
import { PolicyEngine, type Revision } from '../src/policy/engine.ts';
import { callInput } from '../src/policy/input.ts';
import { type LeftOut, wholeInput } from '../src/policy/input-parts.ts';
import { Verdicts } from '../src/policy/verdict.ts';
import { gateway, judgedCall } from '../test/unit/policy/calls.ts';
import type { Decided, DecisionPart, DecisionQuestion } from './messages.ts';

const historyEntries = 20;
const batch = 500;
const batchesOfFigure = 12;
const warmBatches = 20;
const figuresMax = 100;

const clock = systemClock();
const verdicts = new Verdicts({ clock, log: () => undefined });
const check = new ShapeCheck();

function entryOf(index: number): HistoryEntry {
  const read = index % 4 !== 3;
  return {
    callId: `call_01jd00000000000000000000${index}` as CallId,
    kind: 'tool',
    operation: read ? 'orders.get_order' : 'refunds.create_refund',
    effect: read ? 'read' : 'write',
    state: 'done',
    status: read ? 200 : 201,
    atMs: 1_793_610_000_000 + index * 1_000,
    costMicroUsd: 0,
    target: 'one',
    facts: read ? {} : { 'body.amount_cents': 100, 'body.order_id': `O-${index}` },
    digest: 'a digest of 64 characters is not what a policy sees',
  };
}

const history = Array.from({ length: historyEntries }, (_, index) => entryOf(index));
const reads = history.filter(({ effect }) => effect === 'read').length;
const none = { denied: 0, failed: 0, costMicroUsd: 0 };
const call = judgedCall({
  record: {
    tools: ['orders.*', 'refunds.create_refund', 'planner.chat'],
    ancestors: [],
    failuresInARow: 0,
    taint: ['private'],
    history,
    counts: {
      'orders.get_order': { ...none, calls: reads, sums: {} },
      'refunds.create_refund': {
        ...{ ...none, calls: historyEntries - reads },
        sums: { 'body.amount_cents': 100 * (historyEntries - reads) },
      },
    },
  },
  operation: { name: 'orders.get_order', route: 'orders', effect: 'read', remember: [] },
  payload: { method: 'GET', path: '/customers/C/orders/7', args: { path: { customer_id: 'C', order_id: '7' } } },
  entry: { thought: null },
});

/** What it costs if done once, by part; `whole` is done as the gate does it and not the sum of the others. */
function parts(revision: Revision, leftOut: LeftOut): Readonly<Record<DecisionPart, () => unknown>> {
  const build = () => callInput(call, gateway, clock.nowMs(), leftOut);
  const input = build();
  const checked = check.input('call', input, leftOut);
  if ('problem' in checked) throw new Error(checked.problem);
  const given = revision.loaded.evaluate('call', checked.bytes);
  const { decision } = verdicts.of(revision, 'call', input, leftOut);
  if (!decision.allow) throw new Error(`the call is not allowed: ${JSON.stringify(decision.reasons)}`);
  return {
    build,
    check: () => check.input('call', input, leftOut),
    wasm: () => revision.loaded.evaluate('call', checked.bytes),
    decision: () => check.decision('call', given),
    whole: () => verdicts.of(revision, 'call', build(), leftOut),
  };
}

function cpuUs(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

function measure(revision: Revision, figures: number): Decided[] {
  const cells = [revision.loaded.unusedInput, wholeInput].map((leftOut) => {
    const input = callInput(call, gateway, clock.nowMs(), leftOut);
    const us: Record<DecisionPart, number[]> = { build: [], check: [], wasm: [], decision: [], whole: [] };
    const bytes = Buffer.byteLength(JSON.stringify(input));
    return { leftOut: [...leftOut], bytes, us, work: Object.entries(parts(revision, leftOut)) };
  });
  for (let round = -warmBatches; round < figures * batchesOfFigure; round++) {
    for (const { work, us } of cells) {
      for (const [name, once] of work) {
        const before = cpuUs();
        for (let times = 0; times < batch; times++) once();
        if (round < 0) continue;
        const figure = Math.floor(round / batchesOfFigure);
        const share = (cpuUs() - before) / (batch * batchesOfFigure);
        us[name as DecisionPart][figure] = (us[name as DecisionPart][figure] ?? 0) + share;
      }
    }
  }
  return cells.map(({ leftOut, bytes, us }) => ({ leftOut, bytes, us }));
}

const dataDir = await mkdtemp(join(tmpdir(), 'tollgate-bench-decision-'));
const engine = new PolicyEngine({
  config: { bundle: resolve(import.meta.dirname, '../policies') },
  ...{ baseDir: '/', dataDir, gateway, clock, log: () => undefined },
  opa: async () => process.env.TOLLGATE_OPA ?? 'opa',
});
await engine.open();
process.on('message', ({ figures }: DecisionQuestion) => {
  try {
    const { revision } = engine;
    if (revision === null) throw new Error('no policy is in force');
    process.send?.(measure(revision, Math.min(figures, figuresMax)));
  } catch (fault) {
    process.send?.({ failed: String(fault) });
  }
});
async function close(): Promise<void> {
  await engine[Symbol.asyncDispose]();
  await rm(dataDir, { recursive: true, force: true });
}
process.on('disconnect', () => {
  close().then(
    () => process.exit(),
    () => process.exit(1),
  );
});
process.send?.({ url: '' });
