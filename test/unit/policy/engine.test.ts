import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Decision, JsonObject } from '../../../src/call.ts';
import { inputDepthMax } from '../../../src/policy/check.ts';
import {
  bundleOf,
  callDocument,
  engineFor,
  engineOn,
  responseDocument,
  runOpa,
  shippedPolicies,
  taskDocument,
  temporaryFolder,
  writeFiles,
} from './bundles.ts';

const allowAll = 'decision := {"allow": true, "reasons": [], "obligations": {}}';
/** The rule that facts name: true for every input in which its fields are undefined. */
const openByNegation = `
decision := {"allow": count(deny) == 0, "reasons": []}

deny contains "delete" if input.call.effect == "delete"`;

function denied(decision: Decision, code: string): void {
  assert.equal(decision.allow, false);
  assert.deepEqual(
    decision.reasons.map((reason) => reason.code),
    [code],
  );
  assert.match(decision.id, /^dec_/);
}

async function decideWith(t: TestContext, call: string, input: unknown = callDocument()): Promise<Decision> {
  const { engine } = await engineFor(t, call);
  return engine.decideCall(input as JsonObject);
}

test('a call that the policy allows is allowed, with what the decision says and where it comes from', async (t) => {
  const { engine } = await engineFor(
    t,
    'decision := {"allow": true, "reasons": [{"code": "fine", "message": "Fine."}], "obligations": {"taint": ["x"]}}',
  );
  const input = callDocument() as unknown as JsonObject;
  const decision = engine.decideCall(input);
  assert.equal(decision.allow, true);
  assert.deepEqual(decision.reasons, [{ code: 'fine', message: 'Fine.' }]);
  assert.deepEqual(decision.obligations, { taint: ['x'] });
  assert.equal(decision.input, input);
  assert.deepEqual({ bundle: decision.bundle, revision: decision.revision }, engine.active);
  assert.match(decision.revision, /^[0-9a-f]{64}$/);
});

test('null, empty and truncated inputs are denied before a policy that they would open sees them', async (t) => {
  const { engine } = await engineFor(t, openByNegation);
  assert.equal(engine.decideCall(callDocument() as unknown as JsonObject).allow, true, 'control');
  const whole = callDocument() as Record<string, unknown>;
  const truncated = Object.keys(whole).map((member) => {
    const { [member]: _, ...rest } = whole;
    return rest;
  });
  const { effect: _, ...callWithoutEffect } = callDocument().call;
  const inputs = [
    null,
    {},
    [],
    'call',
    0,
    undefined,
    { ...whole, call: callWithoutEffect },
    { ...whole, extra: 1 },
    ...truncated,
  ];
  for (const input of inputs) denied(engine.decideCall(input as JsonObject), 'input_invalid');
});

test('an input of one package is no input of another', async (t) => {
  const { engine } = await engineFor(t, allowAll);
  denied(engine.decideCall(taskDocument() as unknown as JsonObject), 'input_invalid');
  denied(engine.decideCall(responseDocument() as unknown as JsonObject), 'input_invalid');
  denied(engine.decideTask(callDocument() as unknown as JsonObject), 'input_invalid');
});

test('an input that is too deep or too large is denied, and the next one is decided', async (t) => {
  const { engine } = await engineFor(t, allowAll);
  let deep: JsonObject = {};
  for (let depth = 0; depth < 20_000; depth++) deep = { deep };
  denied(engine.decideCall(callDocument({ arguments: deep }) as unknown as JsonObject), 'input_invalid');
  const large = callDocument({ arguments: { text: 'x'.repeat(1_048_577) } });
  denied(engine.decideCall(large as unknown as JsonObject), 'input_invalid');
  let fits: JsonObject = {};
  for (let depth = 0; depth < inputDepthMax - 4; depth++) fits = { fits };
  assert.equal(engine.decideCall(callDocument({ arguments: fits }) as unknown as JsonObject).allow, true);
});

