import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Sampler } from '../../../src/audit/sampler.ts';
import { ManualClock } from '../../fakes/clock.ts';

test('a sampler records so many a second and tells the next one how many it left out', async () => {
  const clock = new ManualClock();
  const sampler = new Sampler(clock, 10);
  const turns = Array.from({ length: 37 }, () => sampler.take());
  assert.equal(turns.filter(({ record }) => record).length, 10);
  assert.deepEqual(turns[9], { record: true, skipped: 0 });

  await clock.advance(999);
  assert.deepEqual(sampler.take(), { record: false });
  await clock.advance(1);
  assert.deepEqual(sampler.take(), { record: true, skipped: 28 });
  assert.deepEqual(sampler.take(), { record: true, skipped: 0 });
  assert.equal(sampler.drain(), 0);
});

test('a sampler keeps the count of what no event tells of', () => {
  const sampler = new Sampler(new ManualClock(), 1);
  for (let turn = 0; turn < 5; turn++) sampler.take();
  assert.equal(sampler.drain(), 4);
  assert.equal(sampler.drain(), 0);
});
