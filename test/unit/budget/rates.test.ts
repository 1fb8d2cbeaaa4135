/** The line of calls that wait for a limit: who is next, who must leave, and when nobody waits any more. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { KeyRests } from '../../../src/budget/rates/key-rests.ts';
import { Line } from '../../../src/budget/rates/line.ts';
import { patienceMs, placeOf } from '../../../src/budget/rates/rates.ts';
import { checkRates } from '../../../src/budget/rates/section.ts';
import { type Blocked, type Outcome, Turnstile } from '../../../src/budget/rates/turnstile.ts';
import type { Admitted } from '../../../src/call.ts';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { rateHeaders } from '../../../src/wire/rate-headers.ts';
import { ManualClock } from '../../fakes/clock.ts';

interface Named {
  readonly name: string;
  readonly task: string;
  readonly turns: number;
  readonly bytes: number;
}

const member = (name: string, turns = 1, bytes = 1): Named => ({ name, task: name.charAt(0), turns, bytes });
const bounds = { waiting: 100, bytes: 1000 };

function order(line: Line<Named>): string {
  const names: string[] = [];
  for (let first = line.first(); first !== undefined; first = line.first()) {
    names.push(first.name);
    line.served(first);
  }
  return names.join(' ');
}

describe('a line', () => {
  test('tasks take turns, each in the order its calls came, and one of a higher priority has more of them', () => {
    const line = new Line<Named>(bounds);
    for (const name of ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1']) line.enter(member(name));
    assert.equal(order(line), 'a1 b1 c1 a2 b2 a3 a4');
    for (const name of ['a1', 'a2', 'a3', 'a4']) line.enter(member(name, 3));
    for (const name of ['b1', 'b2']) line.enter(member(name));
    assert.equal(order(line), 'a1 a2 a3 b1 a4 b2');
  });

  test('where it is full the task with the most gives up its latest, and never for one that has as many', () => {
    const line = new Line<Named>({ waiting: 4, bytes: 1000 });
    for (const name of ['a1', 'a2', 'a3', 'b1']) assert.deepEqual(line.enter(member(name)), []);
    assert.equal(line.enter(member('a4')), undefined);
    assert.deepEqual(
      line.enter(member('c1'))?.map(({ name }) => name),
      ['a3'],
    );
    assert.equal(line.enter(member('c2')), undefined);
    assert.equal(order(line), 'a1 b1 c1 a2');
  });

  test('it is bounded in bytes as well, and who cannot come in drives nobody out', () => {
    const line = new Line<Named>({ waiting: 100, bytes: 10 });
    for (const name of ['a1', 'a2', 'a3']) line.enter(member(name, 1, 3));
    assert.equal(line.enter(member('b1', 1, 20)), undefined);
    assert.equal(line.length, 3);
    assert.equal(line.enter(member('b1', 1, 5))?.length, 2);
    assert.equal(order(line), 'a1 b1');
  });
});

describe('a turnstile', () => {
  const world = (waiting = 100) => {
    const clock = new ManualClock();
    const turnstile = new Turnstile({ clock, bounds: { waiting, bytes: 1000 } });
    const log: string[] = [];
    let free = 0;
    let nextMs = 100;
    const ask = (name: string, more: { waitMs?: number; signal?: AbortSignal; blocked?: Blocked } = {}) => {
      const wish = turnstile.pass<string>({
        ...member(name),
        ...{ waitMs: 10_000, signal: new AbortController().signal, lines: ['limit'] },
        ...more,
        undo: () => void log.push(`${name} undone`),
        attempt: async () => {
          if (free > 0) {
            free--;
            return { passed: name };
          }
          return { blocked: more.blocked ?? { line: 'limit', waitMs: nextMs } };
        },
      });
      wish.then(
        (outcome) => log.push(`${name} ${told(outcome)}`),
        () => log.push(`${name} failed`),
      );
      return wish;
    };
    const give = async (count: number, ms: number) => {
      free += count;
      await clock.advance(ms);
    };
    return { clock, turnstile, log, ask, give, waits: (ms: number) => (nextMs = ms) };
  };
  const told = (outcome: Outcome<string>) => ('passed' in outcome ? 'passed' : outcome.why);

  test('who comes while others wait goes behind them, and each passes as soon as its turn has come', async () => {
    const { turnstile, log, ask, give, clock } = world();
    for (const name of ['a1', 'a2', 'b1']) void ask(name);
    await clock.advance(0);
    assert.equal(turnstile.waiting, 3);
    await give(2, 100);
    assert.deepEqual(log, ['a1 passed', 'b1 passed']);
    await give(1, 0);
    void ask('c1');
    await clock.advance(0);
    assert.deepEqual(log.length, 2, 'what is free is not for who has just come');
    await clock.advance(100);
    assert.deepEqual(log.slice(2), ['a2 passed']);
    turnstile.wake('limit');
    await give(1, 2);
    assert.deepEqual(log.slice(3), ['c1 passed']);
    assert.deepEqual([turnstile.waiting, clock.timers], [0, 0], 'nothing is left behind');
  });

  test('nobody waits beyond its time, in vain, or once it has left', async () => {
    const { turnstile, log, ask, clock, waits } = world();
    const gone = new AbortController();
    waits(1500);
    void ask('a1', { waitMs: 1000 });
    await clock.advance(0);
    assert.deepEqual(log, ['a1 late'], 'what is not there in its time is not waited for');
    waits(300);
    void ask('b1', { waitMs: 1000 });
    void ask('c1', { signal: gone.signal });
    await clock.advance(50);
    gone.abort();
    await clock.advance(900);
    assert.deepEqual(log.slice(1), ['c1 left', 'b1 late']);
    assert.deepEqual([turnstile.waiting, clock.timers], [0, 0]);
  });

  test('who left while it was tried gives back what it was let through with, and a fault is its own', async () => {
    const clock = new ManualClock();
    const turnstile = new Turnstile({ clock, bounds });
    const slow = Promise.withResolvers<void>();
    const undone: string[] = [];
    const leave = new AbortController();
    const wish = { ...member('a1'), waitMs: 5000, lines: [], signal: leave.signal };
    const first = turnstile.pass<string>({
      ...wish,
      attempt: async (waited) => {
        if (!waited) return { blocked: { line: 'limit', waitMs: 10 } };
        await slow.promise;
        return { passed: 'a1' };
      },
      undo: (passed) => void undone.push(passed),
    });
    await clock.advance(20);
    leave.abort();
    assert.equal(told(await first), 'left');
    const signal = new AbortController().signal;
    const second = turnstile.pass<string>({
      ...{ ...wish, ...member('b1'), signal, lines: ['limit'], undo: () => undefined },
      attempt: () => Promise.reject(new Error('the store is away')),
    });
    slow.resolve();
    await Promise.all([assert.rejects(second, /away/), clock.advance(20)]);
    assert.deepEqual([undone, turnstile.waiting, clock.timers], [['a1'], 0, 0]);
  });

  test('where there is no room the latest of the task with the most is sent away', async () => {
    const { log, ask, clock } = world(2);
    for (const name of ['a1', 'a2', 'a3', 'b1']) void ask(name);
    await clock.advance(0);
    assert.deepEqual(log.toSorted(), ['a2 full', 'a3 full']);
  });
});

test('what one gateway learns of a key the others hear, and it never rests longer than an hour', async () => {
  const clock = new ManualClock();
  await using store = new MemoryStore({ clock });
  await store.open();
  await using one = new KeyRests({ store, clock });
  await using other = new KeyRests({ store, clock });
  await Promise.all([one.open(), other.open()]);
  const at = { route: 'gpt', target: 'one', key: 'k' };
  one.rest(at, 30_000);
  one.rest(at, 10_000);
  for (const noise of [null, [], { route: 1 }, { ...at, rest_ms: 'x' }, { ...at, rest_ms: -1 }]) {
    await store.publish('key-rests', noise);
  }
  await clock.advance(1000);
  assert.deepEqual([one.restMs(at), other.restMs(at), one.restMs({ ...at, key: null })], [29_000, 29_000, 0]);
  other.wake(at);
  assert.deepEqual([one.restMs(at), other.restMs(at)], [29_000, 0]);
  await store.publish('key-rests', { ...at, rest_ms: 1e12 });
  await clock.advance(0);
  assert.equal(other.restMs(at), 3_600_000);
});

test('a call stands in line for its task, with the turns of its purpose, and is as patient as its agent', () => {
  const clock = new ManualClock();
  const queue = { wait_ms: 5000, waiting: 1, bytes: 1, priority: { urgent: 3 } };
  const call = (purpose: string, deadlineMs: number | null) =>
    ({
      ...{ deadlineMs, startMs: clock.monotonicMs(), proposed: { canonical: '{}' } },
      entry: { task: { record: { id: 't', purpose } } },
    }) as unknown as Admitted;
  assert.deepEqual(placeOf(queue, call('urgent', null)), { task: 't', turns: 3, bytes: 2 });
  assert.deepEqual(placeOf(queue, call('constructor', null)), { task: 't', turns: 1, bytes: 2 });
  assert.deepEqual(
    [null, 60_000, 1025, 10].map((deadlineMs) => patienceMs(queue, call('x', deadlineMs), clock)),
    [5000, 5000, 1000, 0],
  );
});

test('limits that contradict each other, or limit nothing, are faults of the configuration', () => {
  assert.deepEqual(
    checkRates([
      { by: ['agent', 'route'], per: 'minute', requests: 1 },
      { by: ['route', 'agent'], per: 'minute', tokens: 1 },
      { by: ['agent'], per: 'hour' },
      { by: ['agent'], per: 'minute', tokens: 5, burst: 2 },
    ]).map(({ pointer }) => pointer),
    ['/budget/rates/1', '/budget/rates/2', '/budget/rates/3/burst'],
  );
});

test('limits are told as each surface knows them, the tightest of each unit', () => {
  const state = { perMs: 60_000, atMs: Date.UTC(2026, 10, 2, 9), partition: 'agent=a' };
  const states = [
    { ...state, name: 'agent_requests', unit: 'requests', quota: 60, remaining: 30, fullMs: 30_000 },
    { ...state, name: 'route_requests', unit: 'requests', quota: 100, remaining: 10, fullMs: 54_000 },
    { ...state, name: 'tenant_tokens', unit: 'tokens', quota: 9000, remaining: 0, fullMs: 61_500 },
  ] as const;
  const { ratelimit, 'ratelimit-policy': _policy, ...own } = rateHeaders('openai', states);
  assert.equal(ratelimit, '"agent_requests";r=30;t=30, "route_requests";r=10;t=54, "tenant_tokens";r=0;t=62');
  assert.deepEqual(own, {
    'x-ratelimit-limit-requests': '100',
    'x-ratelimit-remaining-requests': '10',
    'x-ratelimit-reset-requests': '54s',
    'x-ratelimit-limit-tokens': '9000',
    'x-ratelimit-remaining-tokens': '0',
    'x-ratelimit-reset-tokens': '1m2s',
  });
  assert.equal(rateHeaders('anthropic', states)['anthropic-ratelimit-tokens-reset'], '2026-11-02T09:01:01Z');
  assert.deepEqual(Object.keys(rateHeaders('http', states)), ['ratelimit', 'ratelimit-policy']);
  assert.deepEqual(rateHeaders('openai', []), {});
});
