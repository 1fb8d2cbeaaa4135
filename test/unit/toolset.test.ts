import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OperationRegistry } from '../../src/call.ts';
import { inToolset, narrowTools, unknownTools } from '../../src/toolset.ts';
import { fakeOperation } from '../fakes/task.ts';

const operation = fakeOperation('refunds.create_refund');
const operations = [operation, fakeOperation('orders.get'), fakeOperation('orders.list')];
const registry: OperationRegistry = {
  get: (name) => operations.find((one) => one.name === name),
  ofRoute: (route) => operations.filter((one) => one.route === route),
  all: () => operations,
  route: (name) => (operations.some(({ route }) => route === name) ? { name, kind: 'http', targets: [] } : undefined),
};

test('a task without a toolset may ask for every operation', () => {
  assert.equal(inToolset(null, operation), true);
});

test('an empty toolset holds nothing', () => {
  assert.equal(inToolset([], operation), false);
});

test('an operation is held by its name or by its whole route', () => {
  assert.equal(inToolset(['refunds.create_refund'], operation), true);
  assert.equal(inToolset(['refunds.*'], operation), true);
  assert.equal(inToolset(['orders.*', 'refunds.list'], operation), false);
});

test('a route does not hold another whose name begins alike', () => {
  const chat = { ...operation, name: 'gpt-4.1.chat', route: 'gpt-4.1' };
  assert.equal(inToolset(['gpt-4.*'], chat), false);
  assert.equal(inToolset(['gpt-4.1.*'], chat), true);
});

test('a star stands for nothing by itself', () => {
  for (const item of ['*', '*.*', 'refunds*', 'refunds.', '.*', ''])
    assert.equal(inToolset([item], operation), false, item);
});

test('two toolsets are narrowed to what both hold', () => {
  assert.deepEqual(narrowTools(null, ['orders.get'], registry), ['orders.get']);
  assert.deepEqual(narrowTools(['orders.*'], null, registry), ['orders.*']);
  assert.equal(narrowTools(null, null, registry), null);
  assert.deepEqual(narrowTools(['orders.*', 'refunds.create_refund'], ['orders.get', 'refunds.*'], registry), [
    'refunds.create_refund',
    'orders.get',
  ]);
  assert.deepEqual(narrowTools(['orders.get'], ['refunds.*'], registry), []);
});

test('what names nothing is in neither', () => {
  assert.deepEqual(narrowTools(['orders.nothing', 'orders.get'], ['orders.*', 'nowhere.*'], registry), ['orders.get']);
  assert.deepEqual(unknownTools(['orders.get', 'orders.*', 'orders.nothing', 'nowhere.*', '*'], registry), [
    'orders.nothing',
    'nowhere.*',
    '*',
  ]);
  assert.deepEqual(unknownTools(null, registry), []);
});
