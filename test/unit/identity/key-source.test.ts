import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { Json } from '../../../src/call.ts';
import { isDenial } from '../../../src/denial.ts';
import { type FetchJson, keySourceLimits } from '../../../src/identity/key-source.ts';
import type { IssuersConfig } from '../../../src/identity/section.ts';
import { WorkloadVerifier } from '../../../src/identity/workload.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { ecPair, FakeDocuments, forge, issuerDefaults, type Pair, publicJwk } from './forge.ts';

const issuer = 'https://issuer.test';
const discovery = `${issuer}/.well-known/openid-configuration`;
const keysUrl = 'https://issuer.test/keys';
const first = ecPair();
const second = ecPair();

const world = (documents: FakeDocuments | FetchJson, config: object = {}) => {
  const clock = new ManualClock();
  const issuers = [
    { ...issuerDefaults, name: 'i', issuer, audiences: ['gate'], tenant: 'acme', ...config },
  ] as unknown as IssuersConfig;
  const fetchJson = documents instanceof FakeDocuments ? documents.fetchJson : documents;
  const verifier = new WorkloadVerifier({ issuers, fetchJson, clock });
  const verify = async (kid: string, pair: Pair, claims: object = {}): Promise<string> => {
    const exp = Math.floor(clock.nowMs() / 1000) + 7_200;
    const token = forge({
      header: { alg: 'ES256', kid },
      claims: { iss: issuer, aud: 'gate', sub: 'agent', exp, ...claims },
      key: pair.privateKey,
    });
    const answer = await verifier.verify(token);
    return isDenial(answer) ? `${answer.code} ${answer.reasons[0]?.code}` : 'accepted';
  };
  return { clock, verifier, verify };
};
const healthy = () =>
  new FakeDocuments({
    [discovery]: { issuer, jwks_uri: keysUrl },
    [keysUrl]: { keys: [publicJwk(first, { kid: 'one' })] },
  });
const broken = async (): Promise<Json> => {
  throw new Error('500');
};

test('[identity.unknown-kids-do-not-fetch] 200 made-up kids at once, before any key is known, cause two fetches: discovery and keys', async () => {
  const documents = healthy();
  const { verify } = world(documents);
  const answers = await Promise.all(Array.from({ length: 200 }, (_, index) => verify(`random-${index}`, second)));
  assert.deepEqual(new Set(answers), new Set(['unauthenticated key_unknown']));
  assert.deepEqual(documents.asked, [discovery, keysUrl]);
});

test('200 made-up kids against warm keys cause one fetch in a cool-down, and one more in the next', async () => {
  const documents = healthy();
  const { clock, verify } = world(documents);
  assert.equal(await verify('one', first), 'accepted');
  await clock.advance(keySourceLimits.coolDownMs);
  documents.asked.length = 0;
  for (let index = 0; index < 200; index++) await verify(`random-${index}`, second);
  assert.deepEqual(documents.asked, [keysUrl]);
  await clock.advance(keySourceLimits.coolDownMs);
  for (let index = 0; index < 200; index++) await verify(`again-${index}`, second);
  assert.deepEqual(documents.asked, [keysUrl, keysUrl]);
});

test('a new key is taken up by the first token that names it, and the old one stays', async () => {
  const documents = healthy();
  const { clock, verify } = world(documents);
  assert.equal(await verify('one', first), 'accepted');
  documents.documents.set(keysUrl, {
    keys: [publicJwk(first, { kid: 'one' }), publicJwk(second, { kid: 'two' })],
  });
  await clock.advance(keySourceLimits.coolDownMs);
  assert.equal(await verify('two', second), 'accepted');
  assert.equal(await verify('one', first, { jti: 'x' }), 'accepted');
});

test('a withdrawn key ends its tokens when the keys are fetched anew, also those in the cache', async () => {
  const documents = healthy();
  const { clock, verify } = world(documents);
  const exp = Math.floor(clock.nowMs() / 1000) + 7_200;
  assert.equal(await verify('one', first, { exp }), 'accepted');
  documents.documents.set(keysUrl, { keys: [publicJwk(second, { kid: 'two' })] });
  await clock.advance(keySourceLimits.freshMs);
  await verify('one', first, { exp });
  await clock.advance(0);
  assert.equal(await verify('one', first, { exp }), 'unauthenticated key_unknown');
});

