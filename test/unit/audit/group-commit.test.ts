import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AuditUnavailable, GroupCommit } from '../../../src/audit/group-commit.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { silent } from './fixture.ts';
import { ScriptedSink } from './scripted-sink.ts';
import { draft } from './sinks/sink-contract.ts';

function setUp(queueMax = 4) {
  const sink = new ScriptedSink();
  const clock = new ManualClock();
  const queue = new GroupCommit({ sink, clock, log: silent, queueMax });
  const push = (operation: string, how: { durable?: boolean; reserve?: boolean } = {}) =>
    queue.push(draft('admin', { operation }), { durable: how.durable ?? false, reserve: how.reserve ?? false });
  return { sink, clock, queue, push };
}

test('what queues while a commit runs goes into the next one, in order', async () => {
  const { sink, queue, push } = setUp(100);
  const { promise, resolve } = Promise.withResolvers<void>();
  sink.gate = promise;
  const pushed = ['a', 'b', 'c', 'd'].map((operation) => push(operation, { durable: true }));
  resolve();
  await Promise.all(pushed);
  assert.deepEqual(
    sink.batches.map((batch) => batch.map(({ event }) => event.operation)),
    [['a'], ['b', 'c', 'd']],
  );
  assert.equal(queue.healthy(), true);
});

test('a full queue refuses, is not healthy, and still has room for what has happened', async () => {
  const { sink, queue, push } = setUp(4);
  const { promise, resolve } = Promise.withResolvers<void>();
  sink.gate = promise;
  for (const operation of ['a', 'b', 'c', 'd']) await push(operation);
  assert.equal(queue.healthy(), false);
  await assert.rejects(push('e'), AuditUnavailable);
  for (const operation of ['f', 'g', 'h', 'i']) await push(operation, { reserve: true });
  await assert.rejects(push('j', { reserve: true }), AuditUnavailable);
  resolve();
  await queue.settled();
  assert.deepEqual(sink.written, ['a', 'b', 'c', 'd', 'f', 'g', 'h', 'i']);
  assert.equal(queue.healthy(), true);
});

test('after a failed write who waits is refused, what has happened is kept and written when the disk is back', async () => {
  const { sink, clock, queue, push } = setUp(10);
  sink.failing = true;
  const strict = push('strict', { durable: true });
  await push('relaxed');
  await assert.rejects(strict, AuditUnavailable);
  assert.equal(queue.healthy(), false);
  await assert.rejects(push('refused'), AuditUnavailable);
  await push('outcome', { reserve: true });
  await clock.advance(2_000);
  assert.equal(queue.healthy(), false);

  sink.failing = false;
  await clock.advance(500);
  assert.equal(queue.healthy(), true);
  assert.deepEqual(sink.written, ['relaxed', 'outcome']);
  await push('again', { durable: true });
  assert.deepEqual(sink.written, ['relaxed', 'outcome', 'again']);
});

test('a write that hangs makes the trail unhealthy before anybody is told of a failure', async () => {
  const { sink, clock, queue, push } = setUp(10);
  const { promise, resolve } = Promise.withResolvers<void>();
  sink.gate = promise;
  const pushed = push('a', { durable: true });
  await clock.advance(5_000);
  assert.equal(queue.healthy(), true);
  await clock.advance(1);
  assert.equal(queue.healthy(), false);
  resolve();
  await pushed;
  assert.equal(queue.healthy(), true);
});

test('an event that the sink refuses is refused alone', async () => {
  const { sink, queue, push } = setUp(10);
  const ends = await Promise.allSettled(['a', 'poison', 'b'].map((operation) => push(operation, { durable: true })));
  assert.deepEqual(
    ends.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  assert.equal(sink.batches.length, 2);
  assert.equal(queue.healthy(), true);
});

test('closing writes what waits, then nothing is taken in any more', async () => {
  const { sink, clock, queue, push } = setUp(10);
  sink.failing = true;
  await push('kept');
  await queue.settled();
  sink.failing = false;
  await queue.close();
  assert.deepEqual(sink.written, ['kept']);
  assert.equal(clock.timers, 0);
  await assert.rejects(push('late'), AuditUnavailable);
  assert.equal(queue.healthy(), false);
});

test('closing does not wait for a disk that stays full', async () => {
  const { sink, clock, queue, push } = setUp(10);
  sink.failing = true;
  await push('lost');
  await queue.settled();
  await queue.close();
  assert.deepEqual(sink.written, []);
  assert.equal(clock.timers, 0);
});
