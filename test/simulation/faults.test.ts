/**
 * The table of faults: every stage of the ladder, and every function of exchange, return and settlement, times every
 * way to fail. Whatever breaks, the agent is refused or gets what it would have got, and never waits for ever; each
 * room settles once; nothing stays reserved or pending; the trail says it.
 */
import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';
import type { TaskRecord } from '../../src/call.ts';
import { chatReply } from '../gateway/chat.ts';
import { type OpenedTask, World } from '../gateway/world.ts';
import { part } from '../parts.ts';
import { BrokenRooms, type Fault } from './broken_rooms.ts';

const options = part('opa');
const rooms = new BrokenRooms();
const stageMs = 400;
const timeoutMs = { connect: 100, first_byte: 100, total: 400 };
const world =
  options.skip === undefined
    ? await World.open({
        alterRooms: rooms.alter,
        target: { timeout_ms: timeoutMs },
        config: {
          limits: { stage_ms: stageMs },
          audit: { refusals_per_second: 10_000 },
          breaker: { volume: 1_000_000 },
          task: { loop: { repeats: 49, failures_in_a_row: 1000 } },
        },
      })
    : undefined;
after(async () => world?.[Symbol.asyncDispose]());

interface Seen {
  readonly status: number;
  readonly text: string;
  readonly events: readonly string[];
  readonly history: readonly { state: string }[];
  readonly sent: number;
}

interface Counted {
  readonly task: OpenedTask;
  readonly world: World;
}

/** Makes one call with the fault in place, and gathers everything it left behind. */
async function suffer(place: string, fault: Fault, ask: (on: Counted) => Promise<Response>): Promise<Seen> {
  assert.ok(world !== undefined);
  rooms.breakAt(null);
  const task = await world.task();
  for (const witness of [world.model, world.orders]) witness.received.length = 0;
  rooms.breakAt(place, fault);
  const response = await ask({ task, world });
  const text = await response.text().catch((error: unknown) => `broken off: ${String(error)}`);
  const settled = { ...rooms.settled };
  const call = response.headers.get('x-tollgate-call-id');
  rooms.breakAt(null);
  assert.deepEqual(settled, { budget: 1, task: 1, audit: 1 }, 'each room settles once');
  // Without the header (the function that makes headers is broken) the events of the task are those of the call.
  const found = await world.events(call === null ? { task: task.id } : { call });
  const events = found.map(({ type }) => type).filter((type) => type !== 'task' && type !== 'thought');
  const own = place.startsWith('settlement.') ? place.slice('settlement.'.length) : null;
  if (own !== 'budget') {
    const { budget } = await world.taskDocument(task);
    assert.deepEqual(
      [budget.reserved.tokens, budget.reserved.cost_usd, budget.reserved.calls],
      [0, 0, 0],
      'nothing stays reserved',
    );
  }
  const history = await historyOf(world, task);
  if (own !== 'task') assert.ok(!history.some(({ state }) => state === 'pending'), 'no call stays pending');
  return {
    status: response.status,
    text,
    events,
    history,
    sent: world.model.received.length + world.orders.received.length,
  };
}

/** The calls as the task remembers them: what the ladder finds when the next one comes. */
async function historyOf(on: World, task: OpenedTask): Promise<readonly { state: string }[]> {
  rooms.record = undefined;
  await (await on.fetch('/tools/orders/nothing', task.token)).text();
  assert.equal((rooms.record as TaskRecord | undefined)?.id, task.id);
  return (rooms.record as TaskRecord | undefined)?.history ?? [];
}

const refund = ({ world: on, task }: Counted) => on.refund(task.token, 5);
const chat = ({ world: on, task }: Counted) => on.chat(task.token);
const stream = ({ world: on, task }: Counted) => on.chat(task.token, { stream: true });

const asynchronous: readonly [string, Fault][] = [
  ['throws', 'throws'],
  ['rejects', 'rejects'],
  ['hangs', 'hangs'],
  ['gives undefined', { gives: undefined }],
  ['gives a promise of undefined', { gives: Promise.resolve(undefined) }],
  ['gives {}', { gives: {} }],
  ['gives text', { gives: Promise.resolve('yes') }],
];
/** Attempts that look right at first sight. */
const halfTried: readonly [string, Fault][] = [
  ['gives an answer without a body', { gives: Promise.resolve({ answer: { head: { status: 200 } }, attempt: {} }) }],
  ['gives a failure without a denial', { gives: Promise.resolve({ failed: { sent: false } }) }],
];
/** For functions that answer at once: a promise is garbage there, and never looked into. */
const synchronous: readonly [string, Fault][] = [
  ['throws', 'throws'],
  ['gives a promise', 'hangs'],
  ['gives null', { gives: null }],
  ['gives {}', { gives: {} }],
  ['gives text', { gives: 'yes' }],
];

