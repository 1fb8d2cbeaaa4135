/**
 * A mask took out the first member that a pointer could mean: an agent that put a decoy beside it kept the other one in
 * the report. And what a mask put in, or said it had taken out, left unredacted.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json, JsonObject } from '../../src/call.ts';
import { written } from '../../src/policy/report/event.ts';
import { masked, maskRules } from '../../src/policy/report/mask.ts';

const decoys = { 'card/number': 'real', 'card~1number': 'decoy', 'card%2Fnumber': 'decoy', other: 1 };
const event = (args: JsonObject): JsonObject => ({ input: { call: { arguments: args } }, result: { allow: true } });
const argumentsOf = ({ input }: JsonObject) => ((input as JsonObject).call as JsonObject).arguments as JsonObject;

test('a pointer of a mask takes out every member that it may mean', () => {
  for (const path of ['/input/call/arguments/card~1number', '/input/call/arguments/card%2Fnumber']) {
    const left = argumentsOf(masked(event(decoys), maskRules([path])));
    assert.equal(left['card/number'], undefined);
    assert.equal(left.other, 1);
    const rules = maskRules([{ op: 'upsert', path, value: '**' }]);
    assert.equal(argumentsOf(masked(event(decoys), rules))['card/number'], '**');
  }
  const nested = event({ 'a/b': { card: 'real' }, 'a~1b': { card: 'decoy' } });
  const left = masked(nested, maskRules(['/input/call/arguments/a~1b/card']));
  assert.deepEqual(argumentsOf(left), { 'a/b': {}, 'a~1b': {} });
});

test('what a mask puts in is redacted wherever it stands, and so are the pointers that it names', () => {
  const redactValue = (value: Json): Json => JSON.parse(JSON.stringify(value).replaceAll('ann@example.com', '[email]'));
  const parts = {
    labels: {},
    logPolicy: () => ({
      drop: () => undefined,
      mask: () => [
        { op: 'upsert', path: '/input/task/note', value: { from: 'ann@example.com' } },
        '/input/call/arguments/ann@example.com',
      ],
    }),
    // As the gate redacts an input: only where somebody else wrote.
    redact: (input: JsonObject) => input,
    redactValue,
  };
  const { event: reported, withheld } = written(event({ 'ann@example.com': 1 }), parts);
  assert.equal(withheld, null);
  assert.deepEqual(reported?.input, { call: { arguments: {} }, task: { note: { from: '[email]' } } });
  assert.deepEqual(reported?.erased, ['/input/call/arguments/[email]']);
});
