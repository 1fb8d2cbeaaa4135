/**
 * Three gateways on one Redis, many more calls than the budget is for, clients that leave, a model that fails in every
 * way, and a gateway that is killed with calls at the model: what is admitted is exactly what the budget is for, and what
 * is spent is what the model has in its own books, as is what the trails say.
 */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { AuditEvent } from '../../src/audit/event.ts';
import { LedgerModel, type Manner, seedOf } from '../fakes/ledger-model.ts';
import { RedisServer } from '../fakes/redis-server.ts';
import { bringCompiled } from '../gateway/compiled.ts';
import { type StartedGate, startGateProcess } from '../gateway/drain-child.ts';
import { type OpenedTask, World } from '../gateway/world.ts';
import { part } from '../parts.ts';

const skip = part('opa').skip ?? part('redis-server').skip;
const k = 90;
const callers = 12;
const maxTokens = 40;
const leaseMs = 900;
/** Micro-dollars a token, in and out, as the world prices its model. */
const rate = { prompt: 1, output: 2 };

/** Splitmix32: one seed replays who calls where, and how. */
function drawing(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) % below;
  };
}

interface Place {
  readonly gate: StartedGate;
  readonly file: string;
  readonly folder: string;
}

async function placeOf(world: World, id: string, start: (file: string) => Promise<StartedGate>): Promise<Place> {
  const folder = dirname(world.configFile);
  const config = JSON.parse(await readFile(world.configFile, 'utf8')) as { gateway: Record<string, unknown> };
  config.gateway = { ...config.gateway, id, data_dir: `./data-${id}` };
  const file = join(folder, `${id}.yaml`);
  await writeFile(file, JSON.stringify(config));
  await bringCompiled(join(folder, `data-${id}`));
  return { gate: await start(file), file, folder: join(folder, `data-${id}`) };
}

