/**
 * Memory does not grow with the number of decisions: of the module (which keeps its own), of the heap, and of what lies
 * outside of it. Decisions of all three packages, allowed, denied, and such that the policy throws, after which the
 * next one is made by a new instance. TOLLGATE_EVALUATIONS says how many; the figures are printed.
 */
import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { JsonObject } from '../../src/call.ts';
import type { PolicyEngine } from '../../src/policy/engine.ts';
import { part } from '../parts.ts';
import {
  callDocument,
  engineOn,
  responseDocument,
  shippedPolicies,
  taskDocument,
  temporaryFolder,
  writeFiles,
} from '../unit/policy/bundles.ts';

const evaluations = Number(process.env.TOLLGATE_EVALUATIONS ?? 50_000);
const points = 10;
/** What instances are made of is collected when it suits the collector. */
const growthBytesMax = { module: 0, heap: 4 * 2 ** 20, outside: 16 * 2 ** 20, resident: 64 * 2 ** 20 };
type Measure = keyof typeof growthBytesMax;

const throwing = `package tollgate.call

decision := {"allow": true, "reasons": []} if input.call.path == "/throw"
`;

/** One in a hundred throws; of the others two in five are refused, and sizes differ from each to the next. */
function decide(engine: PolicyEngine, round: number): string {
  const history = Array.from({ length: round % 21 }, (_, index) => ({
    ...{ call_id: `call_${index}`, kind: 'tool', operation: 'orders.get_order', effect: 'read', state: 'done' },
    ...{ at_ms: 1_793_610_000_000 + index, cost_micro_usd: 0, target: 'orders/one', facts: { order: `O-${round}` } },
  }));
  const args = { path: { customer_id: 'C', order_id: `O-${round}` }, text: 'x'.repeat((round * 37) % 2_000) };
  const path = round % 100 === 50 ? '/throw' : '/customers/C/orders/7';
  const call = round % 5 < 2 ? { effect: 'delete', operation: 'orders.delete_order' } : {};
  const { allow, reasons } =
    round % 10 === 3
      ? engine.decideTask(taskDocument({ labels: { round } }) as unknown as JsonObject)
      : round % 10 === 6
        ? engine.decideResponse(responseDocument({ arguments: args }) as unknown as JsonObject)
        : engine.decideCall(callDocument({ ...call, arguments: args, path }, { history }) as unknown as JsonObject);
  return allow ? 'allowed' : reasons.some(({ code }) => code === 'policy_error') ? 'thrown' : 'refused';
}

test(`[policy.flat-memory] memory is flat over ${evaluations} decisions`, part('opa'), async (t) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const folder = await temporaryFolder(t);
  await cp(join(shippedPolicies, 'tollgate'), join(folder, 'tollgate'), { recursive: true });
  await cp(join(shippedPolicies, '.manifest'), join(folder, '.manifest'));
  await writeFiles(folder, { 'tollgate/call/throwing.rego': throwing });
  const { engine } = await engineOn(t, folder, { log: () => undefined });
  await engine.open();
  const measured: Record<Measure, number>[] = [];
  const outcomes: Record<string, number> = {};
  for (let round = 0; round < evaluations; round++) {
    const outcome = decide(engine, round);
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    if ((round + 1) % Math.floor(evaluations / points) !== 0) continue;
    collect();
    // Arrays of bytes are freed aside.
    await new Promise((resolve) => setTimeout(resolve, 50));
    const { heapUsed, external, rss } = process.memoryUsage();
    const module = engine.revision?.loaded.memoryBytes ?? 0;
    measured.push({ module, heap: heapUsed, outside: external, resident: rss });
    const mib = Object.entries(measured.at(-1) ?? {}).map(([name, bytes]) => `${name} ${(bytes / 2 ** 20).toFixed(1)}`);
    t.diagnostic(`${round + 1} decisions, MiB: ${mib.join(', ')}`);
  }
  t.diagnostic(JSON.stringify(outcomes));
  assert.ok(Math.min(...['allowed', 'refused', 'thrown'].map((name) => outcomes[name] ?? 0)) > evaluations / 200);
  const [, first, ...later] = measured;
  assert.ok(first !== undefined && later.length >= points - 2);
  for (const [index, point] of later.entries()) {
    for (const [name, most] of Object.entries(growthBytesMax) as [Measure, number][]) {
      const grown: number = point[name] - first[name];
      assert.ok(grown <= most, `${name} grew by ${grown} bytes from point 2 to ${index + 3}`);
    }
  }
});
