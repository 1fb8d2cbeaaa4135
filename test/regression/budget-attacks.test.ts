/**
 * What an agent, a target or bad luck could do to budgets and limits: keep a place at a target for ever, hold the gate up
 * with made-up words, end on the house, turn a queue over, or be told to come again at once.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { PromptTokens } from '../../src/budget/prompt-tokens.ts';
import { KeyRests } from '../../src/budget/rates/key-rests.ts';
import { Line } from '../../src/budget/rates/line.ts';
import { TargetLimits } from '../../src/budget/rates/target-limits.ts';
import { Turnstile } from '../../src/budget/rates/turnstile.ts';
import type { Alert } from '../../src/budget/spend/alerts.ts';
import { AlertWebhook } from '../../src/budget/spend/webhook.ts';
import type { Admitted, Obligations, Target, TaskRecord, Tokenizer } from '../../src/call.ts';
import { deny, isDenial } from '../../src/denial.ts';
import { Exchange } from '../../src/exchange.ts';
import type { Tried } from '../../src/outcome.ts';
import type { Settlement } from '../../src/settlement.ts';
import { MemoryStore } from '../../src/store/backends/memory.ts';
import { Tasks } from '../../src/task/tasks.ts';
import { promptBounds } from '../../src/wire/prompt-bounds.ts';
import { ManualClock } from '../fakes/clock.ts';
import { fakeWish } from '../fakes/task.ts';
import { askOf } from '../unit/budget/call.ts';
import { denied, held, setUp } from '../unit/budget/rung.ts';

const bounds = { waiting: 100, bytes: 1000 };

test('a read that timed out and is sent again leaves its place at the target, and its own place is no obstacle', async () => {
  const clock = new ManualClock();
  await using store = new MemoryStore({ clock });
  await store.open();
  await using rests = new KeyRests({ store, clock });
  using turnstile = new Turnstile({ clock, bounds });
  const limits = new TargetLimits({
    ...{ store, clock, turnstile, rests, restMsMax: 0, refusedRestMs: 0 },
    queue: { wait_ms: 5_000, waiting: 10, bytes: 1000, priority: {} },
    news: { limited: () => undefined, waited: () => undefined, rested: () => undefined },
  });
  const target = { route: 'r', name: 'one', kind: 'http', credential: null, limits: { concurrency: 1 } };
  const call = (id: string) =>
    ({
      ...{ id, deadlineMs: null, startMs: 0, abort: new AbortController(), reservation: { tokens: 0 } },
      entry: { task: { record: { id, purpose: 'p' } } },
    }) as unknown as Admitted;
  const pass = limits.enter(call('a'));
  for (let round = 0; round < 3; round++) {
    const next = await pass.next([target as unknown as Target], 0);
    assert.ok(!isDenial(next), 'there is room for one');
    pass.tried(next, { sent: true, status: null });
  }
  await limits.settle('a', null);
  assert.ok(!isDenial(await limits.enter(call('b')).next([target as unknown as Target], 0)));
});

test('made-up words do not hold the gate up: what is new beyond a bound counts by its bytes, and less of it each time', async () => {
  const tokenizer: Tokenizer = { encoding: 'o200k_base', marginPercent: 0 };
  const counter = await PromptTokens.open([{ tokenizer }]);
  const clock = new ManualClock();
  const word = () => clock.randomBytes(5).toString('hex');
  const ask = (text: string) => ({ ...askOf(0, 1), ...promptBounds({ texts: [text], otherTokens: 0 }) });
  const text = Array.from({ length: 30_000 }, word).join(' ');
  const first = counter.of(ask(text), { tokenizer });
  const bytes = Buffer.byteLength(text);
  assert.ok(first > bytes * 0.6 && first <= bytes, `${first} of ${bytes}: most of it was not counted`);
  const again = counter.of(ask(text), { tokenizer });
  assert.ok(again < first, 'what was counted is remembered, piece by piece');

  const patient = await PromptTokens.open([{ tokenizer }]);
  const pieces = [
    Array.from({ length: 900 }, word).join('\n\n  '),
    'naïve café 12,345.67 – "quoted" text; and more.\t'.repeat(300),
    '東京は日本の首都です。'.repeat(900),
    '{"a":[1,2,3],"b":"😀😀"}'.repeat(500),
  ];
  for (const piece of pieces) {
    const [counted, exact] = [patient.of(ask(piece), { tokenizer }), countTokens(piece)];
    assert.ok(counted >= exact && counted <= exact * 1.02 + 4, `${counted} for ${exact}: ${piece.slice(0, 20)}`);
  }
});

test('a last turn takes at most as much again as its task had in all, however long its prompt', async () => {
  const wrapUp: Obligations = { wrap_up: { tokens: 40 } };
  const { store, call, record } = await setUp({ tokens: 1_000 });
  const { id } = await held(call(askOf(100, 800)).given());
  await store.settle(id, { tokens: 1_000, costMicroUsd: 1, calls: 1 });
  const open: TaskRecord = {
    ...record,
    spent: { atMs: 0, dimension: 'tokens', remaining: { tokens: 0 } },
    wrapUp: { tokens: 40, state: 'open' },
  };
  const denial = await denied(call(askOf(100_000, 800), wrapUp, open).given());
  assert.deepEqual([denial.code, denial.reasons[0]?.code], ['task_budget_exhausted', 'wrap_up_too_big']);
  assert.deepEqual(denial.details.allowed, ['wrap_up: max_tokens<=40']);
  assert.equal((await held(call(askOf(900, 800), wrapUp, open).given())).tokens, 940);
});

test('a task that its operator raises while it makes its last turn goes on, and has no other such turn', async () => {
  const clock = new ManualClock();
  await using store = new MemoryStore({ clock });
  await store.open();
  const tasks = new Tasks({ store, clock });
  const record = await tasks.create(fakeWish);
  const { tenant, id, budget } = record;
  const news = { tenant, id, limit: { ...budget }, dimension: 'tokens', remaining: {}, onSpent: 'kill' } as const;
  assert.equal((await tasks.spend({ ...news, wrapUpTokens: 20 }, 'shortage')).fate, 'wrap_up');
  await tasks.raise(record, { to: {}, by: { tokens: 500 }, ttlMs: null });
  await tasks.spend({ ...news, wrapUpTokens: null }, 'wrap_up');
  const after = await tasks.load(tenant, id);
  assert.deepEqual([after?.state, after?.spent, after?.wrapUp?.state], ['active', undefined, 'done']);
});

test('a call too big for a line leaves it in its order', () => {
  const line = new Line<{ name: string; task: string; turns: number; bytes: number }>({ waiting: 100, bytes: 10 });
  for (const name of ['a1', 'a2', 'a3', 'a4']) line.enter({ name, task: 'a', turns: 1, bytes: 2 });
  assert.equal(line.enter({ name: 'b1', task: 'b', turns: 1, bytes: 11 }), undefined);
  const names: string[] = [];
  for (let first = line.first(); first !== undefined; first = line.first()) {
    names.push(first.name);
    line.served(first);
  }
  assert.deepEqual(names, ['a1', 'a2', 'a3', 'a4']);
});

test('who waited behind others in vain is told when there may be something, not to come again at once', async () => {
  const clock = new ManualClock();
  using turnstile = new Turnstile({ clock, bounds: { waiting: 2, bytes: 1000 } });
  const ask = (task: string) =>
    turnstile.pass<string>({
      ...{ task, turns: 1, bytes: 1, waitMs: 10_000, signal: new AbortController().signal, lines: ['limit'] },
      attempt: async () => ({ blocked: { line: 'limit', waitMs: 60_000, unsure: true } }),
      undo: () => undefined,
    });
  const first = ask('a');
  await clock.advance(1);
  const waiting = [first, ask('b'), ask('c')];
  await clock.advance(10_000);
  for (const outcome of await Promise.all(waiting)) {
    assert.ok('why' in outcome);
    assert.ok(outcome.blocked.waitMs >= 50_000 - 1, `${outcome.why} ${outcome.blocked.waitMs}`);
  }
  assert.deepEqual([turnstile.waiting, clock.timers], [0, 0]);
});

test('a call is billed by the target it was sent to, not by the next one, which could not be reached', async () => {
  const clock = new ManualClock();
  const targets = ['dear', 'down'].map((name) => ({ name, credential: null, timeoutMs: { total: 1 } }));
  const tries: Tried[] = [true, false].map((sent, index) => ({
    failed: { target: targets[index]?.name ?? '', status: null, error: 'timeout', latencyMs: 1, sent },
    denial: deny('upstream_timeout', 'no answer'),
  }));
  let next = 0;
  const rooms = {
    course: () => ({
      ...{ waitMsMax: 0, comeAgainMs: 0 },
      next: async () => targets[next] as unknown as Target,
      tried: () => (next === 2 ? null : 0),
    }),
    guarded: async () => tries[next++] as Tried,
    brokeOff: () => deny('upstream_error', 'x'),
    stillAlive: async () => undefined,
    attempt: async () => tries[0] as Tried,
  };
  const exchange = new Exchange({
    rooms,
    clock,
    stageMs: 1000,
    faulted: (where, fault) => assert.fail(`${where} ${fault}`),
  });
  const settlement = { attempts: [], target: null, outside: <T>(wait: () => Promise<T>) => wait() };
  const call = { targets, abort: new AbortController() } as unknown as Admitted;
  await exchange.run(call, settlement as unknown as Settlement);
  assert.deepEqual([(settlement.target as Target | null)?.name, settlement.attempts.length], ['dear', 2]);
});

test('a webhook whose secret is its path is not told to the log when it fails', async () => {
  const clock = new ManualClock();
  const logged: string[] = [];
  const webhook = new AlertWebhook({
    ...{ clock, gateway: 'gw', post: async () => ({ status: 404, retryAfterMs: null }) },
    settings: { url: 'https://hooks.test/services/the-secret', timeout_seconds: 1 },
    log: (level, message, fields) => void logged.push(`${level} ${message} ${JSON.stringify(fields)}`),
  });
  webhook.tell({
    level: 'task',
    dimension: 'tokens',
    threshold: 50,
    limit: 2,
    spent: 1,
    endsAtMs: null,
    atMs: 0,
  } as Alert);
  await clock.advance(1_000);
  await webhook[Symbol.asyncDispose]();
  assert.match(logged.join(), /could not be sent.*hooks\.test/);
  assert.ok(!logged.join().includes('the-secret'));
});