test('numbers that a policy would read otherwise are denied', async (t) => {
  const { engine } = await engineFor(t, allowAll);
  for (const amount of [2 ** 53, -(2 ** 60), Number.NaN, Number.POSITIVE_INFINITY, undefined, 1n]) {
    const input = callDocument({ arguments: { amount } as never });
    denied(engine.decideCall(input as unknown as JsonObject), 'input_invalid');
  }
});

test('an undefined decision denies', async (t) => {
  denied(
    await decideWith(t, 'decision := {"allow": true, "reasons": []} if input.call.effect == "write"'),
    'policy_undefined',
  );
});

test('a decision of any odd shape denies', async (t) => {
  const folder = await temporaryFolder(t);
  // One bundle for all shapes: the decision is what the argument says.
  await writeFiles(folder, bundleOf('decision := input.call.arguments.decision'));
  const { engine } = await engineOn(t, folder);
  await engine.open();
  const decide = (decision: unknown) =>
    engine.decideCall(callDocument({ arguments: { decision } as JsonObject }) as unknown as JsonObject);
  assert.equal(decide({ allow: true, reasons: [] }).allow, true, 'control');
  const reasons = [{ code: 'x', message: 'y' }];
  const odd = [
    true,
    null,
    'true',
    1,
    [],
    {},
    { allow: true },
    { allow: 'true', reasons },
    { allow: 1, reasons },
    { allow: null, reasons },
    { allow: true, reasons: 'fine' },
    { allow: true, reasons: [{ code: 'x' }] },
    { allow: true, reasons: ['x'] },
    { allow: true, reasons, more: 1 },
    { allow: true, reasons, obligations: [] },
    { allow: true, reasons, obligations: { redact: 'all' } },
    { allow: true, reasons, obligations: { redact: false } },
    { allow: true, reasons, obligations: { block: [{ typ: 'api_key' }] } },
    { allow: true, reasons, obligations: { approval: {} } },
    { allow: true, reasons, obligations: { max_tokens: { value: 1, on_excess: 'ignore' } } },
    { allow: true, reasons: Array.from({ length: 65 }, () => reasons[0]) },
  ];
  for (const decision of odd) denied(decide(decision), 'decision_invalid');
});

test('[policy.unknown-obligation-denies] an obligation that the gate does not know denies', async (t) => {
  const decision = await decideWith(
    t,
    'decision := {"allow": true, "reasons": [], "obligations": {"taint": [], "watermark": true}}',
  );
  denied(decision, 'obligation_unknown');
  assert.match(decision.reasons[0]?.message ?? '', /watermark/);
});

test('a denial keeps its reasons, whatever it demands besides', async (t) => {
  const decision = await decideWith(
    t,
    'decision := {"allow": false, "reasons": [{"code": "no", "message": "No."}], "obligations": {"watermark": true}}',
  );
  denied(decision, 'no');
  assert.deepEqual(decision.obligations, {});
});

test('[policy.fails-closed] a policy that throws denies, and what it is asked next is decided by a fresh instance', async (t) => {
  const { engine, logged } = await engineFor(
    t,
    `
decision := {"allow": true, "reasons": []} if input.call.effect in {"read", "delete"}

decision := {"allow": false, "reasons": []} if input.call.effect in {"write", "delete"}`,
  );
  denied(engine.decideCall(callDocument({ effect: 'delete' }) as unknown as JsonObject), 'policy_error');
  assert.equal(logged.at(-1)?.level, 'error');
  assert.equal(engine.decideCall(callDocument() as unknown as JsonObject).allow, true);
  assert.equal(engine.decideCall(callDocument({ effect: 'write' }) as unknown as JsonObject).allow, false);
});

test('a built-in that the WASM lacks does not compile', async (t) => {
  const folder = await temporaryFolder(t);
  await writeFiles(folder, bundleOf('decision := {"allow": time.now_ns() > 0, "reasons": []}'));
  const { engine } = await engineOn(t, folder);
  await assert.rejects(engine.open(), /BundleError: OPA refused the policies: .*time\.now_ns/s);
  assert.equal(engine.healthy(), false);
});

