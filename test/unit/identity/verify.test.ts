import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import type { JsonObject } from '../../../src/call.ts';
import { ProcessMemory } from '../../../src/identity/txn-memory.ts';
import { createTxnTokenVerifier, isRefusal, type ReceivedRequest, sentDigest } from '../../../src/identity/verify.ts';
import { ecPair, edwardsPair, forge } from './forge.ts';
import { agent, claimsOf, openGate, publicUrl, request, subject, trustDomain } from './gate.ts';

const outcome = (answer: unknown): string => (isRefusal(answer) ? answer.reason : 'accepted');

test('a Txn-Token says what design and draft name, and jose verifies it', async (t) => {
  const { mintTxn, keys, taskId, clock } = await openGate(t);
  const token = await mintTxn();
  const { payload, protectedHeader } = await jwtVerify(
    token,
    createLocalJWKSet(keys.jwks() as unknown as JSONWebKeySet),
    { issuer: publicUrl, audience: trustDomain, typ: 'txntoken+jwt', currentDate: new Date(clock.nowMs()) },
  );
  assert.equal(protectedHeader.alg, 'ES256');
  const iat = Math.floor(clock.nowMs() / 1000);
  assert.match(payload.txn as string, /^call_/);
  assert.deepEqual(payload, {
    iss: publicUrl,
    aud: trustDomain,
    iat,
    exp: iat + 60,
    txn: payload.txn,
    sub: subject.id,
    act: { sub: agent.id, act: { sub: 'planner' } },
    scope: request.operation,
    req_wl: agent.id,
    tctx: {
      agent_issuer: 'azure',
      task_id: taskId,
      root_task_id: taskId,
      purpose: 'return_exception',
      operation: request.operation,
      subject_assurance: 'asserted',
      sent_digest: sentDigest(request.method, request.pathWithQuery, request.body),
    },
    rctx: { gateway: 'gate-1', cloud: 'azure', region: 'westeurope' },
  });
});

test('a service learns from it on whose behalf, by whom and in which task it is called', async (t) => {
  const { mintTxn, keys, clock, taskId } = await openGate(t);
  const verifier = createTxnTokenVerifier({ jwks: { document: keys.jwks() }, issuer: publicUrl, trustDomain, clock });
  const transaction = await verifier.verify(await mintTxn(), request);
  assert.ok(!isRefusal(transaction));
  const { txn, ...rest } = transaction;
  assert.match(txn, /^call_/);
  assert.deepEqual(rest, {
    subject: subject.id,
    subjectAssurance: 'asserted',
    agent: agent.id,
    agentIssuer: agent.issuer,
    subjectIssuer: null,
    actors: ['planner'],
    operation: request.operation,
    purpose: 'return_exception',
    taskId,
    rootTaskId: taskId,
  });
  const vouched = { ...subject, assurance: 'verified' as const, issuer: 'shop' };
  const verified = await verifier.verify(await mintTxn({ subject: vouched }), request);
  assert.ok(!isRefusal(verified));
  assert.deepEqual([verified.subjectAssurance, verified.subjectIssuer], ['verified', 'shop']);
  const own = await verifier.verify(await mintTxn({ subject: null }), request);
  assert.ok(!isRefusal(own));
  assert.deepEqual([own.subject, own.subjectAssurance], [agent.id, 'none']);
});

test('a captured token is worth nothing: not twice, not with another body, path, method or operation', async (t) => {
  const { mintTxn, keys, clock } = await openGate(t);
  const verifier = createTxnTokenVerifier({ jwks: { document: keys.jwks() }, issuer: publicUrl, trustDomain, clock });
  const token = await mintTxn();
  const changes: readonly (readonly [string, Partial<ReceivedRequest>])[] = [
    ['request_changed', { body: Buffer.from('{"amount_cents":101}') }],
    ['request_changed', { body: null }],
    ['request_changed', { pathWithQuery: '/refunds' }],
    ['request_changed', { method: 'PUT' }],
    ['operation_wrong', { operation: 'refunds.delete_refund' }],
  ];
  for (const [reason, change] of changes) {
    assert.equal(outcome(await verifier.verify(token, { ...request, ...change })), reason);
  }
  // What was refused did not spend it; what passes does, also among twenty at once.
  const answers = await Promise.all(Array.from({ length: 20 }, () => verifier.verify(token, request)));
  assert.equal(answers.filter((answer) => !isRefusal(answer)).length, 1);
  assert.equal(outcome(await verifier.verify(token, request)), 'token_replayed');
});

