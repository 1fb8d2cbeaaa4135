import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { checkStore, type StoreConfig, storeSection } from '../../../src/store/section.ts';

/** As config/load.ts compiles it: defaults are filled in, and `kind` chooses the branch. */
function parse(store: unknown): { readonly store: StoreConfig; readonly faults: readonly string[] } {
  const ajv = new Ajv2020({ allErrors: true, useDefaults: true, strict: false, discriminator: true });
  const validate = ajv.compile<{ store: StoreConfig }>({
    type: 'object',
    required: ['store'],
    properties: { store: storeSection },
  });
  const document = store === undefined ? {} : { store };
  const isValid = validate(document);
  const faults = (validate.errors ?? []).map(({ instancePath, keyword }) => `${instancePath} ${keyword}`);
  return { store: (document as { store: StoreConfig }).store, faults: isValid ? [] : faults };
}

const redis = { kind: 'redis', command_timeout_ms: 50 } as const;

test('without a word on it the store is in memory', () => {
  assert.deepEqual(parse(undefined), { store: { kind: 'memory' }, faults: [] });
});

test('a Redis by URL, by sentinels and by cluster is accepted, with the time-out filled in', () => {
  const places = [
    { url: 'redis://127.0.0.1' },
    { url: 'rediss://redis.example.com:6380/2', username: 'gate', password: 'p', tls: { ca: 'PEM' } },
    { sentinel: { name: 'gate', nodes: ['a.example:26379', '[::1]:26379'], password: 'p' }, tls: {} },
    { cluster: { nodes: ['10.0.0.1:6379'] } },
  ];
  for (const place of places) {
    const { store, faults } = parse({ kind: 'redis', ...place });
    assert.deepEqual(faults, []);
    const filled = { command_timeout_ms: 50, gateway_lease_ms: 30_000, when_lost: 'deny' };
    const local_share = { share: 0.1, window_ms: 600_000, seen_ms: 30_000 };
    assert.deepEqual(store, { kind: 'redis', ...filled, local_share, ...place });
    assert.deepEqual(checkStore(store), []);
  }
});

test('what no Redis can be reached by is refused', () => {
  const wrong = [
    { url: 'http://127.0.0.1' },
    // A URL may be shown in logs and faults, so it holds no secret.
    { url: 'redis://user:secret@127.0.0.1' },
    { url: 'redis://127.0.0.1', commandTimeout: 50 },
    { url: 'redis://127.0.0.1', command_timeout_ms: 0 },
    { cluster: { nodes: [] } },
    { cluster: { nodes: ['10.0.0.1'] } },
    { sentinel: { nodes: ['10.0.0.1:26379'] } },
    { url: 'redis://127.0.0.1', tls: { verify: false } },
  ];
  for (const place of wrong) assert.notDeepEqual(parse({ kind: 'redis', ...place }).faults, [], JSON.stringify(place));
  assert.notDeepEqual(parse({ kind: 'memory', url: 'redis://127.0.0.1' }).faults, []);
  assert.notDeepEqual(parse({ kind: 'mongodb' }).faults, []);
});

test('what the schema cannot say is told with its place', () => {
  const pointers = (config: Partial<StoreConfig>) =>
    checkStore({ ...redis, ...config } as StoreConfig).map(({ pointer }) => pointer);
  assert.deepEqual(pointers({}), ['/store']);
  assert.deepEqual(pointers({ url: 'redis://a', cluster: { nodes: ['a:1'] } }), ['/store']);
  assert.deepEqual(pointers({ url: 'redis://a:70000' }), ['/store/url']);
  assert.deepEqual(pointers({ url: 'redis://a', tls: {} }), ['/store/tls']);
  assert.deepEqual(pointers({ url: 'rediss://a', tls: { cert: 'PEM' } }), ['/store/tls']);
  assert.deepEqual(pointers({ cluster: { nodes: ['a:1', 'b:70000', 'c:0'] } }), [
    '/store/cluster/nodes/1',
    '/store/cluster/nodes/2',
  ]);
  assert.deepEqual(pointers({ url: 'redis://a', username: 'gate' }), ['/store/username']);
});
