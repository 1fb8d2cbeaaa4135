/**
 * The contract of the room over a store: who is the first, what its end means to those that repeat it, and what becomes of
 * marks whose gateway died. The last test lets gateways crash at every step, by a seed that its message names.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Attempt, CallerFact, IdempotencyFact, Outcome, Target } from '../../../src/call.ts';
import { newId } from '../../../src/clock.ts';
import { type Denial, deny, isDenial } from '../../../src/denial.ts';
import { HeldBytes } from '../../../src/idempotency/held-bytes.ts';
import { Marks } from '../../../src/idempotency/marks.ts';
import { idempotencyStage } from '../../../src/idempotency/stage.ts';
import { KeySeal } from '../../../src/identity/key-seal.ts';
import { unsentOutcome } from '../../../src/outcome.ts';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { StoreUnavailable } from '../../../src/store/store.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { fakeOperation, fakeTask } from '../../fakes/task.ts';
import { intendedCall, silent } from '../audit/fixture.ts';

const target = { name: 'one', route: 'pay' } as Target;
const config = {
  ...{ window_seconds: 3_600, entry_bytes: 1_000, task_bytes: 100_000, total_bytes: 100_000, tool_call_ids: true },
};
const write = fakeOperation('pay.refund', { effect: 'write' });
const unsent = unsentOutcome(deny('policy_denied', 'no'));
const tried = (over: Partial<Attempt>): Outcome => ({
  ...unsent,
  denial: null,
  attempts: [{ target: 'one', status: null, error: null, latencyMs: 1, sent: true, ...over }],
});

type Call = Parameters<ReturnType<typeof idempotencyStage>['admit']>[0];

/** Gateways on one store; `dead` ones have given no sign for a lease. */
async function setUp(seed = 1) {
  const clock = new ManualClock(undefined, seed);
  const store = new MemoryStore({ clock });
  await store.open();
  const dead = new Set<string>();
  const away = { store: false };
  const reachable = {
    get: async (key: string) => {
      if (away.store) throw new StoreUnavailable('away');
      return store.get(key);
    },
    compareAndSet: async (...said: Parameters<MemoryStore['compareAndSet']>) => {
      if (away.store) throw new StoreUnavailable('away');
      return store.compareAndSet(...said);
    },
  };
  const seal = new KeySeal('a secret of all gateways', clock, 'test');
  const gateway = (holder: string, over: { seal?: null } = {}) => {
    const marks = new Marks({ store: reachable, clock, log: silent });
    const stage = idempotencyStage({
      ...{ marks, seal, held: new HeldBytes(clock), config, clock, holder, callMsMax: 60_000, ...over },
      isAlive: async (other) => other === holder || !dead.has(other),
      targetsOf: () => [target],
      readsOf: () => ['pay.show'],
    });
    return { marks, admit: (call: Call) => stage.admit(call) as Promise<IdempotencyFact | Denial>, stage };
  };
  const record = fakeTask();
  const call = (over: Partial<Call> & { text?: string; operation?: typeof write } = {}): Call => {
    const { text = '{}', operation = write, ...rest } = over;
    const base = intendedCall(clock, { operation, record });
    const caller = { scope: null } as CallerFact['caller'];
    const view = { ...base.entry.task, record };
    return {
      ...base,
      ...{ id: newId(clock, 'call'), receivedAtMs: clock.nowMs(), caller, task: view, idempotencyKey: 'k' },
      proposed: { canonical: text },
      ...rest,
    } as Call;
  };
  return { clock, store, gateway, call, dead, away };
}

/** Lets the answer of a target pass as the gate would, and ends the call. */
async function end(given: IdempotencyFact | Denial, outcome: Outcome, body: string | null = null, type = 'text/plain') {
  assert.ok(!isDenial(given) && given.idempotency.state === 'first', JSON.stringify(given));
  const { keeping } = given.idempotency;
  if (body !== null) {
    const status = outcome.attempts.at(-1)?.status ?? 200;
    const source = async function* () {
      yield Buffer.from(body);
    };
    const passing = keeping.recorded({ target, head: { status, headers: { 'content-type': type } }, body: source() });
    for await (const _chunk of passing.body);
  }
  await keeping.settled(outcome);
}

