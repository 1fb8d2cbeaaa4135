import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../../src/call.ts';
import { isDenial } from '../../../src/denial.ts';
import { identityStage } from '../../../src/identity/stage.ts';
import { judge } from '../../../src/stage.ts';
import { ecPair, forge, rsaPair } from './forge.ts';
import { agent, bearer, claimsOf, openGate, publicUrl, subject } from './gate.ts';

test('a task token is an RFC 9068 access token for one agent and one task', async (t) => {
  const { mintTask, taskId, clock, taskTokens } = await openGate(t);
  const { token, tokenId, expiresAtMs } = await mintTask();
  const header = JSON.parse(Buffer.from(token.split('.')[0] as string, 'base64url').toString());
  assert.equal(header.typ, 'at+jwt');
  assert.equal(header.alg, 'ES256');
  const iat = Math.floor(clock.nowMs() / 1000);
  assert.deepEqual(claimsOf(token), {
    iss: publicUrl,
    aud: publicUrl,
    sub: subject.id,
    client_id: agent.id,
    act: { sub: agent.id },
    iat,
    exp: iat + 600,
    jti: tokenId,
    tollgate_task: taskId,
    tollgate_tenant: 'acme',
  });
  const unbound = { binding: null, scope: null, mayAct: null };
  const caller = { taskId, agentId: agent.id, tenant: 'acme', tokenId, expiresAtMs, ...unbound };
  assert.deepEqual(await taskTokens.verify(bearer(token)), caller);
  assert.equal(await taskTokens.verify(bearer(token)), await taskTokens.verify(bearer(token)));
});

test('without a subject the agent is its own subject, and no act is said', async (t) => {
  const { taskTokens, taskId, clock } = await openGate(t);
  const expiresAtMs = clock.nowMs() + 60_900;
  const minted = await taskTokens.mint({
    ...{ taskId, agentId: 'a', tenant: 't', subjectId: null, expiresAtMs },
    ...{ binding: null, scope: null, mayAct: null },
  });
  assert.equal(claimsOf(minted.token).sub, 'a');
  assert.equal('act' in claimsOf(minted.token), false);
  assert.ok(minted.expiresAtMs <= expiresAtMs);
});

test('what a token is bound to, narrowed to and for stands in it, and is read again', async (t) => {
  const { taskTokens, taskId, clock } = await openGate(t);
  const expiresAtMs = clock.nowMs() + 60_000;
  const print = 'p'.repeat(43);
  for (const binding of [
    { kind: 'mtls', thumbprint: print },
    { kind: 'dpop', thumbprint: print },
  ] as const) {
    const narrowed = { binding, scope: ['orders.get_order', 'gpt.*'], mayAct: { agent: 'other', issuer: 'aws' } };
    const { token } = await taskTokens.mint({
      ...{ taskId, agentId: 'a', tenant: 't', subjectId: null, expiresAtMs },
      ...narrowed,
    });
    const claims = claimsOf(token);
    assert.deepEqual(claims.cnf, binding.kind === 'mtls' ? { 'x5t#S256': print } : { jkt: print });
    assert.equal(claims.scope, 'orders.get_order gpt.*');
    assert.deepEqual(claims.may_act, { sub: 'other', iss: 'aws' });
    const caller = taskTokens.read(token);
    assert.ok(!isDenial(caller));
    assert.deepEqual({ binding: caller.binding, scope: caller.scope, mayAct: caller.mayAct }, narrowed);
    assert.ok(isDenial(await taskTokens.verify(bearer(token))), 'its key is not proved');
  }
});

test('a token to be handed on is no credential of a call', async (t) => {
  const { taskTokens, taskId, clock } = await openGate(t);
  const { token } = await taskTokens.mint({
    ...{ taskId, agentId: 'a', tenant: 't', subjectId: null, expiresAtMs: clock.nowMs() + 60_000 },
    ...{ binding: null, scope: null, mayAct: { agent: 'other', issuer: 'aws' } },
  });
  const { shown } = bearer(token);
  const denial = await identityStage(taskTokens).admit({ credential: token, shown } as never);
  assert.ok(isDenial(denial));
  assert.equal(denial.reasons[0]?.code, 'token_kind');
});

test('two tokens of one task have different ids', async (t) => {
  const { mintTask } = await openGate(t);
  assert.notEqual((await mintTask()).tokenId, (await mintTask()).tokenId);
});

test('a task token ends at its second, also when it is cached', async (t) => {
  const { mintTask, taskTokens, clock } = await openGate(t);
  const { token, expiresAtMs } = await mintTask();
  assert.ok(!isDenial(await taskTokens.verify(bearer(token))));
  await clock.advance(expiresAtMs - clock.nowMs() - 1);
  assert.ok(!isDenial(await taskTokens.verify(bearer(token))));
  await clock.advance(1);
  const denial = await taskTokens.verify(bearer(token));
  assert.ok(isDenial(denial));
  assert.equal(denial.code, 'unauthenticated');
  assert.equal(denial.reasons[0]?.code, 'token_expired');
});

test('ids that verify would not take back are not minted', async (t) => {
  const { taskTokens, taskId, clock } = await openGate(t);
  const good = {
    ...{ taskId, agentId: 'a', tenant: 't', subjectId: 's', expiresAtMs: clock.nowMs() + 60_000 },
    ...{ binding: null, scope: null, mayAct: null },
  };
  for (const bad of [
    { agentId: '' },
    { subjectId: 's'.repeat(256) },
    { subjectId: 'a\nb' },
    { tenant: '' },
    { taskId: 'x' },
    { expiresAtMs: clock.nowMs() },
    { scope: ['orders.get orders.*'] },
  ]) {
    await assert.rejects(taskTokens.mint({ ...good, ...bad } as never), { name: 'AssertionError' });
  }
});

