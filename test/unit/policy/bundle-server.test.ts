import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as realSleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { temporaryFolder } from './bundles.ts';
import { engineServedBy, markOf, serverOf, until } from './served.ts';
import { type BuildSigned, opaBundle, signerFor } from './signed.ts';

const ours = signerFor('ES256', 'team');
const signing_keys = [ours.key];
const bundles = new Map<string, Promise<Buffer>>();

/** A bundle signed by us, built once. */
function signed(t: TestContext, mark: string, options: BuildSigned = {}): Promise<Buffer> {
  const name = JSON.stringify([mark, options]);
  const built = bundles.get(name) ?? opaBundle(t, { mark, signer: ours, ...options });
  bundles.set(name, built);
  return built;
}

test('a bundle is asked for as OPA asks, and only fetched anew when its ETag has changed', async (t) => {
  const server = await serverOf(t, await signed(t, 'a'));
  const running = await engineServedBy(t, server, { signing_keys, fetch: { token: 'secret-of-ours' } as never });
  await running.engine.open();
  assert.deepEqual(running.engine.active, { bundle: 'team', revision: 'a' });
  await until(running, () => server.asked.length >= 4, 'it looks again');
  const [first, second] = server.asked;
  assert.equal(first?.path, '/bundles/team.tar.gz');
  assert.equal(first?.headers.authorization, 'Bearer secret-of-ours');
  assert.equal(first?.headers.prefer, 'modes=snapshot');
  assert.equal(first?.headers['if-none-match'], undefined);
  assert.equal(second?.headers['if-none-match'], '"v1"');
  server.put(await signed(t, 'b'));
  await until(running, () => markOf(running) === 'b', 'the change comes into force');
  assert.equal(running.logged.filter(({ message }) => message === 'policy bundle in force').length, 2);
  assert.ok(!JSON.stringify(running.logged).includes('secret-of-ours'));
});

test('a long poll is held by the server and brings a change at once', async (t) => {
  const server = await serverOf(t, await signed(t, 'a'), true);
  const fetch = { long_poll_seconds: 30, min_delay_seconds: 3600, max_delay_seconds: 3600 } as never;
  const running = await engineServedBy(t, server, { signing_keys, fetch });
  await running.engine.open();
  await until(running, () => server.held === 1, 'the server holds a request');
  assert.match(String(server.asked.at(-1)?.headers.prefer), /^modes=snapshot;wait=30$/);
  const asked = server.asked.length;
  server.put(await signed(t, 'b'));
  for (let look = 0; look < 200 && markOf(running) !== 'b'; look++) await realSleep(10);
  assert.equal(markOf(running), 'b', 'no time of the clock has passed');
  assert.equal(server.asked.length, asked);
  await running.engine[Symbol.asyncDispose]();
  await realSleep(20);
  assert.equal(server.held, 0, 'a closed engine waits for nothing');
});

test('a server that was away is not asked to hold the request by which its return is seen', async (t) => {
  const server = await serverOf(t, await signed(t, 'a'), true);
  const fetch = { long_poll_seconds: 30, min_delay_seconds: 1, max_delay_seconds: 4 } as never;
  const running = await engineServedBy(t, server, { signing_keys, fetch });
  await running.engine.open();
  await until(running, () => server.held === 1, 'the server holds a request');
  await server.leave();
  await until(running, () => running.engine.note === 'last_good_bundle', 'it is away');
  await server.come();
  await until(running, () => running.engine.note === null, 'it is back');
  await until(running, () => server.held === 1, 'it holds a request again');
  const [back, next] = server.asked.slice(-2).map(({ headers }) => headers.prefer);
  assert.deepEqual([back, next], ['modes=snapshot', 'modes=snapshot;wait=30']);
});

test('a server that says it knows long polls and holds none is not asked without a pause', async (t) => {
  const server = await serverOf(t, await signed(t, 'a'), true);
  const fetch = { long_poll_seconds: 30, min_delay_seconds: 60, max_delay_seconds: 60 } as never;
  const running = await engineServedBy(t, server, { signing_keys, fetch });
  await running.engine.open();
  server.instead = (response) => void response.writeHead(304, { etag: '"v1"' }).end();
  for (let look = 0; look < 60; look++) {
    await running.clock.advance(1_000);
    await realSleep(5);
  }
  assert.ok(server.asked.length <= 4, `${server.asked.length} requests in a minute`);
});

const answer = (status: number, headers: Record<string, string> = {}, body: string | Buffer = '') => {
  return (response: ServerResponse) => void response.writeHead(status, headers).end(body);
};

/** What a server may do wrong, and how it is told. */
const faults: readonly [string, (good: Buffer) => (response: ServerResponse) => void, RegExp][] = [
  ['500', () => answer(500, {}, 'no'), /answered 500/],
  ['401', () => answer(401), /answered 401/],
  ['404', () => answer(404), /answered 404/],
  ['204', () => answer(204), /answered 204/],
  ['a redirect', () => answer(302, { location: 'http://127.0.0.1:1/' }), /answered 302, and no redirect is followed/],
  ['an HTML page', () => answer(200, { 'content-type': 'text/html' }, '<html></html>'), /cannot be read/],
  ['nothing', () => answer(200), /cannot be read/],
  ['a gzip that ends early', (good) => answer(200, {}, good.subarray(0, good.length / 2)), /cannot be read/],
  ['a gzip of something else', () => answer(200, {}, gzipSync('x'.repeat(2_000))), /cannot be read|is not signed/],
  [
    'a body that breaks off',
    (good) => (response) => {
      response.writeHead(200, { 'content-length': good.length });
      response.write(good.subarray(0, 1_000), () => response.destroy());
    },
    /cannot be asked/,
  ],
  [
    'more than the bound',
    () => (response) => {
      response.writeHead(200);
      response.on('error', () => undefined);
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(1_048_576)));
      };
      response.on('drain', more);
      more();
    },
    /larger than|cannot be asked/,
  ],
  ['silence', () => () => undefined, /cannot be asked: .*2000 ms/],
  [
    'a drip',
    () => (response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('x'), 50);
      response.on('close', () => clearInterval(timer));
    },
    /cannot be asked: .*2000 ms/,
  ],
  ['an empty archive', () => answer(200, {}, gzipSync('')), /is not signed/],
];

