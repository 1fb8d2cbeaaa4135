import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Denial, deny } from '../../src/denial.ts';
import { climb, Ladder, type Stage } from '../../src/stage.ts';
import { ManualClock } from '../fakes/clock.ts';

interface Start {
  readonly id: string;
}
const isObject = (value: unknown) => typeof value === 'object' && value !== null;
type Who = { readonly who: { readonly name: string } };
type What = { readonly what: { readonly verb: string } };

const who: Stage<Start, Who> = {
  name: 'identity',
  fault: 'unauthenticated',
  gives: { who: isObject },
  admit: () => ({ who: { name: 'a' } }),
};
const what: Stage<Start & Who, What> = {
  name: 'wire',
  fault: 'request_invalid',
  gives: { what: isObject },
  admit: ({ who: { name } }) => ({ what: { verb: `${name} goes` } }),
};

function setup() {
  const faults: [string, unknown][] = [];
  const clock = new ManualClock();
  return {
    clock,
    faults,
    options: { clock, stageMs: 100, faulted: (stage: string, fault: unknown) => faults.push([stage, fault]) },
  };
}

test('each stage adds its fact to the call', async () => {
  const ladder = Ladder.from<Start>().rung(who).rung(what);
  const { call, denial } = await climb(ladder, { id: '1' }, setup().options);
  assert.equal(denial, undefined);
  assert.deepEqual(call, { id: '1', who: { name: 'a' }, what: { verb: 'a goes' } });
});

test('a stage placed before what it needs does not compile', () => {
  // @ts-expect-error `what` needs the fact that `who` adds
  Ladder.from<Start>().rung(what).rung(who);
  assert.equal(Ladder.from<Start>().rung(who).rung(what).stages.length, 2);
});

test('the first denial ends the climb, and the facts before it stay', async () => {
  let reached = false;
  const refusing: Stage<Start & Who, What> = { ...what, admit: () => deny('policy_denied', 'no') };
  const beyond: Stage<Start & What, { readonly more: object }> = {
    name: 'budget',
    fault: 'store_unavailable',
    gives: { more: isObject },
    admit: () => {
      reached = true;
      return { more: {} };
    },
  };
  const { call, denial } = await climb(
    Ladder.from<Start>().rung(who).rung(refusing).rung(beyond),
    { id: '1' },
    setup().options,
  );
  assert.equal(denial?.code, 'policy_denied');
  assert.deepEqual(call, { id: '1', who: { name: 'a' } });
  assert.equal(reached, false);
});

test('a stage that throws, or rejects, is refused with its own fault', async () => {
  for (const admit of [
    () => {
      throw new Error('sync');
    },
    () => Promise.reject(new Error('async')),
  ]) {
    const { options, faults } = setup();
    const { denial } = await climb(
      Ladder.from<Start>()
        .rung(who)
        .rung({ ...what, admit }),
      { id: '1' },
      options,
    );
    assert.equal(denial?.code, 'request_invalid');
    assert.equal(faults.length, 1);
  }
});

test('a stage that gives garbage is refused with its own fault', async () => {
  for (const garbage of [undefined, null, 1, 'yes', true, [], {}, { what: null }, { what: 'x' }, { WHAT: {} }]) {
    const { options, faults } = setup();
    const admit = () => garbage as unknown as What;
    const { denial } = await climb(
      Ladder.from<Start>()
        .rung(who)
        .rung({ ...what, admit }),
      { id: '1' },
      options,
    );
    assert.equal(denial?.code, 'request_invalid', JSON.stringify(garbage));
    assert.equal(faults[0]?.[0], 'wire');
  }
});

test('a fact that comes only by prototype is garbage', async () => {
  const admit = () => Object.create({ what: {} }) as What;
  const { denial } = await climb(
    Ladder.from<Start>()
      .rung(who)
      .rung({ ...what, admit }),
    { id: '1' },
    setup().options,
  );
  assert.equal(denial?.code, 'request_invalid');
});

test('a stage that hangs is refused after its limit, and what it gives too late is taken back', async () => {
  const { clock, options, faults } = setup();
  const late: unknown[] = [];
  const slow = Promise.withResolvers<What | Denial>();
  const hanging: Stage<Start & Who, What> = {
    ...what,
    admit: () => slow.promise,
    late: (_call, given) => void late.push(given),
  };
  const climbing = climb(Ladder.from<Start>().rung(who).rung(hanging), { id: '1' }, options);
  await clock.advance(100);
  assert.equal((await climbing).denial?.code, 'request_invalid');
  assert.equal(faults.length, 1);
  slow.resolve({ what: { verb: 'late' } });
  await clock.advance(0);
  assert.deepEqual(late, [{ what: { verb: 'late' } }]);
  assert.equal(clock.timers, 0);
});

test('the runner tells how long each stage took, one after the other, and the denial it ended in', async () => {
  const { clock, options } = setup();
  const told: unknown[] = [];
  const timed = (...stage: unknown[]) => void told.push(stage);
  const waiting: Stage<Start, Who> = {
    ...who,
    admit: async () => {
      await clock.advance(30);
      return { who: { name: 'a' } };
    },
  };
  const refusing: Stage<Start & Who, What> = { ...what, admit: () => deny('args_invalid', 'no') };
  await climb(Ladder.from<Start>().rung(waiting).rung(refusing), { id: '1' }, { ...options, timed });
  assert.deepEqual(told, [
    ['identity', 0, 30, null],
    ['wire', 30, 30, 'args_invalid'],
  ]);
  told.length = 0;
  const throwing: Stage<Start, Who> = {
    ...who,
    admit: () => {
      throw new Error('broken');
    },
  };
  await climb(Ladder.from<Start>().rung(throwing), { id: '1' }, { ...options, timed });
  assert.deepEqual(told, [['identity', 30, 30, 'unauthenticated']]);
});

test('a stage that lets calls wait may take so much longer, and is hung after that', async () => {
  const { clock, faults, options } = setup();
  const waiting: Stage<Start, Who> = { ...who, waitMsMax: 500, admit: () => new Promise(() => undefined) };
  const climbing = climb(Ladder.from<Start>().rung(waiting), { id: '1' }, options);
  await clock.advance(options.stageMs + 499);
  assert.equal(faults.length, 0);
  await clock.advance(1);
  assert.equal((await climbing).denial?.code, 'unauthenticated');
  assert.equal(faults.length, 1);
});
