/** Where a call may go, and what the gate does about targets that are away: residency, failover, circuits. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import { FakeUpstream, type Reply } from '../fakes/upstream.ts';
import { part } from '../parts.ts';
import { chatReply } from './chat.ts';
import { World } from './world.ts';

const options = part('opa');
const price = { input_usd_per_mtok: 1, output_usd_per_mtok: 2 };
const json = { 'content-type': 'application/json' };
const broken: Reply = (_request, response) => void response.writeHead(500, json).end('{"error":{"message":"down"}}');

function modelTarget(name: string, region: string, url: string, weight = 0): Record<string, unknown> {
  const own = { name, cloud: 'aws', region, url: `${url}/v1`, weight, provider: 'openai', model: 'gpt-real' };
  return { ...own, max_output_tokens: 1000, price, timeout_ms: { connect: 500 } };
}

/** A port that nothing listens on. */
async function deadUrl(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return `http://127.0.0.1:${port}`;
}

async function codeOf(response: Response): Promise<string> {
  const body = (await response.json()) as { code?: string; error?: { code?: string } };
  return `${response.status} ${body.code ?? body.error?.code}`;
}

describe('routes', options, () => {
  let world: World;
  let second: FakeUpstream;
  before(async () => {
    second = await FakeUpstream.open(chatReply());
    world = await World.open({
      modelTargets: [modelTarget('two', 'eu-central-1', second.url)],
      config: { breaker: { volume: 5, reset_ms: 300 } },
    });
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await second?.[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    world.model.reply = chatReply();
    world.orders.reply = (_request, response) => void response.writeHead(200, json).end('{}');
    for (const witness of [world.model, world.orders, second]) witness.received.length = 0;
  });

  const oblige = (obligations: object) => ({ labels: { oblige: JSON.stringify(obligations) } });

  test('[breaker.opens-per-target] a target that answers 5xx is left alone, the next one takes over, and a probe brings it back', async () => {
    world.model.reply = broken;
    for (let call = 0; call < 6; call++) {
      const task = await world.task();
      assert.equal(
        (await world.chat(task.token)).status,
        call < 5 ? 500 : 200,
        'an answer of 500 is an answer: it passes',
      );
    }
    assert.deepEqual([world.model.received.length, second.received.length], [5, 1]);
    const only = await world.task(oblige({ regions: ['westeurope'] }));
    const open = await world.chat(only.token);
    assert.ok(Number(open.headers.get('retry-after')) >= 1);
    assert.equal(await codeOf(open), '503 circuit_open');
    assert.equal(world.model.received.length, 5, 'it is not called while it rests');
    world.model.reply = chatReply();
    await new Promise((resolve) => setTimeout(resolve, 350));
    assert.equal((await world.chat(only.token)).status, 200);
    assert.equal(world.model.received.length, 6);
  });

  test('[route.residency-is-hard] where no target lies where the data may go, nothing is sent anywhere', async () => {
    for (const obligations of [
      { regions: ['us-*'] },
      { clouds: ['gcp'] },
      { regions: ['eu-*'], clouds: ['azure'] },
      { regions: [] },
    ]) {
      const task = await world.task(oblige(obligations));
      assert.equal(await codeOf(await world.chat(task.token)), '403 residency_violation');
      const events = await world.events({ task: task.id, operation: 'gpt.chat' });
      assert.deepEqual(
        events.map(({ type, decision }) => [type, decision?.reasons[0]?.code]),
        [['denial', 'residency_violation']],
      );
      assert.equal((await world.taskDocument(task)).budget.reserved.tokens, 0);
    }
    assert.equal(world.model.received.length + second.received.length, 0);
    const task = await world.task(oblige({ regions: ['eu-*'] }));
    assert.equal((await world.chat(task.token)).status, 200);
    assert.deepEqual([world.model.received.length, second.received.length], [0, 1]);
    const [, outcome] = await world.events({ task: task.id, operation: 'gpt.chat' });
    assert.deepEqual([outcome?.target?.region, outcome?.target?.cloud], ['eu-central-1', 'aws']);
  });

  test('[breaker.opens-per-task] five failures of a task on one route close it to that task, and to no other', async () => {
    world.orders.reply = (_request, response) => void response.writeHead(404, json).end('{}');
    const task = await world.task();
    for (let call = 0; call < 5; call++) {
      assert.equal((await world.fetch(`/tools/orders/orders/O-${call}`, task.token)).status, 404);
    }
    const refused = await world.fetch('/tools/orders/orders/O-5', task.token);
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
    assert.equal(await codeOf(refused), '503 circuit_open');
    assert.equal(world.orders.received.length, 5);
    const [event] = await world.events({ task: task.id, code: 'circuit_open' });
    assert.equal(event?.type, 'denial');
    assert.equal((await world.chat(task.token)).status, 200, 'other routes of the task stay open');
    const other = await world.task();
    assert.equal((await world.fetch('/tools/orders/orders/O-5', other.token)).status, 404);
    assert.equal(world.orders.received.length, 6);
  });

  test('a client that leaves, before the answer or in the middle of it, says nothing about the target', async () => {
    const task = await world.task(oblige({ regions: ['westeurope'] }));
    world.model.reply = (request, response, body) => {
      if (!body.includes('"stream":true')) return;
      return chatReply({ text: 'word '.repeat(100), paceMs: 20 })(request, response, body);
    };
    for (let call = 0; call < 12; call++) {
      const leave = new AbortController();
      const stream = call % 2 === 0;
      const asked = world.chat(task.token, { stream, seed: call }, { signal: leave.signal });
      const read = asked.then((response) => response.text()).catch((error: Error) => error.name);
      for (let tries = 0; tries < 200 && world.model.received.length <= call; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      assert.equal(world.model.received.length, call + 1);
      if (stream) await new Promise((resolve) => setTimeout(resolve, 60));
      leave.abort();
      assert.equal(await read, 'AbortError');
    }
    world.model.reply = chatReply();
    assert.equal((await world.chat(task.token)).status, 200);
    const outcomes = await world.events({ task: task.id, type: 'outcome' });
    assert.deepEqual(new Set(outcomes.slice(0, 12).map(({ status }) => status)), new Set([499]));
  });

  test('residency also binds the failover: no other region is tried when the permitted target is ill', async () => {
    world.model.reply = (_request, response) => void response.destroy();
    const task = await world.task(oblige({ regions: ['westeurope'] }));
    assert.equal(await codeOf(await world.chat(task.token)), '502 upstream_error');
    assert.equal(second.received.length, 0);
  });
});

describe('failover', options, () => {
  test('the next target is tried where nothing was sent, and only there', async () => {
    await using second = await FakeUpstream.open(chatReply());
    const dead = await deadUrl();
    await using world = await World.open({
      target: { weight: 0 },
      modelTargets: [modelTarget('dead', 'nowhere', dead, 100), modelTarget('two', 'eu-central-1', second.url)],
    });
    const task = await world.task();
    assert.equal((await world.chat(task.token)).status, 200);
    assert.equal(world.model.received.length, 1, 'those of weight 0 in the order of the table');
    const [, outcome] = await world.events({ task: task.id, operation: 'gpt.chat' });
    assert.deepEqual(
      outcome?.attempts.map(({ target, error, sent, status }) => [target, error, sent, status]),
      [
        ['dead', 'connect', false, null],
        ['one', null, true, 200],
      ],
    );
    assert.equal(outcome?.target?.name, 'one');

    // The request has gone out: whether it took effect is not known, so nobody else gets it.
    world.model.reply = (_request, response) => void response.destroy();
    assert.equal(await codeOf(await world.chat(task.token, { seed: 1 })), '502 upstream_error');
    assert.equal(second.received.length, 0);
    const { spent, reserved } = (await world.taskDocument(task)).budget;
    assert.ok(spent.tokens > 15 && reserved.tokens === 0, 'a call that may have been answered is charged');

    const nowhere = await world.task({ labels: { oblige: JSON.stringify({ regions: ['nowhere'] }) } });
    assert.equal(await codeOf(await world.chat(nowhere.token)), '503 upstream_unavailable');
    const balance = (await world.taskDocument(nowhere)).budget;
    assert.deepEqual([balance.spent.tokens, balance.spent.calls, balance.reserved.tokens], [0, 0, 0]);
  });
});
