import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json } from '../../../src/call.ts';
import { callDigests, keyedDigest } from '../../../src/task/call-digests.ts';
import { fakeOperation } from '../../fakes/task.ts';

const tool = fakeOperation('orders.get_order');
const chat = fakeOperation('planner.chat', { kind: 'model', effect: 'write' });
const of = (document: Json, operation = tool) => callDigests(operation, { document: () => document });

test('equal calls are equal however they are spelt, and others are not', () => {
  assert.deepEqual(of({ path: { id: 1 }, body: { a: 1, b: [2] } }), of({ body: { b: [2], a: 1.0 }, path: { id: 1 } }));
  const one = of({ path: { id: 1 } }).whole;
  assert.notEqual(of({ path: { id: '1' } }).whole, one);
  assert.notEqual(of({ path: { id: 1 }, query: {} }).whole, one);
  assert.notEqual(of({ path: { id: 1 } }, fakeOperation('orders.put_order')).whole, one);
  assert.notEqual(of([1]).whole, of([2]).whole);
  // Members and values cannot be shifted against each other.
  assert.notEqual(of({ a: 'b', c: 'd' }).whole, of({ a: 'b","c', d: '' }).whole);
});

test('a prompt is equal whatever turns the sampling, and no tool call has one', () => {
  const messages = [{ role: 'user', content: 'hello' }];
  const plain = of({ model: 'planner', messages }, chat);
  const turned = of({ model: 'other', messages, temperature: 1, seed: 7, max_tokens: 5, stream: true, n: 2 }, chat);
  assert.notEqual(plain.whole, turned.whole);
  assert.equal(plain.prompt, turned.prompt);
  assert.equal(of({ model: 'planner', messages, top_p: 1 }, { ...chat, name: 'other.chat' }).prompt, plain.prompt);
  for (const more of [{ tools: [] }, { previous_response_id: 'resp_1' }, { system: 'x' }, { of_tomorrow: 1 }])
    assert.notEqual(of({ model: 'planner', messages, ...more }, chat).prompt, plain.prompt, JSON.stringify(more));
  assert.equal(of({ messages }).prompt, null);
});

test('what is kept of a digest depends on the key and on every text', () => {
  const key = Buffer.alloc(32, 1).toString('base64url');
  assert.match(keyedDigest(key, 'a'), /^[\w-]{43}$/);
  assert.notEqual(keyedDigest(key, 'a'), keyedDigest(Buffer.alloc(32, 2).toString('base64url'), 'a'));
  assert.notEqual(keyedDigest(key, 'a', 'b'), keyedDigest(key, 'ab'));
});
