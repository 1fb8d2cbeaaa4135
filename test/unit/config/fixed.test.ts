import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withoutRestart } from '../../../src/config/fixed.ts';
import type { Config } from '../../../src/config/schema.ts';

const tls = { cert: '/a.crt', key: '/a.key', client: 'none', min_version: 'TLSv1.2' } as const;

/** Only what is looked at; the rest of a configuration passes through. */
function config(gateway: object = {}, sections: object = {}): Config {
  const whole = {
    gateway: { id: 'one', listen: '127.0.0.1:1', data_dir: '/d', admin_hosts: [], ...gateway },
    keys: { source: 'files' },
    limits: { header_bytes: 1, store_lost_ms: 1, body_bytes: 1 },
    ...{ store: { kind: 'memory' }, audit: { sign_every: 1 }, telemetry: { log: 'info' }, routes: ['a'] },
    ...sections,
  };
  return whole as unknown as Config;
}

test('what can change is taken over, what cannot keeps its running value and is named', () => {
  const wanted = config(
    { id: 'two', data_dir: '/e' },
    {
      limits: { header_bytes: 2, store_lost_ms: 2, body_bytes: 2 },
      audit: { sign_every: 2 },
      keys: { source: 'store' },
      routes: ['b'],
    },
  );
  const { config: taken, restart } = withoutRestart(config(), wanted);
  assert.deepEqual(restart.toSorted(), [
    '/audit',
    '/gateway/data_dir',
    '/gateway/id',
    '/keys',
    '/limits/header_bytes',
    '/limits/store_lost_ms',
  ]);
  assert.deepEqual(taken, config({}, { limits: { header_bytes: 1, store_lost_ms: 1, body_bytes: 2 }, routes: ['b'] }));
});

test('certificates and versions of a listener follow; whether it speaks TLS, and to whom, needs a restart', () => {
  const renewed = { ...tls, cert: '/b.crt', min_version: 'TLSv1.3' } as const;
  assert.deepEqual(withoutRestart(config({ tls }), config({ tls: renewed })), {
    config: config({ tls: renewed }),
    restart: [],
  });
  for (const [was, wanted] of [
    [{}, { tls }],
    [{ tls }, {}],
    [{ tls }, { tls: { ...tls, client: 'require', client_ca: '/ca' } }],
  ] as const) {
    const { config: taken, restart } = withoutRestart(config(was), config(wanted));
    assert.deepEqual([taken, restart], [config(was), ['/gateway/tls']]);
  }
});
