/** The order of the admin plane, with every part a fake: what is recorded when, and what happens when it cannot be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deny } from '../../../src/denial.ts';
import type { Person } from '../../../src/principal.ts';
import {
  type AdminDeed,
  AdminPlane,
  type AdminPlanePorts,
  type AdminRefusal,
} from '../../../src/server/admin-plane.ts';
import { type AdminRouteName, adminRoutes } from '../../../src/server/admin-routes.ts';
import { ConsolePages } from '../../../src/server/console.ts';
import { Readiness } from '../../../src/server/readiness.ts';
import { jsonReply } from '../../../src/server/reply.ts';
import { StoreUnavailable } from '../../../src/store/store.ts';
import type { RawRequest } from '../../../src/wire/dialect.ts';
import { http } from '../../../src/wire/dialects/http.ts';
import { ManualClock } from '../../fakes/clock.ts';

const person: Person = { id: 'ann', issuer: 'https://login.example.com', roles: ['operator', 'auditor'] };
const names = Object.keys(adminRoutes) as AdminRouteName[];

function planeOf(over: Partial<AdminPlanePorts> = {}) {
  const happened: string[] = [];
  const deeds: AdminDeed[] = [];
  const refusals: AdminRefusal[] = [];
  const clock = new ManualClock();
  const answers = Object.fromEntries(
    names.map((name) => [
      name,
      async () => {
        happened.push(`answer ${name}`);
        return { reply: jsonReply(200, {}), about: { task: 'task_1' } };
      },
    ]),
  ) as unknown as AdminPlanePorts['answers'];
  const plane = new AdminPlane({
    clock,
    hosts: () => ['gate.test'],
    readiness: new Readiness(clock, {}),
    pages: new ConsolePages(() => ({ way: 'admin_token' })),
    who: async () => {
      happened.push('who');
      return person;
    },
    scrapeToken: null,
    answers,
    record: async (deed, durable) => {
      happened.push(`record ${deed.operation} ${deed.status} ${durable ? 'durable' : 'accepted'}`);
      deeds.push(deed);
    },
    canRecord: () => true,
    refused: (refusal) => void refusals.push(refusal),
    denied: () => undefined,
    problem: http.denial,
    faulted: (where) => void happened.push(`fault ${where}`),
    ...over,
  });
  return { plane, happened, deeds, refusals, answers };
}

function request(method: string, path: string, headers: Record<string, string> = {}): RawRequest {
  const own = { host: 'gate.test', authorization: 'Bearer x' };
  return { method, path, query: '', headers: { ...own, ...headers }, body: Buffer.alloc(0) };
}

test('what changes something is recorded durably before it is answered, what shows payloads once it is accepted', async () => {
  const { plane, happened, deeds } = planeOf();
  for (const [method, path] of [
    ['POST', '/tasks/a/kill'],
    ['DELETE', '/audit/tasks/a/payloads'],
    ['GET', '/audit/tasks/a/payloads'],
    ['GET', '/tasks'],
  ] as const) {
    assert.equal((await plane.answer(request(method, path))).status, 200);
  }
  assert.deepEqual(
    happened.filter((line) => line !== 'who'),
    [
      ...['answer task.kill', 'record task.kill 200 durable'],
      ...['answer audit.erase', 'record audit.erase 200 durable'],
      ...['answer audit.payloads', 'record audit.payloads 200 accepted'],
      'answer task.list',
    ],
  );
  assert.deepEqual([deeds[0]?.person, deeds[0]?.about], [person, { task: 'task_1' }]);
});

test('what cannot be recorded is not answered as done, and personal data is not shown', async () => {
  const record = async () => {
    throw new Error('the disk is full');
  };
  const { plane } = planeOf({ record });
  for (const [method, path] of [
    ['POST', '/tasks/a/kill'],
    ['GET', '/audit/tasks/a/payloads'],
    ['GET', '/audit/export'],
  ] as const) {
    const { status, body } = await plane.answer(request(method, path));
    assert.deepEqual([status, JSON.parse(String(body)).code], [503, 'audit_unavailable']);
  }
});

test('while the trail takes nothing only what stops something is done', async () => {
  const { plane, happened } = planeOf({ canRecord: () => false });
  for (const [method, path] of [
    ['DELETE', '/audit/tasks/a/payloads'],
    ['POST', '/keys/rotate'],
    ['POST', '/suspensions/resume'],
  ] as const) {
    const { status, body } = await plane.answer(request(method, path));
    assert.deepEqual([status, JSON.parse(String(body)).code], [503, 'audit_unavailable'], path);
  }
  assert.deepEqual([...new Set(happened)], ['who']);
  for (const path of ['/tasks/a/kill', '/suspensions']) await plane.answer(request('POST', path));
  assert.deepEqual(
    happened.filter((line) => line.startsWith('answer')),
    ['answer task.kill', 'answer suspension.suspend'],
  );
});

test('an answer that faults is recorded as wanted, and says which part is away', async () => {
  const { answers } = planeOf();
  const broken = async () => {
    throw new StoreUnavailable('away');
  };
  const { plane, happened } = planeOf({ answers: { ...answers, 'task.kill': broken } });
  const { status, body } = await plane.answer(request('POST', '/tasks/a/kill'));
  assert.deepEqual([status, JSON.parse(String(body)).code], [503, 'store_unavailable']);
  assert.deepEqual(happened, ['who', 'fault admin', 'record task.kill 503 durable']);
});

test('no route is asked, and nobody is looked up, before the request is known not to be a foreign page', async () => {
  const { plane, happened, refusals } = planeOf();
  for (const headers of [{ host: 'other' }, { origin: 'https://other' }, { 'sec-fetch-site': 'cross-site' }]) {
    assert.equal((await plane.answer(request('POST', '/tasks/a/kill', headers))).status, 400);
  }
  assert.deepEqual(happened, []);
  assert.deepEqual(
    refusals.map(({ person: who, operation }) => [who, operation]),
    [
      [null, null],
      [null, null],
      [null, null],
    ],
  );
});

test('every route asks who it is, and no role opens what it does not name', async () => {
  for (const name of names) {
    const { method, path, roles } = adminRoutes[name];
    const asked = request(method, path.replace('{id}', 'a'));
    const stranger = planeOf({ who: async () => deny('unauthenticated', 'no') });
    assert.equal((await stranger.plane.answer(asked)).status, 401, name);
    assert.deepEqual(stranger.happened, [], name);
    for (const role of ['auditor', 'policy_author', 'operator', 'approver'] as const) {
      const { plane, happened, refusals } = planeOf({ who: async () => ({ ...person, roles: [role] }) });
      const may = (roles as readonly string[]).includes(role);
      assert.equal((await plane.answer(asked)).status, may ? 200 : 403, `${name} as ${role}`);
      assert.equal(happened.includes(`answer ${name}`), may, `${name} as ${role}`);
      assert.deepEqual(
        refusals.map((refusal) => refusal.operation),
        may ? [] : [name],
      );
    }
  }
});
