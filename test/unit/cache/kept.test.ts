import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type KeptAnswer, KeptAnswers, type KeptAnswersParts } from '../../../src/cache/kept.ts';
import { newId } from '../../../src/clock.ts';
import { KeySeal } from '../../../src/identity/key-seal.ts';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { StoreUnavailable } from '../../../src/store/store.ts';
import { ManualClock } from '../../fakes/clock.ts';

async function setUp(over: Partial<KeptAnswersParts['store']> = {}) {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  await store.open();
  const faults: unknown[] = [];
  const secret = (text: string) => ({ seal: new KeySeal(text, clock, 'answers'), key: Buffer.from(text) });
  const parts = {
    store: {
      get: (key: string) => store.get(key),
      compareAndSet: (...write: Parameters<MemoryStore['compareAndSet']>) => store.compareAndSet(...write),
      delete: (key: string) => store.delete(key),
      ...over,
    },
    clock,
    faulted: (_where: string, fault: unknown) => void faults.push(fault),
  };
  const answers = new KeptAnswers({ ...parts, secret: secret('one') });
  const ofAnotherSecret = new KeptAnswers({ ...parts, secret: secret('two') });
  const answer = (body: string | Buffer = 'hello'): KeptAnswer => ({
    ...{ callId: newId(clock, 'call'), target: 'one', storedAtMs: clock.nowMs(), costMicroUsd: 20 },
    head: { status: 200, headers: { 'content-type': 'application/json' } },
    body: Buffer.from(body),
  });
  return { clock, store, answers, ofAnotherSecret, answer, faults };
}

const key = 'tg:{acme}:answer:x';

test('an answer comes back byte for byte, also one that is no text, until its time is over', async () => {
  const { clock, answers, answer } = await setUp();
  for (const body of ['héllo', Buffer.from([0xff, 0x00, 0xfe])]) {
    const kept = answer(body);
    assert.equal(await answers.put(key, kept, 1_000, 1_000_000), true);
    assert.deepEqual(await answers.find(key, 100), kept);
  }
  await clock.advance(1_000);
  assert.equal(await answers.find(key, 100), undefined);
});

test('what lies in the store shows nothing of the answer, and opens only under its own key and secret', async () => {
  const { store, answers, ofAnotherSecret, answer } = await setUp();
  await answers.put(key, answer('the secret answer'), 1_000, 1_000_000);
  const stored = await store.get(key);
  const text = JSON.stringify(stored);
  assert.ok(!text.includes('secret') && !text.includes(Buffer.from('the secret answer').toString('base64url')));
  assert.equal(await ofAnotherSecret.find(key, 100), undefined);
  await store.compareAndSet(`${key}2`, 0, stored?.value ?? null, 1_000);
  assert.equal(await answers.find(`${key}2`, 100), undefined, 'moved to another call');
});

test('keys of equal texts are equal within a tenant and a secret, and nothing is shifted from one text to the next', async () => {
  const { answers, ofAnotherSecret } = await setUp();
  const of = answers.keyOf('acme', 'subject', 'text');
  assert.equal(answers.keyOf('acme', 'subject', 'text'), of);
  assert.match(of, /^tg:\{acme\}:answer:[\w-]{43}$/);
  const others = [
    answers.keyOf('other', 'subject', 'text'),
    answers.keyOf('acme', 'subjectt', 'ext'),
    answers.keyOf('acme', 'subject', 'texts'),
    ofAnotherSecret.keyOf('acme', 'subject', 'text'),
  ];
  assert.equal(new Set([of, ...others]).size, 5);
});

test('[cache.never-starves-tasks] an entry that is broken is not found, and a new answer takes its place', async () => {
  const { store, answers, answer, faults } = await setUp();
  await answers.put(key, answer(), 60_000, 1_000_000);
  const good = (await store.get(key))?.value as { sealed: string };
  const flipped = good.sealed.replace(/^./, (char) => (char === 'A' ? 'B' : 'A'));
  for (const value of [{ v: 1, sealed: flipped }, { v: 1, sealed: '' }, { v: 1 }, null, 'text', { sealed: 5 }]) {
    const version = (await store.get(key))?.version ?? 0;
    await store.compareAndSet(key, version, value, 60_000);
    assert.equal(await answers.find(key, 100), undefined, JSON.stringify(value));
  }
  assert.equal(await answers.put(key, answer('new'), 60_000, 1_000_000), true);
  assert.equal((await answers.find(key, 100))?.body.toString(), 'new');
  assert.deepEqual(faults, []);
});

test('a store that is away or hangs is a miss; what else fails is reported, and is one, too', async () => {
  const away = await setUp({ get: () => Promise.reject(new StoreUnavailable('away')) });
  assert.equal(await away.answers.find(key, 100), undefined);
  assert.deepEqual(away.faults, []);
  const broken = await setUp({ get: () => Promise.reject(new Error('a bug')) });
  assert.equal(await broken.answers.find(key, 100), undefined);
  assert.equal(broken.faults.length, 1);
  const hung = await setUp({ get: () => new Promise(() => undefined) });
  const found = hung.answers.find(key, 100);
  await hung.clock.advance(100);
  assert.equal(await found, undefined);
});

test('the oldest answers make room for a new one, and what is larger than the whole is not kept', async () => {
  const { clock, store, answers, answer } = await setUp();
  await answers.put('k0', answer('x'.repeat(300)), 60_000, 1_000_000);
  const one = answers.bytes;
  const bytesMax = 3 * one;
  for (const name of ['k1', 'k2', 'k3', 'k4']) {
    assert.equal(await answers.put(name, answer('x'.repeat(300)), 60_000, bytesMax), true);
    assert.ok(answers.bytes <= bytesMax);
  }
  const there = await Promise.all(['k0', 'k1', 'k2', 'k3', 'k4'].map((name) => store.get(name)));
  assert.deepEqual(
    there.map((found) => found !== undefined),
    [false, false, true, true, true],
  );
  assert.equal(await answers.put('large', answer('x'.repeat(5_000)), 60_000, bytesMax), false);
  assert.equal(await store.get('large'), undefined);
  assert.equal(answers.bytes, 3 * one, 'and nothing was taken out for it');
  await clock.advance(60_000);
  assert.equal(await answers.put('k5', answer('x'.repeat(300)), 60_000, bytesMax), true);
  assert.equal(answers.bytes, one, 'what is over counts no more');
  const many = Array.from({ length: 20 }, (_, index) => answers.put(`p${index}`, answer('x'.repeat(300)), 9, bytesMax));
  await Promise.all(many);
  assert.ok(answers.bytes <= bytesMax, 'also where many are put at once');
});

test('an answer that is put again counts once', async () => {
  const { answers, answer } = await setUp();
  await answers.put(key, answer(), 60_000, 1_000_000);
  const { bytes } = answers;
  await answers.put(key, answer(), 60_000, 1_000_000);
  assert.equal(answers.bytes, bytes);
});
