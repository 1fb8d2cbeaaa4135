/** Tasks and operations for tests: plain data with the few fields a test cares about set by it. */
import type { Agent, Operation, Outcome, TaskRecord } from '../../src/call.ts';
import type { TaskId } from '../../src/clock.ts';
import { deny } from '../../src/denial.ts';
import { unsentOutcome } from '../../src/outcome.ts';
import type { NewTask } from '../../src/task/tasks.ts';

export const fakeAgent: Agent = {
  id: 'coordinator',
  issuer: 'azure',
  tenant: 'acme',
  cloud: 'azure',
  claims: { sub: 'coordinator', tid: 'acme' },
  actors: [],
  verifiedAtMs: 0,
};

/** What a task is made from. */
export const fakeWish: NewTask = {
  agent: fakeAgent,
  subject: null,
  purpose: 'p',
  tools: null,
  labels: {},
  parent: null,
  ttlMs: 60_000,
  budget: { tokens: 1, costMicroUsd: 1, calls: 1, seconds: 60 },
  taint: [],
};

export function fakeOperation(name: string, over: Partial<Operation> = {}): Operation {
  const route = name.split('.')[0] as string;
  const labels = { reads: [], sends: 'inside' } as const;
  return {
    name,
    route,
    kind: 'tool',
    effect: 'read',
    summary: '',
    inputSchema: null,
    remember: [],
    ...labels,
    ...over,
  };
}

export function fakeTask(over: Partial<TaskRecord> = {}): TaskRecord {
  const id = 'task_00000000000000000000000001' as TaskId;
  return {
    id,
    tenant: 'acme',
    agent: fakeAgent,
    subject: { id: 'C-1', type: 'customer', claims: {}, assurance: 'asserted' },
    purpose: 'return_exception',
    tools: null,
    labels: {},
    ancestors: [],
    state: 'active',
    createdAtMs: 0,
    expiresAtMs: 3_600_000,
    budget: { tokens: 10_000, costMicroUsd: 1_000_000, calls: 100, seconds: 3600 },
    taint: [],
    digestKey: Buffer.alloc(32, 7).toString('base64url'),
    history: [],
    counts: {},
    thoughts: [],
    failuresInARow: 0,
    failuresByRoute: {},
    ...over,
  };
}

/** A call that was sent and answered well. */
export function fakeOutcome(over: Partial<Outcome> = {}): Outcome {
  const attempts = [{ target: 'one', status: 200, error: null, latencyMs: 1, sent: true }];
  return { ...unsentOutcome(deny('upstream_error', '')), denial: null, status: 200, attempts, ...over };
}
