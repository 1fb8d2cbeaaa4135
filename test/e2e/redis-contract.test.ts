/** The store's contract on a real Redis: one server, and a Cluster of three masters. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { systemClock } from '../../src/clock.ts';
import { RedisStore } from '../../src/store/backends/redis.ts';
import { storeContract } from '../contract/store.ts';
import { storeForfeitContract } from '../contract/store-forfeit.ts';
import { storeIndexContract } from '../contract/store-index.ts';
import { storeRatesContract } from '../contract/store-rates.ts';
import { storeSplitsContract } from '../contract/store-splits.ts';
import { RedisCluster } from '../fakes/redis-cluster.ts';
import { RedisServer } from '../fakes/redis-server.ts';
import { part } from '../parts.ts';

const options = part('redis-server');
const clock = systemClock();
let single: RedisServer | undefined;
let cluster: RedisCluster | undefined;

before(async () => {
  if (options.skip !== undefined) return;
  [single, cluster] = await Promise.all([RedisServer.start(), RedisCluster.start()]);
});

after(async () => {
  await single?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

const onOneServer = () => ({
  store: new RedisStore({ kind: 'redis', url: `${single?.url}`, command_timeout_ms: 500 }, { clock }),
  wait: (ms: number) => wait(ms),
});

const onACluster = () => ({
  store: new RedisStore(
    { kind: 'redis', cluster: { nodes: cluster?.nodes ?? [] }, command_timeout_ms: 500 },
    { clock },
  ),
  wait: (ms: number) => wait(ms),
});

for (const contract of [
  ...[storeContract, storeIndexContract, storeRatesContract, storeForfeitContract],
  storeSplitsContract,
]) {
  contract('redis', onOneServer, options);
  contract('redis cluster', onACluster, options);
}

test(
  'a hold can be read by a gateway from before holds had holders: its lines are those of then',
  options,
  async () => {
    const { store } = onOneServer();
    await store.open();
    await using _closed = store;
    const scope = { key: 'tg:{earlier}:scope', limits: { n: 5 }, ttlMs: 60_000 };
    const held = async () => String(await single?.command('get', 'tg:{earlier}@hold:one')).split('\n');
    await store.reserve('one', [scope], { n: 1 }, 60_000, 'gateway/folder/life');
    const [head, scopes, amounts, told] = await held();
    assert.match(`${head}`, /^L\d+$/);
    assert.deepEqual([JSON.parse(`${scopes}`).length, JSON.parse(`${amounts}`)], [1, ['n', '1']]);
    assert.match(`${told}`, /^ gateway\/folder\/life \[/);
    assert.ok(
      (await store.reserve('one', [scope], { n: 1 }, 60_000, 'gateway/folder/life')).ok,
      'it is known by its id',
    );
    await store.forfeit('gateway/folder/life');
    assert.match(`${(await held())[0]}`, /^R\d+$/);
  },
);
