/** Five kinds of token, three places that take one each: every token in a place that is not its own is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDenial } from '../../../src/denial.ts';
import type { IssuersConfig } from '../../../src/identity/section.ts';
import { createTxnTokenVerifier, isRefusal } from '../../../src/identity/verify.ts';
import { WorkloadVerifier } from '../../../src/identity/workload.ts';
import { ecPair, FakeDocuments, forge, issuerDefaults, publicJwk } from './forge.ts';
import { bearer, claimsOf, openGate, publicUrl, request, trustDomain } from './gate.ts';

const issuer = 'https://issuer.test';

test('each kind of token passes in its own place and in no other', async (t) => {
  const gate = await openGate(t);
  await gate.keys.prepareFederation();
  const pair = ecPair();
  const documents = new FakeDocuments({ 'https://issuer.test/keys': { keys: [publicJwk(pair, { kid: 'k' })] } });
  const issuers = [
    {
      ...issuerDefaults,
      name: 'i',
      issuer,
      audiences: [publicUrl],
      jwks_uri: 'https://issuer.test/keys',
      tenant: 'acme',
    },
  ] as unknown as IssuersConfig;
  const workload = new WorkloadVerifier({ issuers, fetchJson: documents.fetchJson, clock: gate.clock });
  const txn = createTxnTokenVerifier({
    jwks: { document: gate.keys.jwks() },
    issuer: publicUrl,
    trustDomain,
    clock: gate.clock,
  });

  // All claims of a task token, so that only its kind speaks against each of the others.
  const claims = {
    ...claimsOf((await gate.mintTask()).token),
    ...claimsOf(await gate.mintTxn()),
    aud: [publicUrl, trustDomain],
  };
  const tokens = {
    workload: forge({
      header: { alg: 'ES256', typ: 'at+jwt', kid: 'k' },
      claims: { ...claims, iss: issuer, tid: 'acme' },
      key: pair.privateKey,
    }),
    task: await gate.keys.sign('task', 'at+jwt', claims as never),
    txn: await gate.keys.sign('txn', 'txntoken+jwt', claims as never),
    federation: await gate.keys.sign('federation', 'JWT', claims as never),
    audit: await gate.keys.sign('audit', 'tollgate-checkpoint+jws', claims as never),
  };
  const places = {
    workload: async (token: string) => {
      const answer = await workload.verify(token);
      return isDenial(answer) ? answer.reasons[0]?.code : 'accepted';
    },
    task: async (token: string) => {
      const answer = await gate.taskTokens.verify(bearer(token));
      return isDenial(answer) ? answer.reasons[0]?.code : 'accepted';
    },
    txn: async (token: string) => {
      const answer = await txn.verify(token, request);
      return isRefusal(answer) ? answer.reason : 'accepted';
    },
  };
  const seen: Record<string, Record<string, unknown>> = {};
  for (const [place, show] of Object.entries(places)) {
    const row: Record<string, unknown> = {};
    for (const [kind, token] of Object.entries(tokens)) row[kind] = await show(token);
    seen[place] = row;
  }
  assert.deepEqual(seen, {
    workload: {
      workload: 'accepted',
      task: 'issuer_unknown',
      txn: 'token_kind',
      federation: 'issuer_unknown',
      audit: 'token_kind',
    },
    task: {
      workload: 'token_kind',
      task: 'accepted',
      txn: 'token_kind',
      federation: 'token_kind',
      audit: 'token_kind',
    },
    txn: { workload: 'token_kind', task: 'token_kind', txn: 'accepted', federation: 'token_kind', audit: 'token_kind' },
  });
});

test('a stolen key of one purpose makes no token of another, even with the right typ', async (t) => {
  const { keys, taskTokens, mintTask, mintTxn, clock, stolenKey } = await openGate(t);
  const verifier = createTxnTokenVerifier({ jwks: { document: keys.jwks() }, issuer: publicUrl, trustDomain, clock });
  const make = async (purpose: 'task' | 'txn', typ: string, own: string) => {
    const { kid, key } = await stolenKey(purpose);
    return forge({ header: { alg: 'ES256', typ, kid }, claims: claimsOf(own), key });
  };
  const atGate = async (purpose: 'task' | 'txn', typ: string) => {
    const answer = await taskTokens.verify(bearer(await make(purpose, typ, (await mintTask()).token)));
    return isDenial(answer) ? answer.reasons[0]?.code : 'accepted';
  };
  const atService = async (purpose: 'task' | 'txn', typ: string) => {
    const answer = await verifier.verify(await make(purpose, typ, await mintTxn()), request);
    return isRefusal(answer) ? answer.reason : 'accepted';
  };
  assert.equal(await atGate('task', 'at+jwt'), 'accepted');
  assert.equal(await atGate('txn', 'at+jwt'), 'token_kind');
  assert.equal(await atGate('task', 'txntoken+jwt'), 'token_kind');
  assert.equal(await atService('txn', 'txntoken+jwt'), 'accepted');
  assert.equal(await atService('task', 'txntoken+jwt'), 'token_kind');
  assert.equal(await atService('txn', 'at+jwt'), 'token_kind');
});
