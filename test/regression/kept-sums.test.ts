/**
 * A number that an operation remembers was redacted in the history of a kept input, and stood beside it as the sum over
 * that one call. A kept document that is none of its phase ended a whole replay.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { redactedInput } from '../../src/audit/kept-input.ts';
import type { JsonObject } from '../../src/call.ts';
import { Inspector } from '../../src/inspection/scan.ts';
import { Rebuilding } from '../../src/policy/replay/rebuilding.ts';

const inspector = new Inspector({ recognizers: ['card'], custom: [], stream_window_chars: 64 });

test('a sum that is the number of one call is redacted as that number is', () => {
  const card = 4_111_111_111_111_111;
  const counts = {
    'pay.charge': { calls: 1, denied: 0, failed: 0, cost_micro_usd: 0, sums: { 'body.card': card, 'body.cents': 500 } },
    'pay.list': { calls: 2, denied: 0, failed: 0, cost_micro_usd: 0, sums: {} },
  };
  const input = { phase: 'call', task: { id: 'task_1', history: [{ facts: { 'body.card': card } }], counts } };
  const kept = redactedInput(input, (value) => inspector.redactedCopy(value));
  assert.ok(!JSON.stringify(kept).includes(String(card)), JSON.stringify(kept));
  const sums = { 'body.card': '[card]', 'body.cents': 500 };
  const { counts: left } = kept.task as JsonObject;
  assert.deepEqual(left, { ...counts, 'pay.charge': { ...counts['pay.charge'], sums } });
});

const whole = { subject: { id: 'C-1' }, task: {}, agent: {}, call: { kind: 'model', arguments: {} } };
const documents: readonly (readonly [what: string, document: JsonObject])[] = [
  ['no call', { ...whole, call: null, left_out: ['call.tools'] }],
  ['a call that is a text', { ...whole, call: 'call', left_out: ['call.arguments'] }],
  ['no task', { agent: {}, left_out: ['task.labels'] }],
  ['nothing', { left_out: ['call.provenance'] }],
];
for (const [what, document] of documents) {
  test(`a kept document that holds ${what} is none, and ends no replay`, () => {
    const rebuilding = new Rebuilding(
      { eventsOf: () => [], intentOf: () => undefined, argumentsOf: () => ({ state: 'none' }) },
      new Set(),
    );
    const text = JSON.stringify({ remembered: { entered: 0, own: [] }, phase: 'call', ...document });
    assert.equal(rebuilding.input({ seq: 1, task: 'task_1' }, text), null);
  });
}

test('a kept document without a subject has no places of it', () => {
  const rebuilding = new Rebuilding(
    { eventsOf: () => [], intentOf: () => undefined, argumentsOf: () => ({ state: 'none' }) },
    new Set(),
  );
  const { subject: _subject, ...without } = whole;
  const kept = { remembered: {}, phase: 'call', ...without, thought: null, left_out: ['call.provenance'] };
  const rebuilt = rebuilding.input({ seq: 1, task: 'task_1' }, JSON.stringify(kept));
  assert.deepEqual(rebuilt?.missing, []);
});