const faults: Readonly<Record<string, Json | (() => Promise<Json>)>> = {
  'answers 500': broken,
  'never answers': () => new Promise(() => undefined),
  'answers with no JWKS': { hello: 'world' },
  'answers with null': null,
  'answers with a list': [],
  'answers with keys that are no list': { keys: { kid: 'one' } },
  'answers with over 512 keys': { keys: Array.from({ length: 513 }, () => ({})) },
};
for (const [name, fault] of Object.entries(faults)) {
  test(`a JWKS endpoint that ${name}: the last good keys serve for an hour, then 503`, async () => {
    const documents = healthy();
    const { clock, verify } = world(documents);
    assert.equal(await verify('one', first), 'accepted');
    documents.documents.set(keysUrl, fault);
    await clock.advance(keySourceLimits.freshMs);
    assert.equal(await verify('one', first, { jti: 'stale' }), 'accepted');
    await clock.advance(keySourceLimits.keptMs - keySourceLimits.freshMs - 1);
    assert.equal(await verify('one', first, { jti: 'still' }), 'accepted');
    await clock.advance(10_000);
    const late = verify('one', first, { jti: 'late' });
    await clock.advance(2 * keySourceLimits.fetchTimeoutMs);
    assert.equal(await late, 'upstream_unavailable issuer_unavailable');
  });

  test(`an issuer whose keys were never had, and that ${name}: 503, retryable, and well again afterwards`, async () => {
    const documents = healthy();
    documents.documents.set(keysUrl, fault);
    const { clock, verify } = world(documents);
    const answer = verify('one', first);
    await clock.advance(keySourceLimits.fetchTimeoutMs);
    assert.equal(await answer, 'upstream_unavailable issuer_unavailable');
    documents.documents.set(keysUrl, { keys: [publicJwk(first, { kid: 'one' })] });
    await clock.advance(keySourceLimits.retryMs);
    assert.equal(await verify('one', first), 'accepted');
  });
}

test('an issuer that is away is not asked more often than every two seconds', async () => {
  const documents = new FakeDocuments({ [discovery]: broken });
  const { clock, verify } = world(documents);
  for (let index = 0; index < 50; index++) await verify(`k${index}`, first);
  assert.equal(documents.asked.length, 1);
  await clock.advance(keySourceLimits.retryMs);
  await verify('k', first);
  assert.equal(documents.asked.length, 2);
});

test('a token without kid is told key_weak where the issuer has weak keys only', async () => {
  const documents = healthy();
  documents.documents.set(keysUrl, { keys: [{ ...publicJwk(first, { kid: 'weak' }), crv: 'P-384' }] });
  const { verifier, clock } = world(documents);
  const exp = Math.floor(clock.nowMs() / 1000) + 60;
  const claims = { iss: issuer, aud: 'gate', sub: 'agent', exp };
  const answer = await verifier.verify(forge({ header: { alg: 'ES256' }, claims, key: first.privateKey }));
  assert.ok(isDenial(answer));
  assert.equal(answer.reasons[0]?.code, 'key_weak');
});

test('a hanging endpoint holds no token whose key is known', async () => {
  const documents = healthy();
  const { clock, verify } = world(documents);
  assert.equal(await verify('one', first), 'accepted');
  documents.documents.set(keysUrl, () => new Promise(() => undefined));
  await clock.advance(keySourceLimits.freshMs);
  // Time stands still from here on: an answer that waited for the fetch would never come.
  assert.equal(await verify('one', first, { jti: 'two' }), 'accepted');
});

