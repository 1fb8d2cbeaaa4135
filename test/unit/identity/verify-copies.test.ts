/** What a service needs beyond one token: several copies of it, keys that change, Node's own requests. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, relative, resolve } from 'node:path';
import { test } from 'node:test';
import type { Json } from '../../../src/call.ts';
import { keySourceLimits } from '../../../src/identity/key-source.ts';
import { GateKeys } from '../../../src/identity/keys.ts';
import {
  createTxnTokenVerifier,
  isRefusal,
  rawBodyOf,
  type TxnMemory,
  type TxnTokenVerifierOptions,
  txnTokenOf,
} from '../../../src/identity/verify.ts';
import { openGate, publicUrl, request, trustDomain } from './gate.ts';

const outcome = (answer: unknown): string => (isRefusal(answer) ? answer.reason : 'accepted');

async function service(t: Parameters<typeof openGate>[0], more: Partial<TxnTokenVerifierOptions> = {}) {
  const gate = await openGate(t);
  const options = { issuer: publicUrl, trustDomain, clock: gate.clock, jwks: { document: gate.keys.jwks() } };
  const make = (changes: Partial<TxnTokenVerifierOptions> = {}) =>
    createTxnTokenVerifier({ ...options, ...more, ...changes });
  return { ...gate, make, verifier: make() };
}

test('[identity.txn-token-single-use] of all copies that share a memory only one takes a token', async (t) => {
  const asked: [string, number][] = [];
  const used = new Set<string>();
  const memory: TxnMemory = {
    use: async (txn, notAfterMs) => {
      asked.push([txn, notAfterMs]);
      if (used.has(txn)) return 'used';
      used.add(txn);
      return 'fresh';
    },
  };
  const { mintTxn, make, clock } = await service(t, { memory, clockToleranceSeconds: 2 });
  const copies = Array.from({ length: 5 }, () => make());
  const token = await mintTxn();
  const answers = await Promise.all(copies.map((copy) => copy.verify(token, request)));
  assert.deepEqual(answers.map(outcome).toSorted(), ['accepted', ...Array(4).fill('token_replayed')]);
  // It is remembered past its end by three times the tolerance: the copies' clocks differ among themselves, too.
  const expMs = (Math.floor(clock.nowMs() / 1000) + 60) * 1000;
  assert.deepEqual(new Set(asked.map(([, notAfterMs]) => notAfterMs)), new Set([expMs + 6_000]));
  // What fails another check is not asked about.
  const before = asked.length;
  assert.equal(outcome(await copies[0]?.verify(await mintTxn(), { ...request, body: null })), 'request_changed');
  assert.equal(asked.length, before);
});

test('a memory that fails, answers oddly or not at all refuses the token', async (t) => {
  const { mintTxn, make, clock } = await service(t);
  const odd = [
    { use: () => Promise.reject(new Error('gone')) },
    {
      use: () => {
        throw new Error('gone at once');
      },
    },
    { use: async () => 'OK' },
    { use: async () => true },
    { use: async () => undefined },
  ];
  for (const memory of odd as unknown as readonly TxnMemory[]) {
    assert.equal(outcome(await make({ memory }).verify(await mintTxn(), request)), 'memory_unavailable');
  }
  const silent = make({ memory: { use: () => new Promise(() => {}) } });
  const answer = silent.verify(await mintTxn(), request);
  await clock.advance(1_000);
  assert.equal(outcome(await answer), 'memory_unavailable');
  const prompt = make({ memory: { use: async () => 'fresh' as const } });
  assert.equal(outcome(await prompt.verify(await mintTxn(), request)), 'accepted');
  assert.equal(clock.timers, 0);
});

test('the memory of a process has the bound that was asked for, and is free again when tokens have expired', async (t) => {
  const { mintTxn, make, clock } = await service(t);
  const verifier = make({ memoryEntriesMax: 2 });
  const take = async () => outcome(await verifier.verify(await mintTxn(), request));
  assert.deepEqual([await take(), await take(), await take()], ['accepted', 'accepted', 'memory_full']);
  await clock.advance(75_000);
  assert.equal(await take(), 'accepted');
});

test('[identity.txn-keys-rotate] a new key of the gate is found within its cool-down, and made-up kids cause no storm of fetches', async (t) => {
  const { mintTxn, keys, clock, stolenKey, make } = await service(t);
  const published: Json[] = [];
  let fetches = 0;
  const fetchJson = async (): Promise<Json> => {
    fetches++;
    return { keys: published };
  };
  const verifier = make({ jwks: { uri: 'https://gate.test/.well-known/jwks.json' }, fetchJson });
  const [own] = (keys.jwks().keys as readonly { kid: string }[]).filter(({ kid }) => kid.includes('.txn.'));
  const { kid } = await stolenKey('txn');
  assert.equal(own?.kid, kid);
  // The gate signs with a key that this service has not seen yet.
  assert.equal(outcome(await verifier.verify(await mintTxn(), request)), 'key_unknown');
  published.push(own as unknown as Json);
  for (let index = 0; index < 50; index++) {
    assert.equal(outcome(await verifier.verify(await mintTxn(), request)), 'key_unknown');
  }
  assert.equal(fetches, 1);
  await clock.advance(keySourceLimits.coolDownMs);
  assert.equal(outcome(await verifier.verify(await mintTxn(), request)), 'accepted');
  assert.equal(fetches, 2);
  // The old key is withdrawn: it goes with the next set that is fetched.
  published.length = 0;
  await clock.advance(keySourceLimits.freshMs);
  await verifier.verify(await mintTxn(), request);
  await clock.advance(0);
  assert.equal(outcome(await verifier.verify(await mintTxn(), request)), 'key_unknown');
});

test('a kid in the form of a Txn-Token key is no proof: the signature must match the key that stands under it', async (t) => {
  const { keys, make, mintTxn } = await service(t);
  const published = keys.jwks().keys as readonly Record<string, Json>[];
  const [task] = published.filter(({ kid }) => String(kid).includes('.task.'));
  const [txn] = published.filter(({ kid }) => String(kid).includes('.txn.'));
  // Only the kid is the Txn-Token key's: its signature is checked against the key that stands there.
  const swapped = make({ jwks: { document: { keys: [{ ...task, kid: txn?.kid ?? '' }] } } });
  assert.equal(outcome(await swapped.verify(await mintTxn(), request)), 'signature_invalid');
});

test('keys are not fetched over plain HTTP, but from this machine or for a gate without TLS', () => {
  const options = { issuer: publicUrl, trustDomain };
  for (const uri of ['http://gate.test/jwks', 'ftp://gate.test/jwks', 'jwks', 'https://me:secret@gate.test/jwks']) {
    assert.throws(() => createTxnTokenVerifier({ ...options, jwks: { uri } }), TypeError, uri);
  }
  createTxnTokenVerifier({ ...options, jwks: { uri: 'https://gate.test/jwks' } });
  createTxnTokenVerifier({ ...options, jwks: { uri: 'http://127.0.0.1:8080/jwks' } });
  createTxnTokenVerifier({ ...options, issuer: 'http://gate:8080', jwks: { uri: 'http://gate:8080/jwks' } });
  for (const memoryEntriesMax of [0, -1, 1.5, Number.NaN]) {
    const jwks = { document: { keys: [] } };
    assert.throws(() => createTxnTokenVerifier({ ...options, jwks, memoryEntriesMax }), RangeError);
  }
});

test('a request of Node gives its one Txn-Token, and the bytes of its body; a second header spoils both', async (t) => {
  const { mintTxn, verifier } = await service(t);
  const answers: string[] = [];
  const server = createServer((message: IncomingMessage, response) => {
    void (async () => {
      const body = await rawBodyOf(message, 1_000).catch((error: unknown) => error as Error);
      if (body instanceof Error) answers.push(body.name);
      else {
        const { method = '', url: pathWithQuery = '' } = message;
        const answer = await verifier.verify(txnTokenOf(message), { ...request, method, pathWithQuery, body });
        answers.push(outcome(answer));
      }
      response.end();
    })();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const send = (headers: Record<string, string | string[]>, body: Uint8Array) =>
    new Promise((done, reject) => {
      const message = httpRequest({ port, method: 'POST', path: request.pathWithQuery, headers, agent: false });
      message.on('response', (response) => response.resume().on('end', done)).on('error', reject);
      message.end(body);
    });
  const body = request.body as Uint8Array;
  const [token, other] = [await mintTxn(), await mintTxn()];
  await send({ 'txn-token': [token, other] }, body);
  await send({ 'txn-token': [token, token] }, body);
  await send({ 'txn-token': [token, ''] }, body);
  await send({}, body);
  await send({ 'txn-token': token }, Buffer.alloc(1_001));
  await send({ 'Txn-Token': token }, body);
  assert.deepEqual(answers, [
    'token_malformed',
    'token_malformed',
    'token_malformed',
    'token_missing',
    'RangeError',
    'accepted',
  ]);
  assert.equal(txnTokenOf({ headers: { 'txn-token': ['a', 'b'] } }), 'a, b');
});

test('[identity.verifier-alone] tollgate/verify is made of Node and a few files of identity, and of no package', () => {
  const root = resolve(import.meta.dirname, '../../../src');
  const seen = new Set<string>();
  const packages = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    // `import type` is erased when the package is built.
    const code = readFileSync(path, 'utf8');
    for (const [, clause = '', name = ''] of code.matchAll(/^(?:import|export) (?:([\w\s{},*]+) from )?'([^']+)';/gm)) {
      if (clause.startsWith('type ')) continue;
      if (name.startsWith('.')) visit(resolve(dirname(path), name));
      else packages.add(name);
    }
  };
  visit(resolve(root, 'identity/verify.ts'));
  assert.deepEqual([...packages].filter((name) => !name.startsWith('node:')).toSorted(), []);
  assert.ok(packages.has('node:crypto'));
  const files = [...seen].map((path) => relative(root, path));
  assert.ok(files.includes('identity/jwt.ts') && files.includes('identity/verify-message.ts'));
  assert.deepEqual(
    files.filter((file) => !file.startsWith('identity/')),
    ['clock.ts'],
  );
  for (const file of ['keys.ts', 'key-file.ts', 'section.ts', 'task-token.ts', 'txn-token.ts']) {
    assert.ok(!files.includes(`identity/${file}`), `${file} is the gate's own`);
  }
});

test('another gateway of the same store has other keys, and its tokens are as good where its keys are published', async (t) => {
  const { keys, make, mintTxn, clock } = await service(t);
  const other = await service(t);
  assert.ok(keys instanceof GateKeys);
  assert.equal(outcome(await make().verify(await other.mintTxn(), request)), 'key_unknown');
  const both = { keys: [...(keys.jwks().keys as Json[]), ...(other.keys.jwks().keys as Json[])] };
  const verifier = make({ jwks: { document: both }, clock });
  assert.equal(outcome(await verifier.verify(await other.mintTxn(), request)), 'accepted');
  assert.equal(outcome(await verifier.verify(await mintTxn(), request)), 'accepted');
});
