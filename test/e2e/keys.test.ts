/** Gateways that keep their keys in one Redis: they sign as one, rotate as one, and let no stranger in. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { decodeProtectedHeader } from 'jose';
import { type Gate, startGate } from '../../src/main.ts';
import { RedisServer } from '../fakes/redis-server.ts';
import { World } from '../gateway/world.ts';
import { part } from '../parts.ts';

const skip = part('redis-server').skip ?? part('opa').skip;
const secret = 'one secret for all gateways, at random';

describe('keys in the shared store', skip === undefined ? {} : { skip }, () => {
  let redis: RedisServer;
  let world: World;
  let second: Gate;
  before(async () => {
    redis = await RedisServer.start();
    const store = { kind: 'redis', url: `redis://127.0.0.1:${redis.port}/0`, command_timeout_ms: 500 };
    const keys = { source: 'store', secret, name: 'eu', lead_seconds: { task: 1 } };
    world = await World.open({ config: { store, keys } });
    second = await world.secondGate('gw-second');
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await redis?.[Symbol.asyncDispose]();
  });

  const taskAt = async (url: string) => {
    const response = await fetch(`${url}/tasks`, {
      method: 'POST',
      headers: { authorization: `Bearer ${world.issuer.token('coordinator')}` },
      body: JSON.stringify({ purpose: 'test' }),
    });
    assert.equal(response.status, 201);
    const { task_id: id, task_token: token } = (await response.json()) as { task_id: string; task_token: string };
    return { id, token, kid: decodeProtectedHeader(token).kid ?? '' };
  };
  const stateAt = async (url: string, task: { id: string; token: string }) =>
    (await fetch(`${url}/tasks/${task.id}`, { headers: { authorization: `Bearer ${task.token}` } })).status;
  const kidsAt = async (url: string) => {
    const jwks = (await (await fetch(`${url}/.well-known/jwks.json`)).json()) as { keys: { kid: string }[] };
    return jwks.keys.map(({ kid }) => kid).toSorted();
  };

  it('[identity.keys-of-the-store-sealed] two gateways sign with the same keys and show the same key set', async () => {
    const here = await taskAt(world.gate.url);
    const there = await taskAt(second.url);
    assert.match(here.kid, /^eu\.task\./);
    assert.equal(there.kid, here.kid);
    assert.equal(await stateAt(second.url, here), 200);
    assert.equal(await stateAt(world.gate.url, there), 200);
    for (let turn = 0; ; turn++) {
      const [mine, other] = await Promise.all([kidsAt(world.gate.url), kidsAt(second.url)]);
      if (JSON.stringify(mine) === JSON.stringify(other)) break;
      assert.ok(turn < 100, `${mine} and ${other}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });

  it('a rotation at one gateway is one at both, and no token is lost by it', async () => {
    const early = await taskAt(second.url);
    const response = await world.admin('/keys/rotate', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ purpose: 'task' }),
    });
    assert.equal(response.status, 201);
    const { kid } = (await response.json()) as { kid: string };
    for (let turn = 0; ; turn++) {
      const [here, there] = [await taskAt(world.gate.url), await taskAt(second.url)];
      assert.equal(await stateAt(second.url, here), 200);
      assert.equal(await stateAt(world.gate.url, there), 200);
      if (here.kid === kid && there.kid === kid) break;
      assert.ok(turn < 100, 'the new key never signed at both');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.notEqual(early.kid, kid);
    assert.equal(await stateAt(world.gate.url, early), 200);
  });

  it('a gateway with another secret does not start, and changes nothing for the others', async () => {
    const before = await kidsAt(world.gate.url);
    const config = JSON.parse(await readFile(world.configFile, 'utf8'));
    Object.assign(config.gateway, { id: 'stranger', data_dir: './data-stranger' });
    config.keys.secret = `${secret}, but not this one`;
    const configFile = join(dirname(world.configFile), 'stranger.yaml');
    await writeFile(configFile, JSON.stringify(config));
    await assert.rejects(startGate({ configFile, env: process.env, log: () => undefined }), {
      name: 'KeyFault',
      message: /keys\.secret does not open/,
    });
    assert.deepEqual(await kidsAt(world.gate.url), before);
    assert.equal(await stateAt(second.url, await taskAt(world.gate.url)), 200);
  });
});
