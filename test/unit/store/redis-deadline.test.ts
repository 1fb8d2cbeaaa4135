import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Deadline, unavailable } from '../../../src/store/backends/redis-deadline.ts';
import { StoreUnavailable } from '../../../src/store/store.ts';
import { ManualClock } from '../../fakes/clock.ts';

const never = (): Promise<never> => new Promise(() => {});

/** Whether `asked` has settled, without waiting for it. */
async function isSettled(asked: Promise<unknown>): Promise<boolean> {
  await setImmediate();
  const still = Symbol();
  return (await Promise.race([asked.catch(() => undefined), Promise.resolve(still)])) !== still;
}

test('what gets no answer is refused at its own time, in the order it was sent, by one timer', async () => {
  const clock = new ManualClock();
  const deadline = new Deadline(clock, 50, 10);
  const first = deadline.run(never);
  await clock.advance(30);
  const second = deadline.run(never);
  assert.equal(clock.timers, 1);
  await clock.advance(19);
  assert.equal(await isSettled(first), false);
  await clock.advance(1);
  await assert.rejects(first, { name: 'StoreUnavailable', message: 'Redis did not answer within 50 ms' });
  assert.equal(await isSettled(second), false);
  await clock.advance(30);
  await assert.rejects(second, StoreUnavailable);
  assert.equal(clock.timers, 0);
});

test('an answer in time is given, and one that comes too late changes nothing', async () => {
  const clock = new ManualClock();
  const deadline = new Deadline(clock, 50, 10);
  assert.equal(await deadline.run(async () => 'answer'), 'answer');
  const late = Promise.withResolvers<string>();
  const asked = deadline.run(() => late.promise);
  const refused = assert.rejects(asked, StoreUnavailable);
  await clock.advance(50);
  await refused;
  late.resolve('too late');
  await assert.rejects(asked, StoreUnavailable);
});

test('an answer that arrived while the process was busy counts, though its time is over', async () => {
  const clock = new ManualClock();
  const answer = Promise.withResolvers<string>();
  // In one turn of the event loop timers fire first, and then the socket is read.
  const after = clock.after.bind(clock);
  clock.after = (delayMs, task) => after(delayMs, () => [task(), answer.resolve('read late')]);
  const asked = new Deadline(clock, 50, 10).run(() => answer.promise);
  await clock.advance(50);
  assert.equal(await asked, 'read late');
});

test('at its maximum it sends nothing, and has room again when something is answered or refused', async () => {
  const clock = new ManualClock();
  const deadline = new Deadline(clock, 50, 2);
  const answer = Promise.withResolvers<void>();
  const [answered, refused] = [deadline.run(() => answer.promise), assert.rejects(deadline.run(never))];
  let sent = 0;
  const send = async (): Promise<void> => void sent++;
  await assert.rejects(deadline.run(send), StoreUnavailable);
  assert.equal(sent, 0);
  answer.resolve();
  await answered;
  await deadline.run(send);
  const waiting = assert.rejects(deadline.run(never));
  await clock.advance(50);
  await Promise.all([refused, waiting]);
  await deadline.run(send);
  assert.equal(sent, 2);
});

test('of what ioredis says went wrong, no argument and no address is passed on', () => {
  const reply = Object.assign(new Error("WRONGPASS invalid pair for 's3cret'"), {
    name: 'ReplyError',
    command: { name: 'auth', args: ['s3cret'] },
  });
  const network = Object.assign(new Error('connect ECONNREFUSED 10.1.2.3:6379'), { code: 'ECONNREFUSED' });
  const faults = [reply, network, new Error('Connection is closed.'), undefined].map(unavailable);
  assert.deepEqual(
    faults.map(({ message }) => message),
    [
      'Redis refused: WRONGPASS',
      'Redis cannot be reached: ECONNREFUSED',
      'The connection to Redis was lost',
      'The connection to Redis was lost',
    ],
  );
  for (const fault of faults) assert.deepEqual(Object.keys(fault), ['name']);
});
