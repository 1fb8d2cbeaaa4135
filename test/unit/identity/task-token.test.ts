import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../../src/call.ts';
import { isDenial } from '../../../src/denial.ts';
import { identityStage } from '../../../src/identity/stage.ts';
import { judge } from '../../../src/stage.ts';
import { ecPair, forge, rsaPair } from './forge.ts';
import { agent, claimsOf, openGate, publicUrl, subject } from './gate.ts';

test('a task token is an RFC 9068 access token for one agent and one task', async (t) => {
  const { mintTask, taskId, clock, taskTokens } = await openGate(t);
  const { token, tokenId, expiresAtMs } = mintTask();
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
  const caller = { taskId, agentId: agent.id, tenant: 'acme', tokenId, expiresAtMs };
  assert.deepEqual(taskTokens.verify(token), caller);
  assert.equal(taskTokens.verify(token), taskTokens.verify(token));
});

test('without a subject the agent is its own subject, and no act is said', async (t) => {
  const { taskTokens, taskId, clock } = await openGate(t);
  const expiresAtMs = clock.nowMs() + 60_900;
  const minted = taskTokens.mint({ taskId, agentId: 'a', tenant: 't', subjectId: null, expiresAtMs });
  assert.equal(claimsOf(minted.token).sub, 'a');
  assert.equal('act' in claimsOf(minted.token), false);
  assert.ok(minted.expiresAtMs <= expiresAtMs);
});

test('two tokens of one task have different ids', async (t) => {
  const { mintTask } = await openGate(t);
  assert.notEqual(mintTask().tokenId, mintTask().tokenId);
});

test('a task token ends at its second, also when it is cached', async (t) => {
  const { mintTask, taskTokens, clock } = await openGate(t);
  const { token, expiresAtMs } = mintTask();
  assert.ok(!isDenial(taskTokens.verify(token)));
  await clock.advance(expiresAtMs - clock.nowMs() - 1);
  assert.ok(!isDenial(taskTokens.verify(token)));
  await clock.advance(1);
  const denial = taskTokens.verify(token);
  assert.ok(isDenial(denial));
  assert.equal(denial.code, 'unauthenticated');
  assert.equal(denial.reasons[0]?.code, 'token_expired');
});

test('ids that verify would not take back are not minted', async (t) => {
  const { taskTokens, taskId, clock } = await openGate(t);
  const good = { taskId, agentId: 'a', tenant: 't', subjectId: 's', expiresAtMs: clock.nowMs() + 60_000 };
  for (const bad of [
    { agentId: '' },
    { subjectId: 's'.repeat(256) },
    { subjectId: 'a\nb' },
    { tenant: '' },
    { taskId: 'x' },
    { expiresAtMs: clock.nowMs() },
  ]) {
    assert.throws(() => taskTokens.mint({ ...good, ...bad } as never), { name: 'AssertionError' });
  }
});

test('each change to a task token is refused with its reason', async (t) => {
  const { keys, mintTask, taskTokens } = await openGate(t);
  const claims = claimsOf(mintTask().token) as JsonObject;
  const signed = (changes: JsonObject) => keys.sign('task', 'at+jwt', { ...claims, ...changes });
  const omit = (name: string) =>
    keys.sign('task', 'at+jwt', Object.fromEntries(Object.entries(claims).filter(([member]) => member !== name)));
  const kid = JSON.parse(Buffer.from(mintTask().token.split('.')[0] as string, 'base64url').toString()).kid as string;
  const stranger = ecPair();
  const header = { alg: 'ES256', typ: 'at+jwt', kid };
  const key = stranger.privateKey;
  const rows: readonly (readonly [string, string | null, string])[] = [
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
    ['a tenant that is a list', signed({ tollgate_tenant: ['acme'] }), 'claim_invalid'],
  ];
  for (const [name, token, reason] of rows) {
    assert.ok(!isDenial(taskTokens.verify(signed({ jti: name }))), `the control of: ${name}`);
    const answer = taskTokens.verify(token);
    assert.ok(isDenial(answer), name);
    assert.equal(answer.code, 'unauthenticated', name);
    assert.equal(answer.reasons[0]?.code, reason, name);
  }
});

test('the stage adds the caller, or hands on the denial', async (t) => {
  const { mintTask, taskTokens, taskId } = await openGate(t);
  const stage = identityStage(taskTokens);
  const fact = await stage.admit({ credential: mintTask().token } as never);
  assert.ok(!isDenial(fact));
  assert.equal(fact.caller.taskId, taskId);
  assert.equal(judge(stage, fact), fact);
  assert.ok(isDenial(await stage.admit({ credential: null } as never)));
  for (const garbage of [
    {},
    { caller: null },
    { caller: { ...fact.caller, agentId: '' } },
    { caller: { ...fact.caller, expiresAtMs: Number.NaN } },
  ]) {
    assert.equal(judge(stage, garbage), undefined);
  }
});
