/**
 * Agents at random, over many tasks and several gateways, with a store that is away now and then and a clock that owns
 * the time: whatever they do, no circle goes on beyond its limit, and nothing is refused that is none. A failing seed is
 * named; it replays the run.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HistoryEntry, TaskRecord } from '../../src/call.ts';
import type { CallId } from '../../src/clock.ts';
import { type Denial, deny } from '../../src/denial.ts';
import { MemoryStore } from '../../src/store/backends/memory.ts';
import { StoreUnavailable } from '../../src/store/store.ts';
import { type AgentLimits, AgentLoops, denyAgentRuns } from '../../src/task/agent-loops.ts';
import { endHistory, enterHistory } from '../../src/task/history.ts';
import { denyLooping, type LoopLimits } from '../../src/task/loops.ts';
import { ManualClock } from '../fakes/clock.ts';
import { fakeOutcome, fakeTask } from '../fakes/task.ts';

const seeds = Array.from({ length: 200 }, (_, index) => 7919 * (index + 1));
const historyMax = 50;

/** Whole numbers below `below`, by the seed of the clock. */
const drawing = (clock: ManualClock) => (below: number) => clock.randomBytes(4).readUInt32BE() % below;

const attempt = (status: number) => [{ target: 'one', status, error: null, latencyMs: 1, sent: true }];

test('[task.circles-end] in a task no equal call, prompt or round goes beyond its limit, and no storm goes on', () => {
  const seen = { equal_calls: 0, same_prompt: 0, ping_pong: 0, denial_storm: 0 } as Record<string, number>;
  for (const seed of seeds) {
    const clock = new ManualClock(0, seed);
    const below = drawing(clock);
    const limits: LoopLimits = {
      ...{ repeats: 1 + below(6), windowMs: 1_000 * (1 + below(60)), samePrompt: 1 + below(8), pingPong: 2 + below(3) },
      ...{ denials: 2 + below(8), coolDownMs: 1_000 * (1 + below(30)) },
    };
    const letters = 2 + below(5);
    let record: TaskRecord = fakeTask();
    let nowMs = 0;
    let refused = 0;
    for (let step = 0; step < 300; step++) {
      nowMs += below(4) === 0 ? below(20_000) : below(200);
      const place = below(3) === 0 ? below(letters) : step % Math.min(letters, 3);
      const reads = place % 2 === 1;
      const call = {
        ...{ operation: `x.${place}`, effect: reads ? ('read' as const) : ('write' as const), digest: `d${place}` },
        ...(reads ? {} : { prompt: `p${place % 3}` }),
      };
      const denial: Denial | undefined = denyLooping(record, call, limits, nowMs);
      if (denial !== undefined) {
        const [reason] = denial.reasons;
        seen[reason?.code ?? ''] = (seen[reason?.code ?? ''] ?? 0) + 1;
        assert.equal(denial.code, 'task_looping');
        const { retryAfterMs } = denial.details;
        if (retryAfterMs !== undefined) {
          assert.ok(retryAfterMs >= 1 && retryAfterMs <= Math.max(limits.windowMs, limits.coolDownMs), `${seed}`);
          // The told wait is enough for this circle: what then still denies is another one.
          const then = denyLooping(record, call, limits, nowMs + retryAfterMs);
          assert.ok(then === undefined || then.reasons[0]?.code !== reason?.code, `${seed} ${step} ${reason?.code}`);
        }
        continue;
      }
      const entry: HistoryEntry = {
        ...{ callId: `call-${step}` as CallId, kind: 'tool', ...call, state: 'pending', atMs: nowMs },
        ...{ costMicroUsd: 0, target: null, facts: {} },
      };
      record = enterHistory(record, entry, historyMax);
      const lot = below(10);
      const outcome =
        lot < 3
          ? fakeOutcome({ denial: deny('policy_denied', ''), attempts: [], status: 403 })
          : fakeOutcome({ attempts: attempt(lot < 5 ? 500 : 200), status: lot < 5 ? 500 : 200 });
      refused = lot < 3 ? refused + 1 : lot < 5 ? refused : Math.max(0, refused - 1);
      const ending = { callId: entry.callId, operation: call.operation, route: 'x', facts: {}, outcome, atMs: nowMs };
      record = endHistory(record, ending);
      assert.equal(record.denials?.count ?? 0, refused, `${seed} ${step}`);

      const did = record.history.filter(({ state }) => state !== 'denied');
      const counted = did.filter(({ effect, atMs }) => effect !== 'read' || atMs + limits.windowMs > nowMs);
      const most = (texts: readonly string[]) =>
        Math.max(
          0,
          ...Map.groupBy(texts, String)
            .values()
            .map((all) => all.length),
        );
      assert.ok(most(counted.map(({ digest }) => digest)) <= limits.repeats, `${seed} ${step}: equal calls`);
      assert.ok(most(did.flatMap(({ prompt }) => prompt ?? [])) <= limits.samePrompt, `${seed} ${step}: prompts`);
    }
  }
  for (const [code, times] of Object.entries(seen)) assert.ok(times > 50, `${code} came up ${times} times`);
});