async function trailOf({ gate, folder }: Place, task: string): Promise<readonly AuditEvent[]> {
  const token = (await readFile(join(folder, 'admin-token'), 'utf8')).trim();
  const response = await fetch(`${gate.adminUrl}/audit/events?limit=1000&task=${task}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return ((await response.json()) as { events: AuditEvent[] }).events;
}

/** Makes one call, and leaves it after its first byte, or after `leavesMs`, where it is said to. Gives the status. */
async function call(url: string, task: OpenedTask, user: string, manner: Manner, draw: number, leaves: boolean) {
  const body = {
    ...{ model: 'gpt', max_tokens: maxTokens, user, stream: manner !== 'reset' && draw % 2 === 0 },
    ...{ seed: seedOf(manner, draw), messages: [{ role: 'user', content: `call ${user}` }] },
  };
  const abort = new AbortController();
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${task.token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: leaves && !body.stream ? AbortSignal.timeout(60 + (draw % 60)) : abort.signal,
    });
    if (leaves && response.status === 200) {
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      await reader.read();
      abort.abort();
    } else await response.text();
    return response.status;
  } catch {
    return 0;
  }
}

test(
  '[budget.equals-the-books-of-the-model] [budget.holds-of-the-dead] exactly k of many calls over three gateways are admitted, one of them killed, and what is spent is what the model billed',
  skip === undefined ? {} : { skip },
  async () => {
    await using redis = await RedisServer.start();
    await using books = await LedgerModel.open();
    const store = { kind: 'redis', url: redis.url, command_timeout_ms: 500, gateway_lease_ms: leaseMs };
    await using world = await World.open({
      gpt: { url: `${books.url}/v1` },
      config: { store, breaker: { volume: 1_000_000 }, retry: { base_ms: 5, max_ms: 20 } },
    });
    await using started = new AsyncDisposableStack();
    const start = async (file: string) => {
      const gate = await startGateProcess(file);
      started.defer(async () => {
        gate.signal('SIGKILL');
        await gate.ended;
      });
      return gate;
    };
    const places: Place[] = [];
    for (const id of ['gw-1', 'gw-2', 'gw-3']) places.push(await placeOf(world, id, start));
    const [one, two, mortal] = places as [Place, Place, Place];
    const limit = { tokens: 1_000_000, cost_usd: 1, calls: k };
    const task = await world.task({ budget: limit });
    assert.equal(task.status, 201);

    let overspent = '';
    let watching = true;
    const watch = async () => {
      while (watching) {
        const { budget } = await world.taskDocument(task);
        for (const dimension of ['tokens', 'cost_usd', 'calls'] as const) {
          if (budget.spent[dimension] + budget.reserved[dimension] > limit[dimension] + 1e-9) {
            overspent = JSON.stringify(budget);
          }
        }
        await wait(25);
      }
    };
    const watched = watch().catch((fault: unknown) => {
      overspent = String(fault);
    });

    let next = 0;
    const refusals = new Map<number, number>();
    const caller = async (index: number, urls: readonly string[], calls: number, seed: number) => {
      const draw = drawing(seed);
      for (let made = 0; made < calls; made++) {
        const drawn = draw(1_000_000);
        const lot = draw(100);
        // Three of ten clients leave: the model holds their answer open until they do.
        const leaves = lot < 30;
        const others = ['whole', 'silent', 'stream', 'broken', 'reset', 'error', 'limited', 'runaway'] as const;
        const manner: Manner = leaves ? 'hold' : (others[draw(others.length)] as Manner);
        const status = await call(
          urls[draw(urls.length)] as string,
          task,
          `c${index}-${next++}`,
          manner,
          drawn,
          leaves,
        );
        refusals.set(status, (refusals.get(status) ?? 0) + 1);
      }
    };
    const urls = places.map(({ gate }) => gate.url);
    // All three, for a part of the budget; then the third one has four calls that never end, and is killed.
    await Promise.all(Array.from({ length: callers }, (_, index) => caller(index, urls, 3, 11 * index + 1)));
    const stuck = [0, 1, 2, 3].map((index) => call(mortal.gate.url, task, `stuck-${index}`, 'hold', 1, false));
    const deadline = performance.now() + 5_000;
    while ([0, 1, 2, 3].some((index) => !books.held.has(`stuck-${index}`)) && performance.now() < deadline)
      await wait(5);
    assert.equal([0, 1, 2, 3].filter((index) => books.held.has(`stuck-${index}`)).length, 4, 'held at the model');
    // Calls whose clients have left are being settled; what is held after that is held for these four.
    let held = (await world.taskDocument(task)).budget.reserved.calls;
    while (held > 4 && performance.now() < deadline) {
      await wait(20);
      held = (await world.taskDocument(task)).budget.reserved.calls;
    }
    assert.equal(held, 4);
    mortal.gate.signal('SIGKILL');
    await mortal.gate.ended;
    await Promise.all(stuck);
    // The others go on, far beyond what the budget is for.
    const rest = urls.slice(0, 2);
    await Promise.all(Array.from({ length: callers }, (_, index) => caller(100 + index, rest, 14, 17 * index + 3)));

    let budget = (await world.taskDocument(task)).budget;
    const until = performance.now() + 10_000;
    while ((budget.reserved.calls > 0 || budget.spent.calls < k) && performance.now() < until) {
      await wait(50);
      budget = (await world.taskDocument(task)).budget;
    }
    watching = false;
    await watched;
    assert.equal(overspent, '', 'spent and reserved together never exceed the budget');
    assert.deepEqual([budget.reserved.tokens, budget.reserved.cost_usd, budget.reserved.calls], [0, 0, 0]);
    assert.ok((refusals.get(402) ?? 0) > 20, `enough were refused: ${JSON.stringify([...refusals])}`);

    // The others found it dead, and charged in full what it held, each hold once.
    const told = [one.gate.said(), two.gate.said(), world.logs.join('\n')].join('\n');
    const lines = told.split('\n').filter((line) => line.includes('a gateway died'));
    const holds = lines.map((line) => Number(/"holds":(\d+)/.exec(line)?.[1]));
    assert.equal(
      holds.reduce((sum, count) => sum + count, 0),
      4,
      `${holds}`,
    );

    // Exactly k were admitted, each of which reached the model.
    assert.equal(budget.spent.calls, k);
    assert.equal(books.users.size, k);
    const tokens = books.billed.reduce((sum, row) => sum + row.promptTokens + row.outputTokens, 0);
    const microUsd = books.billed.reduce(
      (sum, row) => sum + row.promptTokens * rate.prompt + row.outputTokens * rate.output,
      0,
    );
    assert.equal(budget.spent.tokens, tokens, 'the tokens are those in the books of the model');
    assert.equal(Math.round(budget.spent.cost_usd * 1e6), microUsd, 'and so is the money');

    // The killed one comes back and says what became of its calls; then the trails say the same.
    const again: Place = { ...mortal, gate: await start(mortal.file) };
    const trails = (await Promise.all([one, two, again].map((place) => trailOf(place, task.id)))).flat();
    const ended = trails.filter(({ type }) => type === 'outcome' || type === 'interrupted');
    const inTrails = ended.reduce((sum, { cost_usd: usd }) => sum + Math.round((usd ?? 0) * 1e6), 0);
    assert.equal(trails.filter(({ type }) => type === 'interrupted').length, 4);
    assert.equal(inTrails, microUsd, 'the trails say what the books of the model say');
    const intents = new Set(trails.filter(({ type }) => type === 'intent').map(({ call: id }) => id));
    assert.equal(ended.filter(({ call: id }) => intents.has(id)).length, intents.size, 'every intent has its end');
  },
);
