import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkBindings } from '../../../src/config/bindings.ts';
import type { Config } from '../../../src/config/schema.ts';

interface Asking {
  readonly tls?: string;
  readonly issuer?: string;
  readonly route?: string;
  readonly operation?: string;
  readonly effect?: string;
}

const faultsOf = ({ tls, issuer, route, operation, effect }: Asking): string[] => {
  const config = {
    gateway: tls === undefined ? {} : { tls: { client: tls } },
    issuers: [{ name: 'i', binding: issuer }],
    routes: [
      { kind: 'model', name: 'gpt' },
      { kind: 'http', name: 'orders', binding: route, operations: { 'a/b': { binding: operation } } },
    ],
    task: { binding: { write: effect } },
  } as unknown as Config;
  return checkBindings(config).map(({ pointer, message }) => `${pointer} ${message}`);
};

test('what can be met is no fault', () => {
  assert.deepEqual(faultsOf({}), []);
  assert.deepEqual(faultsOf({ issuer: 'any', route: 'dpop', operation: 'dpop', effect: 'any' }), []);
  for (const tls of ['request', 'require', 'self_signed']) {
    assert.deepEqual(faultsOf({ tls, issuer: 'mtls', route: 'any', operation: 'mtls', effect: 'mtls' }), []);
  }
});

test('mTLS without client certificates is a fault, wherever it is asked for', () => {
  const places = {
    issuer: '/issuers/0/binding',
    route: '/routes/1/binding',
    operation: '/routes/1/operations/a~1b/binding',
    effect: '/task/binding/write',
  };
  for (const [place, pointer] of Object.entries(places)) {
    for (const tls of [undefined, 'none']) {
      const faults = faultsOf({ [place]: 'mtls', ...(tls === undefined ? {} : { tls }) });
      assert.deepEqual(faults, [`${pointer} cannot be met: clients show certificates only with gateway.tls.client`]);
    }
  }
});

test('an operation that contradicts its route is a fault', () => {
  const at = '/routes/1/operations/a~1b/binding cannot be met: the route asks for';
  assert.deepEqual(faultsOf({ tls: 'request', route: 'mtls', operation: 'dpop' }), [`${at} mtls, and both count`]);
  assert.deepEqual(faultsOf({ tls: 'request', route: 'dpop', operation: 'mtls' }), [`${at} dpop, and both count`]);
});