test('[task.circles-end-over-tasks] over tasks and gateways equal calls and storms end, also when the store is away now and then', async () => {
  let stopped = 0;
  for (const seed of seeds.slice(0, 60)) {
    const clock = new ManualClock(Date.UTC(2026, 10, 2, 9), seed);
    const below = drawing(clock);
    const store = new MemoryStore({ clock });
    await store.open();
    let away = false;
    const guarded = <Args extends unknown[], T>(method: (...args: Args) => Promise<T>) => {
      return async (...args: Args): Promise<T> => {
        if (away && below(2) === 0) throw new StoreUnavailable('away');
        for (let turn = below(3); turn > 0; turn--) await undefined;
        return method(...args);
      };
    };
    const shaky = {
      get: guarded(store.get.bind(store)),
      compareAndSet: guarded(store.compareAndSet.bind(store)),
      reserve: store.reserve.bind(store),
      settle: store.settle.bind(store),
    };
    const gateways = Array.from({ length: 1 + below(3) }, () => new AgentLoops({ store: shaky, clock }));
    const limits: AgentLimits = {
      ...{ bySubject: below(2) === 0, repeats: 2 + below(6), reads: null, failuresInARow: 3, denials: 2 + below(10) },
      ...{ windowMs: 60_000, tasksPerMinute: 100, coolDownMs: 5_000 },
    };
    const sent = new Map<string, number>();
    let [denied, told, ids] = [0, 0, 0];
    let before = 0;
    const agent = async () => {
      const loops = gateways[below(gateways.length)] as AgentLoops;
      const task = fakeTask({ id: `task-${ids++}` as TaskRecord['id'] });
      const whole = `call ${below(4)}`;
      const operation = { name: 'x.do', effect: 'write' } as const;
      try {
        const runs = await loops.runsOf(task, limits);
        if (denyAgentRuns(runs, 'x', limits, clock.nowMs()) !== undefined) return void stopped++;
        if (below(3) === 0) {
          denied++;
          await loops.note(task, { what: 'denied', route: null, runs }, limits);
          return void told++;
        }
        const caps = await loops.capsOf(task, operation, whole, limits);
        const scopes = caps.map(({ key, calls, ttlMs }) => ({ key, limits: { calls }, ttlMs }));
        const id = `r-${ids++}`;
        if (!(await store.reserve(id, scopes, { calls: 1 }, 60_000)).ok) return;
        sent.set(whole, (sent.get(whole) ?? 0) + 1);
        await store.settle(id, { calls: 1 });
      } catch (fault) {
        assert.ok(fault instanceof StoreUnavailable, `${seed} ${fault}`);
      }
    };
    for (let round = 0; round < 12; round++) {
      away = below(4) === 0;
      const atOnce = 1 + below(6);
      await Promise.all(Array.from({ length: atOnce }, agent));
      // All in one window; nothing is answered, so refusals only add up, and one cool-down never ends.
      for (const [whole, times] of sent) {
        assert.ok(times <= limits.repeats - 1 + gateways.length, `${seed}: ${whole} went ${times} times`);
      }
      const runs = await store.get(await keyOfRuns(store, clock, limits));
      const count = (runs?.value as { denials?: { count: number } } | undefined)?.denials?.count ?? 0;
      // A write whose answer was lost may stand; one that was acknowledged always does.
      assert.ok(count >= told && count <= denied, `${seed}: ${count} of ${told} to ${denied}`);
      assert.ok(count - before <= atOnce, `${seed}`);
      if (before >= limits.denials) assert.equal(count, before, `${seed}: a storm that was stopped went on`);
      before = count;
      await clock.advance(below(20));
    }
  }
  assert.ok(stopped > 100, `${stopped}`);
});

/** The one record that the agent of these tasks has, found by asking for it. */
async function keyOfRuns(store: MemoryStore, clock: ManualClock, limits: AgentLimits): Promise<string> {
  let asked = '';
  const get = (key: string) => {
    asked = key;
    return store.get(key);
  };
  const unused = async (): Promise<never> => assert.fail('only asked');
  const looker = new AgentLoops({ store: { get, compareAndSet: unused, reserve: unused, settle: unused }, clock });
  await looker.runsOf(fakeTask(), limits);
  return asked;
}
