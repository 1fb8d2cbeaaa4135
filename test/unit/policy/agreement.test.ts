/** What runs in WASM must decide as OPA itself does; whole decisions are compared, on inputs that hit every rule. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json, JsonObject } from '../../../src/call.ts';
import { buildBundle } from '../../../src/policy/build.ts';
import { readBundle } from '../../../src/policy/bundle.ts';
import { ShapeCheck } from '../../../src/policy/check.ts';
import { LoadedBundle, type Phase } from '../../../src/policy/instance.ts';
import { readSources } from '../../../src/policy/sources.ts';
import { ManualClock } from '../../fakes/clock.ts';
import {
  callDocument,
  opaPath,
  responseDocument,
  runOpa,
  shippedPolicies,
  taskDocument,
  temporaryFolder,
} from './bundles.ts';

const inputs = 300;
const seed = 20_261_121;

/** One OPA run over all inputs; decisions by phase and index of the input. */
const query = `{${['task', 'call', 'response']
  .map(
    (phase) => `"${phase}": {i: decision |
      some i, document in input
      document.phase == "${phase}"
      decision := data.tollgate.${phase}.decision with input as document
    }`,
  )
  .join()}}`;

class Chooser {
  readonly #clock = new ManualClock(0, seed);

  integer(below: number): number {
    return this.#clock.randomBytes(4).readUInt32LE() % below;
  }
  of<Item>(items: readonly Item[]): Item {
    return items[this.integer(items.length)] as Item;
  }
  /** `usual` seven times of eight. */
  mostly<Item>(usual: Item, others: readonly Item[]): Item {
    return this.integer(8) > 0 ? usual : this.of(others);
  }
}

function refund(choose: Chooser): JsonObject {
  const amount = choose.mostly<Json>(choose.integer(12_000), [-1, 0, 0.5, 10_000, 10_001, '100', null, [1]]);
  const customer = choose.mostly<Json>('C', ['D', 7, null]);
  const earlier = choose.of([0, 0, 1, 2]);
  const sums = choose.mostly<JsonObject>({ 'body.amount_cents': earlier * 4_000 }, [{}]);
  const counts =
    earlier === 0 ? {} : { 'refunds.create_refund': { calls: earlier, denied: 1, failed: 0, cost_micro_usd: 5, sums } };
  const arguments_ = choose.of<JsonObject>([
    { path: {}, query: {}, headers: {}, body: { customer_id: customer, amount_cents: amount } },
    {
      path: { customer_id: customer },
      body: { amount_cents: amount, lines: [{ customer_id: choose.mostly<Json>('C', ['D']) }] },
    },
  ]);
  const call = {
    operation: 'refunds.create_refund',
    route: 'refunds',
    effect: 'write',
    method: 'POST',
    arguments: arguments_,
  };
  return callDocument(call, { counts }) as unknown as JsonObject;
}

function model(choose: Chooser): JsonObject {
  const tools = Array.from({ length: choose.integer(3) }, (_, index) => ({
    name: `tool_${index}`,
    kind: choose.mostly('function', ['web_search', 'mcp', 'Füße "x"\n']),
  }));
  const call = { kind: 'model', operation: 'planner.chat', route: 'planner', effect: 'write', method: 'POST', tools };
  return callDocument({ ...call, model: 'planner', arguments: { temperature: 0.7, n: 1e3 } }) as unknown as JsonObject;
}

function read(choose: Chooser): JsonObject {
  const operation = choose.of([
    'orders.get_customer',
    'orders.list_orders',
    'orders.get_order',
    'risk.assess_return',
    'vendor.get_article',
  ]);
  const call = {
    operation: choose.mostly(operation, ['orders.delete_order', 'hr.fire', ' ']),
    effect: choose.mostly('read', ['write', 'delete']),
    arguments: {
      path: choose.mostly<JsonObject>({ customer_id: 'C' }, [{ customer_id: 'D' }, {}, { customer_id: '\u0000😀' }]),
    },
  };
  const task = { purpose: choose.mostly('return_exception', ['holiday']) };
  const document = callDocument(call, task);
  return (choose.integer(12) === 0 ? { ...document, subject: null } : document) as unknown as JsonObject;
}

function task(choose: Chooser): JsonObject {
  const asked = choose.of<Record<string, Json>>([
    {},
    { tools: ['orders.*', 'refunds.create_refund'] },
    { tools: ['hr.*'] },
    { tools: [] },
    { ttl_seconds: 1 + choose.integer(7_200), budget: { tokens: 100, calls: 3 } },
  ]);
  const purpose = choose.mostly('return_exception', ['holiday', ' ']);
  const who = { id: choose.of(['coordinator', 'coordinator', 'coordinator-eu', 'coordinator-', 'marketing']) };
  const document = taskDocument({ ...asked, purpose }, who);
  const subject = choose.mostly<Json>(document.subject, [null, { ...document.subject, type: 'employee' }]);
  return { ...document, subject } as unknown as JsonObject;
}

const response = (choose: Chooser) =>
  responseDocument({ kind: choose.of(['tool', 'agent', 'model']) }) as unknown as JsonObject;

test(`the shipped policies decide in WASM as in OPA, on ${inputs} seeded inputs`, async (t) => {
  const { file } = await buildBundle({
    files: await readSources(shippedPolicies),
    dataDir: await temporaryFolder(t),
    opa: async () => opaPath(),
    clock: new ManualClock(),
    signal: new AbortController().signal,
  });
  const loaded = await LoadedBundle.load(await readBundle(file));
  const check = new ShapeCheck();
  const choose = new Chooser();
  const makers = [refund, refund, refund, model, read, read, task, task, response];
  const documents = Array.from({ length: inputs }, () => choose.of(makers)(choose));

  const { stdout } = await runOpa(
    ['eval', '-b', '.', '--stdin-input', '-f', 'json', query],
    shippedPolicies,
    JSON.stringify(documents),
  );
  const expected = JSON.parse(stdout).result[0].expressions[0].value as Record<Phase, Record<string, unknown>>;
  const seen = new Map<string, number>();
  let allowed = 0;
  for (const [index, document] of documents.entries()) {
    const phase = document.phase as Phase;
    const checked = check.input(phase, document);
    assert.ok('bytes' in checked, `input ${index} of seed ${seed}: ${JSON.stringify(checked)}`);
    const decision = loaded.evaluate(phase, checked.bytes) as { allow: boolean; reasons: { code: string }[] };
    assert.deepEqual(decision, expected[phase][index], `input ${index} of seed ${seed}: ${JSON.stringify(document)}`);
    assert.ok('ruling' in check.decision(phase, decision), `input ${index} of seed ${seed} is no decision`);
    if (decision.allow) allowed += 1;
    for (const { code } of decision.reasons) seen.set(code, (seen.get(code) ?? 0) + 1);
  }
  assert.ok(allowed >= 0.3 * inputs, `${allowed} of ${inputs} are allowed`);
  for (const code of [
    'listed_for_purpose',
    'agent_of_purpose',
    'answer_to_allowed_call',
    'purpose_unknown',
    'operation_not_in_purpose',
    'effect_not_allowed',
    'other_customer',
    'refund_over_limit',
    'refund_sum_over_limit',
    'refund_amount_invalid',
    'refund_sum_unknown',
    'limits_missing',
    'provider_side_tool',
    'agent_not_allowed',
    'subject_required',
  ]) {
    assert.ok((seen.get(code) ?? 0) > 0, `${code} was never seen`);
  }
});
