/** What no client library would send: refused before anything is decided, or decided on exactly as it is passed on. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { RawSocket } from '../fakes/raw_socket.ts';
import { part } from '../parts.ts';
import { type Framing, framings } from './hostile_framings.ts';
import { World } from './world.ts';

const options = part('opa');
const answerMs = 3_000;
let world: World;
before(async () => {
  if (options.skip === undefined) world = await World.open();
});
after(async () => world?.[Symbol.asyncDispose]());

/** Sends one framing on a connection of its own; gives the statuses that came, and whether it was closed. */
async function send({ wire }: Framing): Promise<{ statuses: number[]; closed: boolean; settled: boolean }> {
  world.orders.received.length = 0;
  const raw = new RawSocket(world.gate.url);
  try {
    raw.write(wire);
    const settled = await raw.answered(1, answerMs);
    // What was pipelined behind it would be under way by now.
    await new Promise((resolve) => setTimeout(resolve, 15));
    return { statuses: raw.statuses.filter((status) => status >= 200), closed: raw.socket.closed, settled };
  } finally {
    raw.destroy();
  }
}

async function assertPassedOn(framing: Framing): Promise<void> {
  const { statuses } = await send(framing);
  assert.deepEqual(statuses, [200], framing.name);
  const [got, ...more] = world.orders.received;
  assert.equal(more.length, 0, framing.name);
  assert.equal(`${got?.method} ${got?.url}`, 'POST /refunds', framing.name);
  assert.equal(got?.body.toString(), '{"amount_cents":5}', framing.name);
  assert.equal(got?.headers['content-length'], '18', framing.name);
  for (const name of ['transfer-encoding', 'x-a', 'content_length', 'x-content-length', 'expect', 'upgrade']) {
    assert.equal(got?.headers[name], undefined, `${framing.name}: ${name}`);
  }
}

test('[server.hostile-framings] a framing that could be read in two ways reaches no target', options, async (t) => {
  const { token } = await world.task({ ttl_seconds: 600 });
  const { refused, controls } = framings({ token });
  assert.ok(refused.length >= 64, `${refused.length} framings`);
  for (const control of controls) await assertPassedOn(control);
  for (const framing of refused) {
    await t.test(framing.name, async () => {
      const { statuses, closed, settled } = await send(framing);
      assert.ok(settled, 'neither answered nor closed');
      assert.ok(statuses.length > 0 || closed);
      for (const status of statuses) assert.ok(status >= 400 && status < 500, `answered ${status}`);
      assert.ok(statuses.length <= 1, 'what stands behind a refused request is answered');
      assert.deepEqual(world.orders.received, []);
    });
  }
  // The positive control again: the gate has not simply stopped to serve.
  for (const control of controls) await assertPassedOn(control);
});

test('a framing that has one meaning reaches the target as the request that was decided on', options, async (t) => {
  const { token } = await world.task({ ttl_seconds: 600 });
  for (const framing of framings({ token }).harmless) {
    await t.test(framing.name, async () => {
      await assertPassedOn(framing);
    });
  }
});

test('a refusal of what cannot be parsed is a problem document, and the connection closes', options, async () => {
  const raw = new RawSocket(world.gate.url);
  raw.write('GET / HTTP/1.1\r\nHost : x\r\n\r\n');
  await raw.closed;
  assert.deepEqual(raw.statuses, [400]);
  assert.match(raw.received, /content-type: application\/problem\+json/i);
  assert.match(raw.received, /"code":"request_invalid"/);
  assert.match(raw.received, /connection: close/i);
});

test('the admin plane refuses the same framings', options, async () => {
  const host = new URL(world.gate.adminUrl).host;
  for (const head of [`Host: ${host}\r\nHost: ${host}`, `Host: ${host}\r\nUpgrade: h2c`]) {
    const raw = new RawSocket(world.gate.adminUrl);
    raw.write(`GET /livez HTTP/1.1\r\n${head}\r\n\r\n`);
    await raw.closed;
    assert.deepEqual(raw.statuses, [400]);
  }
});