describe('the table of faults', options, () => {
  beforeEach(() => {
    if (world === undefined) return;
    world.model.reply = chatReply();
    world.orders.reply = (_request, response) =>
      void response.writeHead(200, { 'content-type': 'application/json' }).end('{"the":"answer"}');
  });

  test('[pipeline.faults-refuse] [budget.settled-once] whatever a stage does wrong, the call is refused and nothing is sent', async (t) => {
    assert.equal(rooms.stages.length, 20, 'every rung is broken');
    for (const [index, stage] of rooms.stages.entries()) {
      const facts = Object.keys(stage.gives);
      const wrong = (value: unknown): Fault => ({ gives: Object.fromEntries(facts.map((fact) => [fact, value])) });
      const faults: readonly [string, Fault][] = [
        ...asynchronous,
        ['gives its fact as null', wrong(null)],
        ['gives its fact as text', wrong('yes')],
        ['gives its fact empty', wrong({})],
        ['gives a list with nothing in it', wrong([{}])],
      ];
      for (const [what, fault] of faults) {
        await t.test(`${index} ${stage.name} (${facts.join(', ')}) ${what}`, async () => {
          for (const ask of fault === 'hangs' ? [refund] : [chat, refund]) {
            const seen = await suffer(`stage ${index}`, fault, ask);
            assert.ok(seen.status >= 400, `${seen.status} ${seen.text}`);
            assert.equal(seen.sent, 0, 'not a byte reached a target');
            assert.ok(recorded(seen), seen.events.join(' '));
          }
        });
      }
    }
  });

  const broken = /"the":"answer"|hello back/;

  test('whatever the exchange does wrong, the agent is refused, and a call that was begun is paid for', async (t) => {
    const places = ['exchange.course', 'exchange.stillAlive', 'exchange.guarded', 'exchange.attempt', 'running'];
    for (const place of places) {
      const faults: readonly [string, Fault][] =
        place === 'running'
          ? synchronous.slice(0, 1)
          : place === 'exchange.course'
            ? synchronous
            : [...asynchronous, ...halfTried];
      for (const [what, fault] of faults) {
        await t.test(`${place} ${what}`, async () => {
          // That nothing speaks against the call is what a task that lives says.
          if (place === 'exchange.stillAlive' && what.endsWith('undefined')) return;
          for (const ask of fault === 'hangs' ? [stream] : [chat, stream, refund]) {
            const seen = await suffer(place, fault, ask);
            assert.ok(seen.status >= 500, `${seen.status} ${seen.text}`);
            assert.doesNotMatch(seen.text, broken);
            assert.deepEqual(seen.events, ['intent', 'outcome']);
          }
        });
      }
    }
  });

  test('whatever goes wrong when a target breaks off, the agent is told of an error and the call is settled', async (t) => {
    for (const [what, fault] of synchronous) {
      await t.test(`exchange.brokeOff ${what}`, async () => {
        assert.ok(world !== undefined);
        world.model.reply = chatReply({ text: 'one two three four five', breakAfter: 3 });
        const streamed = await suffer('exchange.brokeOff', fault, stream);
        assert.deepEqual(streamed.events, ['intent', 'outcome']);
        assert.match(streamed.text, /"code":"upstream_error"|broken off/);
        world.orders.reply = (_request, response) => {
          response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' });
          response.write('{"the":"answer"');
          setTimeout(() => response.destroy(), 10);
        };
        const whole = await suffer('exchange.brokeOff', fault, refund);
        assert.equal(whole.status, 502);
        assert.doesNotMatch(whole.text, broken);
        assert.deepEqual(whole.events, ['intent', 'outcome']);
      });
    }
  });

  test('whatever inspection and policy do wrong on the way back, the answer does not pass', async (t) => {
    for (const place of ['response.inspect', 'response.decide', 'response.obey', 'response.flow', 'count']) {
      for (const [what, fault] of synchronous) {
        await t.test(`${place} ${what}`, async () => {
          // A stream is not inspected before its first byte: nothing of it is there yet.
          const buffered = place === 'response.inspect' ? [chat, refund] : [chat, stream, refund];
          for (const ask of place === 'response.flow' || place === 'count' ? [stream] : buffered) {
            const seen = await suffer(place, fault, ask);
            assert.ok(seen.status >= 400, `${seen.status} ${seen.text}`);
            assert.doesNotMatch(seen.text, broken);
            assert.deepEqual(seen.events, ['intent', 'outcome']);
          }
        });
      }
    }
  });

  test('a room that cannot settle keeps neither the others from it nor the agent waiting', async (t) => {
    for (const place of ['settlement.budget', 'settlement.task', 'settlement.audit', 'remaining', 'running']) {
      for (const [what, fault] of place === 'running' ? synchronous.slice(1) : asynchronous) {
        await t.test(`${place} ${what}`, async () => {
          for (const ask of fault === 'hangs' ? [stream] : [chat, stream, refund]) {
            const seen = await suffer(place, fault, ask);
            assert.equal(seen.status, 200, seen.text);
            assert.match(seen.text, /answer|hello/);
            assert.deepEqual(seen.events, place === 'settlement.audit' ? ['intent'] : ['intent', 'outcome']);
          }
        });
      }
    }
  });

  test('headers or frames that cannot be made still leave the call settled and recorded', async (t) => {
    for (const [what, fault] of synchronous.slice(0, 1)) {
      await t.test(`headers ${what}`, async () => {
        for (const ask of fault === 'hangs' ? [stream] : [chat, stream, refund]) {
          const seen = await suffer('headers', fault, ask);
          assert.ok(seen.status >= 500);
          assert.deepEqual(seen.events, ['intent', 'outcome']);
        }
      });
    }
  });
});

function recorded({ events }: Seen): boolean {
  return ['denial', 'intent outcome'].includes(events.join(' '));
}
