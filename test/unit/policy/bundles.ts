/** What the tests of the policy room share: the real OPA, bundle folders on disk, and documents to decide on. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Json, JsonObject } from '../../../src/call.ts';
import { PolicyEngine, type PolicyEngineOptions } from '../../../src/policy/engine.ts';
import { ManualClock } from '../../fakes/clock.ts';

export const shippedPolicies = fileURLToPath(new URL('../../../policies', import.meta.url));

/** Absolute path of the OPA that the tests run with: TOLLGATE_OPA, else the one on PATH. */
export function opaPath(): string {
  const named = process.env.TOLLGATE_OPA ?? 'opa';
  if (named.includes('/')) return resolve(named);
  const found = (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, named))
    .find((path) => existsSync(path));
  if (found === undefined) throw new Error('these tests need OPA: put it on PATH or name it in TOLLGATE_OPA');
  return found;
}

export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs OPA; rejects if it exits with anything but 0. */
export function runOpa(args: readonly string[], cwd?: string, input?: string): Promise<Ran> {
  const running = promisify(execFile)(opaPath(), args, { cwd, maxBuffer: 64 * 1_048_576 });
  if (input !== undefined) running.child.stdin?.end(input);
  return running;
}

/** A folder that is gone when the test is over. */
export async function temporaryFolder(test: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tollgate-policy-'));
  test.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export async function writeFiles(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
}

const pass = '{"allow": true, "reasons": []}';

/** A small bundle: tasks pass, and calls are decided by `call`, the text after the package line. */
export function bundleOf(call: string): Record<string, string> {
  return {
    '.manifest': '{"roots": ["tollgate"]}',
    'tollgate/task/task.rego': `package tollgate.task\n\ndecision := ${pass}\n`,
    'tollgate/call/call.rego': `package tollgate.call\n\n${call}\n`,
  };
}

export interface Running {
  readonly engine: PolicyEngine;
  readonly clock: ManualClock;
  readonly logged: { readonly level: string; readonly message: string; readonly fields: unknown }[];
}

/** An engine over a folder or file, closed when the test is over; not opened yet. */
export async function engineOn(
  test: TestContext,
  bundle: string,
  options: Partial<PolicyEngineOptions> = {},
): Promise<Running> {
  const clock = new ManualClock();
  const logged: { level: string; message: string; fields: unknown }[] = [];
  const engine = new PolicyEngine({
    config: { bundle },
    baseDir: '/',
    dataDir: options.dataDir ?? (await temporaryFolder(test)),
    opa: async () => opaPath(),
    gateway,
    clock,
    log: (level, message, fields) => logged.push({ level, message, fields }),
    ...options,
  });
  test.after(() => engine[Symbol.asyncDispose]());
  return { engine, clock, logged };
}

/** An opened engine whose calls are decided by `call`. */
export async function engineFor(test: TestContext, call: string): Promise<Running> {
  const folder = await temporaryFolder(test);
  await writeFiles(folder, bundleOf(call));
  const running = await engineOn(test, folder);
  await running.engine.open();
  return running;
}

const agent = {
  id: 'coordinator',
  issuer: 'azure',
  tenant: 'acme',
  cloud: 'azure',
  claims: { sub: 'coordinator' },
  actors: [],
  verified_at_ms: 1_793_610_000_000,
};
const subject = { id: 'C', type: 'customer', claims: {}, assurance: 'asserted' };
const gateway = { id: 'gate-1', cloud: 'azure', region: 'westeurope' };
const time = { rfc3339: '2026-11-02T09:00:00.000Z', unix_ms: 1_793_610_000_000, weekday: 'Monday', hour: 9, minute: 0 };

/** A document of `tollgate.call`: a read of the subject's own order. Members of `call` and `task` can be changed. */
export function callDocument(call: Record<string, Json> = {}, task: Record<string, Json> = {}) {
  const spent = { tokens: 0, cost_micro_usd: 0, calls: 0 };
  return {
    phase: 'call',
    agent,
    subject: subject as JsonObject | null,
    task: {
      id: 'task_1',
      purpose: 'return_exception',
      tools: null,
      labels: {},
      started_at_ms: 1,
      expires_at_ms: 2,
      spent,
      remaining: spent,
      taint: [],
      failures_in_a_row: 0,
      history: [],
      counts: {},
      ...task,
    },
    call: {
      id: 'call_1',
      kind: 'tool',
      route: 'orders',
      operation: 'orders.get_order',
      effect: 'read',
      reads: [],
      sends: 'inside',
      method: 'GET',
      path: '/customers/C/orders/7',
      arguments: { path: { customer_id: 'C', order_id: '7' } },
      model: null,
      stream: false,
      max_tokens: null,
      tools: [],
      repeats: 0,
      provenance: {},
      ...call,
    },
    thought: null,
    findings: [],
    gateway,
    time,
  };
}

/** A document of `tollgate.task`. */
export function taskDocument(task: Record<string, Json> = {}, who: Record<string, Json> = {}) {
  return {
    phase: 'task',
    agent: { ...agent, ...who },
    subject,
    task: { purpose: 'return_exception', ...task },
    gateway,
    time,
  };
}

/** A document of `tollgate.response`. */
export function responseDocument(call: Record<string, Json> = {}) {
  return { ...callDocument(call), phase: 'response', response: { status: 200, headers: {}, findings: [] } };
}
