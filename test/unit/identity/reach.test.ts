import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Binding, BindingRequired } from '../../../src/call.ts';
import { isDenial } from '../../../src/denial.ts';
import { reachStage } from '../../../src/identity/reach.ts';
import { judge } from '../../../src/stage.ts';

const mtls: Binding = { kind: 'mtls', thumbprint: 'a'.repeat(43) };
const dpop: Binding = { kind: 'dpop', thumbprint: 'a'.repeat(43) };

async function reached(
  scope: readonly string[] | null,
  binding: Binding | null,
  required: readonly BindingRequired[],
): Promise<string> {
  const stage = reachStage(() => required);
  const operation = { name: 'orders.get_order', route: 'orders' };
  const fact = await stage.admit({ caller: { scope, binding }, resolved: { operation } } as never);
  if (!isDenial(fact)) return judge(stage, fact) === fact ? 'reached' : 'refused by its own guard';
  return `${fact.code} ${fact.reasons[0]?.code} ${fact.details.scope} ${fact.details.allowed ?? ''}`.trim();
}

test('a token reaches the operations it covers, and is told which where it does not', async () => {
  for (const scope of [null, ['orders.get_order'], ['gpt.chat', 'orders.*']]) {
    assert.equal(await reached(scope, null, []), 'reached');
  }
  for (const scope of [[], ['orders.get_orders'], ['order.*'], ['orders'], ['*']]) {
    const expected = `insufficient_scope not_in_scope orders.get_order ${scope}`.trim();
    assert.equal(await reached(scope, mtls, []), expected);
  }
});

test('what several places ask of the key of a token counts together', async () => {
  const missing = 'insufficient_scope binding_required orders.get_order';
  const rows: readonly (readonly [Binding | null, readonly BindingRequired[], boolean])[] = [
    [null, [], true],
    [null, ['none', 'none'], true],
    [null, ['none', 'any'], false],
    [mtls, ['any', 'none', 'mtls'], true],
    [mtls, ['any', 'dpop'], false],
    [dpop, ['dpop', 'any'], true],
    [dpop, ['mtls', 'dpop'], false],
  ];
  for (const [binding, required, may] of rows) {
    assert.equal(await reached(null, binding, required), may ? 'reached' : missing, `${binding?.kind} ${required}`);
  }
});

test('nothing but the fact itself is taken for it', () => {
  for (const garbage of [{}, { reached: false }, { reached: 1 }, { reached: {} }, null]) {
    assert.equal(
      judge(
        reachStage(() => []),
        garbage,
      ),
      undefined,
    );
  }
});
