import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExpiryQueue } from '../../../src/store/expiry.ts';
import { ManualClock } from '../../fakes/clock.ts';

test('keys come out by time, and none before its time', () => {
  const random = new ManualClock(0, 7);
  const queue = new ExpiryQueue<number>();
  const times = Array.from({ length: 500 }, () => random.randomBytes(2).readUInt16BE());
  for (const time of times) queue.push(time, time);
  const out: number[] = [];
  for (const nowMs of [10_000, 40_000, 65_535]) {
    for (let key = queue.popDue(nowMs); key !== undefined; key = queue.popDue(nowMs)) {
      assert.ok(key <= nowMs);
      out.push(key);
    }
  }
  assert.deepEqual(
    out,
    times.toSorted((a, b) => a - b),
  );
});

test('compacting drops what is no longer current and keeps the order of the rest', () => {
  const queue = new ExpiryQueue<number>();
  for (const time of [9, 3, 7, 1, 8, 2]) queue.push(time, time);
  queue.compact((key) => key % 2 === 1);
  assert.equal(queue.size, 4);
  assert.deepEqual(
    [10, 10, 10, 10, 10].map((nowMs) => queue.popDue(nowMs)),
    [1, 3, 7, 9, undefined],
  );
});