/** What the next call is told: `first`, `repeat` with its body, or the code of a denial with its first reason. */
async function told(given: IdempotencyFact | Denial): Promise<string> {
  if (isDenial(given)) return `${given.code} ${given.reasons[0]?.code}`;
  if (given.idempotency.state !== 'repeat') return given.idempotency.state;
  const chunks: Uint8Array[] = [];
  for await (const chunk of given.idempotency.kept.answer.body) chunks.push(chunk);
  return `repeat ${Buffer.concat(chunks)}`;
}

describe('marks of calls', () => {
  test('what the end of the first means to the next', async () => {
    const rows: readonly [string, string, Outcome, (string | null)?, string?][] = [
      ['answered', 'repeat yes', tried({ status: 201 }), 'yes'],
      ['failed by its service', 'repeat no', tried({ status: 500 }), 'no'],
      ['refused by its service', 'first', tried({ status: 404 }), 'no'],
      ['turned away', 'first', tried({ status: 503 }), 'later'],
      ['never sent', 'first', unsent],
      ['broke off', 'outcome_unknown check_first', tried({ status: null })],
      ['broke off in its answer', 'task_conflict answer_not_kept', tried({ status: 201 })],
      ['too long', 'task_conflict answer_not_kept', tried({ status: 201 }), 'x'.repeat(1_001)],
      [
        'another target was not reached',
        'outcome_unknown check_first',
        {
          ...unsent,
          attempts: [...tried({}).attempts, ...tried({ sent: false }).attempts],
        },
      ],
      [
        'the server asks for more first',
        'first',
        tried({ status: 200 }),
        '{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required"}}',
        'application/json',
      ],
    ];
    for (const [what, expected, outcome, body = null, type] of rows) {
      const { gateway, call } = await setUp();
      const [one, other] = [gateway('g/1'), gateway('g/2')];
      await end(await one.admit(call()), outcome, body, type);
      assert.equal(await told(await other.admit(call())), expected, what);
    }
  });

  test('what does nothing but answer is asked again, unless its answer is there', async () => {
    const { gateway, call } = await setUp();
    const one = gateway('g/1');
    const operation = fakeOperation('pay.show', { effect: 'read' });
    await end(await one.admit(call({ operation })), tried({ status: null }));
    await end(await one.admit(call({ operation })), tried({ status: 500 }), 'no');
    await end(await one.admit(call({ operation })), tried({ status: 200 }), 'yes');
    assert.equal(await told(await one.admit(call({ operation }))), 'repeat yes');
    const unnamed = { idempotencyKey: undefined as never, toolCallId: 'call_1' };
    assert.equal(await told(await one.admit(call({ operation, ...unnamed }))), 'unnamed');
    assert.equal(await told(await one.admit(call(unnamed))), 'first', 'a write is known by its tool call');
    assert.equal(await told(await one.admit(call({ ...unnamed, toolCallId: null }))), 'unnamed');
  });

  test('[idempotency.dead-gateways] a call whose gateway died, or that no one ends, is in doubt and not for ever running', async () => {
    const { gateway, call, dead, clock } = await setUp();
    const [one, other] = [gateway('g/1'), gateway('g/2')];
    await one.admit(call());
    assert.equal(await told(await other.admit(call())), 'task_conflict first_call_running');
    dead.add('g/1');
    const denial = await other.admit(call());
    assert.equal(await told(denial), 'outcome_unknown check_first');
    assert.deepEqual(isDenial(denial) && denial.details.allowed, ['pay.show']);
    dead.clear();
    assert.equal(await told(await other.admit(call())), 'task_conflict first_call_running', 'it lived after all');
    await clock.advance(60_001);
    assert.equal(await told(await other.admit(call())), 'outcome_unknown check_first', 'no call runs so long');
  });

  test('a stage that was given up on gives its key back; so does a store that was away, once it is there', async () => {
    const { gateway, call, away, clock } = await setUp();
    const one = gateway('g/1');
    const late = call();
    const given = await one.admit(late);
    assert.ok(!isDenial(given));
    await one.stage.late?.(late, given);
    assert.equal(await told(await one.admit(call())), 'first');
    const { admit, marks } = gateway('g/2');
    away.store = true;
    await assert.rejects(admit(call({ idempotencyKey: 'k2' })), StoreUnavailable);
    const operation = fakeOperation('pay.show', { effect: 'read' });
    assert.equal(await told(await admit(call({ operation }))), 'unnamed', 'what does nothing goes on without');
    assert.equal(marks.waiting, 2);
    away.store = false;
    await clock.advance(1_000);
    assert.equal(marks.waiting, 0);
  });

  test('an end that the store did not take is written later; without a secret no answer is kept', async () => {
    const { gateway, call, away, clock } = await setUp();
    const one = gateway('g/1');
    const given = await one.admit(call());
    away.store = true;
    await end(given, tried({ status: 201 }), 'yes');
    await assert.rejects(one.admit(call()), StoreUnavailable, 'which leaves what the first has to say alone');
    away.store = false;
    assert.equal(await told(await one.admit(call())), 'task_conflict first_call_running');
    await clock.advance(1_000);
    assert.equal(await told(await one.admit(call())), 'repeat yes');
    const bare = gateway('g/3', { seal: null });
    await end(await bare.admit(call({ idempotencyKey: 'k3' })), tried({ status: 201 }), 'yes');
    assert.equal(await told(await bare.admit(call({ idempotencyKey: 'k3' }))), 'task_conflict answer_not_kept');
    const changed = await one.admit(call({ text: '{"other":1}' }));
    assert.equal(await told(changed), 'args_invalid idempotency_key_reused');
    await clock.advance(3_700_000);
    assert.equal(await told(await one.admit(call())), 'first', 'after the window it is another call');
  });

  test('[idempotency.never-twice] whatever crashes where, no call takes effect twice under one key', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const { gateway, call, dead, away, clock } = await setUp(seed);
      const draw = (below: number) => clock.randomBytes(1).readUInt8(0) % below;
      let lives = 0;
      let alive = Array.from({ length: 3 }, () => ({ name: `g/${++lives}`, ...gateway(`g/${lives}`) }));
      const effects = new Map<string, number>();
      const answers = new Map<string, string>();
      const agent = async (idempotencyKey: string) => {
        for (let tries = 0; tries < 6; tries++) {
          const mine = alive[draw(alive.length)] as (typeof alive)[number];
          away.store = draw(8) === 0;
          const given = await mine.admit(call({ idempotencyKey })).catch(() => null);
          away.store = draw(8) === 0;
          if (given !== null && !isDenial(given)) {
            if (given.idempotency.state === 'repeat') {
              assert.equal(await told(given), `repeat ${answers.get(idempotencyKey)}`, `seed ${seed}`);
              return;
            }
            const fate = draw(6);
            if (fate < 4) effects.set(idempotencyKey, (effects.get(idempotencyKey) ?? 0) + 1);
            if (fate === 0 || fate === 4) {
              // Killed after the send, or before it: nobody settles.
              dead.add(mine.name);
              alive = alive.filter((one) => one !== mine);
              alive.push({ name: `g/${++lives}`, ...gateway(`g/${lives}`) });
            } else if (fate === 5) await end(given, unsent);
            else if (fate === 1) await end(given, tried({ status: null }));
            else {
              answers.set(idempotencyKey, `answer ${seed} ${effects.size}`);
              await end(given, tried({ status: 201 }), answers.get(idempotencyKey) as string);
            }
          }
          await clock.advance(draw(3) * 400);
        }
      };
      await Promise.all(['a', 'b', 'a', 'c', 'b', 'a'].map(agent));
      for (const [key, count] of effects) assert.equal(count, 1, `seed ${seed}: ${key} took effect ${count} times`);
    }
  });
});
