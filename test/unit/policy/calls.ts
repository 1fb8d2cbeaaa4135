/** A call as it stands before the policy, for tests of what the room makes of it. */
import type { Agent, Operation, Payload, Subject, TaskRecord, TaskView } from '../../../src/call.ts';
import type { CallId, TaskId, ThoughtId } from '../../../src/clock.ts';
import type { JudgedCall } from '../../../src/policy/input.ts';

export const gateway = { id: 'gate-1', cloud: 'azure', region: 'westeurope' };

export const agent: Agent = {
  id: 'coordinator',
  issuer: 'azure',
  tenant: 'acme',
  cloud: 'azure',
  claims: { sub: 'coordinator' },
  actors: ['planner'],
  verifiedAtMs: 11,
};

export const subject: Subject = {
  id: 'C',
  type: 'customer',
  claims: { tier: 'gold' },
  issuer: 'shop',
  assurance: 'verified',
};

const spending = { tokens: 100, costMicroUsd: 2_000, calls: 3, seconds: 4 };

export const record: TaskRecord = {
  id: 'task_1' as TaskId,
  tenant: 'acme',
  agent,
  subject,
  purpose: 'return_exception',
  tools: ['orders.*', 'refunds.create_refund'],
  labels: { ticket: 'T-1' },
  ancestors: [
    { id: 'task_0' as TaskId, agent: 'desk', issuer: 'azure', purpose: 'return_exception', budget: spending },
  ],
  state: 'active',
  createdAtMs: 1_000,
  expiresAtMs: 2_000,
  budget: spending,
  taint: ['private'],
  digestKey: 'never to be seen by a policy',
  history: [
    {
      callId: 'call_0' as CallId,
      kind: 'tool',
      operation: 'refunds.create_refund',
      effect: 'write',
      state: 'done',
      status: 201,
      atMs: 1_500,
      costMicroUsd: 7,
      target: 'refunds-fra',
      facts: { 'body.amount_cents': 4_000 },
      digest: 'also never',
    },
    {
      callId: 'call_0b' as CallId,
      kind: 'tool',
      operation: 'orders.delete_order',
      effect: 'delete',
      state: 'denied',
      code: 'policy_denied',
      atMs: 1_600,
      costMicroUsd: 0,
      target: null,
      facts: {},
      digest: 'also never',
    },
  ],
  counts: {
    'refunds.create_refund': { calls: 1, denied: 0, failed: 0, costMicroUsd: 7, sums: { 'body.amount_cents': 4_000 } },
  },
  thoughts: [],
  failuresInARow: 2,
  failuresByRoute: {},
};

export const operation: Operation = {
  name: 'refunds.create_refund',
  route: 'refunds',
  kind: 'tool',
  effect: 'write',
  summary: 'Pays back',
  inputSchema: null,
  remember: ['body.amount_cents'],
  reads: ['private'],
  sends: 'inside',
};

/** A payload of which only what a policy is told of can be used; the rest throws. */
export function payloadOf(seen: Partial<Payload>): Payload {
  const unused = () => {
    throw new Error('the policy room has no business with this');
  };
  return {
    args: {},
    method: 'POST',
    path: '/refunds?dry=1',
    stream: false,
    model: null,
    document: unused,
    segments: unused,
    drop: unused,
    limitTokens: unused,
    validate: unused,
    encode: unused,
    readAnswer: unused,
    readStream: unused,
    ...seen,
  };
}

export interface CallChanges {
  readonly record?: Partial<TaskRecord>;
  readonly operation?: Partial<Operation>;
  readonly payload?: Partial<Payload>;
  readonly entry?: Partial<JudgedCall['entry']>;
}

export function judgedCall(changes: CallChanges = {}): JudgedCall {
  const task: TaskView = {
    record: { ...record, ...changes.record },
    spent: spending,
    reserved: spending,
    remaining: { tokens: 900, costMicroUsd: 8_000, calls: 7, seconds: 60 },
  };
  return {
    id: 'call_1' as CallId,
    requestId: 'r',
    receivedAtMs: 1,
    startMs: 1,
    trace: { traceId: '0', spanId: '0', parentSpanId: null, sampled: false, state: null },
    surface: 'http',
    credential: 'never to be seen by a policy',
    shown: { scheme: 'bearer', certificate: null, proof: null, method: 'POST', path: '/' },
    toolCallId: 'call_abc',
    deadlineMs: null,
    request: {
      kind: 'tool',
      route: 'refunds',
      resolve: () => {
        throw new Error('resolved long ago');
      },
    },
    abort: new AbortController(),
    task: { ...task, record: { ...task.record, history: [], counts: {} } },
    resolved: {
      operation: { ...operation, ...changes.operation },
      payload: payloadOf({ args: { body: { customer_id: 'C', amount_cents: 4_000 } }, ...changes.payload }),
    },
    entry: {
      thought: { id: 'tht_1' as ThoughtId, source: 'observed', match: 'changed', toolCallId: 'call_abc' },
      repeats: 1,
      task,
      facts: {},
      ...changes.entry,
    },
    inspection: { findings: [{ type: 'email', count: 2, where: '/body/note', confidence: 0.9 }] },
  };
}
