import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json, JsonObject } from '../../../src/call.ts';
import { type ConditionConfig, readCondition } from '../../../src/identity/conditions.ts';
import { matches } from '../../../src/pattern.ts';
import { keysDocument, openForeign } from './foreign.ts';

const globs: readonly (readonly [pattern: string, fits: readonly string[], not: readonly string[]])[] = [
  ['agent', ['agent'], ['', 'agents', 'Agent', 'an agent']],
  ['agent-*', ['agent-', 'agent-1', 'agent-a/b'], ['agent', 'xagent-1']],
  ['*-agent', ['-agent', 'a-agent'], ['agent', 'a-agent-b']],
  ['a*b', ['ab', 'axb', 'abab'], ['a', 'b', 'ba', 'abx']],
  ['aba*aba', ['abaaba', 'abaxaba'], ['aba', 'ababa']],
  ['*', ['', 'anything', 'a\nb'], []],
  ['*a*b*', ['ab', 'xaxbx', 'aab'], ['ba', 'a', 'b', '']],
  ['a**b', ['ab', 'axb'], ['a']],
  ['a.c', ['a.c'], ['abc']],
  ['(a+)+$', ['(a+)+$'], ['aaaa']],
];
for (const [pattern, fits, not] of globs) {
  test(`the pattern ${JSON.stringify(pattern)} fits what it says and nothing else`, () => {
    for (const text of fits) assert.ok(matches(pattern, text), text);
    for (const text of not) assert.ok(!matches(pattern, text), text);
  });
}

test('a pattern of many stars takes no time on a text that nearly fits', () => {
  const before = process.cpuUsage().user;
  assert.ok(!matches(`${'a*'.repeat(1_000)}b`, 'a'.repeat(16_000)));
  assert.ok(process.cpuUsage().user - before < 1_000_000);
});

const holds: readonly (readonly [
  name: string,
  condition: Omit<ConditionConfig, 'claim'>,
  value: Json,
  held: boolean,
])[] = [
  ['equal text', { equals: 'agent' }, 'agent', true],
  ['other text', { equals: 'agent' }, 'admin', false],
  ['an equal number', { equals: 7 }, 7, true],
  ['a number as text', { equals: 7 }, '7', false],
  ['true', { equals: true }, true, true],
  ['true as text', { equals: true }, 'true', false],
  ['false, where false is wanted', { equals: false }, false, true],
  ['empty text, where it is wanted', { equals: '' }, '', true],
  ['null', { equals: 'null' }, null, false],
  ['an object', { equals: '[object Object]' }, {}, false],
  ['one of several', { one_of: ['a', 'b', 3] }, 'b', true],
  ['none of several', { one_of: ['a', 'b', 3] }, '3', false],
  ['a list with one that fits', { equals: 'agent' }, ['x', 'agent'], true],
  ['a list with none that fits', { equals: 'agent' }, ['x', 'agents'], false],
  ['an empty list', { matches: '*' }, [], false],
  ['a list in a list', { equals: 'agent' }, [['agent']], false],
  ['a list that is too long', { equals: 'agent' }, Array.from({ length: 1_001 }, () => 'agent'), false],
  ['text that fits a pattern', { matches: 'acme-*' }, 'acme-7', true],
  ['a number, for a pattern', { matches: '*' }, 7, false],
];
for (const [name, condition, value, held] of holds) {
  test(`a condition ${held ? 'holds' : 'fails'}: ${name}`, () => {
    const asked = readCondition({ claim: 'claims.a."b.c"', ...condition });
    assert.equal(asked({ a: { 'b.c': value } }), held);
    assert.equal(asked({ a: {} }), false);
    assert.equal(asked({ a: JSON.parse('{"__proto__":{}}') as JsonObject }), false);
    assert.equal(asked({}), false);
  });
}

test('[identity.conditions] every condition of an issuer must hold, and a claim that is missing fails', async () => {
  const issuer = 'https://i.test';
  const conditions = [
    { claim: 'claims.roles', one_of: ['agent', 'robot'] },
    { claim: 'claims.sub', matches: 'team-*' },
  ];
  const { workload } = openForeign(
    {
      issuers: [
        { name: 'i', issuer, jwks_uri: `${issuer}/k`, audiences: ['gate'], tenant: 't', cloud: 'c', conditions },
      ],
    },
    { [`${issuer}/k`]: keysDocument },
  );
  const claims = { iss: issuer, aud: 'gate', sub: 'team-7', roles: ['agent'] };
  assert.equal(await workload({ claims }), 'accepted');
  assert.equal(await workload({ claims: { ...claims, roles: ['reader'] } }), 'condition_failed');
  assert.equal(await workload({ claims: { ...claims, roles: undefined } }), 'condition_failed');
  assert.equal(await workload({ claims: { ...claims, sub: 'x-team-7' } }), 'condition_failed');
});

test('lifetime_seconds_max refuses what lives longer, and what does not say since when', async () => {
  const issuer = 'https://i.test';
  const { workload, now } = openForeign(
    {
      issuers: [
        {
          ...{ name: 'i', issuer, jwks_uri: `${issuer}/k`, audiences: ['gate'], tenant: 't', cloud: 'c' },
          lifetime_seconds_max: 600,
        },
      ],
    },
    { [`${issuer}/k`]: keysDocument },
  );
  const claims = { iss: issuer, aud: 'gate', sub: 'a', iat: now(), exp: now() + 600 };
  assert.equal(await workload({ claims }), 'accepted');
  assert.equal(await workload({ claims: { ...claims, exp: now() + 601 } }), 'token_lifetime');
  assert.equal(await workload({ claims: { ...claims, iat: undefined } }), 'claim_missing');
});