for (const [what, wrong, told] of faults) {
  test(`[policy.last-good-bundle] a server that answers ${what} leaves the last good bundle in force`, async (t) => {
    const server = await serverOf(t, await signed(t, 'a'));
    const running = await engineServedBy(t, server, { signing_keys });
    await running.engine.open();
    server.instead = wrong(await signed(t, 'b'));
    await until(running, () => running.engine.lastError !== null, 'the fault is seen');
    assert.match(running.engine.lastError ?? '', told);
    assert.equal(markOf(running), 'a');
    assert.equal(running.engine.healthy(), true);
    assert.equal(running.engine.note, 'last_good_bundle');
    server.instead = null;
    await until(running, () => running.engine.note === null, 'the fault passes');
    assert.equal(markOf(running), 'a');
  });
}

test('[policy.last-good-bundle] a bundle of another key, or of none, stays out until a good one is served', async (t) => {
  const server = await serverOf(t, await signed(t, 'a'));
  const running = await engineServedBy(t, server, { signing_keys });
  await running.engine.open();
  for (const signer of [signerFor('ES256', 'team'), undefined]) {
    server.put(await opaBundle(t, { mark: 'evil', ...(signer === undefined ? {} : { signer }) }));
    const before = server.asked.length;
    await until(running, () => server.asked.length > before + 2 && running.engine.lastError !== null, 'it is refused');
    assert.match(running.engine.lastError ?? '', signer === undefined ? /not signed/ : /it was not made with team/);
    assert.equal(markOf(running), 'a');
  }
  server.put(await signed(t, 'b'));
  await until(running, () => markOf(running) === 'b', 'the good one comes into force');
  assert.equal(running.engine.note, null);
});

test('while the server is away it is asked more and more seldom, and taken up when it is back', async (t) => {
  const server = await serverOf(t, await signed(t, 'a'));
  const fetch = { min_delay_seconds: 1, max_delay_seconds: 64 } as never;
  const running = await engineServedBy(t, server, { signing_keys, fetch });
  await running.engine.open();
  server.instead = answer(503);
  const times: number[] = [];
  let seen = server.asked.length;
  for (let look = 0; look < 400; look++) {
    await running.clock.advance(500);
    await realSleep(4);
    if (server.asked.length > seen) times.push(running.clock.monotonicMs());
    seen = server.asked.length;
  }
  const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0));
  assert.ok(pauses.length >= 5 && pauses.length <= 14, `pauses of ${pauses}`);
  assert.ok(Math.max(...pauses) <= 66_000 && (pauses.at(-1) ?? 0) >= 8 * (pauses[0] ?? 0), `pauses of ${pauses}`);
  await server.leave();
  await until(running, () => /cannot be asked/.test(running.engine.lastError ?? ''), 'the port is closed');
  await server.come();
  server.instead = null;
  server.put(await signed(t, 'b'));
  await until(running, () => markOf(running) === 'b', 'it comes into force');
});

test('[policy.last-good-bundle] a start without the server goes by the bundle that was last in force', async (t) => {
  const server = await serverOf(t, await signed(t, 'a'));
  const dataDir = await temporaryFolder(t);
  const before = await engineServedBy(t, server, { signing_keys, dataDir });
  await before.engine.open();
  await before.engine[Symbol.asyncDispose]();
  await server.leave();

  const running = await engineServedBy(t, server, { signing_keys, dataDir });
  await running.engine.open();
  assert.equal(markOf(running), 'a');
  assert.equal(running.engine.note, 'last_good_bundle');
  assert.ok(running.logged.some(({ message }) => /starts on the policy bundle that was last in force/.test(message)));
  await server.come();
  await until(running, () => running.engine.note === null, 'the server is back');
  assert.equal(server.asked.at(-1)?.headers['if-none-match'], '"v1"');
  assert.equal(markOf(running), 'a');
  await running.engine[Symbol.asyncDispose]();
  await server.leave();

  const rekeyed = await engineServedBy(t, server, { signing_keys: [signerFor('ES256', 'team').key], dataDir });
  await assert.rejects(rekeyed.engine.open(), /the bundle server cannot be asked/);
  assert.ok(rekeyed.logged.some(({ message }) => message === 'the kept policy bundle is refused'));
  const elsewhere = await engineServedBy(t, server, { signing_keys });
  await assert.rejects(elsewhere.engine.open(), /the bundle server cannot be asked/);

  const [folder = ''] = await readdir(join(dataDir, 'bundles', 'kept'));
  const files = await readdir(join(dataDir, 'bundles', 'kept', folder));
  assert.equal(files.length, 2, files.join());
  const file = join(dataDir, 'bundles', 'kept', folder, files.find((name) => name.endsWith('.tar.gz')) ?? '');
  // As good a bundle as any, but not the one that was in force.
  await writeFile(file, await signed(t, 'b'));
  const damaged = await engineServedBy(t, server, { signing_keys, dataDir });
  await assert.rejects(damaged.engine.open(), /the bundle server cannot be asked/);
  assert.ok(damaged.logged.some(({ fields }) => JSON.stringify(fields).includes('the kept bundle is damaged')));
});
