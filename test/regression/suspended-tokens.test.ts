/**
 * Ways around a suspension: a part of a task whose agent was suspended got new tokens by renewal, by exchange and to be
 * handed on; and whoever was suspended went on reporting thoughts into task and trail.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessToken, actorOf, exchange, partOf, subjectOf } from '../gateway/exchange-form.ts';
import { World } from '../gateway/world.ts';
import { part } from '../parts.ts';

const options = part('opa');
let world: World;
before(async () => {
  if (options.skip === undefined) world = await World.open();
});
after(async () => world?.[Symbol.asyncDispose]());

const headers = { 'content-type': 'application/json' };

async function said(response: Response): Promise<string> {
  const { code = 'ok' } = (await response.json()) as { code?: string };
  return `${response.status} ${code}`;
}

test(
  'a part of the task of a suspended agent gets no token, and nobody suspended reports thoughts',
  options,
  async () => {
    const whole = await world.task({}, 'boss');
    const worker = world.issuer.token('worker');
    const { answer } = await exchange(world, partOf(whole.token, worker));
    const post = async (path: string, token: string, body: object = {}) =>
      said(await world.fetch(path, token, { method: 'POST', headers, body: JSON.stringify(body) }));
    const asked: Readonly<Record<string, () => Promise<string>>> = {
      renewed: () => post(`/tasks/${answer.task_id}/token`, worker),
      narrowed: () => post(`/tasks/${answer.task_id}/token`, worker, { tools: ['orders.get_order'] }),
      'handed on': () => post(`/tasks/${answer.task_id}/token`, worker, { for: { agent: 'third', issuer: 'azure' } }),
      exchanged: async () => {
        const form = { ...subjectOf(answer.access_token, accessToken), ...actorOf(worker) };
        const got = await exchange(world, form);
        return `${got.status === 400 ? 403 : got.status} ${got.answer.code ?? 'ok'}`;
      },
    };
    const report = { text: 'still here' };
    const reported: Readonly<Record<string, () => Promise<string>>> = {
      'by the part': () => post(`/tasks/${answer.task_id}/thoughts`, answer.access_token, report),
      'by the suspended': () => post(`/tasks/${whole.id}/thoughts`, whole.token, report),
      'by its workload token': () => post(`/tasks/${whole.id}/thoughts`, world.issuer.token('boss'), report),
    };
    for (const [what, ask] of Object.entries(asked)) assert.equal(await ask(), '200 ok', what);
    for (const [what, ask] of Object.entries(reported)) assert.equal(await ask(), '201 ok', what);
    const recorded = async () => {
      const events = await world.events();
      return events.filter(
        ({ type, operation }) => type === 'thought' || /^task\.(renew|narrow|delegate)$/.test(operation ?? ''),
      );
    };
    const before = (await recorded()).length;

    const boss = JSON.stringify({ kind: 'agent', issuer: 'azure', id: 'boss', reason: 'leaks' });
    assert.equal((await world.admin('/suspensions', { method: 'POST', headers, body: boss })).status, 200);
    for (const [what, ask] of Object.entries({ ...asked, ...reported })) {
      assert.equal(await ask(), '403 agent_suspended', what);
    }
    assert.equal((await recorded()).length, before, 'nothing came to be');
    const refusals = (await world.events({ type: 'denial' })).map(({ decision }) => decision?.reasons[0]?.code);
    assert.ok(refusals.includes('agent_suspended'));
  },
);
