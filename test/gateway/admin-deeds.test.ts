/** What people do on the admin plane: what comes of it for agents, and how it stands in the trail. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { verifyStore } from '../../src/audit/verify-store.ts';
import { part } from '../parts.ts';
import { AdminWorld } from './admin-world.ts';

interface Denial {
  readonly code: string;
  readonly reasons: readonly { readonly code: string; readonly path?: string }[];
  readonly allowed?: readonly string[];
}

describe('what people do', part('opa'), () => {
  let admin: AdminWorld;
  before(async () => {
    admin = await AdminWorld.open();
  });
  after(() => admin?.[Symbol.asyncDispose]());

  const operator = () => ({
    ...{ id: 'operator@example.com', type: 'operator', assurance: 'operator', issuer: admin.people.url },
  });
  const ask = (method: string, path: string, body?: object) => admin.ask(['operator'], method, path, body);

  test('[audit.admin-deeds] a kill ends the task, and says who, why and whose it was', async () => {
    const task = await admin.world.task();
    const killed = await ask('POST', `/tasks/${task.id}/kill`, { reason: 'asked by ann@example.com' });
    assert.deepEqual([killed.status, ((await killed.json()) as { state: string }).state], [200, 'killed']);
    admin.world.orders.received.length = 0;
    const refused = await admin.world.refund(task.token, 5);
    assert.equal(((await refused.json()) as Denial).code, 'task_killed');
    assert.equal(admin.world.orders.received.length, 0);
    const events = await admin.events({ task: task.id });
    const [deed, ...more] = events.filter(({ type }) => type === 'admin');
    assert.deepEqual(more, []);
    assert.deepEqual(
      [deed?.operation, deed?.subject, deed?.status, deed?.agent, deed?.issuer, deed?.tenant],
      ['task.kill', operator(), 200, 'coordinator', 'azure', 'acme'],
    );
    assert.deepEqual(deed?.decision?.reasons, [{ code: 'reason_given', message: 'asked by [email]' }]);
    assert.deepEqual(
      events.filter(({ type, operation }) => type === 'task' && operation === 'task.kill').map(({ status }) => status),
      [200],
    );

    const again = await ask('POST', `/tasks/${task.id}/kill`);
    assert.equal(again.status, 200);
    const twice = await admin.events({ task: task.id });
    assert.equal(twice.filter(({ type, operation }) => type === 'admin' && operation === 'task.kill').length, 2);
    assert.equal(twice.filter(({ type, operation }) => type === 'task' && operation === 'task.kill').length, 1);
  });

  test('[audit.admin-deeds] what was wanted and could not be done is recorded too', async () => {
    const unknown = await ask('POST', '/tasks/task_00000000000000000000000000/kill');
    assert.equal(((await unknown.json()) as Denial).code, 'task_unknown');
    const erase = await ask('DELETE', '/audit/tasks/task_00000000000000000000000000/payloads');
    assert.equal(((await erase.json()) as Denial).code, 'task_unknown');
    const odd = await ask('DELETE', '/audit/tasks/ann@example.com/payloads');
    assert.equal(((await odd.json()) as Denial).code, 'task_unknown');
    const deeds = [(await admin.deeds('task.kill')).at(-1), ...(await admin.deeds('audit.erase')).slice(-2)];
    for (const deed of deeds) {
      assert.deepEqual([deed?.subject, deed?.status], [operator(), 403]);
      assert.deepEqual([deed?.decision?.allow, deed?.decision?.reasons[0]?.code], [false, 'task_unknown']);
    }
    assert.equal(JSON.stringify(deeds).includes('ann@'), false, 'what is no id of a task stands nowhere');
  });

  for (const { what, reason, about } of [
    {
      what: { kind: 'agent', id: 'coordinator', issuer: 'azure' },
      reason: 'agent_suspended',
      about: { agent: 'coordinator', issuer: 'azure', tenant: null, route: undefined },
    },
    {
      what: { kind: 'agent', id: 'coordinator', issuer: 'azure', tenant: 'acme' },
      reason: 'agent_suspended',
      about: { agent: 'coordinator', issuer: 'azure', tenant: 'acme', route: undefined },
    },
    {
      what: { kind: 'tenant', id: 'acme' },
      reason: 'tenant_suspended',
      about: { agent: null, issuer: null, tenant: 'acme', route: undefined },
    },
    {
      what: { kind: 'issuer', id: 'azure' },
      reason: 'issuer_suspended',
      about: { agent: null, issuer: 'azure', tenant: null, route: undefined },
    },
    {
      what: { kind: 'route', id: 'orders' },
      reason: 'route_suspended',
      about: { agent: null, issuer: null, tenant: null, route: 'orders' },
    },
  ]) {
    test(`[audit.admin-deeds] a suspension by ${Object.keys(what).join(' and ')} (${what.kind}) stops calls until it is resumed`, async () => {
      const task = await admin.world.task();
      assert.equal((await admin.world.refund(task.token, 5)).status, 200);
      const made = await ask('POST', '/suspensions', { ...what, reason: 'it runs wild' });
      const entry = (await made.json()) as Record<string, unknown>;
      assert.deepEqual([made.status, entry.by, entry.until], [200, 'operator@example.com', null]);
      admin.world.orders.received.length = 0;
      const refused = await admin.world.refund(task.token, 5);
      const denial = (await refused.json()) as Denial;
      assert.deepEqual([refused.status, denial.code, denial.reasons[0]?.code], [403, 'agent_suspended', reason]);
      assert.equal(admin.world.orders.received.length, 0);
      const listed = (await (await ask('GET', '/suspensions')).json()) as { suspensions: Record<string, unknown>[] };
      assert.deepEqual(listed.suspensions, [entry]);

      const resumed = await ask('POST', '/suspensions/resume', what);
      assert.deepEqual([resumed.status, ((await resumed.json()) as { resumed: boolean }).resumed], [200, true]);
      assert.equal((await admin.world.refund(task.token, 5)).status, 200);
      const none = await ask('POST', '/suspensions/resume', what);
      assert.equal(((await none.json()) as { resumed: boolean }).resumed, false);

      for (const done of ['suspend', 'resume']) {
        const deed = (await admin.deeds(`${what.kind}.${done}`)).at(-1);
        assert.deepEqual([deed?.subject, deed?.status], [operator(), 200]);
        const { agent, issuer, tenant, target } = deed ?? {};
        assert.deepEqual({ agent, issuer, tenant, route: target?.route }, about);
      }
      const [suspended] = (await admin.deeds(`${what.kind}.suspend`)).slice(-1);
      assert.deepEqual(suspended?.decision?.reasons, [{ code: 'reason_given', message: 'it runs wild' }]);
    });
  }

  test('a suspension ends by itself at its time, and not in the past', async () => {
    const what = { kind: 'tenant', id: 'another', reason: 'for a while' };
    const until = new Date(Date.now() + 3_600_000).toISOString();
    const made = await ask('POST', '/suspensions', { ...what, until });
    assert.equal(((await made.json()) as { until: string }).until, until);
    assert.equal((await ask('POST', '/suspensions', { ...what, until: '2020-01-01T00:00:00Z' })).status, 422);
    await ask('POST', '/suspensions/resume', { kind: 'tenant', id: 'another' });
  });

  test('bodies are read strictly: what is unknown, missing or misspelt is a fault with its place', async () => {
    const agent = { kind: 'agent', id: 'a', issuer: 'azure', reason: 'r' };
    const rows: readonly (readonly [string, unknown, string, string])[] = [
      ['/suspensions', { ...agent, untill: 'x' }, 'unknown_field', '/untill'],
      ['/suspensions', { ...agent, until: 'tomorrow' }, 'invalid', '/until'],
      ['/suspensions', { ...agent, until: '2099-01-01T00:00:00' }, 'invalid', '/until'],
      ['/suspensions', { ...agent, reason: '' }, 'invalid', '/reason'],
      ['/suspensions', { ...agent, reason: 'two\nlines' }, 'invalid', '/reason'],
      ['/suspensions', { ...agent, reason: 'x'.repeat(501) }, 'invalid', '/reason'],
      ['/suspensions', { ...agent, id: '' }, 'invalid', '/id'],
      ['/suspensions', { ...agent, kind: 'subject' }, 'invalid', '/kind'],
      ['/suspensions', { kind: 'agent', id: 'a', issuer: 'azure' }, 'missing', '/reason'],
      ['/suspensions', { kind: 'agent', id: 'a', reason: 'r' }, 'missing', '/issuer'],
      ['/suspensions', { kind: 'tenant', id: 'a', issuer: 'azure', reason: 'r' }, 'invalid', '/issuer'],
      ['/suspensions', { kind: 'route', id: 'orders', tenant: 'acme', reason: 'r' }, 'invalid', '/tenant'],
      ['/suspensions', { ...agent, issuer: 'azzure' }, 'issuer_unknown', '/issuer'],
      ['/suspensions', { kind: 'issuer', id: 'azzure', reason: 'r' }, 'issuer_unknown', '/id'],
      ['/suspensions', { kind: 'route', id: 'ordres', reason: 'r' }, 'route_unknown', '/id'],
      ['/suspensions', [], 'invalid', ''],
      ['/suspensions/resume', { kind: 'agent', id: 'a' }, 'missing', '/issuer'],
      ['/suspensions/resume', { ...agent, until: '2099-01-01T00:00:00Z' }, 'unknown_field', '/until'],
      ['/keys/rotate', { purpose: 'txn', lead_seconds: -1 }, 'invalid', '/lead_seconds'],
      ['/keys/rotate', { purpose: 'txn', lead_second: 1 }, 'unknown_field', '/lead_second'],
      ['/keys/rotate', {}, 'missing', '/purpose'],
    ];
    for (const [path, body, code, where] of rows) {
      const response = await ask('POST', path, body as object);
      const denial = (await response.json()) as Denial;
      assert.deepEqual(
        [response.status, denial.code, denial.reasons.map((reason) => [reason.code, reason.path])],
        [422, 'args_invalid', [[code, where]]],
        `${path} ${JSON.stringify(body)}`,
      );
    }
    for (const text of ['', '{', '{"kind":"tenant","kind":"route"}']) {
      const response = await fetch(`${admin.world.gate.adminUrl}/suspensions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${admin.token(['operator'])}`, 'content-type': 'application/json' },
        body: text,
      });
      assert.equal(response.status, 400, text);
    }
    assert.equal((await ask('POST', '/keys/rotate', { purpose: 'nothing' })).status, 422);
    assert.equal((await ask('POST', '/keys/rotate', { purpose: 'audit' })).status, 422);
    const listed = (await (await ask('GET', '/suspensions')).json()) as { suspensions: unknown[] };
    assert.deepEqual(listed.suspensions, []);
  });

  test('[audit.admin-deeds] a rotated key is listed and recorded, and nothing of it that signs is told', async () => {
    const rotated = await ask('POST', '/keys/rotate', { purpose: 'task', lead_seconds: 120 });
    const { kid } = (await rotated.json()) as { kid: string };
    assert.equal(rotated.status, 201);
    const text = await (await ask('GET', '/keys')).text();
    const { keys } = JSON.parse(text) as { keys: Record<string, string | null>[] };
    assert.equal(keys.find((key) => key.kid === kid)?.state, 'next');
    assert.deepEqual(Object.keys(keys[0] ?? {}).toSorted(), [
      ...['alg', 'created_at', 'kid', 'purpose', 'signs_from', 'state', 'verifies_until'],
    ]);
    const [deed] = (await admin.deeds('keys.rotate')).slice(-1);
    assert.deepEqual([deed?.subject, deed?.status], [operator(), 201]);
    assert.deepEqual(deed?.decision?.reasons, [
      { code: 'purpose', message: 'task' },
      { code: 'kid', message: kid },
    ]);
  });

  test('[audit.admin-deeds] who reads payloads, exports or erases is recorded, and the chain verifies', async () => {
    const task = await admin.world.task({ subject: { id: 'C-9' } });
    await admin.world.refund(task.token, 5);
    const path = `/audit/tasks/${task.id}/payloads`;
    assert.equal((await admin.ask(['auditor'], 'GET', path)).status, 200);
    await (await admin.ask(['auditor'], 'GET', `/audit/export?task=${task.id}&format=csv`)).text();
    assert.equal((await ask('DELETE', path, { reason: 'asked for by the customer' })).status, 200);
    const empty = (await (await admin.ask(['auditor'], 'GET', path)).json()) as { payloads: unknown[] };
    assert.deepEqual(empty.payloads, []);
    const told = (await admin.events({ task: task.id, type: 'admin' })).map(({ operation, subject, status }) => {
      return [operation, subject?.id, status];
    });
    assert.deepEqual(told, [
      ['audit.payloads', 'auditor@example.com', 200],
      ['audit.erase', 'operator@example.com', 200],
      ['audit.payloads', 'auditor@example.com', 200],
    ]);
    const [exported] = (await admin.deeds('audit.export')).slice(-1);
    assert.equal(exported?.subject?.id, 'auditor@example.com');
    assert.deepEqual(exported?.decision?.reasons, [{ code: 'filter', message: `task=${task.id}&format=csv` }]);
    assert.equal((await verifyStore({ dataDir: admin.world.gate.dataDir })).ok, true);
  });

  test('tasks are listed newest first, by tenant, agent and state, in pages; what is no filter is refused', async () => {
    const opened = [];
    for (const agent of ['lister', 'lister', 'lister']) opened.push((await admin.world.task({}, agent)).id);
    await ask('POST', `/tasks/${opened[1]}/kill`);
    const list = async (query: string) =>
      (await (await ask('GET', `/tasks?${query}`)).json()) as {
        tasks: { id: string; state: string; agent: string; issuer: string; tenant: string }[];
        next_cursor: string | null;
      };
    const all = await list('agent=lister&tenant=acme');
    assert.deepEqual(
      all.tasks.map(({ id }) => id),
      opened.toReversed(),
    );
    assert.deepEqual(all.tasks[0], {
      ...all.tasks[0],
      ...{ state: 'active', tenant: 'acme', agent: 'lister', issuer: 'azure' },
    });
    assert.deepEqual(
      (await list('agent=lister&state=killed')).tasks.map(({ id }) => id),
      [opened[1]],
    );
    assert.deepEqual((await list('agent=lister&tenant=another')).tasks, []);
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const page = await list(`agent=lister&limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`);
      seen.push(...page.tasks.map(({ id }) => id));
      cursor = page.next_cursor;
    }
    assert.deepEqual(seen, opened.toReversed());
    const whole = (await (await ask('GET', `/tasks/${opened[0]}`)).json()) as Record<string, unknown>;
    assert.deepEqual([whole.id, whole.tenant, whole.issuer], [opened[0], 'acme', 'azure']);
    assert.ok('budget' in whole);
    for (const query of ['colour=red', 'state=asleep', 'limit=0', 'limit=', 'limit=x', 'limit=1000', 'cursor=x']) {
      assert.equal((await ask('GET', `/tasks?${query}`)).status, 422, query);
    }
  });
});
