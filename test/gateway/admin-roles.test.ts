/** Who may take which route of the admin plane, once people sign in by OIDC; and that nothing else opens it. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { FederationAssertions } from '../../src/identity/federation.ts';
import { GateKeys } from '../../src/identity/keys.ts';
import type { Role } from '../../src/principal.ts';
import { adminRoutes } from '../../src/server/admin-routes.ts';
import { rawHttp } from '../fakes/raw_http.ts';
import { part } from '../parts.ts';
import { AdminWorld, adminAudience, subjectAudience } from './admin-world.ts';
import { World } from './world.ts';

interface Row {
  /** As in the table of routes; `{id}` is a task of this try. */
  readonly path: string;
  readonly method: string;
  readonly body?: object;
  readonly may: readonly Role[];
  readonly status?: number;
}

const accepted = { route: 'none', tool: 'none', hash: 'a'.repeat(64) };
const agent = { kind: 'agent', id: 'nobody-yet', issuer: 'azure' };
const question = {
  subject: { type: 'agent', id: 'coordinator', properties: { issuer: 'azure', tenant: 'acme' } },
  action: { name: 'orders.get_order' },
  resource: { type: 'route', id: 'orders' },
  context: { purpose: 'test' },
};

/** Written out, not read from the code: this is what a security team is told. */
const rows: readonly Row[] = [
  { method: 'GET', path: '/audit/events', may: ['auditor'] },
  { method: 'GET', path: '/audit/tasks/{id}', may: ['auditor'] },
  { method: 'GET', path: '/audit/traces/{id}', may: ['auditor'] },
  { method: 'GET', path: '/audit/checkpoints', may: ['auditor'] },
  { method: 'GET', path: '/audit/export', may: ['auditor'] },
  { method: 'GET', path: '/audit/tasks/{id}/payloads', may: ['auditor'] },
  { method: 'DELETE', path: '/audit/tasks/{id}/payloads', may: ['operator'] },
  { method: 'GET', path: '/tasks', may: ['auditor', 'operator'] },
  { method: 'GET', path: '/tasks/{id}', may: ['auditor', 'operator'] },
  { method: 'POST', path: '/tasks/{id}/raise', body: { by: { calls: 1 } }, may: ['operator'] },
  { method: 'POST', path: '/tasks/{id}/kill', may: ['operator'] },
  { method: 'GET', path: '/budgets', may: ['auditor', 'operator'] },
  { method: 'GET', path: '/operations', may: ['auditor', 'policy_author', 'operator'] },
  { method: 'GET', path: '/tools', may: ['auditor', 'policy_author', 'operator'] },
  { method: 'POST', path: '/tools/accept', body: accepted, may: ['operator'], status: 404 },
  { method: 'GET', path: '/suspensions', may: ['operator'] },
  { method: 'POST', path: '/suspensions', body: { ...agent, reason: 'a try' }, may: ['operator'] },
  { method: 'POST', path: '/suspensions/resume', body: agent, may: ['operator'] },
  { method: 'GET', path: '/keys', may: ['operator'] },
  { method: 'POST', path: '/keys/rotate', body: { purpose: 'txn' }, may: ['operator'], status: 201 },
  { method: 'GET', path: '/policy', may: ['auditor', 'policy_author', 'operator'] },
  { method: 'POST', path: '/policy/rollout', body: { stage: 'shadow' }, may: ['operator'], status: 412 },
  { method: 'GET', path: '/policy/inputs', may: ['policy_author', 'auditor'] },
  { method: 'GET', path: '/policy/inputs/{id}', may: ['policy_author', 'auditor'], status: 404 },
  { method: 'POST', path: '/policy/evaluate', body: { phase: 'call', input: {} }, may: ['policy_author'], status: 422 },
  { method: 'GET', path: '/.well-known/authzen-configuration', may: ['policy_author', 'operator'] },
  { method: 'POST', path: '/access/v1/evaluation', body: question, may: ['policy_author', 'operator'] },
  { method: 'POST', path: '/access/v1/evaluations', body: question, may: ['policy_author', 'operator'] },
  { method: 'GET', path: '/metrics', may: ['operator'] },
];
const askers: readonly (readonly Role[])[] = [['auditor'], ['policy_author'], ['operator'], ['approver'], []];

