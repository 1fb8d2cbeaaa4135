/** The bodies of the task routes: what is read of them, and what is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDenial } from '../../../src/denial.ts';
import { TaskRequests } from '../../../src/wire/task-request.ts';
import { allowed } from './request.ts';

const requests = new TaskRequests();
const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));

test('a subject is a token, or an id with a type that is customer by default', () => {
  const subjectOf = (subject: unknown) => allowed(requests.task(bytes({ purpose: 'p', subject }))).subject;
  assert.deepEqual(subjectOf({ token: 'a.b.c' }), { token: 'a.b.c' });
  assert.deepEqual(subjectOf({ id: 'C-1' }), { id: 'C-1', type: 'customer' });
  assert.deepEqual(subjectOf({ id: 'E-1', type: 'employee' }), { id: 'E-1', type: 'employee' });
  assert.equal(allowed(requests.task(bytes({ purpose: 'p' }))).subject, null);
});

test('a subject that is both, or neither, or more, is refused at its place, and its token is not repeated', () => {
  const secret = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJDLTEifQ.c2lnbmF0dXJl';
  const rows: [unknown, string][] = [
    [{ token: secret, id: 'C-1' }, '/subject'],
    [{ token: secret, type: 'customer' }, '/subject'],
    [{ token: [secret] }, '/subject/token'],
    [{ token: secret, claims: {} }, '/subject/claims'],
    [{ token: '' }, '/subject/token'],
    [{ token: 'x'.repeat(16_385) }, '/subject/token'],
    [{}, '/subject'],
    [secret, '/subject'],
  ];
  for (const [subject, path] of rows) {
    const denial = requests.task(bytes({ purpose: 'p', subject }));
    assert.ok(isDenial(denial), path);
    assert.deepEqual([denial.code, denial.reasons[0]?.path], ['args_invalid', path]);
    assert.ok(!JSON.stringify(denial).includes(secret));
  }
});

test('a request for a token may be no body at all', () => {
  const nothing = { tools: null, ttlSeconds: null, delegate: null };
  assert.deepEqual(requests.token(Buffer.alloc(0)), nothing);
  assert.deepEqual(requests.token(bytes({})), nothing);
  const delegate = { agent: 'legal-risk', issuer: 'azure' };
  const asked = requests.token(bytes({ tools: ['orders.*'], ttl_seconds: 30, for: delegate }));
  assert.deepEqual(asked, { tools: ['orders.*'], ttlSeconds: 30, delegate });
});

test('a request for a token that says what it may not is refused', () => {
  const rows: [unknown, string, string][] = [
    [{ purpose: 'p' }, 'args_invalid', '/purpose'],
    [{ ttl_seconds: 0.5 }, 'args_invalid', '/ttl_seconds'],
    [{ for: { agent: 'x' } }, 'args_invalid', '/for'],
    [{ for: { agent: 'x', issuer: 'https://issuer' } }, 'args_invalid', '/for/issuer'],
    [{ for: { agent: 'a\nb', issuer: 'azure' } }, 'args_invalid', '/for/agent'],
    [[], 'args_invalid', ''],
  ];
  for (const [body, code, path] of rows) {
    const denial = requests.token(bytes(body));
    assert.ok(isDenial(denial), path);
    assert.deepEqual([denial.code, denial.reasons[0]?.path], [code, path]);
  }
  const notJson = requests.token(Buffer.from('{'));
  assert.equal(isDenial(notJson) && notJson.code, 'request_invalid');
});

test('a plan is read with its order, its counts and its arguments', () => {
  const plan = [
    { operation: 'orders.*' },
    {
      operation: 'refunds.create',
      at_most: 2,
      after: ['orders.get'],
      where: { 'body.order_id': 'O-1', '/body/dry': true },
    },
  ];
  assert.deepEqual(allowed(requests.task(bytes({ purpose: 'p', plan }))).plan, [
    { operation: 'orders.*' },
    {
      operation: 'refunds.create',
      atMost: 2,
      after: ['orders.get'],
      where: { 'body.order_id': 'O-1', '/body/dry': true },
    },
  ]);
  assert.equal(allowed(requests.task(bytes({ purpose: 'p' }))).plan, undefined);
});

test('a plan that says nothing, too much, or what it cannot is refused at its place', () => {
  const operation = 'orders.get';
  const many = (count: number, key: string) =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`${key}${at}`, at]));
  const rows: [unknown, string][] = [
    [[], '/plan'],
    [null, '/plan'],
    [Array(33).fill({ operation }), '/plan'],
    [Array(32).fill({ operation, where: { a: 'x'.repeat(256) } }), '/plan'],
    [[{}], '/plan/0'],
    [[{ operation: '' }], '/plan/0/operation'],
    [[{ operation, at_most: 0 }], '/plan/0/at_most'],
    [[{ operation, at_most: 1.5 }], '/plan/0/at_most'],
    [[{ operation, after: operation }], '/plan/0/after'],
    [[{ operation, after: [] }], '/plan/0/after'],
    [[{ operation, where: {} }], '/plan/0/where'],
    [[{ operation, where: many(17, 'n') }], '/plan/0/where'],
    [[{ operation, where: { a: null } }], '/plan/0/where/a'],
    [[{ operation, where: { a: { b: 1 } } }], '/plan/0/where/a'],
    [[{ operation, where: { a: 'x'.repeat(257) } }], '/plan/0/where/a'],
    [[{ operation, before: operation }], '/plan/0/before'],
  ];
  for (const [plan, path] of rows) {
    const denial = requests.task(bytes({ purpose: 'p', plan }));
    assert.ok(isDenial(denial), path);
    assert.deepEqual([denial.code, denial.reasons[0]?.path], ['args_invalid', path]);
  }
});
