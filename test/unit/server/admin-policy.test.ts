import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../../src/call.ts';
import { deny, isDenial } from '../../../src/denial.ts';
import { type AdminPolicyPorts, adminPolicy } from '../../../src/server/admin-policy.ts';
import type { Asked } from '../../../src/server/admin-routes.ts';
import { StoreUnavailable } from '../../../src/store/store.ts';
import { AdminRequests, type RolloutRequest } from '../../../src/wire/admin-request.ts';

function answers(over: Partial<AdminPolicyPorts> = {}) {
  const asked: (readonly [RolloutRequest, string])[] = [];
  const routes = adminPolicy({
    own: () => ({ gateway: 'gw-1' }),
    reports: async () => [{ gateway: 'gw-1' }, { gateway: 'gw-2' }],
    rollout: () => ({ state: null, note: 'unread' }),
    comparison: () => ({ dropped: 0 }),
    change: async (step, by) => {
      asked.push([step, by]);
      return { revision: 'r1', content: 'a'.repeat(64), stage: step.stage };
    },
    canRecord: () => true,
    requests: new AdminRequests(),
    ...over,
  });
  const person: Asked['person'] = { id: 'ann', issuer: 'people', roles: ['operator'] };
  const ask = (body: object) =>
    routes['policy.rollout']({ person, id: '', query: {}, body: Buffer.from(JSON.stringify(body)), host: 'h' });
  const show = async () => {
    const { reply } = await routes['policy.show']({ person, id: '', query: {}, body: Buffer.alloc(0), host: 'h' });
    assert.ok(!isDenial(reply));
    return JSON.parse(String(reply.body)) as JsonObject;
  };
  return { asked, ask, show };
}

test('while nothing can be recorded one can only go back', async () => {
  const { asked, ask } = answers({ canRecord: () => false });
  for (const body of [{ stage: 'shadow', force: true }, { stage: 'canary', percent: 1 }, { stage: 'full' }]) {
    const { reply } = await ask(body);
    assert.equal(isDenial(reply) && reply.code, 'audit_unavailable', body.stage);
  }
  const { reply } = await ask({ stage: 'rolled_back' });
  assert.equal(isDenial(reply) ? reply.code : reply.status, 200);
  assert.deepEqual(asked, [[{ stage: 'rolled_back' }, 'ann']]);
});

test('what was done, and to which candidate, is told to the trail, also where it was refused', async () => {
  const done = await answers().ask({ stage: 'canary', percent: 12.5, reason: 'a try' });
  const content = 'a'.repeat(64);
  assert.deepEqual(done.about?.notes, {
    stage: 'canary',
    percent: '12.5',
    revision: 'r1',
    content,
    reason_given: 'a try',
  });
  const refusing = answers({ change: async () => deny('precondition_failed', 'It was rolled back.') });
  const refused = await refusing.ask({ stage: 'full', revision: 'r2' });
  assert.deepEqual([isDenial(refused.reply), refused.about?.notes], [true, { stage: 'full', revision: 'r2' }]);
});

test('while the store is away the gate shows what it runs itself, and says that it knows no more', async () => {
  const known = await answers().show();
  assert.deepEqual(
    [known.gateways_known, (known.gateways as unknown[]).length, known.rollout_note],
    [true, 2, 'unread'],
  );
  const alone = await answers({ reports: () => Promise.reject(new StoreUnavailable('away')) }).show();
  assert.deepEqual([alone.gateways_known, alone.gateways], [false, [{ gateway: 'gw-1' }]]);
  await assert.rejects(answers({ reports: () => Promise.reject(new TypeError('a bug')) }).show(), TypeError);
});
