/** Two gateways on one Redis: what was left at one is taken up at the other, with what was read and nothing more. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Gate } from '../../src/main.ts';
import { RedisServer } from '../fakes/redis-server.ts';
import { chatReply } from '../gateway/chat.ts';
import { happened, readCheckpoint, taintOf, writeCheckpoint } from '../gateway/checkpoint-world.ts';
import { World } from '../gateway/world.ts';
import { part } from '../parts.ts';

const skip = part('opa').skip ?? part('redis-server').skip;
const options = skip === undefined ? {} : { skip };
const rows = { orders: { operations: { get_order: { reads: ['private'], sends: 'inside' } } } };
const first = { 'if-none-match': '*' };
const state = { step: 3, note: 'a word that stands nowhere else' };

describe('checkpoints of two gateways on one Redis', options, () => {
  let redis: RedisServer;
  let world: World;
  let second: Gate;
  before(async () => {
    redis = await RedisServer.start();
    const store = { kind: 'redis', url: redis.url, command_timeout_ms: 500 };
    const keys = { secret: 'the secret of all gateways of this test' };
    world = await World.open({ rows, config: { store, keys, task: { taint_seconds: 60 } } });
    second = await world.secondGate('gw-second');
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await redis?.[Symbol.asyncDispose]();
  });

  test('[task.checkpoint-sealed] another cloud takes up with its workload token; Redis holds no word of it', async () => {
    const task = await world.task();
    assert.equal((await world.fetch('/tools/orders/orders/O-1', task.token)).status, 200);
    const written = await writeCheckpoint(world.gate, task.id, task.token, state, first);
    assert.equal(written.status, 201);
    const keys = (await redis.command('keys', '*')) as string[];
    const ofCheckpoints = keys.filter((key) => key.includes('checkpoint'));
    assert.equal(ofCheckpoints.length, 1);
    assert.ok(ofCheckpoints[0]?.startsWith('tg:{acme}'), 'in the slot of its tenant');
    const dump = String(
      await redis
        .command('hvals', ofCheckpoints[0] as string)
        .catch(() => redis.command('get', ofCheckpoints[0] as string)),
    );
    assert.ok(dump.includes('sealed') && !dump.includes('nowhere'), dump);
    const found = await readCheckpoint(second, task.id, world.issuer.token('coordinator'));
    assert.deepEqual([found.text, found.etag], [JSON.stringify(state), written.etag]);
    const on = await writeCheckpoint(
      second,
      task.id,
      world.issuer.token('coordinator'),
      { step: 4 },
      { 'if-match': found.etag },
    );
    assert.equal(on.status, 200);
    const late = await writeCheckpoint(world.gate, task.id, task.token, { step: 5 }, { 'if-match': written.etag });
    assert.deepEqual([late.status, late.denial], [412, 'precondition_failed etag_differs']);
    assert.equal((await readCheckpoint(world.gate, task.id, task.token)).text, '{"step":4}');
    assert.deepEqual((await happened(world, task.id))[0], ['task.checkpoint', 201]);
  });

  test('[task.checkpoint-one-writer] of writers at both at once exactly one wins', async () => {
    const task = await world.task();
    const answers = await Promise.all(
      Array.from({ length: 16 }, (_, n) =>
        writeCheckpoint(n % 2 === 0 ? world.gate : second, task.id, task.token, { n }, first),
      ),
    );
    assert.equal(answers.filter(({ status }) => status === 201).length, 1);
    assert.equal(answers.filter(({ status }) => status === 412).length, 15);
  });

  test('[task.taint-into-the-next-task] what was read at one gateway taints the next task at the other', async () => {
    const task = await world.task({}, 'planner');
    assert.equal((await world.fetch('/tools/orders/orders/O-1', task.token)).status, 200);
    const opened = await fetch(`${second.url}/tasks`, {
      method: 'POST',
      headers: { authorization: `Bearer ${world.issuer.token('planner')}` },
      body: JSON.stringify({ purpose: 'test' }),
    });
    const next = (await opened.json()) as { task_id: string; task_token: string };
    assert.deepEqual(await taintOf(world, { id: next.task_id, token: next.task_token }), ['private']);
  });

  test('[cache.hit-costs-nothing] an answer kept at one gateway is given at the other, and Redis holds no word of it', async () => {
    world.model.reply = chatReply({ text: 'an answer found nowhere else' });
    const labels = { oblige: JSON.stringify({ cache: { ttl_seconds: 60 } }) };
    const body = { model: 'gpt', messages: [{ role: 'user', content: 'a question' }], max_tokens: 50, temperature: 0 };
    const seen: (string | null)[] = [];
    const texts = new Set<string>();
    for (const gate of [world.gate, second]) {
      const { token } = await world.task({ labels }, 'asker');
      const response = await fetch(`${gate.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      texts.add(await response.text());
      seen.push(response.headers.get('x-tollgate-cache'));
    }
    assert.deepEqual([seen, texts.size, world.model.received.length], [['miss', 'hit'], 1, 1]);
    const keys = (await redis.command('keys', '*answer*')) as string[];
    assert.ok(keys.length === 1 && keys[0]?.startsWith('tg:{acme}'), String(keys));
    const dump = String(await redis.command('dump', keys[0] as string));
    assert.ok(dump.includes('sealed') && !dump.includes('nowhere'));
    const ttlMs = Number(await redis.command('pttl', keys[0] as string));
    assert.ok(ttlMs > 0 && ttlMs <= 60_000, `${ttlMs}`);
  });

  test('[task.checkpoint-sealed] on Redis and without keys.secret a gateway keeps none, and says what is missing', async () => {
    const store = { kind: 'redis', url: redis.url, command_timeout_ms: 500 };
    await using other = await World.open({ config: { store, gateway: { id: 'gw-bare' } } });
    const task = await other.task({}, 'bare');
    for (const answer of [
      await writeCheckpoint(other.gate, task.id, task.token, state, first),
      await readCheckpoint(other.gate, task.id, task.token),
    ]) {
      assert.deepEqual([answer.status, answer.denial], [503, 'store_unavailable checkpoint_secret_missing']);
    }
    const asking = await other.task({ labels: { oblige: JSON.stringify({ cache: { ttl_seconds: 60 } }) } }, 'bare');
    assert.equal((await other.chat(asking.token, { temperature: 0 })).status, 200);
    const [outcome] = await other.events({ task: asking.id, type: 'outcome' });
    assert.deepEqual(
      outcome?.decision?.reasons.map(({ code }) => code),
      ['cache_secret_missing'],
    );
  });

  test('with Redis away nothing is read, written or opened', async () => {
    const task = await world.task();
    await writeCheckpoint(world.gate, task.id, task.token, state, first);
    redis.pause();
    try {
      const answers = [
        await readCheckpoint(world.gate, task.id, task.token),
        await writeCheckpoint(world.gate, task.id, task.token, {}, { 'if-match': '*' }),
      ];
      for (const { status } of answers) assert.equal(status, 503);
      assert.equal((await world.task()).status, 503);
    } finally {
      redis.resume();
    }
  });
});
