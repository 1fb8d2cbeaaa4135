/** What is kept of token services: bounds, and odd lifetimes. The rest is the contract's, on real servers. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CredentialError } from '../../../src/upstream/credentials/credential.ts';
import { type Obtained, Renewal } from '../../../src/upstream/renewal.ts';
import { ManualClock } from '../../fakes/clock.ts';

const never = new AbortController().signal;

function ground(options: { readonly entriesMax?: number } = {}) {
  const clock = new ManualClock();
  const closed = new AbortController();
  const renewal = new Renewal<string>({ clock, closed: closed.signal, ...options });
  const asked: string[] = [];
  let lifetimeMs = 600_000;
  const get = (key: string) =>
    renewal.get(
      key,
      async (): Promise<Obtained<string>> => {
        asked.push(key);
        return { value: `${key}${asked.length}`, lifetimeMs };
      },
      never,
    );
  const living = (ms: number) => {
    lifetimeMs = ms;
  };
  return { clock, closed, renewal, asked, get, living };
}

describe('what is kept of token services', () => {
  it('is bounded: the one unused longest is forgotten', async () => {
    const { renewal, asked, get } = ground({ entriesMax: 3 });
    for (const key of ['a', 'b', 'c', 'a', 'd', 'a']) await get(key);
    assert.deepEqual(asked, ['a', 'b', 'c', 'd']);
    assert.equal(renewal.size, 3);
    await get('b');
    assert.deepEqual(asked, ['a', 'b', 'c', 'd', 'b']);
    for (let number = 0; number < 1_000; number++) await get(`task_${number}`);
    assert.equal(renewal.size, 3);
  });

  it('of a failure is bounded too, and waits longer each time', async () => {
    const clock = new ManualClock();
    const renewal = new Renewal<string>({ clock, closed: never, entriesMax: 10 });
    let asked = 0;
    const fail = (key: string) =>
      assert.rejects(
        renewal.get(key, () => Promise.reject(new CredentialError('refused', String(++asked))), never),
        CredentialError,
      );
    for (let number = 0; number < 100; number++) await fail(`task_${number}`);
    assert.equal(renewal.size, 10);
    asked = 0;
    const askedAt: number[] = [];
    for (let second = 0; second < 120; second++) {
      const before = asked;
      await fail('it');
      if (asked > before) askedAt.push(second);
      await clock.advance(1_000);
    }
    assert.deepEqual(askedAt, [0, 1, 3, 7, 15, 31, 61, 91]);
  });

  it('says what failed last while it waits', async () => {
    const renewal = new Renewal<string>({ clock: new ManualClock(), closed: never });
    const get = () => renewal.get('k', () => Promise.reject(new CredentialError('refused', 'invalid_client')), never);
    await assert.rejects(get(), { failure: 'refused', code: 'invalid_client' });
    await assert.rejects(get(), { failure: 'backing_off', code: 'invalid_client' });
  });

  it('tells nothing of a fault but its kind', async () => {
    const renewal = new Renewal<string>({ clock: new ManualClock(), closed: never });
    const fault = Object.assign(new Error('hunter2'), { cause: { body: 'hunter2' } });
    const error = await renewal
      .get('k', () => Promise.reject(fault), never)
      .then(
        () => assert.fail('it came'),
        (reason: unknown) => reason as CredentialError,
      );
    assert.ok(error instanceof CredentialError);
    assert.equal(`${error.stack}${String(error.cause)}${JSON.stringify(error)}`.includes('hunter2'), false);
    assert.equal(new CredentialError('refused', 'a secret-with/odd=characters').code, null);
  });

  it('refuses what has expired already or says no proper time', async () => {
    for (const lifetimeMs of [0, -1, 999, Number.NaN]) {
      const { get, living } = ground();
      living(lifetimeMs);
      await assert.rejects(get('a'), { failure: 'answer_invalid' }, String(lifetimeMs));
    }
  });

  it('is renewed five minutes before its end at the earliest, and a day after it came at the latest', async () => {
    const { clock, asked, get, living } = ground();
    living(12 * 3_600_000);
    await get('a');
    await clock.advance(12 * 3_600_000 - 301_000);
    await get('a');
    assert.equal(asked.length, 1);
    await clock.advance(2_000);
    await get('a');
    assert.equal(asked.length, 2);
    living(Number.MAX_SAFE_INTEGER);
    await get('b');
    await clock.advance(24 * 3_600_000);
    await get('b');
    assert.deepEqual(asked, ['a', 'a', 'b', 'b']);
  });

  it('does not give way to a late refusal of what came before it', async () => {
    const { clock, renewal, asked, get } = ground();
    const old = await get('a');
    await clock.advance(600_000);
    const fresh = await get('a');
    renewal.reject('a', old);
    assert.equal(await get('a'), fresh);
    renewal.reject('nobody', old);
    assert.equal(asked.length, 2);
  });

  it('leaves no timer behind', async () => {
    const { clock, get } = ground();
    await get('a');
    assert.equal(clock.timers, 0);
  });
});
