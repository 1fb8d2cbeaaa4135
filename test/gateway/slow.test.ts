/** Clients that are slow, half-open or too many: none holds a connection for long, and the others do not notice them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawSocket } from '../fakes/raw_socket.ts';
import { part } from '../parts.ts';
import { World } from './world.ts';

const options = part('opa');
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const limitMs = 600;

/** Writes `text` byte by byte until the connection is gone. */
async function drip(raw: RawSocket, text: string, everyMs: number): Promise<void> {
  for (const byte of text) {
    if (raw.socket.destroyed) return;
    raw.write(byte);
    await wait(everyMs);
  }
}

const head = (token: string, more: string) =>
  `POST /tools/orders/refunds HTTP/1.1\r\nHost: gate.test\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n${more}\r\n`;

/** How each kind of slow client behaves; 28 clients, and the two below that do not read. */
const kinds: readonly { name: string; count: number; act: (raw: RawSocket, token: string) => void }[] = [
  { name: 'sends nothing', count: 5, act: () => undefined },
  { name: 'stops in the request line', count: 3, act: (raw) => raw.write('POST /tools/ord') },
  { name: 'stops in the headers', count: 3, act: (raw) => raw.write('GET /livez HTTP/1.1\r\nHost: a\r\nX-') },
  {
    name: 'sends its headers byte by byte',
    count: 4,
    act: (raw) => void drip(raw, head('t', 'X-A: b\r\n').repeat(9), 25),
  },
  { name: 'sends no body', count: 4, act: (raw, token) => raw.write(head(token, 'Content-Length: 100\r\n')) },
  {
    name: 'sends its body byte by byte',
    count: 4,
    act: (raw, token) => {
      raw.write(head(token, 'Content-Length: 1000\r\n'));
      void drip(raw, ' '.repeat(1000), 25);
    },
  },
  {
    name: 'stops in a chunk',
    count: 2,
    act: (raw, token) => raw.write(`${head(token, 'Transfer-Encoding: chunked\r\n')}ff\r\n{`),
  },
  { name: 'idles after an answer', count: 2, act: (raw) => raw.write('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n') },
  {
    name: 'stops in its second request',
    count: 1,
    act: (raw) => raw.write('GET /livez HTTP/1.1\r\nHost: a\r\n\r\nGET /livez HTTP/1.1\r\nHo'),
  },
];

test(
  '[server.slow-clients] 30 slow or half-open clients hold no connection, and a healthy one is served',
  options,
  async () => {
    const limits = { request_ms: limitMs, idle_ms: limitMs };
    const world = await World.open({ config: { limits } });
    try {
      const task = await world.task({ ttl_seconds: 600 });
      // Two ask for more than the buffers of both systems hold, and read nothing of it.
      const large = Buffer.alloc(7 * 1_048_576, 'x');
      world.orders.reply = (request, response) =>
        void response
          .writeHead(200, { 'content-type': 'application/octet-stream' })
          .end(request.url === '/orders/LARGE' ? large : '{}');
      const unread = [1, 2].map(() => {
        const raw = new RawSocket(world.gate.url);
        raw.socket.pause();
        raw.write(
          `GET /tools/orders/orders/LARGE HTTP/1.1\r\nHost: gate.test\r\nAuthorization: Bearer ${task.token}\r\n\r\n`,
        );
        return raw;
      });
      while (world.orders.received.length < 2) await wait(20);
      // They are large: until they are inspected, nobody else is served.
      await (await world.fetch('/tools/orders/orders/O-1', task.token)).text();
      const slow = kinds.flatMap(({ name, count, act }) =>
        Array.from({ length: count }, () => {
          const raw = new RawSocket(world.gate.url);
          act(raw, task.token);
          return { name, raw };
        }),
      );
      assert.equal(slow.length + unread.length, 30);

      let served = 0;
      const start = performance.now();
      let healthy = true;
      const client = (async () => {
        while (healthy) {
          const response = await world.fetch('/tools/orders/orders/O-1', task.token);
          assert.equal(response.status, 200);
          await response.text();
          served++;
          await wait(20);
        }
      })();
      const heldMs = await Promise.all(slow.map(({ raw }) => raw.closed));
      healthy = false;
      await client;
      for (const [index, ms] of heldMs.entries()) {
        // An answer first, then as long again until the next request should have come.
        const most =
          (slow[index]?.name.includes('second') || slow[index]?.name.includes('idles') ? 2 : 1) * limitMs + 2_000;
        assert.ok(ms < most, `${slow[index]?.name}: ${Math.round(ms)} ms`);
      }
      assert.ok(served > 5, `${served} calls were served in ${performance.now() - start} ms`);
      await wait(limitMs);
      for (const raw of unread) {
        raw.socket.resume();
        await raw.closed;
        // How much the systems took in before it was cut is theirs to say: some hold all of it.
        assert.ok(raw.received.length > 0, 'the answer had begun');
      }
      const reached = world.orders.received.filter(({ method }) => method === 'POST');
      assert.deepEqual(reached, [], 'no half request became a call');
    } finally {
      await world[Symbol.asyncDispose]();
    }
  },
);

