/** `POST /oauth/introspect`: what is said of a token that is good now, and that nothing is said of any other. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { systemClock } from '../../src/clock.ts';
import { part } from '../parts.ts';
import { silent, TokenLife } from './token-life.ts';
import { World } from './world.ts';

const system = systemClock();
let skewMs = 0;
const clock = { ...system, nowMs: () => system.nowMs() + skewMs };

describe('introspection', part('opa'), () => {
  let world: World;
  let agent: TokenLife;
  before(async () => {
    world = await World.open({ clock, config: { audit: { refusals_per_second: 1000 } } });
    agent = new TokenLife(world);
  });
  after(async () => world?.[Symbol.asyncDispose]());

  test('[task.introspection-tells-what-is-now] a token that is good now is described to its agent and to the task above', async () => {
    const task = await world.task({ subject: { id: 'C-1' }, tools: ['orders.get_order'], purpose: 'returns' });
    const claims = decodeJwt(task.token);
    for (const by of [agent.workload(), task.token]) {
      const { status, body, headers } = await agent.introspect(task.token, by);
      assert.deepEqual([status, headers.get('cache-control')], [200, 'no-store']);
      const { task_expires_at: ends, ...told } = body;
      assert.deepEqual(told, {
        ...{ active: true, scope: 'orders.get_order', token_type: 'Bearer', client_id: 'coordinator', sub: 'C-1' },
        ...{ aud: 'http://gate.test', iss: 'http://gate.test', exp: claims.exp, iat: claims.iat, jti: claims.jti },
        ...{ act: { sub: 'coordinator' }, task_id: task.id, state: 'active', purpose: 'returns' },
        ...{ subject_type: 'customer', subject_assurance: 'asserted', parent: null, taint: [] },
      });
      assert.ok(Date.parse(String(ends)) > Date.now());
    }
    const share = await agent.exchange(task.token, 'helper');
    const told = (await agent.introspect(share.token, task.token)).body;
    assert.deepEqual([told.active, told.client_id, told.parent], [true, 'helper', task.id]);
    const wide = await world.task();
    const narrowed = await agent.another(wide, { tools: ['orders.*'] });
    assert.deepEqual((await agent.introspect(narrowed, agent.workload())).body.scope, 'orders.*');
    assert.match(String((await agent.introspect(wide.token, agent.workload())).body.scope), /gpt\.chat/);
  });

  test('[task.introspection-tells-strangers-nothing] whatever is not theirs, or not good now, is not active, and nothing more', async () => {
    const inactive = async (token: string, by: string, why: string) => {
      const { status, text } = await agent.introspect(token, by);
      assert.deepEqual([status, text], [200, '{"active":false}'], why);
    };
    const task = await world.task();
    const share = await agent.exchange(task.token, 'helper');
    await inactive(task.token, agent.workload('somebody-else'), 'another agent');
    await inactive(task.token, agent.workload('coordinator', { tid: 'umbrella' }), 'another tenant');
    await inactive(task.token, (await world.task()).token, 'another task of the agent');
    await inactive(task.token, share.token, 'the whole, of a part');
    await inactive(agent.workload(), agent.workload(), 'a workload token');
    await inactive('x', agent.workload(), 'no token at all');
    await inactive(`${task.token.slice(0, -6)}AAAAAA`, agent.workload(), 'a forged one');

    const narrowed = await agent.another(task, { tools: ['orders.get_order'] });
    assert.equal((await agent.introspect(narrowed, agent.workload())).body.active, true);
    await agent.revoke(narrowed);
    await inactive(narrowed, agent.workload(), 'revoked');
    assert.equal((await agent.introspect(share.token, agent.workload('helper'))).body.active, true);
    await world.fetch(`/tasks/${task.id}/kill`, task.token, { method: 'POST' });
    await inactive(task.token, agent.workload(), 'killed');
    await inactive(share.token, agent.workload('helper'), 'the task above was killed');
    const done = await world.task();
    await world.fetch(`/tasks/${done.id}/complete`, done.token, { method: 'POST' });
    await inactive(done.token, agent.workload(), 'completed');
  });

  test('a token that has expired is not active, and revoking it does nothing', async () => {
    const task = await world.task();
    assert.equal((await agent.introspect(task.token, agent.workload())).body.active, true);
    skewMs = 301_000;
    try {
      const late = agent.workload('coordinator', { exp: Math.floor(clock.nowMs() / 1000) + 300 });
      assert.deepEqual((await agent.introspect(task.token, late)).body, { active: false });
      silent(await agent.revoke(task.token), 'by itself');
      silent(await agent.revoke(task.token, late), 'by its agent');
    } finally {
      skewMs = 0;
    }
    assert.equal(await agent.stateOf(task), 'active');
  });

  test('a token of whom is suspended is not active, until it is resumed', async () => {
    const task = await world.task({}, 'watched');
    const active = async () => (await agent.introspect(task.token, agent.workload('watched'))).body;
    assert.equal((await active()).active, true);
    const what = { kind: 'agent', issuer: 'azure', id: 'watched' };
    const admin = (path: string, body: object) =>
      world.admin(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    assert.equal((await admin('/suspensions', { ...what, reason: 'a test' })).status, 200);
    assert.deepEqual(await active(), { active: false });
    assert.equal((await admin('/suspensions/resume', what)).status, 200);
    assert.equal((await active()).active, true);
  });
});
