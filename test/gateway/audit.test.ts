/** The trail as the condition of every call: nothing goes that cannot be recorded, and nothing ends unrecorded. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, beforeEach, describe, test } from 'node:test';
import { verifyStore } from '../../src/audit/verify-store.ts';
import { part } from '../parts.ts';
import { chatReply } from './chat.ts';
import { World } from './world.ts';

const options = part('opa');
const json = { 'content-type': 'application/json' };

describe('the trail', options, () => {
  let world: World;
  before(async () => {
    world = await World.open();
  });
  after(async () => world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    world.model.reply = chatReply();
    for (const witness of [world.model, world.orders]) witness.received.length = 0;
  });

  /** Holds the store as another program would: every write of the gate fails until it is let go. */
  function holdStore(): Disposable {
    const database = new DatabaseSync(join(world.gate.dataDir, 'audit.db'), { timeout: 2000 });
    database.exec('BEGIN IMMEDIATE');
    return { [Symbol.dispose]: () => database.close() };
  }

  test('[audit.intent-before-send] a write is on disk before a byte of it reaches its target', async () => {
    const task = await world.task();
    const seen: string[][] = [];
    const look = () => {
      const database = new DatabaseSync(join(world.gate.dataDir, 'audit.db'), { readOnly: true });
      const rows = database.prepare('SELECT event FROM events ORDER BY seq').all() as { event: string }[];
      database.close();
      const own = rows
        .map(({ event }) => JSON.parse(event) as { type: string; task: string })
        .filter((event) => event.task === task.id);
      seen.push(own.map(({ type }) => type));
    };
    world.orders.reply = (_request, response) => {
      look();
      response.writeHead(200, json).end('{}');
    };
    world.model.reply = (request, response, body) => {
      look();
      return chatReply()(request, response, body);
    };
    assert.equal((await world.refund(task.token, 5)).status, 200);
    assert.equal((await world.chat(task.token)).status, 200);
    assert.deepEqual(seen[0], ['task', 'intent']);
    assert.equal(seen[1]?.at(-1), 'intent');
    const denied = await world.task({ labels: { deny: 'orders.create_refund' } });
    assert.equal((await world.refund(denied.token, 5)).status, 403);
    const events = await world.events({ task: denied.id });
    assert.deepEqual(
      events.map(({ type }) => type),
      ['task', 'denial'],
    );
  });

  test('[audit.every-intent-has-an-outcome] every intent is bound to one outcome, however its call ended', async () => {
    const task = await world.task();
    await (await world.chat(task.token, { stream: true })).text();
    world.model.reply = chatReply({ text: 'a b c', breakAfter: 2, paceMs: 10 });
    await (await world.chat(task.token, { stream: true, seed: 1 })).text();
    world.orders.reply = (_request, response) => void response.destroy();
    await world.refund(task.token, 5);
    const events = await world.events({ task: task.id });
    const intents = events.filter(({ type }) => type === 'intent');
    assert.equal(intents.length, 3);
    for (const intent of intents) {
      const bound = events.filter((event) => event.intent_hash === intent.hash);
      assert.deepEqual(
        bound.map(({ type, call }) => [type, call]),
        [['outcome', intent.call]],
      );
    }
  });

  test('while the trail cannot be written no call goes, the gate is not ready, and afterwards both are well again', async () => {
    const task = await world.task();
    const ready = async () => {
      const response = await fetch(`${world.gate.url}/readyz`);
      return [response.status, ((await response.json()) as { checks: { audit: string } }).checks.audit];
    };
    assert.deepEqual(await ready(), [200, 'ok']);
    {
      using _held = holdStore();
      for (const response of [await world.chat(task.token), await world.refund(task.token, 5)]) {
        const text = await response.text();
        assert.equal(response.status, 503, text);
        assert.match(text, /"code":"audit_unavailable"/);
      }
      assert.equal(
        (await world.fetch('/tools/orders/orders/O-1', task.token)).status,
        503,
        'reads too, once it is known',
      );
      assert.deepEqual(await ready(), [503, 'failing']);
      const opened = await fetch(`${world.gate.url}/tasks`, {
        method: 'POST',
        headers: { authorization: `Bearer ${world.issuer.token('coordinator')}` },
        body: '{"purpose":"test"}',
      });
      assert.equal(opened.status, 503, 'a task that cannot be recorded does not come to be');
    }
    assert.equal(world.model.received.length + world.orders.received.length, 0);
    for (let tries = 0; tries < 100 && (await ready())[0] !== 200; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    world.orders.reply = (_request, response) => void response.writeHead(200, json).end('{}');
    assert.equal((await world.refund(task.token, 5)).status, 200);
    const codes = (await world.events({ task: task.id, type: 'denial' })).map(
      ({ decision }) => decision?.reasons[0]?.code,
    );
    assert.deepEqual(codes, ['audit_unavailable', 'audit_unavailable', 'audit_unavailable'], 'told when it could be');
    assert.equal((await world.taskDocument(task)).budget.reserved.tokens, 0);
    const verdict = await verifyStore({ dataDir: world.gate.dataDir });
    assert.equal(verdict.ok, true, JSON.stringify(verdict));
  });
});
