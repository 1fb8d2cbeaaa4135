import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../../src/call.ts';
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
  ['a kind nobody speaks', { ...httpRow, kind: 'soap' }, '/routes/0 discriminator'],
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

test('a provider whose URL, API or version cannot be meant is a fault with what to write', () => {
  const resource = 'https://we.openai.azure.com/openai';
  const runtime = 'https://bedrock-runtime.eu-central-1.amazonaws.com';
  const location = 'https://europe-west1-aiplatform.googleapis.com/v1/projects/p-1/locations/europe-west1';
  const faultsOf = (row: JsonObject) =>
    checkRoutes(goodRoutes({ ...modelRow, targets: [{ ...modelTargetRow, ...row }] }), {}).map(
      ({ pointer, message }) => `${pointer.replace('/routes/0/targets/0/', '')}: ${message}`,
    );
  const good: readonly JsonObject[] = [
    { provider: 'openai', url: 'http://127.0.0.1:11434/v1' },
    { provider: 'azure', url: `${resource}/v1/` },
    { provider: 'azure', url: resource, api_version: '2024-10-21' },
    { provider: 'azure', url: `${resource}/v1`, api_version: 'preview' },
    { provider: 'azure', url: `${resource}/deployments/gpt`, api_version: '2025-04-01-preview' },
    { provider: 'bedrock', url: runtime },
    { provider: 'bedrock', url: `${runtime}/`, api_version: 'bedrock-2023-05-31' },
    { provider: 'vertex', api: 'anthropic', url: location, api_version: 'vertex-2023-10-16' },
    { provider: 'vertex', api: 'openai', url: `${location}/` },
  ];
  for (const row of good) assert.deepEqual(faultsOf(row), [], JSON.stringify(row));
  const bad: readonly (readonly [JsonObject, RegExp])[] = [
    [{ provider: 'azure', url: resource }, /^url: .*openai\/v1, or api_version/],
    [{ provider: 'azure', url: 'https://we.openai.azure.com', api_version: '2024-10-21' }, /^url: .*com\/openai$/],
    [{ provider: 'bedrock', url: `${runtime}/model` }, /^url: .*bedrock-runtime/],
    [
      { provider: 'vertex', api: 'anthropic', url: 'https://aiplatform.googleapis.com/v1' },
      /^url: .*up to the location/,
    ],
    [{ provider: 'vertex', url: location }, /^api: expected anthropic or openai/],
    [{ provider: 'vertex', api: 'openai', url: location, api_version: '1' }, /^api_version: /],
    [{ provider: 'bedrock', url: runtime, api: 'anthropic' }, /^api: expected no api/],
    [{ provider: 'openai', api_version: '2024-10-21' }, /^api_version: expected no api_version/],
    [{ provider: 'bedrock', url: runtime, model: '..' }, /^model: /],
  ];
  for (const [row, message] of bad) {
    const faults = faultsOf(row);
    assert.equal(faults.length, 1, JSON.stringify([row, faults]));
    assert.match(faults[0] ?? '', message);
  }
});

test('a target names one credential or several, each once and each known, and limits that limit something', () => {
  const faultsOf = (own: JsonObject, row: JsonObject = modelTargetRow) => {
    const { credential: _, ...bare } = row;
    const routes = goodRoutes({ ...(row === modelTargetRow ? modelRow : httpRow), targets: [{ ...bare, ...own }] });
    const known = { a: {}, b: {} };
    return checkRoutes(routes, known).map(({ pointer }) => pointer.slice('/routes/0/targets/0'.length));
  };
  assert.deepEqual(faultsOf({ credentials: ['a', { name: 'b', requests_per_minute: 1 }] }), []);
  assert.deepEqual(faultsOf({ limits: { tokens_per_minute: 1, concurrency: 2 }, credential: 'a' }), []);
  assert.deepEqual(faultsOf({ credential: 'a', credentials: ['b'] }), ['/credentials']);
  assert.deepEqual(faultsOf({ credentials: ['a', { name: 'a' }] }), ['/credentials/1/name']);
  assert.deepEqual(faultsOf({ credentials: ['c'] }), ['/credentials/0']);
  assert.deepEqual(faultsOf({ limits: {} }), ['/limits']);
  assert.deepEqual(faultsOf({ limits: { tokens_per_minute: 5 } }, httpTargetRow), ['/limits']);
});
