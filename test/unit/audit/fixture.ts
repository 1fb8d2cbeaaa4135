/** What audit tests build on: a trail on real SQLite in a temporary folder, and calls as far along as a test says. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type CheckpointSigner, type Jwks, publicJwk } from '../../../src/audit/checkpoint.ts';
import { blankEvent, type NewEvent } from '../../../src/audit/event.ts';
import type { AuditConfig } from '../../../src/audit/section.ts';
import { AuditTrail, type AuditTrailSettings } from '../../../src/audit/trail.ts';
import type {
  Admitted,
  Decision,
  Json,
  Operation,
  Payload,
  ProposedFact,
  Target,
  TaskRecord,
} from '../../../src/call.ts';
import { type Clock, newId } from '../../../src/clock.ts';
import type { Log } from '../../../src/telemetry/log.ts';
import { canonical } from '../../../src/wire/canonical.ts';
import { callPriceOf } from '../../../src/wire/price.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { fakeOperation, fakeTask } from '../../fakes/task.ts';

export const auditConfig: AuditConfig = {
  sink: 'sqlite',
  durability: { read: 'relaxed', write: 'strict' },
  sign_every: 5,
  payload_bytes: 65_536,
  queue_events: 1_000,
  refusals_per_second: 10,
};

export function newSigner(kid = 'audit-1'): CheckpointSigner {
  return { kid, privateJwk: generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }) };
}

export function keysOf(...signers: readonly CheckpointSigner[]): Jwks {
  return { keys: signers.map(publicJwk) };
}

export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-audit-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export const silent: Log = () => undefined;

// Each trail draws other ids, also when it goes on in a folder where an earlier one stopped.
let seeds = 0;

export function trailOn(dataDir: string, signer: CheckpointSigner, over: Partial<AuditTrailSettings> = {}): AuditTrail {
  return new AuditTrail({
    config: auditConfig,
    dataDir,
    gateway: { id: 'gate-1', region: 'westeurope' },
    signer,
    clock: new ManualClock(undefined, ++seeds),
    log: silent,
    ...over,
  });
}

export interface Opened {
  readonly trail: AuditTrail;
  readonly dataDir: string;
  readonly signer: CheckpointSigner;
}

export async function openTrail(t: TestContext, over: Partial<AuditTrailSettings> = {}): Promise<Opened> {
  // Hooks run in the order they were set: the trail must be closed before its folder goes.
  const opened: AuditTrail[] = [];
  t.after(() => Promise.all(opened.map((trail) => trail[Symbol.asyncDispose]())));
  const dataDir = temporaryFolder(t);
  const signer = newSigner();
  const trail = trailOn(dataDir, signer, over);
  opened.push(trail);
  await trail.open();
  return { trail, dataDir, signer };
}

/** An event that says nothing but its type and what a test gives it. */
export function event(over: Partial<NewEvent> = {}): NewEvent {
  return { ...blankEvent('admin'), operation: 'test', ...over };
}

export const target: Target = {
  name: 'aws-fra',
  route: 'orders',
  kind: 'tool',
  cloud: 'aws',
  region: 'eu-central-1',
  provider: 'http',
  api: null,
  url: 'http://127.0.0.1:1',
  model: null,
  weight: 1,
  credential: null,
  maxOutputTokens: 0,
  price: callPriceOf(0, 'config'),
  timeoutMs: { connect: 1, firstByte: 1, total: 1 },
  txnToken: true,
};

export function decision(clock: Clock, over: Partial<Decision> = {}): Decision {
  return {
    id: newId(clock, 'decision'),
    allow: true,
    reasons: [{ code: 'within_limit', message: 'The refund is within the limit.' }],
    obligations: { redact: [{ type: 'email' }] },
    bundle: 'tollgate',
    revision: 'r1',
    input: { phase: 'call', agent: { id: 'coordinator' } },
    ...over,
  };
}

function payloadOf(document: () => Json): Payload {
  const unused = () => {
    throw new Error('the audit room has no business with this');
  };
  return {
    args: { body: { amount_cents: 1999 } },
    document,
    method: 'POST',
    path: '/refunds',
    stream: false,
    model: null,
    segments: unused,
    drop: unused,
    limitTokens: unused,
    validate: unused,
    encode: unused,
    readAnswer: unused,
    readStream: unused,
  };
}

export interface CallShape {
  readonly operation?: Operation;
  readonly record?: TaskRecord;
  readonly thought?: Admitted['entry']['thought'];
  readonly proposed?: Json;
  readonly sent?: Json;
  readonly over?: Partial<Admitted>;
}

/** A call that has come as far as the audit stage: all facts but the intent. */
export function intendedCall(clock: Clock, shape: CallShape = {}): Omit<Admitted, 'intent'> & ProposedFact {
  const record = shape.record ?? fakeTask();
  const operation = shape.operation ?? fakeOperation('refunds.create_refund', { effect: 'write' });
  const view = { record, spent: record.budget, reserved: record.budget, remaining: record.budget };
  const proposed = shape.proposed ?? { amount_cents: 1999 };
  const sent = shape.sent ?? proposed;
  return {
    id: newId(clock, 'call'),
    requestId: 'request-1',
    receivedAtMs: clock.nowMs(),
    startMs: clock.monotonicMs(),
    trace: { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), parentSpanId: null, sampled: true, state: null },
    surface: 'http',
    credential: null,
    shown: { scheme: null, certificate: null, proof: null, method: 'POST', path: '/' },
    toolCallId: null,
    deadlineMs: null,
    request: {
      kind: operation.kind,
      route: operation.route,
      resolve: () => ({ operation, payload: payloadOf(() => sent) }),
    },
    abort: new AbortController(),
    caller: {
      taskId: record.id,
      agentId: record.agent.id,
      tenant: record.tenant,
      tokenId: 'token-1',
      expiresAtMs: record.expiresAtMs,
      binding: null,
      scope: null,
      mayAct: null,
    },
    task: view,
    resolved: { operation, payload: payloadOf(() => sent) },
    reached: true,
    proposed: { canonical: canonical(proposed) },
    entry: { thought: shape.thought ?? null, repeats: 0, task: view, facts: {} },
    inspection: { findings: [{ type: 'email', count: 2, where: '/body/note', confidence: 0.9 }] },
    decision: decision(clock),
    allowed: true,
    tainted: true,
    cache: { state: 'not_granted' },
    obeyed: { changed: false, unhandled: [] },
    reservation: { id: newId(clock, 'reservation'), tokens: 0, costMicroUsd: 0, answerTokens: 0 },
    targets: [target],
    closed: true,
    rates: { held: [], states: [], waitedMs: 0 },
    ...shape.over,
  };
}
