/**
 * By how much two gateways can overspend a window when Redis hangs, is emptied, or is replaced by its replica in
 * mid-load: computed from what happened, and compared with what the target itself has served. The trails of both have
 * every call, whatever became of the counters.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { AuditEvent } from '../../src/audit/event.ts';
import type { Gate } from '../../src/main.ts';
import { RedisServer } from '../fakes/redis-server.ts';
import { World } from '../gateway/world.ts';
import { part } from '../parts.ts';

const skip = part('opa').skip ?? part('redis-server').skip;
const body = JSON.stringify({ model: 'gpt', messages: [{ role: 'user', content: 'hello' }], max_tokens: 5 });

async function outcomes(gate: Gate, folder: string): Promise<AuditEvent[]> {
  const token = (await readFile(join(folder, 'admin-token'), 'utf8')).trim();
  const found: AuditEvent[] = [];
  for (let cursor = ''; ; ) {
    const url = `${gate.adminUrl}/audit/events?limit=1000&type=outcome${cursor}`;
    const page = await (await fetch(url, { headers: { authorization: `Bearer ${token}` } })).json();
    const { events, next_cursor } = page as { events: AuditEvent[]; next_cursor: string | null };
    found.push(...events);
    if (next_cursor === null) return found;
    cursor = `&cursor=${next_cursor}`;
  }
}

/** Calls models at `gate` until told to stop, with a new task whenever its own is gone. */
async function load(world: World, gate: Gate, isOver: () => boolean): Promise<void> {
  let token: string | undefined;
  while (!isOver()) {
    if (token === undefined) {
      const headers = { authorization: `Bearer ${world.issuer.token('coordinator')}` };
      const opened = await fetch(`${gate.url}/tasks`, { method: 'POST', headers, body: '{"purpose":"test"}' });
      const answer = (await opened.json()) as { task_token?: string };
      token = answer.task_token;
      if (token === undefined) await wait(20);
      continue;
    }
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const response = await fetch(`${gate.url}/v1/chat/completions`, { method: 'POST', headers, body });
    await response.text();
    if (response.status === 401 || response.status === 403 || response.status === 404) token = undefined;
    // Refusals cost the gates more than they show.
    if (response.status !== 200) await wait(80);
  }
}

test(
  '[budget.bounded-by-fault] Redis hung, emptied and replaced in mid-load: nobody overspends by more than the faults that forget, and the trails have it all',
  skip === undefined ? {} : { skip },
  async () => {
    await using master = await RedisServer.start({ config: ['repl-diskless-sync-delay 0'] });
    await using replica = await RedisServer.start({ config: [`replicaof 127.0.0.1 ${master.port}`] });
    while (!String(await replica.command('info', 'replication')).includes('master_link_status:up')) await wait(20);
    await using sentinel = await RedisServer.start({
      sentinel: true,
      config: [
        `sentinel monitor gate 127.0.0.1 ${master.port} 1`,
        'sentinel down-after-milliseconds gate 600',
        'sentinel failover-timeout gate 2000',
      ],
    });
    const store = {
      ...{ kind: 'redis', command_timeout_ms: 500 },
      sentinel: { name: 'gate', nodes: [`127.0.0.1:${sentinel.port}`] },
    };
    const limitCalls = 40;
    await using world = await World.open({
      config: { store, budget: { tenants: { acme: { per: 'month', calls: limitCalls } } } },
    });
    const second = await world.secondGate('gw-second');
    let over = false;
    const callers = Array.from({ length: 4 }, (_, index) =>
      load(world, index % 2 === 0 ? world.gate : second, () => over),
    );
    await using _stopped = {
      [Symbol.asyncDispose]: async () => {
        over = true;
        await Promise.allSettled(callers);
      },
    };
    const served = () => world.model.received.length;
    const reach = async (calls: number) => {
      for (let tries = 0; tries < 300 && served() < calls; tries++) await wait(50);
    };

    // What hangs and goes on forgets nothing.
    await reach(15);
    master.pause();
    await wait(600);
    master.resume();
    await reach(limitCalls);
    await wait(400);
    assert.equal(served(), limitCalls, 'exactly as often as the window lets them');

    // An empty server begins the window anew: one more of it.
    await master.command('flushall');
    await reach(limitCalls + 15);
    // What the replica has by the end of WAIT it keeps: that is at least what was admitted before.
    const passedOn = served();
    await master.command('wait', '1', '1000');
    await master.stop('SIGKILL');
    const mayBeLost = served() - passedOn + callers.length;
    // Sentinel ends all connections to a replica when it makes it the master: one who asks just then asks again.
    const isMaster = async () =>
      String(await replica.command('info', 'replication').catch(() => '')).includes('role:master');
    for (let tries = 0; tries < 200 && !(await isMaster()); tries++) await wait(50);
    const bound = 2 * limitCalls + mayBeLost;
    await reach(2 * limitCalls - callers.length);
    await wait(400);
    over = true;
    await Promise.all(callers);
    assert.ok(served() > limitCalls && served() <= bound, `${served()} were served, at most ${bound} may be`);

    const folder = dirname(world.configFile);
    const both = [
      ...(await outcomes(world.gate, join(folder, 'data'))),
      ...(await outcomes(second, join(folder, 'data-gw-second'))),
    ].filter(({ attempts }) => attempts.some(({ sent }) => sent));
    assert.equal(both.length, served(), 'each call that the target served has its outcome in a trail');
    const prices = new Set(both.map(({ cost_usd }) => cost_usd));
    const usage = both.map((event) => event.usage);
    assert.equal(prices.size, 1, 'all cost the same');
    assert.ok(usage.every((used) => used?.input_tokens === 10 && used.output_tokens === 5));
    assert.ok([...prices][0] !== 0);
  },
);