test('each change to a Txn-Token is refused with its reason', async (t) => {
  const { mintTxn, keys, clock } = await openGate(t);
  const verifier = createTxnTokenVerifier({ jwks: { document: keys.jwks() }, issuer: publicUrl, trustDomain, clock });
  const claims = claimsOf(await mintTxn()) as JsonObject;
  const tctx = claims.tctx as JsonObject;
  const iat = claims.iat as number;
  let count = 0;
  const signed = (changes: JsonObject) =>
    keys.sign('txn', 'txntoken+jwt', { ...claims, txn: `t${++count}`, ...changes });
  const omit = (name: string) =>
    keys.sign('txn', 'txntoken+jwt', Object.fromEntries(Object.entries(claims).filter(([member]) => member !== name)));
  const [headerPart = ''] = (await mintTxn()).split('.');
  const { kid } = JSON.parse(Buffer.from(headerPart, 'base64url').toString()) as { kid: string };
  const key = ecPair().privateKey;
  const header = { alg: 'ES256', typ: 'txntoken+jwt', kid };
  const rows: readonly (readonly [string, string | null | Promise<string>, string])[] = [
    ['none', null, 'token_missing'],
    ['a stranger', forge({ header, claims, key }), 'signature_invalid'],
    ['an unknown key', forge({ header: { ...header, kid: 'g.txn.x' }, claims, key }), 'key_unknown'],
    ['no kid', forge({ header: { alg: 'ES256', typ: 'txntoken+jwt' }, claims, key }), 'token_kind'],
    ['a lifetime of 61 s', signed({ exp: iat + 61 }), 'token_lifetime'],
    ['no iat', omit('iat'), 'claim_missing'],
    ['expired', signed({ iat: iat - 66, exp: iat - 6 }), 'token_expired'],
    ['from the future', signed({ iat: iat + 6, exp: iat + 50 }), 'token_not_yet_valid'],
    ['another issuer', signed({ iss: 'https://evil.test' }), 'issuer_unknown'],
    ['another trust domain', signed({ aud: 'elsewhere.test' }), 'audience_wrong'],
    ['no txn', omit('txn'), 'claim_missing'],
    ['an empty txn', signed({ txn: '' }), 'claim_invalid'],
    ['no sub', omit('sub'), 'claim_missing'],
    ['no scope', omit('scope'), 'claim_missing'],
    ['another scope', signed({ scope: 'x' }), 'operation_wrong'],
    ['scope and tctx that differ', signed({ tctx: { ...tctx, operation: 'x' } }), 'operation_wrong'],
    ['no req_wl', omit('req_wl'), 'claim_missing'],
    ['no tctx', omit('tctx'), 'claim_missing'],
    ['a tctx that is null', signed({ tctx: null }), 'claim_missing'],
    ['a tctx without a digest', signed({ tctx: { task_id: 'x' } }), 'claim_missing'],
    ['an empty req_wl', signed({ req_wl: '' }), 'claim_invalid'],
    ['an empty task', signed({ tctx: { ...tctx, task_id: '' } }), 'claim_invalid'],
    ['a root task that is a number', signed({ tctx: { ...tctx, root_task_id: 1 } }), 'claim_invalid'],
    ['a purpose that is a list', signed({ tctx: { ...tctx, purpose: ['x'] } }), 'claim_invalid'],
    ['an operation that is null', signed({ tctx: { ...tctx, operation: null } }), 'claim_invalid'],
    [
      'another algorithm',
      forge({ header: { ...header, alg: 'EdDSA' }, claims, key: edwardsPair().privateKey }),
      'alg_not_allowed',
    ],
    ['a tctx that is a string', signed({ tctx: 'x' }), 'claim_missing'],
    ['no act', omit('act'), 'claim_missing'],
    ['an act of another agent', signed({ act: { sub: 'planner' } }), 'claim_invalid'],
    ['an act without a sub', signed({ act: { act: { sub: agent.id } } }), 'claim_invalid'],
    ['an act that is a list', signed({ act: [{ sub: agent.id }] }), 'claim_invalid'],
    ['an act that is null', signed({ act: null }), 'claim_invalid'],
    ['an act that acts for a text', signed({ act: { sub: agent.id, act: 'planner' } }), 'claim_invalid'],
    ['an act that acts for nobody', signed({ act: { sub: agent.id, act: { sub: '' } } }), 'claim_invalid'],
    ['no issuer of the agent', signed({ tctx: { ...tctx, agent_issuer: '' } }), 'claim_invalid'],
    ['an assurance nobody knows', signed({ tctx: { ...tctx, subject_assurance: 'sure' } }), 'claim_invalid'],
    [
      'a digest that is a list',
      signed({ tctx: { ...tctx, sent_digest: [tctx.sent_digest as string] } }),
      'request_changed',
    ],
  ];
  for (const [name, token, reason] of rows) {
    assert.equal(outcome(await verifier.verify(await signed({}), request)), 'accepted', `the control of: ${name}`);
    assert.equal(outcome(await verifier.verify(await token, request)), reason, name);
  }
});

