/** What the tests of the reports share: decisions, and a log whose server is a function. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as realSleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import type { Decision, Json, JsonObject } from '../../../../src/call.ts';
import type { DecisionId } from '../../../../src/clock.ts';
import { DecisionLog, type DecisionLogOptions } from '../../../../src/policy/report/decision-log.ts';
import type { Decided } from '../../../../src/policy/report/event.ts';
import type { Post, ReportRequest } from '../../../../src/policy/report/post.ts';
import type { DecisionLogsConfig } from '../../../../src/policy/report/section.ts';
import { ManualClock } from '../../../fakes/clock.ts';
import { callDocument } from '../bundles.ts';

export const labels = { id: 'gate-1', gateway: 'gate-1', region: 'westeurope', cloud: 'azure' };

export const settings: DecisionLogsConfig = {
  url: 'https://logs.example/logs',
  min_delay_seconds: 5,
  max_delay_seconds: 10,
  upload_bytes: 32_768,
  buffer_bytes: 8_388_608,
  timeout_seconds: 10,
};

/** A decision about a call with these arguments. */
export function decidedOn(args: JsonObject = {}, decision: Partial<Decision> = {}): Decided {
  return {
    phase: 'call',
    decision: {
      id: 'dec_1' as DecisionId,
      allow: true,
      reasons: [{ code: 'fine', message: 'It is fine.' }],
      obligations: {},
      bundle: 'team',
      revision: 'r1',
      input: callDocument({ arguments: args as Json }) as unknown as JsonObject,
      ...decision,
    },
    trace: { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) },
    callId: 'call_1',
    taskId: 'task_1',
    agentId: 'coordinator',
    atMs: Date.UTC(2026, 10, 2, 9),
    evalMs: 0.125,
  };
}

export type Event = Record<string, unknown> & {
  readonly input?: { readonly call: { readonly arguments: JsonObject } };
  readonly result: { readonly allow: boolean; readonly reasons?: unknown; readonly obligations?: unknown };
  readonly erased?: readonly string[];
};

export interface LogOn {
  readonly log: DecisionLog;
  readonly clock: ManualClock;
  /** What the server was asked, refused ones included. */
  readonly asked: ReportRequest[];
  /** The events of answers below 300. */
  readonly taken: Event[];
  readonly logged: { readonly level: string; readonly message: string; readonly fields: unknown }[];
  /** Lets time pass until `condition` holds; compressing is done by real threads. */
  readonly until: (condition: () => boolean, what: string, stepMs?: number) => Promise<void>;
}

/** An opened log. `answer` stands for the server: a status, or a thrown fault. */
export async function logOn(
  t: TestContext,
  options: Partial<Omit<DecisionLogOptions, 'settings'>> & { readonly settings?: Partial<DecisionLogsConfig> } = {},
  answer: (request: ReportRequest) => ReturnType<Post> | number = () => 200,
): Promise<LogOn> {
  const clock = new ManualClock();
  const asked: ReportRequest[] = [];
  const taken: Event[] = [];
  const logged: LogOn['logged'] = [];
  const log = new DecisionLog({
    ...{ labels, clock, logPolicy: () => null, redact: (input) => input, redactValue: (value) => value },
    log: (level, message, fields) => logged.push({ level, message, fields }),
    post: async (request) => {
      asked.push(request);
      const given = answer(request);
      const { status, retryAfter } = typeof given === 'number' ? { status: given, retryAfter: undefined } : await given;
      if (status < 300) taken.push(...(JSON.parse(gunzipSync(request.body).toString()) as Event[]));
      return { status, retryAfter };
    },
    ...options,
    settings: { ...settings, ...options.settings },
  });
  log.open();
  t.after(() => log[Symbol.asyncDispose]());
  const until: LogOn['until'] = async (condition, what, stepMs = 250) => {
    for (let look = 0; look < 1_000 && !condition(); look++) {
      await clock.advance(stepMs);
      await realSleep(1);
    }
    assert.ok(condition(), what);
  };
  return { log, clock, asked, taken, logged, until };
}
