/** A whole input of each phase, to begin from: everything a policy is promised is in it. */
import type { Phase } from './api.ts';

const agent = {
  id: 'support-agent',
  issuer: 'azure',
  tenant: 'acme',
  cloud: 'azure',
  claims: {},
  actors: [],
  verified_at_ms: 1_795_000_000_000,
};
const gateway = { id: 'gw-1', cloud: 'azure', region: 'westeurope' };
const time = {
  rfc3339: '2026-11-19T09:30:00.000Z',
  unix_ms: 1_795_080_600_000,
  weekday: 'Thursday',
  hour: 9,
  minute: 30,
};
const amounts = { tokens: 0, cost_micro_usd: 0, calls: 0 };
const ofCall = {
  agent,
  subject: null,
  task: {
    id: 'task_example',
    purpose: 'answer_customer',
    tools: null,
    labels: {},
    started_at_ms: 1_795_080_000_000,
    expires_at_ms: 1_795_083_600_000,
    spent: amounts,
    remaining: { tokens: 100_000, cost_micro_usd: 1_000_000, calls: 100 },
    taint: [],
    failures_in_a_row: 0,
    history: [],
    counts: {},
  },
  call: {
    id: 'call_example',
    kind: 'tool',
    route: 'orders',
    operation: 'orders.get_order',
    effect: 'read',
    reads: [],
    sends: 'inside',
    method: 'GET',
    path: '/orders/A-1',
    arguments: { path: { order_id: 'A-1' } },
    model: null,
    stream: false,
    max_tokens: null,
    tools: [],
    repeats: 0,
    provenance: {},
  },
  thought: null,
  findings: [],
  gateway,
  time,
};

/** An input of `phase`. */
export function example(phase: Phase): object {
  switch (phase) {
    case 'task':
      return { phase, agent, subject: null, task: { purpose: 'answer_customer' }, gateway, time };
    case 'call':
      return { phase, ...ofCall };
    case 'response':
      return { phase, ...ofCall, response: { status: 200, headers: {}, body: {}, findings: [] } };
  }
}