test('a bundle built elsewhere with a built-in that the WASM lacks denies when it runs', async (t) => {
  const folder = await temporaryFolder(t);
  await writeFiles(folder, bundleOf('decision := {"allow": true, "reasons": []} if time.now_ns() > 0'));
  const file = join(await temporaryFolder(t), 'made-elsewhere.tar.gz');
  const entrypoints = ['-e', 'tollgate/task/decision', '-e', 'tollgate/call/decision'];
  await runOpa(['build', '-t', 'wasm', '-b', '.', '-o', file, '-r', 'v7', ...entrypoints], folder);
  const { engine } = await engineOn(t, file, {
    opa: () => Promise.reject(new Error('a file needs no compiler')),
  });
  await engine.open();
  assert.deepEqual(engine.active, { bundle: 'made-elsewhere', revision: 'v7' });
  denied(engine.decideCall(callDocument() as unknown as JsonObject), 'policy_error');
  assert.equal(engine.decideTask(taskDocument() as unknown as JsonObject).allow, true);
});

test('a bundle without tollgate.response lets answers pass, and one with it decides them', async (t) => {
  const without = await engineFor(t, allowAll);
  const passed = without.engine.decideResponse(responseDocument() as unknown as JsonObject);
  assert.equal(passed.allow, true);
  const folder = await temporaryFolder(t);
  await writeFiles(folder, {
    ...bundleOf(allowAll),
    'tollgate/response/response.rego': `package tollgate.response

decision := {
	"allow": input.response.status < 500,
	"reasons": [],
	"obligations": {demand: [] | some demand in input.response.headers},
}
`,
  });
  const { engine } = await engineOn(t, folder);
  await engine.open();
  const answer = (response: Record<string, unknown>) =>
    engine.decideResponse({
      ...responseDocument(),
      response: { status: 200, headers: {}, findings: [], ...response },
    } as unknown as JsonObject);
  assert.equal(answer({}).allow, true);
  assert.equal(answer({ status: 503 }).allow, false);
  assert.equal(answer({ headers: { x: 'redact' } }).allow, true);
  denied(answer({ headers: { x: 'regions' } }), 'obligation_unknown');
  denied(answer({ status: 'ok' }), 'input_invalid');
});

test('a task decision carries the grant in the units of the gate, and a denied one carries the denial', async (t) => {
  const { engine } = await engineOn(t, shippedPolicies);
  await engine.open();
  const granted = engine.decideTask(
    taskDocument({ tools: ['orders.*'], ttl_seconds: 60, labels: {} }) as unknown as JsonObject,
  );
  assert.equal(granted.allow, true);
  assert.equal(granted.denial, null);
  assert.deepEqual(granted.grant, {
    tools: ['orders.get_customer', 'orders.get_order', 'orders.list_orders'],
    ttlSeconds: 60,
  });
  const refused = engine.decideTask(taskDocument({}, { id: 'marketing' }) as unknown as JsonObject);
  assert.equal(refused.allow, false);
  assert.equal(refused.denial?.code, 'policy_denied');
  assert.equal(refused.denial?.reasons[0]?.code, 'agent_not_allowed');
  assert.deepEqual(refused.grant, {});
});

test('an engine that is not open, or closed again, makes no decision', async (t) => {
  const folder = await temporaryFolder(t);
  await writeFiles(folder, bundleOf(allowAll));
  const { engine } = await engineOn(t, folder);
  assert.throws(() => engine.decideCall(callDocument() as unknown as JsonObject), /no policy is loaded/);
  assert.equal(engine.healthy(), false);
  await engine.open();
  assert.equal(engine.healthy(), true);
  await engine[Symbol.asyncDispose]();
  assert.equal(engine.healthy(), false);
  assert.throws(() => engine.decideCall(callDocument() as unknown as JsonObject), /no policy is loaded/);
});
