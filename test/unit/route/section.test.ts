import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkRoutes } from '../../../src/route/section.ts';
import { goodRoutes, httpRow, httpTargetRow, modelRow, modelTargetRow, readRoutes } from './config.ts';

test('defaults are filled in for both kinds of rows', () => {
  const [model, http] = goodRoutes(modelRow, httpRow);
  assert.ok(model?.kind === 'model' && http?.kind === 'http');
  assert.equal(model.select, 'weight');
  assert.equal(model.targets[0]?.weight, 1);
  assert.deepEqual(model.targets[0]?.timeout_ms, { connect: 2_000, first_byte: 60_000, total: 600_000 });
  assert.equal(http.targets[0]?.txn_token, true);
  assert.deepEqual(http.operations, {});
});

const wrong: readonly [sentence: string, row: Parameters<typeof readRoutes>[0][number], error: string][] = [
  [
    'a model target without a price',
    { ...modelRow, targets: [{ ...modelTargetRow, price: {} }] },
    '/routes/0/targets/0/price required',
  ],
  ['a model target without a model', { ...modelRow, targets: [httpTargetRow] }, '/routes/0/targets/0 required'],
  [
    'an http route without a document',
    { name: 'orders', kind: 'http', targets: [httpTargetRow] },
    '/routes/0 required',
  ],
  ['a route without a target', { ...httpRow, targets: [] }, '/routes/0/targets minItems'],
  ['a name with a dot for an http route', { ...httpRow, name: 'a.b' }, '/routes/0/name pattern'],
  ['a document for a model route', { ...modelRow, openapi: './x.yaml' }, '/routes/0 additionalProperties'],
  [
    'a Txn-Token for a model',
    { ...modelRow, targets: [{ ...modelTargetRow, txn_token: true }] },
    '/routes/0/targets/0 additionalProperties',
  ],
  ['a kind nobody speaks', { ...httpRow, kind: 'mcp' }, '/routes/0 discriminator'],
  [
    'a URL with a password in it',
    { ...httpRow, targets: [{ ...httpTargetRow, url: 'http://a:b@host/' }] },
    '/routes/0/targets/0/url pattern',
  ],
  [
    'a URL with a query',
    { ...httpRow, targets: [{ ...httpTargetRow, url: 'http://host/?a=b' }] },
    '/routes/0/targets/0/url pattern',
  ],
  [
    'an effect that is none',
    { ...httpRow, operations: { get: { effect: 'none' } } },
    '/routes/0/operations/get/effect enum',
  ],
  [
    'a price below nothing',
    { ...httpRow, targets: [{ ...httpTargetRow, price: { call_usd: -1 } }] },
    '/routes/0/targets/0/price/call_usd minimum',
  ],
];
for (const [sentence, row, error] of wrong) {
  test(`the schema refuses ${sentence}`, () => {
    assert.ok(readRoutes([row]).errors.includes(error), readRoutes([row]).errors.join());
  });
}

test('the checks find repeated names, unknown credentials, unreadable URLs and too fine prices, each in its place', () => {
  const routes = goodRoutes(httpRow, {
    ...modelRow,
    name: 'orders',
    targets: [
      { ...modelTargetRow, credential: 'azure' },
      { ...modelTargetRow, credential: 'toString', price: { input_usd_per_mtok: 0.0000001, output_usd_per_mtok: 0 } },
      { ...modelTargetRow, name: 'other', url: 'http://[::1/' },
    ],
  });
  assert.deepEqual(
    checkRoutes(routes, { azure: {} }).map(({ pointer }) => pointer),
    [
      '/routes/1/name',
      '/routes/1/targets/1/name',
      '/routes/1/targets/1/credential',
      '/routes/1/targets/1/price/input_usd_per_mtok',
      '/routes/1/targets/2/url',
    ],
  );
  assert.deepEqual(checkRoutes(goodRoutes(modelRow, httpRow), {}), []);
  const claude = (url: string) => ({ ...modelRow, targets: [{ ...modelTargetRow, provider: 'anthropic', url }] });
  const [fault] = checkRoutes(goodRoutes(claude('https://api.example.com/v1/')), {});
  assert.deepEqual([fault?.pointer, fault?.message.includes('without /v1')], ['/routes/0/targets/0/url', true]);
  assert.deepEqual(checkRoutes(goodRoutes(claude('https://api.example.com/anthropic')), {}), []);
});
