/** Redis as it is run in earnest: with users, over TLS, and behind sentinels that replace its master. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Json } from '../../src/call.ts';
import { systemClock } from '../../src/clock.ts';
import { RedisStore } from '../../src/store/backends/redis.ts';
import type { RedisPlace } from '../../src/store/section.ts';
import { StoreUnavailable, storeKey } from '../../src/store/store.ts';
import { RedisServer } from '../fakes/redis-server.ts';
import { part } from '../parts.ts';

const ttlMs = 60_000;

function storeOf(config: Omit<RedisPlace, 'kind' | 'command_timeout_ms'>): RedisStore {
  return new RedisStore({ kind: 'redis', command_timeout_ms: 200, ...config }, { clock: systemClock() });
}

/** One of everything that a store does, scripts and messages included. */
async function assertWorks(store: RedisStore): Promise<void> {
  const scope = { key: storeKey('acme', randomUUID()), limits: { n: 5 }, ttlMs };
  const [id, key, channel] = [randomUUID(), storeKey('acme', randomUUID()), randomUUID()];
  assert.ok((await store.reserve(id, [scope], { n: 5 }, ttlMs)).ok);
  assert.equal((await store.settle(id, { n: 3 })).settled, true);
  assert.equal((await store.settle(id, { n: 3 })).settled, false);
  assert.deepEqual(await store.balance([scope.key]), [{ spent: { n: 3 }, reserved: { n: 0 } }]);
  assert.ok((await store.compareAndSet(key, 0, 'one', ttlMs)).ok);
  assert.deepEqual(await store.get(key), { version: 1, value: 'one' });
  await store.delete(key);
  const heard = Promise.withResolvers<Json>();
  const subscription = await store.subscribe(channel, heard.resolve);
  await store.publish(channel, 'heard');
  assert.equal(await heard.promise, 'heard');
  await subscription.close();
  await store.ping();
}

describe('Redis with users', part('redis-server'), () => {
  const config = [
    'user default off',
    'user tollgate on >s3cret ~tg:* &tg:* -@all +@connection +@read +@write +@pubsub +@scripting +time +info',
  ];

  test('a user with the keys and channels of the gate, and no more, is enough', async () => {
    await using server = await RedisServer.start({ config });
    await using store = storeOf({ url: server.url, username: 'tollgate', password: 's3cret' });
    await store.open();
    await assertWorks(store);
    await assert.rejects(store.get('of-another'), { name: 'StoreUnavailable', message: 'Redis refused: NOPERM' });
  });

  test('with a wrong password, or none, the store does not open, and the reason holds no secret', async () => {
    await using server = await RedisServer.start({ config });
    const attempts = [{ username: 'tollgate', password: 'hunter2' }, {}].map(async (credentials) => {
      const store = storeOf({ url: server.url, ...credentials });
      await assert.rejects(store.open(), (error) => {
        assert.ok(error instanceof StoreUnavailable);
        assert.match(error.message, /WRONGPASS|NOAUTH/);
        assert.doesNotMatch(error.message, /hunter2|tollgate/);
        return true;
      });
    });
    await Promise.all(attempts);
  });
});

function openssl(directory: string, ...args: readonly string[]): void {
  execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });
}

function withoutOpenssl(): { readonly skip?: string } {
  try {
    execFileSync('openssl', ['version'], { stdio: 'pipe' });
    return {};
  } catch {
    return { skip: 'openssl is not on this machine' };
  }
}

describe('Redis over TLS', { ...withoutOpenssl(), ...part('redis-server') }, () => {
  test('a server of the configured authority is used with a certificate of our own; any other is refused', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'tollgate-tls-'));
    try {
      const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
      openssl(directory, 'req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=Authority');
      const names = ['-addext', 'subjectAltName=DNS:redis.test,IP:127.0.0.1', '-CA', 'ca.pem', '-CAkey', 'ca.key'];
      openssl(directory, 'req', '-x509', ...key, '-keyout', 'key.pem', '-out', 'cert.pem', '-subj', '/CN=r', ...names);
      openssl(directory, 'req', '-x509', ...key, '-keyout', 'other.key', '-out', 'other.pem', '-subj', '/CN=Other');
      const pem = (name: string) => readFile(join(directory, name), 'utf8');
      const [ca, cert, privateKey, other] = await Promise.all(['ca.pem', 'cert.pem', 'key.pem', 'other.pem'].map(pem));
      assert.ok(ca && cert && privateKey && other);
      const tls = { ca: 'ca.pem', cert: 'cert.pem', key: 'key.pem' };
      const files = Object.fromEntries(Object.entries(tls).map(([name, file]) => [name, join(directory, file)]));
      await using server = await RedisServer.start({ tls: files as typeof tls });
      await using store = storeOf({ url: server.url, tls: { ca, cert, key: privateKey } });
      await store.open();
      await assertWorks(store);
      await using named = storeOf({ url: server.url, tls: { ca, cert, key: privateKey, server_name: 'redis.test' } });
      await named.open();
      await Promise.all([
        assert.rejects(
          storeOf({ url: server.url, tls: { ca: other, cert, key: privateKey } }).open(),
          StoreUnavailable,
        ),
        assert.rejects(storeOf({ url: server.url, tls: { ca } }).open(), StoreUnavailable),
        assert.rejects(
          storeOf({ url: server.url, tls: { ca, cert, key: privateKey, server_name: 'elsewhere.test' } }).open(),
          StoreUnavailable,
        ),
      ]);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});

describe('Redis behind sentinels', part('redis-server'), () => {
  test('when the master dies the store goes on with the one that takes its place', async () => {
    // By default a master waits five seconds for more replicas before it begins to copy.
    await using master = await RedisServer.start({ config: ['repl-diskless-sync-delay 0'] });
    await using replica = await RedisServer.start({ config: [`replicaof 127.0.0.1 ${master.port}`] });
    await using sentinel = await RedisServer.start({
      sentinel: true,
      config: [
        `sentinel monitor gate 127.0.0.1 ${master.port} 1`,
        'sentinel down-after-milliseconds gate 300',
        'sentinel failover-timeout gate 2000',
      ],
    });
    await using store = storeOf({ sentinel: { name: 'gate', nodes: [`127.0.0.1:${sentinel.port}`] } });
    await store.open();
    await assertWorks(store);
    const key = storeKey('acme', 'kept');
    await store.compareAndSet(key, 0, 'kept', ttlMs);
    const heard: Json[] = [];
    await store.subscribe('after', (message) => heard.push(message));
    await eventually(async () =>
      String(await replica.command('info', 'replication')).includes('master_link_status:up'),
    );
    // The sentinel learns of the replica from the master, once every ten seconds.
    await eventually(async () => String(await sentinel.command('info', 'sentinel')).includes('slaves=1'), 15_000);
    assert.equal(await master.command('wait', '1', '1000'), 1);
    await master.stop('SIGKILL');
    await assert.rejects(store.get(key), StoreUnavailable);
    await eventually(
      () =>
        store.ping().then(
          () => true,
          () => false,
        ),
      15_000,
    );
    assert.deepEqual(await store.get(key), { version: 1, value: 'kept' });
    await assertWorks(store);
    await store.publish('after', 1);
    await eventually(async () => heard.length === 1);
  });
});

async function eventually(what: () => Promise<boolean>, withinMs = 5_000): Promise<void> {
  const startMs = performance.now();
  while (!(await what())) {
    assert.ok(performance.now() - startMs < withinMs, `it comes true within ${withinMs} ms`);
    await wait(50);
  }
}