test('a call that waits for its target is not taken for a client that idles', options, async () => {
  const world = await World.open({ config: { limits: { request_ms: 200, idle_ms: 200 } } });
  try {
    const task = await world.task();
    world.orders.reply = async (_request, response) => {
      await wait(900);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    };
    const response = await world.fetch('/tools/orders/orders/O-1', task.token);
    assert.equal(response.status, 200);
  } finally {
    await world[Symbol.asyncDispose]();
  }
});

test('more connections than limits.connections are closed as they come', options, async () => {
  const world = await World.open({ config: { limits: { connections: 3 } } });
  try {
    const there = [1, 2, 3].map(() => new RawSocket(world.gate.url));
    await Promise.all(there.map(({ socket }) => new Promise((resolve) => socket.once('connect', resolve))));
    for (const raw of there) raw.write('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n');
    for (const raw of there) await raw.answered(1, 1000);
    const beyond = new RawSocket(world.gate.url);
    beyond.write('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n');
    await beyond.closed;
    assert.deepEqual(beyond.statuses, []);
    for (const raw of there) {
      raw.write('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n');
      await raw.answered(2, 1000);
      assert.deepEqual(raw.statuses, [200, 200]);
      raw.destroy();
    }
  } finally {
    await world[Symbol.asyncDispose]();
  }
});

test('a body larger than it may be is refused at its announcement, or where it passes the bound', options, async () => {
  const world = await World.open({ config: { limits: { body_bytes: 1024 } } });
  try {
    const task = await world.task();
    const announced = new RawSocket(world.gate.url);
    announced.write(head(task.token, 'Content-Length: 2000000\r\n'));
    await announced.closed;
    assert.deepEqual(announced.statuses, [413]);
    const unannounced = new RawSocket(world.gate.url);
    unannounced.write(`${head(task.token, 'Transfer-Encoding: chunked\r\n')}800\r\n${' '.repeat(0x800)}\r\n`);
    await unannounced.closed;
    assert.deepEqual(unannounced.statuses, [413]);
    assert.deepEqual(world.orders.received, []);
  } finally {
    await world[Symbol.asyncDispose]();
  }
});

test(
  'with the limits as they are by default, no half-open connection is held for over 15 seconds',
  options,
  async () => {
    const world = await World.open();
    try {
      const task = await world.task();
      const silent = new RawSocket(world.gate.url);
      const halfSent = new RawSocket(world.gate.url);
      halfSent.write(head(task.token, 'Content-Length: 100\r\n'));
      const idle = new RawSocket(world.gate.url);
      idle.write('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n');
      const heldMs = await Promise.all([silent.closed, halfSent.closed, idle.closed]);
      for (const ms of heldMs) assert.ok(ms > 10_000 && ms < 15_000, heldMs.map(Math.round).join(' '));
    } finally {
      await world[Symbol.asyncDispose]();
    }
  },
);
