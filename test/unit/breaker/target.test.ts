import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import Type from 'typebox';
import { type BreakerConfig, breakerSection } from '../../../src/breaker/section.ts';
import { type Ended, type Health, TargetBreakers, targetKey } from '../../../src/breaker/target.ts';
import type { Target } from '../../../src/call.ts';
import { isDenial } from '../../../src/denial.ts';
import { ManualClock } from '../../fakes/clock.ts';

const config: BreakerConfig = { error_percent: 50, volume: 4, window_ms: 10_000, reset_ms: 30_000 };
const target = { route: 'orders', name: 'fra' } as Target;
const other = { route: 'orders', name: 'ams' } as Target;
const key = targetKey(target);

/** An answer is a status; an error, and a status from 500, speak against the target; `gone` is the client's doing. */
function healthOf(ended: Ended<number>): Health {
  if ('error' in ended) return (ended.error as Error).message === 'gone' ? 'neither' : 'ill';
  return ended.value >= 500 ? 'ill' : 'well';
}

function setUp(overrides: Partial<BreakerConfig> = {}) {
  const clock = new ManualClock();
  const breakers = new TargetBreakers({ config: { ...config, ...overrides }, clock });
  const answer = (status: number) => breakers.run(target, async () => status, healthOf);
  const fail = (message: string) => breakers.run(target, async () => Promise.reject(new Error(message)), healthOf);
  const codeOf = async (run: Promise<unknown>): Promise<unknown> => {
    const given = await run;
    return isDenial(given) ? given.code : given;
  };
  return { clock, breakers, answer, fail, codeOf };
}

test('the section fills in a breaker that opens', () => {
  const file: { breaker?: BreakerConfig } = {};
  new Ajv2020({ useDefaults: true }).compile(Type.Object({ breaker: breakerSection }))(file);
  assert.deepEqual(file.breaker, { error_percent: 50, volume: 5, window_ms: 10_000, reset_ms: 30_000 });
});

test('what the action gives or throws comes through unchanged, failures too', async () => {
  const { answer, fail } = setUp();
  assert.equal(await answer(200), 200);
  assert.equal(await answer(503), 503);
  await assert.rejects(fail('connection refused'), { message: 'connection refused' });
});

test('a target whose calls fail is opened once the volume is reached, and then it is not called', async () => {
  const { breakers, answer, codeOf } = setUp();
  for (let call = 0; call < 3; call++) await answer(500);
  assert.equal(breakers.isOpen(key), false);
  await answer(500);
  assert.equal(breakers.isOpen(key), true);
  let called = 0;
  const refused = await breakers.run(target, async () => ++called, healthOf);
  assert.ok(isDenial(refused));
  assert.equal(refused.code, 'circuit_open');
  assert.equal(refused.details.retryAfterMs, 30_000);
  assert.equal(called, 0);
  assert.equal(await codeOf(breakers.run(other, async () => 200, healthOf)), 200);
});

test('4xx answers never open a target', async () => {
  const { breakers, answer } = setUp();
  for (const status of [400, 401, 404, 422, 429, 404, 404, 404]) await answer(status);
  assert.equal(breakers.isOpen(key), false);
});

test('errors open a target as 5xx answers do', async () => {
  const { breakers, fail } = setUp();
  for (let call = 0; call < 4; call++) await assert.rejects(fail('timeout'));
  assert.equal(breakers.isOpen(key), true);
});

test('half of the calls failing is borne, more is not', async () => {
  const { breakers, answer } = setUp();
  for (const status of [200, 200, 500, 500, 200, 500]) await answer(status);
  assert.equal(breakers.isOpen(key), false);
  await answer(500);
  assert.equal(breakers.isOpen(key), true);
});

test('failures that lie further back than the window do not count', async () => {
  const { clock, breakers, answer } = setUp();
  for (let call = 0; call < 3; call++) await answer(500);
  await clock.advance(10_000);
  for (let call = 0; call < 3; call++) await answer(500);
  assert.equal(breakers.isOpen(key), false);
  await answer(500);
  assert.equal(breakers.isOpen(key), true);
});

test('after its rest one trial is let through; its success closes the circuit', async () => {
  const { clock, breakers, answer, codeOf } = setUp();
  for (let call = 0; call < 4; call++) await answer(500);
  await clock.advance(29_999);
  assert.equal(breakers.isOpen(key), true);
  assert.equal(breakers.restMs(key), 1);
  await clock.advance(1);
  assert.equal(breakers.isOpen(key), false);
  let finish: (status: number) => void = () => {};
  const trial = breakers.run(target, () => new Promise<number>((resolve) => (finish = resolve)), healthOf);
  assert.equal(breakers.isOpen(key), true);
  assert.equal(await codeOf(answer(200)), 'circuit_open');
  finish(200);
  assert.equal(await trial, 200);
  assert.equal(breakers.isOpen(key), false);
  assert.equal(await codeOf(answer(200)), 200);
});

test('a trial that fails opens the circuit for another rest', async () => {
  const { clock, breakers, answer, codeOf } = setUp();
  for (let call = 0; call < 4; call++) await answer(500);
  await clock.advance(30_000);
  assert.equal(await answer(503), 503);
  assert.equal(breakers.isOpen(key), true);
  assert.equal(breakers.restMs(key), 30_000);
  await clock.advance(30_000);
  assert.equal(await codeOf(answer(200)), 200);
  assert.equal(breakers.isOpen(key), false);
});

test('a trial whose client goes away decides nothing: the next call is the trial', async () => {
  const { clock, breakers, answer, fail, codeOf } = setUp();
  for (let call = 0; call < 4; call++) await answer(500);
  await clock.advance(30_000);
  await assert.rejects(fail('gone'));
  assert.equal(breakers.isOpen(key), false);
  assert.equal(await codeOf(answer(500)), 500);
  assert.equal(breakers.isOpen(key), true);
});

test('a straggler from before the rest neither closes the circuit nor passes for the trial', async () => {
  const { clock, breakers, answer } = setUp();
  const ends: ((status: number) => void)[] = [];
  const hang = () => breakers.run(target, () => new Promise<number>((resolve) => ends.push(resolve)), healthOf);
  const early = hang();
  for (let call = 0; call < 5; call++) await answer(500);
  await clock.advance(30_000);
  const trial = hang();
  ends[0]?.(200);
  assert.equal(await early, 200);
  assert.equal(breakers.isOpen(key), true);
  ends[1]?.(500);
  await trial;
  assert.equal(breakers.restMs(key), 30_000);
});

test('streams that break off open a target although every head was well', async () => {
  const { breakers, answer } = setUp();
  for (let call = 0; call < 3; call++) {
    await answer(200);
    breakers.failed(target);
  }
  assert.equal(breakers.isOpen(key), false);
  await answer(200);
  breakers.failed(target);
  assert.equal(breakers.isOpen(key), true);
  breakers.failed(target);
  assert.equal(breakers.restMs(key), 30_000);
});

test('a fault in judging the outcome is not swallowed', async () => {
  const { breakers } = setUp();
  const run = breakers.run(
    target,
    async () => 1,
    () => {
      throw new RangeError('a bug');
    },
  );
  await assert.rejects(run, RangeError);
});

test('what is disposed has forgotten its circuits', async () => {
  const { breakers, answer } = setUp();
  for (let call = 0; call < 4; call++) await answer(500);
  breakers[Symbol.dispose]();
  assert.equal(breakers.isOpen(key), false);
  assert.equal(breakers.restMs(key), 0);
});
