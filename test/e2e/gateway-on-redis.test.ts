/** The gateway tests once more, with the state of every gate in Redis: what holds in memory holds there. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { RedisServer } from '../fakes/redis-server.ts';
import { part } from '../parts.ts';

const skip = part('opa').skip ?? part('redis-server').skip;
/** Those whose subject lies in the store, or in what it costs: tasks, budgets, histories, kills, streams. */
const files = ['budget', 'call', 'exchange', 'inspection', 'parallel', 'policy', 'route', 'stream', 'tasks'];

test('what gateways do on memory they do on Redis', skip === undefined ? {} : { skip }, async () => {
  await using redis = await RedisServer.start();
  const paths = files.map((name) => resolve(import.meta.dirname, `../gateway/${name}.test.ts`));
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const run = spawnSync(process.execPath, ['--test', '--test-concurrency=2', ...paths], {
    env: { ...env, TOLLGATE_TEST_REDIS: redis.url },
    encoding: 'utf8',
  });
  const count = (name: string) => Number(new RegExp(`^\\S+ ${name} (\\d+)$`, 'm').exec(run.stdout)?.[1]);
  assert.deepEqual([run.status, count('fail')], [0, 0], run.stdout.slice(-4000));
  assert.ok(count('pass') > 40, run.stdout.slice(-1000));
});