test('the keys are fetched from jwks.uri, once for many requests, and a gate that is away is said', async (t) => {
  const { mintTxn, keys, clock } = await openGate(t);
  let requests = 0;
  let [status, filler] = [200, ''];
  const server = createServer((_, response) => {
    requests++;
    response.writeHead(status).end(JSON.stringify({ ...keys.jwks(), filler }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const uri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/.well-known/jwks.json`;
  const options = { issuer: publicUrl, trustDomain, clock };
  const verifier = createTxnTokenVerifier({ ...options, jwks: { uri } });
  const answers = await Promise.all(Array.from({ length: 20 }, async () => verifier.verify(await mintTxn(), request)));
  assert.deepEqual(new Set(answers.map(outcome)), new Set(['accepted']));
  assert.equal(requests, 1);
  for ([status, filler] of [
    [500, ''],
    [200, 'x'.repeat(300_000)],
  ] as const) {
    const unwell = createTxnTokenVerifier({ ...options, jwks: { uri } });
    assert.equal(outcome(await unwell.verify(await mintTxn(), request)), 'issuer_unavailable');
  }
  const lost = createTxnTokenVerifier({ ...options, jwks: { uri: 'http://127.0.0.1:1/' } });
  assert.equal(outcome(await lost.verify(await mintTxn(), request)), 'issuer_unavailable');
});

test('options that cannot work are refused at once', () => {
  const options = { issuer: publicUrl, trustDomain };
  assert.throws(() => createTxnTokenVerifier({ ...options, jwks: { document: {} } }), TypeError);
  const jwks = { document: { keys: [] } };
  for (const clockToleranceSeconds of [-1, 61, Number.NaN]) {
    assert.throws(() => createTxnTokenVerifier({ ...options, jwks, clockToleranceSeconds }), RangeError);
  }
});

test('the memory of used tokens forgets what has expired, and when full takes no more', () => {
  const memory = new ProcessMemory();
  for (let index = 0; index < 100_000; index++) assert.equal(memory.use(`t${index}`, 60_000, 0), 'fresh');
  assert.equal(memory.use('one too many', 60_000, 0), 'full');
  assert.equal(memory.use('t0', 60_000, 0), 'used');
  assert.equal(memory.use('one too many', 120_000, 60_000), 'fresh');
  assert.equal(memory.use('one too many', 120_000, 119_999), 'used');
});

test('the digest has a documented form, so that other languages can make it', () => {
  // printf 'POST /refunds?dry=1\n{"amount_cents":100}' | openssl dgst -sha256 -binary | basenc --base64url
  assert.equal(sentDigest('post', '/refunds?dry=1', request.body), 'pnb23RF-4XZ8yE5WhXi-JiZH_8ywiUtIm8dCPnSaysw');
  assert.equal(sentDigest('GET', '/', null), sentDigest('GET', '/', Buffer.alloc(0)));
  assert.notEqual(sentDigest('GET', '/a', Buffer.from('b')), sentDigest('GET', '/', Buffer.from('ab')));
});