const discoveries: Readonly<Record<string, Json>> = {
  'names another issuer': { issuer: 'https://evil.test', jwks_uri: keysUrl },
  'names the issuer with a slash more': { issuer: `${issuer}/`, jwks_uri: keysUrl },
  'names no issuer': { jwks_uri: keysUrl },
  'names no jwks_uri': { issuer },
  'names a jwks_uri over http': { issuer, jwks_uri: 'http://issuer.test/keys' },
  'names a jwks_uri on loopback over http': { issuer, jwks_uri: 'http://127.0.0.1/keys' },
  'names a file': { issuer, jwks_uri: 'file:///etc/passwd' },
  'is a list': [issuer],
};
for (const [name, document] of Object.entries(discoveries)) {
  test(`a discovery document that ${name} gives no keys, and its jwks_uri is not fetched`, async () => {
    const documents = healthy();
    documents.documents.set(discovery, document);
    const { verify } = world(documents);
    assert.equal(await verify('one', first), 'upstream_unavailable issuer_unavailable');
    assert.deepEqual(documents.asked, [discovery]);
  });
}

test('a fetchJson that throws at once is a fault of the issuer, not of the caller', async () => {
  const { verify } = world(() => {
    throw new Error('no such host');
  });
  assert.equal(await verify('one', first), 'upstream_unavailable issuer_unavailable');
});

test('why keys could not be fetched is told once for each attempt, with the issuer and without the token', async () => {
  const documents = healthy();
  const clock = new ManualClock();
  const told: string[] = [];
  const issuers = [
    { ...issuerDefaults, name: 'i', issuer, audiences: ['gate'], tenant: 'acme' },
  ] as unknown as IssuersConfig;
  const faulted = (from: string, fault: unknown) => told.push(`${from}: ${(fault as Error).message}`);
  const verifier = new WorkloadVerifier({ issuers, fetchJson: documents.fetchJson, clock, faulted });
  const claims = { iss: issuer, aud: 'gate', sub: 'agent', exp: Math.floor(clock.nowMs() / 1000) + 60 };
  const token = forge({ header: { alg: 'ES256', kid: 'one' }, claims, key: first.privateKey });
  documents.documents.set(keysUrl, broken);
  await verifier.verify(token);
  await verifier.verify(token);
  assert.deepEqual(told, [`${issuer}: 500`]);
  documents.documents.set(keysUrl, { keys: [publicJwk(first, { kid: 'one' })] });
  await clock.advance(keySourceLimits.retryMs);
  assert.ok(!isDenial(await verifier.verify(token)));
  assert.equal(told.length, 1);
});

test('the certificates of an issuer go with every fetch for it, and with none for another', async () => {
  const asked: string[] = [];
  const documents = healthy();
  const fetchJson: FetchJson = (url, { ca = 'none' }) => {
    asked.push(`${url} ${ca}`);
    return documents.fetchJson(url);
  };
  assert.equal(await world(fetchJson, { ca: 'PEM' }).verify('one', first), 'accepted');
  assert.equal(await world(fetchJson).verify('one', first), 'accepted');
  assert.deepEqual(asked, [`${discovery} PEM`, `${keysUrl} PEM`, `${discovery} none`, `${keysUrl} none`]);
});

/** The smallest fetchJson that keeps its promise; the gate's own is the dialer's. */
const plainFetchJson: FetchJson = async (url, { maxBytes, timeoutMs }) => {
  const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(timeoutMs) });
  const body = Buffer.from(await response.arrayBuffer());
  if (response.status !== 200 || body.length > maxBytes) throw new Error('refused');
  return JSON.parse(body.toString()) as Json;
};

test('over a real server: keys are found by discovery; 500, no JSON and a huge body are 503', async (t) => {
  let answer: RequestListener = (_, response) => void response.writeHead(500).end('{}');
  const server = createServer((request, response) => answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { clock, verify } = world(plainFetchJson, { issuer: base });
  const away = 'upstream_unavailable issuer_unavailable';
  assert.equal(await verify('one', first, { iss: base }), away);
  for (const body of ['<html>', `{"keys":[],"x":"${'x'.repeat(300_000)}"}`]) {
    answer = (_, response) => void response.end(body);
    await clock.advance(keySourceLimits.retryMs);
    assert.equal(await verify('one', first, { iss: base }), away);
  }
  answer = ({ url }, response) => {
    const keys = [publicJwk(first, { kid: 'one' })];
    const document = url === '/keys' ? { keys } : { issuer: base, jwks_uri: `${base}/keys` };
    response.end(JSON.stringify(document));
  };
  await clock.advance(keySourceLimits.retryMs);
  assert.equal(await verify('one', first, { iss: base }), 'accepted');
});
