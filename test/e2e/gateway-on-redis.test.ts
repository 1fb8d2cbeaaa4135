/** The gateway tests once more, with the state of every gate in Redis: what holds in memory holds there. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { RedisServer } from '../fakes/redis-server.ts';
import { part } from '../parts.ts';

const skip = part('opa').skip ?? part('redis-server').skip;
/** Those whose subject lies in the store, or in what it costs: tasks, budgets, histories, kills. */
const files = ['binding-dpop', 'budget', 'call', 'loops', 'parallel', 'tasks'];

/** Runs the gateway tests of these names against `url`; gives how many passed. */
function passed(names: readonly string[], url: string): number {
  const paths = names.map((name) => resolve(import.meta.dirname, `../gateway/${name}.test.ts`));
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const run = spawnSync(process.execPath, ['--test', '--test-isolation=none', ...paths], {
    env: { ...env, TOLLGATE_TEST_REDIS: url },
    encoding: 'utf8',
  });
  const count = (name: string) => Number(new RegExp(`^\\S+ ${name} (\\d+)$`, 'm').exec(run.stdout)?.[1]);
  assert.deepEqual([run.status, count('fail')], [0, 0], run.stdout.slice(-4000));
  return count('pass');
}

const options = skip === undefined ? {} : { skip };

test('what gateways do on memory they do on Redis', options, async () => {
  await using redis = await RedisServer.start();
  assert.ok(passed(files, redis.url) > 40);
});

test(
  '[task.suspension-cuts-streams] a suspension made at one gateway holds at two, on a Redis of their own',
  options,
  async () => {
    await using redis = await RedisServer.start();
    assert.ok(passed(['suspension'], redis.url) > 10);
  },
);
