import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, Operation } from '../../../src/call.ts';
import { RouteTable, RouteTableFaulty } from '../../../src/route/table.ts';
import type { OperationSource } from '../../../src/wire/dialect.ts';
import { goodRoutes, httpRow, httpTargetRow, modelRow, modelTargetRow } from './config.ts';

/** Reads a document that is a list of operation ids; any other cannot be read. */
const listed: OperationSource = {
  kind: 'http',
  operations: (route, { openapi, operations }) => {
    if (!Array.isArray(openapi)) {
      return { operations: [], faults: [{ pointer: '/openapi', message: 'it is not a list' }] };
    }
    const listedOnes = openapi.map((id: string) => operation(route.name, id, operations[id]?.remember ?? []));
    return { operations: listedOnes, faults: [] };
  },
};
const chat: OperationSource = {
  kind: 'model',
  operations: ({ name }) => ({ operations: [operation(name, 'chat', [])], faults: [] }),
};

function operation(route: string, id: string, remember: readonly string[]): Operation {
  const kind = id === 'chat' ? 'model' : 'tool';
  const labels = { reads: [], sends: 'inside' } as const;
  return { name: `${route}.${id}`, route, kind, effect: 'read', summary: '', inputSchema: null, remember, ...labels };
}

const build = (rows: readonly JsonObject[], openapi: Record<string, unknown>) =>
  RouteTable.build({ routes: goodRoutes(...rows), sources: [listed, chat], openapi });

test('the table knows its routes and their operations, and nothing else', () => {
  const orders = { ...httpRow, operations: { pay: { remember: ['body.cents'] } } };
  const table = build([modelRow, orders], { orders: ['get', 'pay'] });
  assert.deepEqual(
    table.all().map(({ name }) => name),
    ['gpt-4.1.chat', 'orders.get', 'orders.pay'],
  );
  assert.deepEqual(table.get('orders.pay')?.remember, ['body.cents']);
  assert.deepEqual(
    table.ofRoute('orders').map(({ name }) => name),
    ['orders.get', 'orders.pay'],
  );
  assert.deepEqual(
    table.routes().map(({ name, kind }) => [name, kind]),
    [
      ['gpt-4.1', 'model'],
      ['orders', 'http'],
    ],
  );
  for (const name of ['toString', '__proto__', 'orders', 'orders.']) {
    assert.equal(table.get(name), undefined);
    assert.deepEqual(table.ofRoute(`${name}!`), []);
  }
  assert.equal(table.route('constructor'), undefined);
});

test('a model target carries its exact price, its limit and no Txn-Token', () => {
  const price = { input_usd_per_mtok: 0.1, output_usd_per_mtok: 2.5, call_usd: 0.000001 };
  const [target] =
    build([{ ...modelRow, targets: [{ ...modelTargetRow, price, credential: 'azure' }] }], {}).route('gpt-4.1')
      ?.targets ?? [];
  assert.deepEqual(target, {
    name: 'azure-we',
    route: 'gpt-4.1',
    kind: 'model',
    cloud: 'azure',
    region: 'westeurope',
    provider: 'openai',
    api: 'openai',
    url: 'http://127.0.0.1:9000/v1',
    model: 'gpt-4.1-2025',
    weight: 1,
    credential: 'azure',
    maxOutputTokens: 1_000,
    tokenizer: { encoding: 'o200k_base', marginPercent: 0 },
    price: {
      inputMicroUsdPerMtok: 100_000,
      outputMicroUsdPerMtok: 2_500_000,
      cachedInputMicroUsdPerMtok: 100_000,
      cacheWriteMicroUsdPerMtok: 100_000,
      cacheWriteHourMicroUsdPerMtok: 100_000,
      reasoningMicroUsdPerMtok: 2_500_000,
      tiers: [],
      callMicroUsd: 1,
      version: 'config',
    },
    timeoutMs: { connect: 2_000, firstByte: 60_000, total: 600_000 },
    txnToken: false,
  });
});

test('an http target costs nothing unless it says so, and gets a Txn-Token unless it says not', () => {
  const targets = [httpTargetRow, { ...httpTargetRow, name: 'out', txn_token: false, price: { call_usd: 0.01 } }];
  const route = build([{ ...httpRow, targets }], { orders: [] }).route('orders');
  assert.deepEqual(
    route?.targets.map(({ kind, txnToken, price, model }) => [kind, txnToken, price.callMicroUsd, model]),
    [
      ['tool', true, 0, null],
      ['tool', false, 10_000, null],
    ],
  );
});

test('every fault of the table is listed: documents, settings of unknown operations, names that collide', () => {
  const rows = [
    { ...modelRow, name: 'a' },
    { ...httpRow, name: 'b', operations: { 'no/such': {} } },
    { ...httpRow, name: 'c' },
    { ...modelRow, name: 'd.x' },
    { ...httpRow, name: 'd' },
  ];
  assert.throws(
    () => build(rows, { b: ['get'], d: ['x.chat'] }),
    (error) => {
      assert.ok(error instanceof RouteTableFaulty);
      assert.deepEqual(
        error.faults.map(({ pointer }) => pointer),
        ['/routes/1/operations/no~1such', '/routes/2/openapi', '/routes/4'],
      );
      return true;
    },
  );
});

test('a kind without a source is a fault, not a route without operations', () => {
  assert.throws(
    () => RouteTable.build({ routes: goodRoutes(modelRow), sources: [listed], openapi: {} }),
    RouteTableFaulty,
  );
});