describe('the admin plane with people of an issuer', part('opa'), () => {
  let admin: AdminWorld;
  before(async () => {
    admin = await AdminWorld.open({
      telemetry: { prometheus_token: 'a-token-for-the-scraper-alone' },
    });
  });
  after(() => admin?.[Symbol.asyncDispose]());

  test('the table of this test is that of the gate, row by row', () => {
    const table = Object.values(adminRoutes).map(({ method, path, roles }) => [method, path, roles.toSorted()]);
    const told = rows.map(({ method, path, may }) => [method, path, may.toSorted()]);
    assert.deepEqual(table.map(String).toSorted(), told.map(String).toSorted());
  });

  test('[server.admin-least-privilege] each route opens to exactly the roles of its row', async () => {
    for (const { method, path, body, may, status = 200 } of rows) {
      for (const roles of askers) {
        const task = await admin.world.task();
        const where = `${roles.join() || 'no role'}: ${method} ${path}`;
        const response = await admin.ask(roles, method, path.replace('{id}', task.id), body);
        const text = await response.text();
        if (roles.some((role) => may.includes(role))) {
          assert.equal(response.status, status, `${where}: ${text}`);
          continue;
        }
        const denial = JSON.parse(text) as { code: string; reasons: { code: string }[]; allowed: string[] };
        assert.deepEqual([response.status, denial.code], [403, 'insufficient_scope'], where);
        assert.equal(denial.reasons[0]?.code, 'role_missing', where);
        assert.deepEqual(denial.allowed, may, where);
        assert.equal((await admin.world.taskDocument(task)).state, 'active', where);
      }
    }
  });

  test('[server.admin-least-privilege] what is not in the table is not there, whatever the role', async () => {
    const every: readonly Role[] = ['auditor', 'policy_author', 'operator', 'approver'];
    const beside: readonly (readonly [string, string, number])[] = [
      ['GET', '/', 404],
      ['GET', '/audit', 404],
      ['GET', '/audit/nothing', 404],
      ['GET', '/audit/events/', 404],
      ['GET', '/audit//events', 404],
      ['GET', '/AUDIT/events', 404],
      ['GET', '/audit%2Fevents', 404],
      ['GET', '/audit/../tasks', 404],
      ['GET', '/tasks/', 404],
      ['GET', '/tasks/%zz', 400],
      ['GET', '/tasks/a/b/kill', 404],
      ['GET', '/.well-known/jwks.json', 404],
      ['POST', '/oauth/token', 404],
      ['POST', '/tasks', 405],
      ['DELETE', '/tasks/x', 405],
      ['PUT', '/suspensions', 405],
      ['GET', '/keys/rotate', 405],
      ['HEAD', '/audit/events', 405],
      ['OPTIONS', '/audit/events', 405],
      ['POST', '/livez', 405],
    ];
    for (const [method, path, status] of beside) {
      // fetch would tidy the path up.
      const { port } = new URL(admin.world.gate.adminUrl);
      const head = `Host: 127.0.0.1:${port}\r\nAuthorization: Bearer ${admin.token(every)}\r\nConnection: close`;
      const answer = await rawHttp(admin.world.gate.adminUrl, `${method} ${path} HTTP/1.1\r\n${head}\r\n\r\n`);
      assert.equal(answer.status, status, `${method} ${path}`);
    }
  });

  test('who was turned away stands in the trail by name, and strangers are counted', async () => {
    const operator = await admin.ask(['approver'], 'GET', '/keys');
    assert.equal(operator.status, 403);
    const refused = (await admin.deeds('keys.list')).at(-1);
    assert.deepEqual(refused?.subject, {
      ...{ id: 'approver@example.com', type: 'operator', assurance: 'operator', issuer: admin.people.url },
    });
    assert.deepEqual([refused?.status, refused?.decision?.allow], [403, false]);
    assert.deepEqual(
      refused?.decision?.reasons.map(({ code }) => code),
      ['insufficient_scope', 'role_missing'],
    );
    const before = (await admin.events({ type: 'denial', code: 'unauthenticated' })).length;
    await admin.show('nonsense', 'GET', '/keys');
    assert.equal((await admin.events({ type: 'denial', code: 'unauthenticated' })).length, before + 1);
  });

  test('[server.admin-people-alone] no other token opens it, in whatever header it comes', async () => {
    const { world, people, customers } = admin;
    const task = await world.task();
    await world.refund(task.token, 5);
    const { gateway } = JSON.parse(await readFile(world.configFile, 'utf8')) as { gateway: { id: string } };
    const clock = systemClock();
    await using keys = new GateKeys({ dataDir: world.gate.dataDir, gatewayId: gateway.id, clock });
    await keys.open();
    const federation = new FederationAssertions({ keys, publicUrl: 'http://gate.test', clock });
    const roles = ['auditor', 'operator'] as const;
    const groups = ['audit-team', 'ops-team'];
    const txnToken = String(world.orders.received.at(-1)?.headers['txn-token']);
    assert.match(txnToken, /^ey/);
    const elsewhere: Readonly<Record<string, string>> = {
      'the local admin token': world.gate.adminToken,
      'a workload token': world.issuer.token('coordinator'),
      'a workload token with the roles and the audience of people': world.issuer.token('coordinator', {
        ...{ groups, aud: ['api://tollgate', 'api://tollgate-admin'] },
      }),
      'a subject token': customers.token('C-9', { aud: subjectAudience, groups }),
      'a subject token with the audience of people': customers.token('C-9', { aud: adminAudience, groups }),
      'a task token': task.token,
      'a Txn-Token': txnToken,
      'a federation assertion for this very audience': await federation.mint({
        ...{ subject: 'operator', audience: 'api://tollgate-admin', claims: { groups } },
      }),
      'a token of people for another audience': people.token('ann', { groups }),
      'an expired token': admin.token(roles, { iat: 1_000, exp: 2_000 }),
      'a token of people that belongs to a key': admin.token(roles, { cnf: { jkt: 'x'.repeat(43) } }),
      'the token of the scraper': 'a-token-for-the-scraper-alone',
      'an unsigned token': admin.token(roles).replace(/[^.]+$/, ''),
    };
    for (const [what, token] of Object.entries(elsewhere)) {
      for (const path of ['/audit/events', '/tasks', '/keys', `/audit/tasks/${task.id}/payloads`]) {
        const response = await admin.show(token, 'GET', path);
        assert.equal(response.status, 401, `${what} at ${path}`);
        assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer realm="[^"]+", error="invalid_token"$/);
        assert.equal((await response.text()).includes(token), false);
      }
      const kill = await admin.show(token, 'POST', `/tasks/${task.id}/kill`);
      assert.equal(kill.status, 401, what);
    }
    const good = admin.token(roles);
    for (const headers of [
      { 'x-api-key': good },
      { authorization: `DPoP ${good}` },
      { authorization: `Basic ${good}` },
      { cookie: `token=${good}; authorization=Bearer ${good}` },
      { authorization: `Bearer ${good}`, 'x-api-key': 'another' },
    ]) {
      const response = await fetch(`${world.gate.adminUrl}/tasks`, { headers: headers as Record<string, string> });
      assert.equal(response.status, 401, Object.keys(headers).join());
    }
    assert.equal((await admin.show(good, 'GET', '/tasks')).status, 200, 'the control');
    const bare = await fetch(`${world.gate.adminUrl}/tasks?access_token=${good}`);
    assert.equal(bare.status, 401);
    assert.match(bare.headers.get('www-authenticate') ?? '', /^Bearer realm="[^"]+"$/);
    assert.equal((await world.taskDocument(task)).state, 'active');
    assert.equal((await world.fetch('/tools/orders/orders/O-1', good)).status, 401, 'people are no agents');
  });

  test('the scraper reads metrics and nothing else, and the start says that the local token opens nothing', async () => {
    const scrape = await admin.show('a-token-for-the-scraper-alone', 'GET', '/metrics');
    assert.match(await scrape.text(), /^# HELP/);
    assert.equal((await admin.show('a-token-for-the-scraper-alone', 'POST', '/metrics')).status, 401);
    assert.ok(
      admin.world.logs.some((line) => /^info people sign in .* by OIDC; the token in .* opens nothing/.test(line)),
    );
  });
});

describe('the admin plane without people', part('opa'), () => {
  test('whoever holds the local token may do everything, and is called admin-token', async () => {
    await using world = await World.open();
    const task = await world.task();
    for (const { method, path, body, status = 200 } of rows) {
      const json = { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
      const response = await world.admin(path.replace('{id}', task.id), {
        method,
        ...(body === undefined ? {} : json),
      });
      assert.equal(response.status, status, `${method} ${path}: ${await response.text()}`);
    }
    const [kill] = (await world.events({ task: task.id })).filter(({ type, operation }) => {
      return type === 'admin' && operation === 'task.kill';
    });
    assert.deepEqual([kill?.subject?.id, kill?.subject?.issuer], ['admin-token', 'admin-token']);
    assert.equal(
      world.logs.some((line) => line.includes('sign in')),
      false,
    );
  });
});
