/**
 * The JWKS of many gateways: with more than 64 keys in it, which some twenty gateway ids in a week come to (each new pod
 * is one), every service that verifies Txn-Tokens refused the whole document, and with it every call.
 */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Json, JsonObject } from '../../src/call.ts';
import { KeyDirectory } from '../../src/identity/key-directory.ts';
import { GateKeys } from '../../src/identity/keys.ts';
import { createTxnTokenVerifier, isRefusal, sentDigest } from '../../src/identity/verify.ts';
import { MemoryStore } from '../../src/store/backends/memory.ts';
import { storeKey } from '../../src/store/store.ts';
import { ManualClock } from '../fakes/clock.ts';

const gateways = 100;
const algs = { task: 'ES256', txn: 'ES256', audit: 'Ed25519' } as const;

/** What a gateway publishes. */
function keysOf(gatewayId: string): JsonObject[] {
  return Object.entries(algs).map(([purpose, alg]): JsonObject => {
    const { publicKey } =
      alg === 'Ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return {
      ...(publicKey.export({ format: 'jwk' }) as JsonObject),
      kid: `${gatewayId}.${purpose}.x`,
      alg,
      use: 'sig',
    };
  });
}

test('services verify with the keys of a hundred gateways, and only auditors are shown those of gateways that are gone', async () => {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  await store.open();
  const ids = Array.from({ length: gateways }, (_, index) => `pod-${index}`);
  const seenAtMs = clock.nowMs();
  const others = Object.fromEntries(ids.map((id) => [id, { keys: keysOf(id), seenAtMs, instance: id }]));
  await store.compareAndSet(storeKey('', 'gate-keys'), 0, others as unknown as Json, 7 * 24 * 3600_000);
  const dataDir = await mkdtemp(join(tmpdir(), 'tollgate-many-'));
  await using keys = new GateKeys({ dataDir, gatewayId: 'own', clock });
  await keys.open();
  await using directory = new KeyDirectory({ keys, gatewayId: 'own', store, clock, faulted: () => undefined });
  await directory.open();
  const shown = () => (directory.jwks().keys as { kid: string }[]).map(({ kid }) => kid);
  assert.equal(shown().length, 3 * (gateways + 1));

  const issuer = 'https://gate.test';
  const nowSeconds = Math.floor(clock.nowMs() / 1000);
  const received = { operation: 'orders.get', method: 'GET', pathWithQuery: '/orders', body: null };
  const token = await keys.sign('txn', 'txntoken+jwt', {
    ...{ iss: issuer, aud: 'example.internal', sub: 'C', iat: nowSeconds, exp: nowSeconds + 60, txn: 'call_1' },
    ...{ scope: received.operation, req_wl: 'a', act: { sub: 'a' } },
    tctx: {
      ...{ agent_issuer: 'azure', task_id: 't', root_task_id: 't', purpose: 'p', operation: received.operation },
      ...{ subject_assurance: 'none', sent_digest: sentDigest('GET', '/orders', null) },
    },
  });
  const jwks = { document: directory.jwks() };
  const verifier = createTxnTokenVerifier({ jwks, issuer, trustDomain: 'example.internal', clock });
  const verified = await verifier.verify(token, received);
  assert.equal(isRefusal(verified) ? verified.reason : verified.agent, 'a');

  await clock.advance(2 * 3600_000 - 60_000);
  await directory.publish();
  assert.ok(shown().includes('pod-0.task.x'), 'a token of it may be alive');
  await clock.advance(60_000);
  await directory.publish();
  assert.deepEqual(
    shown().filter((kid) => kid.startsWith('pod-0.')),
    ['pod-0.audit.x'],
  );
  assert.equal(directory.publicKey('pod-0.task.x', 'task'), undefined);
  await rm(dataDir, { recursive: true });
});