test('each change to a task token is refused with its reason', async (t) => {
  const { keys, mintTask, taskTokens } = await openGate(t);
  const claims = claimsOf((await mintTask()).token) as JsonObject;
  const signed = (changes: JsonObject) => keys.sign('task', 'at+jwt', { ...claims, ...changes });
  const omit = (name: string) =>
    keys.sign('task', 'at+jwt', Object.fromEntries(Object.entries(claims).filter(([member]) => member !== name)));
  const kid = JSON.parse(Buffer.from((await mintTask()).token.split('.')[0] as string, 'base64url').toString())
    .kid as string;
  const stranger = ecPair();
  const header = { alg: 'ES256', typ: 'at+jwt', kid };
  const key = stranger.privateKey;
  const print = 'p'.repeat(43);
  const rows: readonly (readonly [string, string | null | Promise<string>, string])[] = [
    ['none shown', null, 'token_missing'],
    ['an empty one', '', 'token_missing'],
    ['an API key', 'sk-1234567890', 'token_malformed'],
    [
      'alg none',
      forge({ header: { ...header, alg: 'none' }, claims, key, signature: () => Buffer.alloc(0) }),
      'alg_not_allowed',
    ],
    ['a stranger who knows the kid', forge({ header, claims, key }), 'signature_invalid'],
    ['another gateway', forge({ header: { ...header, kid: 'gate-9.task.x' }, claims, key }), 'key_unknown'],
    ['no kid', forge({ header: { alg: 'ES256', typ: 'at+jwt' }, claims, key }), 'key_unknown'],
    ['RS256', forge({ header: { ...header, alg: 'RS256' }, claims, key: rsaPair().privateKey }), 'alg_not_allowed'],
    ['no typ', forge({ header: { alg: 'ES256', kid }, claims, key }), 'token_kind'],
    ['typ JWT', forge({ header: { ...header, typ: 'JWT' }, claims, key }), 'token_kind'],
    ['another issuer', signed({ iss: 'https://elsewhere.test' }), 'token_kind'],
    ['no iss', omit('iss'), 'claim_missing'],
    ['another audience', signed({ aud: 'https://elsewhere.test' }), 'audience_wrong'],
    ['no exp', omit('exp'), 'claim_missing'],
    ['exp in the past', signed({ exp: (claims.iat as number) - 1, iat: 0 }), 'token_expired'],
    ['iat in the future', signed({ iat: (claims.iat as number) + 6 }), 'token_not_yet_valid'],
    ['an empty sub', signed({ sub: '' }), 'claim_invalid'],
    ['no client_id', omit('client_id'), 'claim_missing'],
    ['an empty client_id', signed({ client_id: '' }), 'claim_invalid'],
    ['no jti', omit('jti'), 'claim_missing'],
    ['no task', omit('tollgate_task'), 'claim_missing'],
    ['a task that is none', signed({ tollgate_task: 'task_../../x' }), 'claim_invalid'],
    ['a task that is an object', signed({ tollgate_task: {} }), 'claim_invalid'],
    ['no tenant', omit('tollgate_tenant'), 'claim_missing'],
    ['a cnf of another member', signed({ cnf: { kid: 'k' } }), 'claim_invalid'],
    ['a cnf of two members', signed({ cnf: { jkt: print, 'x5t#S256': print } }), 'claim_invalid'],
    ['a cnf that is empty', signed({ cnf: {} }), 'claim_invalid'],
    ['a cnf that is null', signed({ cnf: null }), 'claim_invalid'],
    ['a thumbprint that is none', signed({ cnf: { jkt: 'short' } }), 'claim_invalid'],
    ['a key that is not proved', signed({ cnf: { jkt: print } }), 'binding_missing'],
    ['a certificate that is not shown', signed({ cnf: { 'x5t#S256': print } }), 'binding_missing'],
    ['a scope that is a list', signed({ scope: ['orders.get_order'] }), 'claim_invalid'],
    ['a may_act that is text', signed({ may_act: 'agent' }), 'claim_invalid'],
    ['a may_act without an issuer', signed({ may_act: { sub: 'agent' } }), 'claim_invalid'],
    ['a tenant that is a list', signed({ tollgate_tenant: ['acme'] }), 'claim_invalid'],
  ];
  for (const [name, token, reason] of rows) {
    assert.ok(!isDenial(await taskTokens.verify(bearer(await signed({ jti: name })))), `the control of: ${name}`);
    const shown = await token;
    const answer = await taskTokens.verify(shown === null ? null : bearer(shown));
    assert.ok(isDenial(answer), name);
    assert.equal(answer.code, 'unauthenticated', name);
    assert.equal(answer.reasons[0]?.code, reason, name);
  }
});

test('the stage adds the caller, or hands on the denial', async (t) => {
  const { mintTask, taskTokens, taskId } = await openGate(t);
  const stage = identityStage(taskTokens);
  const { shown } = bearer('');
  const arrival = { shown };
  const fact = await stage.admit({ ...arrival, credential: (await mintTask()).token } as never);
  assert.ok(!isDenial(fact));
  assert.equal(fact.caller.taskId, taskId);
  assert.equal(judge(stage, fact), fact);
  assert.ok(isDenial(await stage.admit({ ...arrival, credential: null } as never)));
  for (const garbage of [
    {},
    { caller: null },
    { caller: { ...fact.caller, agentId: '' } },
    { caller: { ...fact.caller, expiresAtMs: Number.NaN } },
    { caller: { ...fact.caller, binding: undefined } },
    { caller: { ...fact.caller, scope: undefined } },
    { caller: { ...fact.caller, scope: 'all' } },
  ]) {
    assert.equal(judge(stage, garbage), undefined);
  }
});
