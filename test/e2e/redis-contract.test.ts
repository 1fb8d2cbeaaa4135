/** The store's contract on a real Redis: one server, and a Cluster. */
import { after, before } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { systemClock } from '../../src/clock.ts';
import { RedisStore } from '../../src/store/backends/redis.ts';
import { storeContract } from '../contract/store.ts';
import { storeIndexContract } from '../contract/store-index.ts';
import { RedisServer } from '../fakes/redis-server.ts';
import { part } from '../parts.ts';

const options = part('redis-server');
const clock = systemClock();
let [single, cluster]: (RedisServer | undefined)[] = [];

before(async () => {
  if (options.skip !== undefined) return;
  [single, cluster] = await Promise.all([RedisServer.start(), RedisServer.start({ cluster: true })]);
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
    { kind: 'redis', cluster: { nodes: [`127.0.0.1:${cluster?.port}`] }, command_timeout_ms: 500 },
    { clock },
  ),
  wait: (ms: number) => wait(ms),
});

for (const contract of [storeContract, storeIndexContract]) {
  contract('redis', onOneServer, options);
  contract('redis cluster', onACluster, options);
}
