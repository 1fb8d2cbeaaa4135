import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Inspector } from '../../../../src/inspection/scan.ts';
import { alphanumerics, Generator, vendors } from '../generate.ts';

const inspector = new Inspector();

function found(text: string, hint = ''): (readonly [string, string])[] {
  return inspector.scanText(text, hint).map(({ type, start, end }) => [type, text.slice(start, end)] as const);
}

test("finds keys by their vendor's prefix", () => {
  const generator = new Generator(2);
  for (const [prefix, alphabet, length] of vendors) {
    for (let again = 0; again < 20; again++) {
      const key = prefix.join('') + generator.chars(alphabet, length);
      for (const text of [key, `key: ${key}.`, `"${key}"`, `k=${key}&`, `\\n${key}\\n`]) {
        assert.deepEqual(found(text), [['api_key', key]], text);
      }
    }
  }
});

test('finds keys by the name they are assigned to', () => {
  const generator = new Generator(3);
  const secret = generator.chars(`${alphanumerics}+/`, 40);
  const azure = `${generator.chars(alphanumerics, 86)}==`;
  const opaque = generator.chars(alphanumerics, 32);
  for (const [text, value] of [
    [`aws_secret_access_key = ${secret}`, secret],
    [`AWS_SECRET_ACCESS_KEY="${secret}"`, secret],
    [`{"SecretAccessKey": "${secret}"}`, secret],
    [`{\\"SecretAccessKey\\": \\"${secret}\\"}`, secret],
    [`AccountName=a;AccountKey=${azure};EndpointSuffix=core.windows.net`, azure],
    [`api-key: ${opaque}`, opaque],
    [`my api key: ${opaque}`, opaque],
    [`Authorization: Bearer ${opaque}`, opaque],
    [`'client_secret' => '${opaque}'`, opaque],
  ] as const) {
    assert.deepEqual(found(text), [['api_key', value]], text);
  }
  assert.deepEqual(found(secret, 'credentials secret_access_key'), [['api_key', secret]]);
  assert.deepEqual(found(`Bearer ${opaque}`, 'headers authorization'), [['api_key', opaque]]);
  assert.deepEqual(found(secret, 'credentials etag'), []);
});

test('finds keys that somebody made up in order', () => {
  for (const key of [
    ['sk', '-abcdefghijklmnopqrstuvwxyz1234567890ABCD'].join(''),
    ['gh', 'p_0123456789abcdefghijABCDEFGHIJ012345'].join(''),
    ['AK', 'IAIOSFODNN7EXAMPLE'].join(''),
    ['AK', 'IAABCDEFGHIJKLMNOP'].join(''),
  ]) {
    assert.deepEqual(found(`my key is ${key} ok`), [['api_key', key]]);
  }
});

test('finds an Entra client secret by its middle', () => {
  const secret = `abc8Q~${new Generator(4).chars(alphanumerics, 34)}`;
  assert.deepEqual(found(`x ${secret} y`), [['api_key', secret]]);
});

test('leaves placeholders, words and other identifiers alone', () => {
  for (const text of [
    `${'sk'}-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx`,
    `${'sk'}-your-openai-api-key-goes-here`,
    'ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
    'glpat-your-personal-access-token-here',
    'task-4f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c',
    'risk-a1b2c3d4e5f6a7b8c9d0e1f2',
    'api_key: process.env.OPENAI_API_KEY',
    'api_key = get_secret_from_the_vault()',
    'api_key: config.services.s3.accessKeyId2',
    'secret_key: my-secret-key-name-in-vault-01',
    '"next_page_token": "CAUQAA8xYzEyZjM0NTY3ODk"',
    'sk-circle-fade-dot-12-very-long-class-name',
    'call_w4uTnQ48ffgBzDnRGEFrLAfQ',
    'chatcmpl-kjrQiGYBQMgVI0czFa4Qp2ZvDwMFa',
    '27db6d49fed417a3df4704475998003d',
    'sha512-9eJ8uI0sQeXx7Zr5X5rY5pQp1d6m7B3kX8u2v4w6y8z0AbCdEfGhIjKl==',
    '550e8400-e29b-41d4-a716-446655440000',
    'AKIA',
    'AKIA12345678901234567890',
  ]) {
    assert.deepEqual(found(text), [], text);
  }
});

test('finds private keys whole, also in JSON and without an end', () => {
  const generator = new Generator(5);
  for (let again = 0; again < 20; again++) {
    const key = generator.privateKey();
    assert.deepEqual(found(`k:\n${key}\nbye`), [['private_key', key]]);
    const escaped = JSON.stringify(key).slice(1, -1);
    assert.deepEqual(found(`{"private_key":"${escaped}"}`), [['private_key', escaped]]);
    const cut = key.slice(0, key.indexOf('-----END'));
    assert.deepEqual(found(`${cut}`), [['private_key', cut]]);
  }
});

test('leaves headers without a body, and public keys, alone', () => {
  const body = new Generator(6).chars(alphanumerics, 200);
  assert.deepEqual(found('it starts with -----BEGIN PRIVATE KEY----- and ends with -----END PRIVATE KEY-----'), []);
  assert.deepEqual(found(`-----BEGIN PUBLIC KEY-----\n${body}\n-----END PUBLIC KEY-----`), []);
  assert.deepEqual(found(`-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----`), []);
});

test('finds signed, unsigned and encrypted tokens', () => {
  const part = (value: string): string => Buffer.from(value).toString('base64url');
  const signed = new Generator(7).jwt();
  const unsigned = `${part('{"alg":"none"}')}.${part('{"sub":"ann"}')}.`;
  const encrypted = `${part('{"alg":"dir","enc":"A256GCM"}')}..${part('twelve bytes')}.${part('cipher text')}.${part('tag')}`;
  for (const token of [signed, unsigned, encrypted]) {
    assert.deepEqual(found(`cookie=${token}; Path=/`), [['jwt', token]]);
    assert.deepEqual(found(`Authorization: Bearer ${token}`), [['jwt', token]]);
  }
  assert.deepEqual(found(`${signed}. Then`), [['jwt', signed]]);
});

test('leaves dotted base64 that is no token alone', () => {
  for (const text of [
    'eyJ.eyJ.eyJ',
    'eyJhYmMiOjF9.eyJhYmMiOjF9.c2ln',
    'eyJhbGciOiJIUzI1NiJ9',
    'eyJhbGciOiJIUzI1NiJ9..',
  ]) {
    assert.deepEqual(found(text), [], text);
  }
});
