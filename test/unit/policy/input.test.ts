import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HistoryEntry, JsonObject } from '../../../src/call.ts';
import type { ThoughtId } from '../../../src/clock.ts';
import { ShapeCheck } from '../../../src/policy/check.ts';
import { callInput, responseInput, taskInput } from '../../../src/policy/input.ts';
import { agent, gateway, judgedCall, record, subject } from './calls.ts';

const nowMs = Date.UTC(2026, 10, 1, 23, 59, 30, 250);
const check = new ShapeCheck();

const agentSeen = {
  id: 'coordinator',
  issuer: 'azure',
  tenant: 'acme',
  cloud: 'azure',
  claims: { sub: 'coordinator' },
  actors: ['planner'],
  verified_at_ms: 11,
};
const subjectSeen = { id: 'C', type: 'customer', claims: { tier: 'gold' }, issuer: 'shop', assurance: 'verified' };
const timeSeen = { rfc3339: '2026-11-01T23:59:30.250Z', unix_ms: nowMs, weekday: 'Sunday', hour: 23, minute: 59 };

const callSeen = {
  phase: 'call',
  agent: agentSeen,
  subject: subjectSeen,
  task: {
    id: 'task_1',
    parent: { id: 'task_0', agent: 'desk', issuer: 'azure', purpose: 'return_exception' },
    purpose: 'return_exception',
    tools: ['orders.*', 'refunds.create_refund'],
    labels: { ticket: 'T-1' },
    started_at_ms: 1_000,
    expires_at_ms: 2_000,
    spent: { tokens: 100, cost_micro_usd: 2_000, calls: 3 },
    remaining: { tokens: 900, cost_micro_usd: 8_000, calls: 7 },
    taint: ['private'],
    failures_in_a_row: 2,
    history: [
      {
        call_id: 'call_0',
        kind: 'tool',
        operation: 'refunds.create_refund',
        effect: 'write',
        state: 'done',
        status: 201,
        at_ms: 1_500,
        cost_micro_usd: 7,
        target: 'refunds-fra',
        facts: { 'body.amount_cents': 4_000 },
      },
      {
        call_id: 'call_0b',
        kind: 'tool',
        operation: 'orders.delete_order',
        effect: 'delete',
        state: 'denied',
        code: 'policy_denied',
        at_ms: 1_600,
        cost_micro_usd: 0,
        target: null,
        facts: {},
      },
    ],
    counts: {
      'refunds.create_refund': {
        calls: 1,
        denied: 0,
        failed: 0,
        cost_micro_usd: 7,
        sums: { 'body.amount_cents': 4_000 },
      },
    },
  },
  call: {
    id: 'call_1',
    kind: 'tool',
    route: 'refunds',
    operation: 'refunds.create_refund',
    effect: 'write',
    reads: ['private'],
    sends: 'inside',
    method: 'POST',
    path: '/refunds',
    arguments: { body: { customer_id: 'C', amount_cents: 4_000 } },
    model: null,
    stream: false,
    max_tokens: null,
    tools: [],
    repeats: 1,
    provenance: { '/body/customer_id': 'subject', '/body/amount_cents': 'unknown' },
  },
  thought: { id: 'tht_1', source: 'observed', match: 'changed' },
  findings: [{ type: 'email', count: 2, where: '/body/note', confidence: 0.9 }],
  gateway: { id: 'gate-1', cloud: 'azure', region: 'westeurope' },
  time: timeSeen,
};

const plain = (value: unknown) => JSON.parse(JSON.stringify(value));

test('the document of a call has the fields of the contract and no other', () => {
  const input = callInput(judgedCall(), gateway, nowMs);
  assert.deepEqual(plain(input), callSeen);
  assert.ok('bytes' in check.input('call', input));
});

test('a plan is shown with the task that has one, and with the task that asks for one', () => {
  const plan = [{ operation: 'refunds.*', atMost: 2, after: ['orders.get'], where: { 'body.dry': true } }];
  const shown = [{ operation: 'refunds.*', at_most: 2, after: ['orders.get'], where: { 'body.dry': true } }];
  const call = callInput(judgedCall({ record: { plan } }), gateway, nowMs) as { task: JsonObject };
  assert.deepEqual(plain(call.task.plan), shown);
  assert.ok('bytes' in check.input('call', call));
  const none = { purpose: 'p', tools: null, budget: {}, ttlSeconds: null, parent: null, labels: {} };
  const ask = taskInput({ ...none, plan }, agent, subject, gateway, nowMs) as { task: JsonObject };
  assert.deepEqual(plain(ask.task.plan), shown);
  assert.ok('bytes' in check.input('task', ask));
});

test('history and counts are those at admission, not those at the first look', () => {
  const call = judgedCall();
  assert.deepEqual(call.task.record.counts, {}, 'control: the first look saw none');
  const { task } = callInput(call, gateway, nowMs) as { task: { history: unknown[] } };
  assert.equal(task.history.length, 2);
});

test('what is not there is null or left out, as the schema has it', () => {
  const { issuer: _, ...asserted } = { ...subject, assurance: 'asserted' as const };
  const bare = callInput(
    judgedCall({ record: { subject: null, ancestors: [], tools: null }, entry: { thought: null } }),
    gateway,
    nowMs,
  ) as Record<string, JsonObject>;
  assert.deepEqual([bare.subject, bare.thought, bare.task?.tools], [null, null, null]);
  assert.equal('parent' in (bare.task as object), false);
  assert.ok('bytes' in check.input('call', bare));
  const input = callInput(judgedCall({ record: { subject: asserted } }), gateway, nowMs) as Record<string, JsonObject>;
  assert.deepEqual(input.subject, { id: 'C', type: 'customer', claims: { tier: 'gold' }, assurance: 'asserted' });
});

