import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CallId, ThoughtId } from '../../../src/clock.ts';
import { markUsed, matchThought, rememberThought, thoughtsMax } from '../../../src/task/thoughts.ts';
import { aggregatedName } from '../../../src/wire/mcp/names.ts';
import { fakeOperation, fakeTask } from '../../fakes/task.ts';

const operation = fakeOperation('orders.get_order');
const args = { path: { customer_id: 'C-1', order_id: 'O-1' }, query: {}, headers: {}, body: null };
const proposed = { id: 'call_1', name: 'orders__get_order', arguments: '{"order_id":"O-1","customer_id":"C-1"}' };

function taskThatThought(source: 'observed' | 'reported' = 'observed', calls = [proposed]) {
  const record = fakeTask();
  const thought = { id: 'tht_1' as ThoughtId, callId: 'call_m' as CallId, source, atMs: 1 };
  return { ...record, thoughts: rememberThought(record, thought, calls) };
}

test('a call with the id and the arguments that a model proposed is an exact match', () => {
  const match = matchThought(taskThatThought(), operation, args, 'call_1');
  assert.deepEqual(match, { id: 'tht_1', source: 'observed', match: 'exact', toolCallId: 'call_1' });
});

test('without the id, equal operation and arguments are still exact', () => {
  assert.equal(matchThought(taskThatThought(), operation, args, null)?.match, 'exact');
});

test('a proposal that was carried out once is never exact again', () => {
  const record = taskThatThought();
  const first = matchThought(record, operation, args, 'call_1');
  assert.ok(first);
  const used = { ...record, thoughts: markUsed(record, first, 'call_a' as CallId, 'take') };
  assert.equal(matchThought(used, operation, args, 'call_1')?.match, 'name');
  const again = { ...used, thoughts: markUsed(used, first, 'call_a' as CallId, 'give back') };
  assert.equal(matchThought(again, operation, args, 'call_1')?.match, 'exact');
});

test('arguments that the agent changed are a changed match', () => {
  const other = { ...args, path: { customer_id: 'C-1', order_id: 'O-2' } };
  assert.equal(matchThought(taskThatThought(), operation, other, 'call_1')?.match, 'changed');
});

test('what an agent only reports is never exact', () => {
  const match = matchThought(taskThatThought('reported'), operation, args, 'call_1');
  assert.deepEqual([match?.source, match?.match], ['reported', 'name']);
});

test('an id whose proposal names another operation links to its thought without a match', () => {
  const match = matchThought(taskThatThought(), fakeOperation('orders.delete_order'), args, 'call_1');
  assert.deepEqual([match?.id, match?.match], ['tht_1', 'none']);
});

test('a call that nothing proposed has no thought', () => {
  assert.equal(matchThought(taskThatThought(), fakeOperation('refunds.create_refund'), args, null), null);
  assert.equal(matchThought(fakeTask(), operation, args, 'call_1'), null);
});

test('the name under which a model knows an operation may hold dots, underscores, or only its operation id', () => {
  for (const name of ['orders.get_order', 'orders__get_order', 'orders_get_order', 'get_order']) {
    assert.equal(
      matchThought(taskThatThought('observed', [{ ...proposed, name }]), operation, args, null)?.match,
      'exact',
      name,
    );
  }
});

test('the name of a tool that models cannot say is the one that they are told, and clients of MCP put a server before it', () => {
  const tool = fakeOperation('crm.notes/add.v2');
  const long = fakeOperation(`crm.${'a'.repeat(70)}`);
  const said = { ...proposed, arguments: '{"order_id":"O-1"}' };
  const rows: readonly [typeof tool, string, boolean][] = [
    ...['crm__notes_add_v2', 'notes_add_v2', 'notes/add.v2', aggregatedName('crm', 'notes/add.v2')].map(
      (name): [typeof tool, string, boolean] => [tool, name, true],
    ),
    [long, aggregatedName('crm', 'a'.repeat(70)), true],
    [tool, 'mcp__gate__crm__notes_add_v2', true],
    [tool, 'mcp__gate__other_add_v2', false],
    [tool, 'x__crm__notes_add_v2', false],
  ];
  for (const [operation, name, found] of rows) {
    const match = matchThought(taskThatThought('observed', [{ ...said, name }]), operation, { order_id: 'O-1' }, null);
    assert.equal(match?.match ?? null, found ? 'exact' : null, name);
  }
});

test('an HTTP call is proposed as it is, without its empty places, or flat; a header is an argument like any other', () => {
  const call = { path: { order_id: 'O-1' }, query: {}, headers: { 'x-mode': 'dry' }, body: ['a'] };
  const spelt = [
    { path: { order_id: 'O-1' }, headers: { 'x-mode': 'dry' }, body: ['a'] },
    { order_id: 'O-1', 'x-mode': 'dry', body: ['a'] },
    call,
  ];
  const matchOf = (said: object, args: typeof call) =>
    matchThought(
      taskThatThought('observed', [{ ...proposed, arguments: JSON.stringify(said) }]),
      operation,
      args,
      'call_1',
    )?.match;
  for (const said of spelt) {
    assert.equal(matchOf(said, call), 'exact');
    const keyed = { ...call, headers: { ...call.headers, 'idempotency-key': 'k' } };
    assert.equal(matchOf(said, keyed), 'exact', 'by what a repeat is known is no argument');
    assert.equal(matchOf(said, { ...call, headers: { 'x-mode': 'wet' } }), 'changed');
  }
  assert.equal(matchOf({ order_id: 'O-1', body: ['a'] }, call), 'changed', 'a header that nobody proposed');
});

test('arguments that are not JSON are remembered and never equal', () => {
  const record = taskThatThought('observed', [{ ...proposed, arguments: '{"order_id":' }]);
  assert.equal(matchThought(record, operation, args, 'call_1')?.match, 'changed');
});

test('a task remembers a bounded number of thoughts and no argument of them', () => {
  let record = fakeTask();
  for (let index = 0; index < thoughtsMax + 5; index++) {
    const thought = { id: `tht_${index}` as ThoughtId, callId: null, source: 'observed' as const, atMs: index };
    record = { ...record, thoughts: rememberThought(record, thought, [proposed]) };
  }
  assert.equal(record.thoughts.length, thoughtsMax);
  assert.equal(record.thoughts[0]?.id, 'tht_5');
  assert.equal(JSON.stringify(record.thoughts).includes('O-1'), false);
});
