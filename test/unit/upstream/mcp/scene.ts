/** Calls to servers of MCP without the rooms before them: what stands between a payload and a reference server. */
import type {
  Admitted,
  AnswerHead,
  Attempt,
  Conversation,
  JsonObject,
  McpQuestion,
  McpReply,
  Target,
} from '../../../../src/call.ts';
import { systemClock } from '../../../../src/clock.ts';
import type { Denial } from '../../../../src/denial.ts';
import type { Tried } from '../../../../src/outcome.ts';
import { MemoryStore } from '../../../../src/store/backends/memory.ts';
import { allowedHost, Dialer } from '../../../../src/upstream/dialer.ts';
import type { ProgramServer } from '../../../../src/upstream/mcp/program.ts';
import { McpServers } from '../../../../src/upstream/mcp/servers.ts';
import { type Errand, Upstream } from '../../../../src/upstream/send.ts';
import { encodeAsking } from '../../../../src/wire/mcp/outbound.ts';

export const gate: JsonObject = { name: 'tollgate', version: '1' };

/** A client that answers what it is asked by `answers`. */
export function client(
  version: string,
  capabilities: JsonObject = {},
  answers: (question: McpQuestion) => McpReply = () => ({ error: { code: -1, message: 'no' } }),
  more: Partial<Conversation> = {},
) {
  const told: { readonly method: string; readonly params: JsonObject }[] = [];
  const asked: McpQuestion[] = [];
  const conversation: Conversation = {
    ...{ version, capabilities, sessionId: null },
    tell: async (notice) => void told.push(notice),
    ask: async (question) => {
      asked.push(question);
      return answers(question);
    },
    ...more,
  };
  return { conversation, told, asked };
}

let calls = 0;

/** A call of `method`, as far as it is looked at on the way out. */
export function call(
  method: string,
  params: JsonObject,
  conversation: Conversation,
  taskId = 'task_1',
): Admitted & { readonly abort: AbortController } {
  let encoded = 0;
  const callKey = `key${++calls}`;
  const payload = {
    args: {},
    encode: (target: Target) => {
      const asking = { id: `${callKey}.${++encoded}`, method, params, client: conversation, progress: true, gate };
      return encodeAsking(asking, target);
    },
  };
  return {
    ...{ id: `call_${calls}`, requestId: `req_${calls}`, conversation, abort: new AbortController() },
    trace: { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), parentSpanId: null, sampled: true, state: null },
    resolved: { operation: { name: `files.${method}`, effect: 'write' }, payload },
    task: { record: recordOf(taskId) },
  } as unknown as Admitted & { readonly abort: AbortController };
}

export function recordOf(taskId: string) {
  const agent = { id: 'agent', issuer: 'azure', tenant: 'acme', cloud: 'azure', claims: {}, actors: [] };
  return {
    id: taskId,
    tenant: 'acme',
    agent,
    subject: null,
    purpose: 'p',
    ancestors: [],
  } as never as Errand['task']['record'];
}

export function targetOf(url: string, more: Partial<Target> = {}): Target {
  return {
    ...{ name: 'one', route: 'files', kind: 'tool', provider: 'mcp', url, credential: null, txnToken: false },
    timeoutMs: { connect: 2_000, firstByte: 5_000, total: 10_000 },
    ...more,
  } as Target;
}

export interface Said {
  readonly attempt: Attempt;
  readonly denial?: Denial;
  readonly head?: AnswerHead;
  readonly result?: Readonly<Record<string, unknown>> & { readonly content?: readonly { readonly text?: string }[] };
  readonly error?: { readonly code: number; readonly message: string };
  /** The first text of a result. */
  readonly text?: string | undefined;
}

/** What one JSON-RPC response says, and how the attempt went. */
export async function said(tried: Tried): Promise<Said> {
  if ('denial' in tried) return { denial: tried.denial, attempt: tried.failed };
  const chunks: Uint8Array[] = [];
  for await (const chunk of tried.answer.body) chunks.push(chunk);
  const message = JSON.parse(Buffer.concat(chunks).toString()) as Pick<Said, 'result' | 'error'>;
  return { ...message, head: tried.answer.head, attempt: tried.attempt, text: message.result?.content?.[0]?.text };
}

/** One gateway's way to `target`; several on one store are several gateways. */
export async function openGateway(
  targets: readonly Target[],
  store = new MemoryStore({ clock: systemClock() }),
  programs: readonly (readonly [Target, ProgramServer])[] = [],
) {
  const clock = systemClock();
  await store.open();
  const urls = targets.flatMap(({ url }) => (url === '' ? [] : [allowedHost(url)]));
  const dialer = new Dialer({ clock, allow: urls });
  const minted: string[] = [];
  const upstream = new Upstream({
    ...{ dialer, clock, credentials: { get: () => undefined } },
    txnToken: (errand) => {
      minted.push(`${errand.resolved.operation.name} by ${errand.task.record.agent.id}`);
      return 'txn.token.here';
    },
  });
  const logs: string[] = [];
  const servers = new McpServers({
    ...{ clock, store, info: gate, programs, endedChannel: 'tg:task-ended' },
    send: (errand, target, request) => upstream.send(errand, target, request),
    sealOf: () => ({ close: (_label, value) => JSON.stringify(value), open: (_label, text) => JSON.parse(text) }),
    log: (_level, message, fields) => void logs.push(`${message} ${JSON.stringify(fields)}`),
    gate: { id: 'gw', cloud: 'azure' },
    targetOf: (route, name) => targets.find((one) => one.route === route && one.name === name),
    taskOf: async (_tenant, taskId) => recordOf(taskId) as never,
  });
  await servers.open();
  const close = async () => {
    await servers[Symbol.asyncDispose]();
    await dialer[Symbol.asyncDispose]();
  };
  return { servers, store, minted, logs, [Symbol.asyncDispose]: close };
}
