/** The story of the example on shared state: two gateways of its configuration on one Redis, three issuers, two clouds. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { runStory } from '../../examples/return-exceptions/run.ts';
import { World } from '../../examples/return-exceptions/world/world.ts';
import { startGate } from '../../src/main.ts';
import { RedisServer } from '../fakes/redis-server.ts';
import { part } from '../parts.ts';
import { freePort } from './free-port.ts';

const skip = part('opa').skip ?? part('redis-server').skip;
const example = resolve(import.meta.dirname, '../../examples/return-exceptions');

/** The example's own file, with the state in Redis. */
async function configOnRedis(directory: string, port: number): Promise<string> {
  const source = await readFile(join(example, 'tollgate.yaml'), 'utf8');
  const store = `store: { kind: redis, url: "redis://127.0.0.1:${port}", command_timeout_ms: 500 }`;
  const keys = `keys: { secret: "${randomBytes(32).toString('hex')}" }`;
  const changed = source
    .replace('store: { kind: memory }', `${store}\n${keys}`)
    .replaceAll('./openapi/', `${join(example, 'openapi')}/`)
    .replace('../../policies', resolve(example, '../../policies'))
    .replace('id: gw-azure-weu', 'id: $' + '{env:GATEWAY_ID}')
    .replace('public_url: http://$' + '{env:TOLLGATE_LISTEN}', 'public_url: http://$' + '{env:PUBLIC_ADDRESS}');
  for (const wanted of [store, 'GATEWAY_ID', 'PUBLIC_ADDRESS'])
    assert.ok(changed.includes(wanted), `${wanted} was put in`);
  const file = join(directory, 'tollgate.yaml');
  await writeFile(file, changed);
  return file;
}

test('the story holds on two gateways that share one Redis', skip === undefined ? {} : { skip }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tollgate-story-'));
  await using opened = new AsyncDisposableStack();
  opened.defer(() => rm(directory, { recursive: true, force: true }));
  const redis = opened.use(await RedisServer.start());
  const world = opened.use(new World());
  await world.open();
  const configFile = await configOnRedis(directory, redis.port);
  const listen = `127.0.0.1:${await freePort()}`;
  const gateway = async (id: string, address: string) => {
    const env = { GATEWAY_ID: id, TOLLGATE_LISTEN: address, PUBLIC_ADDRESS: listen, TOLLGATE_ADMIN: '127.0.0.1:0' };
    const gate = await startGate({
      configFile,
      env: { ...process.env, ...world.env(), ...env, TOLLGATE_DATA_DIR: join(directory, id) },
    });
    opened.defer(() => gate.close());
    return gate;
  };
  const first = await gateway('gw-azure-weu', listen);
  const second = await gateway('gw-second', `127.0.0.1:${await freePort()}`);
  world.trustGate(first.url);
  const { ok, steps } = await runStory(world, first);
  const failed = steps
    .filter((step) => step.problems.length > 0)
    .map((step) => `${step.title}: ${step.problems.join('; ')}`);
  assert.deepEqual([ok, failed], [true, []]);
  const keys = async (url: string) =>
    ((await (await fetch(`${url}/.well-known/jwks.json`)).json()) as { keys: object[] }).keys;
  assert.equal((await keys(first.url)).length, (await keys(second.url)).length);
});
