/** What a token is narrowed to, how long it lives, and whose task token another agent may bring along. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Agent, Caller, OperationRegistry, TaskRecord } from '../../../src/call.ts';
import { type Denial, isDenial } from '../../../src/denial.ts';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { issueToken, type Ticket, type TokenPorts } from '../../../src/task/issue.ts';
import { narrowedTo } from '../../../src/task/narrow.ts';
import { type OpeningPorts, openTask, type TaskVerdict } from '../../../src/task/open.ts';
import { Tasks } from '../../../src/task/tasks.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { fakeAgent, fakeOperation, fakeTask } from '../../fakes/task.ts';

const names = Array.from({ length: 70 }, (_, index) => `orders.get_${index}`);
const operations = [...names, `orders.${'x'.repeat(200)}`].map((name) => fakeOperation(name));
const registry: OperationRegistry = {
  get: (name) => operations.find((one) => one.name === name),
  ofRoute: (route) => operations.filter((one) => one.route === route),
  all: () => operations,
  route: (name) => (name === 'orders' ? { name, kind: 'http', targets: [] } : undefined),
};
const reasonOf = (given: unknown) => (isDenial(given) ? given.reasons[0]?.code : given);

test('a token is narrowed to at most 64 tools, each counted once', () => {
  const to = (asked: readonly string[]) => narrowedTo(registry, fakeTask(), asked, null);
  assert.deepEqual(to(names.slice(0, 64)), names.slice(0, 64));
  assert.equal(reasonOf(to(names.slice(0, 65))), 'invalid');
  assert.deepEqual(to([...names.slice(0, 64), 'orders.get_0']), names.slice(0, 64));
  assert.equal(reasonOf(to([])), 'invalid');
});

test('a whole route is not within one of its operations, and an operation is within its route', () => {
  const held = fakeTask({ tools: ['orders.get_0'] });
  assert.equal(reasonOf(narrowedTo(registry, held, ['orders.*'], null)), 'not_in_task');
  const route = fakeTask({ tools: ['orders.*'] });
  assert.deepEqual(narrowedTo(registry, route, ['orders.get_0'], null), ['orders.get_0']);
  assert.equal(reasonOf(narrowedTo(registry, route, ['orders.get_0'], ['orders.get_1'])), 'not_in_task');
  assert.deepEqual(narrowedTo(registry, route, null, ['orders.get_1']), ['orders.get_1'], 'the token it is made from');
});

function issuing(clock: ManualClock, token = 't'): TokenPorts & { readonly minted: number[] } {
  const minted: number[] = [];
  const mint: TokenPorts['mint'] = async (_, expiresAtMs) => {
    minted.push(expiresAtMs);
    return { token, expiresAtMs };
  };
  return { clock, tokenTtlMs: 300_000, operations: () => registry, mint, minted };
}

const ticketOf = (record: TaskRecord, over: Partial<Ticket> = {}): Ticket => ({
  ...{ record, binding: null, scope: null, mayAct: null, ttlMs: null, first: false },
  ...over,
});

test('no token outlives its task, what was asked for, or the setting', async () => {
  const clock = new ManualClock();
  const ports = issuing(clock);
  const ends = clock.nowMs() + 100_000;
  await issueToken(ports, ticketOf(fakeTask({ expiresAtMs: ends })));
  await issueToken(ports, ticketOf(fakeTask({ expiresAtMs: ends }), { ttlMs: 20_000 }));
  await issueToken(ports, ticketOf(fakeTask({ expiresAtMs: ends * 2 })));
  const now = clock.nowMs();
  assert.deepEqual(
    ports.minted.map((endMs) => endMs - now),
    [100_000, 20_000, 300_000],
  );
});

test('a task that ends within this second gets no token, and no token is too long to be shown', async () => {
  const clock = new ManualClock();
  const ports = issuing(clock);
  const second = Math.floor(clock.nowMs() / 1000) * 1000;
  const late = await issueToken(ports, ticketOf(fakeTask({ expiresAtMs: second + 999 })));
  assert.deepEqual([isDenial(late) && late.code, ports.minted], ['task_expired', []]);
  const long = await issueToken(issuing(clock, 'x'.repeat(16_385)), ticketOf(fakeTask({ expiresAtMs: second * 2 })));
  assert.deepEqual([isDenial(long) && long.code, reasonOf(long)], ['args_invalid', 'invalid']);
});

test('where an issuer asks for keys, a task token of its agents gives no other agent a part, bound or not', async () => {
  const clock = new ManualClock();
  await using store = new MemoryStore({ clock });
  await store.open();
  const tasks = new Tasks({ store, clock });
  const { ancestors: _, ...wanted } = fakeTask();
  const whole = await tasks.create({ ...wanted, parent: null, ttlMs: 60_000 });
  const other: Agent = { ...fakeAgent, id: 'legal-risk' };
  const open = async (agent: Agent, bindingRequired: boolean, over: Partial<Caller>): Promise<string> => {
    const caller: Caller = {
      ...{ taskId: whole.id, agentId: whole.agent.id, tenant: whole.tenant, tokenId: 'one' },
      ...{ expiresAtMs: clock.nowMs() + 60_000, binding: null, scope: null, mayAct: null },
      ...over,
    };
    const ports: OpeningPorts<TaskVerdict> = {
      tasks,
      operations: () => registry,
      verifyWorkload: async () => agent,
      denySuspended: async () => undefined,
      bind: async () => null,
      readTask: () => caller,
      verifySubject: async (): Promise<Denial> => assert.fail('nobody is named'),
      bindingRequired: () => bindingRequired,
      denyTooMany: async () => undefined,
      carried: async () => ({ taint: [] }),
      nowMs: () => clock.nowMs(),
      decide: () => ({ allow: true, denial: null, grant: {} }),
      recordOpened: async () => undefined,
      recordDenied: async () => assert.fail('the policy allows'),
      ceiling: { ttlSeconds: 60, budget: whole.budget },
    };
    const shown = { scheme: null, certificate: null, proof: null, method: 'POST', path: '/oauth/token' };
    const trace = { traceId: 't', spanId: 's', parentSpanId: null, sampled: false, state: null };
    const ticket = await openTask(ports, {
      claim: { credential: { token: 'w', shown } },
      parentToken: 'p',
      request: { purpose: 'p', subject: null, tools: null, budget: {}, ttlSeconds: null, labels: {} },
      ...{ trace, requestId: 'r' },
    });
    return isDenial(ticket) ? String(ticket.reasons[0]?.code) : 'opened';
  };
  const binding = { kind: 'mtls', thumbprint: 'A'.repeat(43) } as const;
  const mayAct = { agent: other.id, issuer: other.issuer };
  assert.equal(await open(other, false, {}), 'opened');
  assert.equal(await open(other, true, {}), 'delegation_required');
  assert.equal(await open(other, false, { binding }), 'delegation_required');
  assert.equal(await open(fakeAgent, true, { binding }), 'opened', 'its own agent');
  assert.equal(await open({ ...fakeAgent, issuer: 'aws' }, false, { binding }), 'delegation_required', 'a namesake');
  assert.equal(await open(other, true, { mayAct }), 'opened');
  assert.equal(await open({ ...other, issuer: 'aws' }, true, { mayAct }), 'actor_wrong');
});