test('a model call shows its route, its limit and the tools it brings', () => {
  const tools = [{ name: 'search', kind: 'web_search' }];
  const call = judgedCall({
    operation: { name: 'planner.chat', route: 'planner', kind: 'model' },
    payload: {
      model: { name: 'planner', maxTokens: 50, tools, promptTokensMax: 9, choices: 1 },
      stream: true,
      args: { n: 1 },
    },
  });
  const seen = callInput(call, gateway, nowMs).call as JsonObject;
  assert.deepEqual([seen.model, seen.max_tokens, seen.tools, seen.stream], ['planner', 50, tools, true]);
});

test('only the last fifty entries of the history are shown', () => {
  const entry = record.history[0] as HistoryEntry;
  const history = Array.from({ length: 60 }, (_, atMs) => ({ ...entry, atMs }));
  const { task } = callInput(judgedCall({ record: { history } }), gateway, nowMs) as {
    task: { history: { at_ms: number }[] };
  };
  assert.deepEqual([task.history.length, task.history[0]?.at_ms, task.history.at(-1)?.at_ms], [50, 10, 59]);
});

test('arguments that a model proposed exactly come from the model, and the subject stays the subject', () => {
  const exact = { id: 'tht_1' as ThoughtId, source: 'observed' as const, match: 'exact' as const, toolCallId: null };
  const args = { path: { customer_id: 'C' }, body: { 'a/b~c': [1, 'C'] } };
  const provenance = (thought: typeof exact | (Omit<typeof exact, 'source'> & { source: 'reported' })) =>
    plain(
      (callInput(judgedCall({ payload: { args }, entry: { thought } }), gateway, nowMs).call as JsonObject).provenance,
    );
  assert.deepEqual(provenance(exact), {
    '/path/customer_id': 'subject',
    '/body/a~1b~0c/0': 'model',
    '/body/a~1b~0c/1': 'subject',
  });
  assert.equal(provenance({ ...exact, source: 'reported' })['/body/a~1b~0c/0'], 'unknown', 'a report proves nothing');
});

test('provenance is bounded, in number and depth', () => {
  const args = { list: Array.from({ length: 1_000 }, (_, index) => index) };
  const call = callInput(judgedCall({ payload: { args } }), gateway, nowMs).call as JsonObject;
  assert.equal(Object.keys(call.provenance as object).length, 256);
  let deep: JsonObject = { leaf: 1 };
  for (let depth = 0; depth < 10_000; depth++) deep = { deep };
  const bottomless = callInput(judgedCall({ payload: { args: deep } }), gateway, nowMs).call as JsonObject;
  assert.deepEqual(plain(bottomless.provenance), {});
});

test('the document of a task shows what was asked for, and nothing that was not', () => {
  const ask = { purpose: 'return_exception', tools: null, budget: {}, ttlSeconds: null, parent: null, labels: {} };
  const bare = taskInput(ask, agent, null, gateway, nowMs);
  assert.deepEqual(plain(bare), {
    phase: 'task',
    agent: agentSeen,
    subject: null,
    task: { purpose: 'return_exception', labels: {}, taint: [] },
    gateway,
    time: timeSeen,
  });
  assert.ok('bytes' in check.input('task', bare));
  const full = taskInput(
    {
      ...ask,
      tools: ['orders.*'],
      budget: { costMicroUsd: 5, seconds: 6 },
      ttlSeconds: 60,
      labels: { a: 1 },
      taint: ['private'],
    },
    agent,
    subject,
    gateway,
    nowMs,
  );
  assert.deepEqual(plain(full.task), {
    purpose: 'return_exception',
    tools: ['orders.*'],
    budget: { cost_micro_usd: 5, seconds: 6 },
    ttl_seconds: 60,
    labels: { a: 1 },
    taint: ['private'],
  });
  assert.ok('bytes' in check.input('task', full));
});

test('the document of an answer is that of its call, with the answer', () => {
  const input = callInput(judgedCall(), gateway, nowMs);
  const findings = [{ type: 'card', count: 1, where: '/number', confidence: 1 }];
  const answer = responseInput(input, { head: { status: 200, headers: { etag: 'x' } }, body: { a: 1 }, findings });
  assert.deepEqual(plain(answer), {
    ...callSeen,
    phase: 'response',
    response: { status: 200, headers: { etag: 'x' }, body: { a: 1 }, findings },
  });
  assert.ok('bytes' in check.input('response', answer));
  const streamed = responseInput(input, { head: { status: 200, headers: {} }, body: null, findings: [] });
  assert.deepEqual(streamed.response, { status: 200, headers: {}, findings: [] });
});

test('integers of an answer beyond 2^53 come as texts, and an answer without them is not copied', () => {
  const input = callInput(judgedCall(), gateway, nowMs);
  const bodyOf = (body: JsonObject) =>
    (responseInput(input, { head: { status: 200, headers: {} }, body, findings: [] }).response as JsonObject).body;
  const small = { ids: [1, 2.5] };
  assert.equal(bodyOf(small), small);
  const large = { ids: [2 ** 60, 7], name: 'x' };
  assert.deepEqual(bodyOf(large), { ids: [String(2 ** 60), 7], name: 'x' });
});
