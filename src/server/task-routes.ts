/**
 * The routes of a task's life: open, see, renew, complete, kill, report thoughts. Who may is decided by the task
 * room's `accessTask`; this page reads requests and writes documents.
 */
import type { Spending, TaskRecord, Trace } from '../call.ts';
import type { Clock, TaskId, ThoughtId } from '../clock.ts';
import { newId } from '../clock.ts';
import { type Denial, type DenialCode, deny, isDenial } from '../denial.ts';
import type { Reply } from '../pipeline.ts';
import { type AccessPorts, accessTask, type Proof } from '../task/access.ts';
import { type OpeningPorts, openTask, type TaskVerdict } from '../task/open.ts';
import { denyUnlessActive, stateOf } from '../task/tasks.ts';
import { rememberThought } from '../task/thoughts.ts';
import type { RawRequest } from '../wire/dialect.ts';
import { usdFromMicroUsd } from '../wire/money.ts';
import type { TaskRequests } from '../wire/task-request.ts';
import { credentialOf } from './credential.ts';
import { jsonReply } from './reply.ts';

export interface IssuedToken {
  readonly token: string;
  readonly expiresAtMs: number;
  readonly expiresInSeconds: number;
  /** Operations and `{route}.*`. */
  readonly tools: readonly string[];
}

export interface TaskRoutesPorts<Verdict extends TaskVerdict> {
  readonly requests: TaskRequests;
  readonly opening: OpeningPorts<Verdict>;
  readonly access: AccessPorts;
  readonly clock: Clock;
  readonly tokenTtlMs: number;
  readonly mint: (record: TaskRecord, expiresAtMs: number) => { readonly token: string; readonly expiresAtMs: number };
  readonly balanceOf: (record: TaskRecord) => Promise<{ spent: Spending; reserved: Spending; remaining: Spending }>;
  /** Records, durably, what was done to a task and by what right. */
  readonly recordEnded: (record: TaskRecord, by: Proof) => Promise<void>;
  readonly recordRenewed: (record: TaskRecord) => Promise<void>;
  readonly recordThought: (
    record: TaskRecord,
    thoughtId: ThoughtId,
    text: string,
    toolCalls: readonly { id: string; name: string; arguments: string }[],
  ) => Promise<void>;
}

/** Denials that stand in the trail with their agent already; the server does not count them once more. */
export const saidByPolicy: ReadonlySet<DenialCode> = new Set([
  'policy_denied',
  'policy_unavailable',
  'approval_required',
]);

const taskPath = /^\/tasks(?:\/([^/]+)(?:\/([a-z]+))?)?$/;

/** What a request to the task routes comes with besides itself. */
export interface TaskContext {
  readonly trace: Trace;
  readonly requestId: string;
}

function spendingDocument(spending: Spending) {
  return {
    tokens: spending.tokens,
    cost_usd: usdFromMicroUsd(spending.costMicroUsd),
    calls: spending.calls,
    seconds: spending.seconds,
  };
}

export class TaskRoutes<Verdict extends TaskVerdict> {
  readonly #ports: TaskRoutesPorts<Verdict>;
  readonly #requests: TaskRequests;

  constructor(ports: TaskRoutesPorts<Verdict>) {
    this.#ports = ports;
    this.#requests = ports.requests;
  }

  handles(path: string): boolean {
    return path === '/tasks' || path.startsWith('/tasks/');
  }

  /** Answers a request to the task routes; what it may not have is a denial for the caller to encode. */
  async answer(request: RawRequest, context: TaskContext): Promise<Reply | Denial> {
    const [whole, id, verb] = taskPath.exec(request.path) ?? [];
    if (whole === undefined) return deny('route_unknown', 'There is no such route.');
    const credential = credentialOf(request);
    if (isDenial(credential)) return credential;
    if (id === undefined)
      return request.method === 'POST' ? this.#open(request, credential, context) : wrongMethod('POST');
    const route = `${request.method} ${verb ?? ''}`;
    switch (route) {
      case 'GET ':
        return this.#see(credential, id);
      case 'POST token':
        return this.#renew(credential, id);
      case 'POST complete':
        return this.#end(credential, id, 'completed');
      case 'POST kill':
        return this.#end(credential, id, 'killed');
      case 'POST thoughts':
        return this.#report(request, credential, id);
      default: {
        const known =
          verb === undefined ? 'GET' : ['token', 'complete', 'kill', 'thoughts'].includes(verb) ? 'POST' : undefined;
        return known === undefined ? deny('route_unknown', 'There is no such route.') : wrongMethod(known);
      }
    }
  }

  async #open(request: RawRequest, credential: string | null, context: TaskContext): Promise<Reply | Denial> {
    const body = this.#requests.task(request.body);
    if (isDenial(body)) return body;
    const record = await openTask(this.#ports.opening, { credential, parentToken: null, request: body, ...context });
    return isDenial(record) ? record : this.#token(record, 201);
  }

  async #see(credential: string | null, id: string): Promise<Reply | Denial> {
    const found = await accessTask(this.#ports.access, credential, id);
    return isDenial(found) ? found : jsonReply(200, await this.document(found.record));
  }

  async #renew(credential: string | null, id: string): Promise<Reply | Denial> {
    const found = await accessTask(this.#ports.access, credential, id);
    if (isDenial(found)) return found;
    if (found.proof !== 'workload token') {
      return deny('unauthenticated', 'A task token is renewed with the workload token of its agent.', {
        reasons: [{ code: 'token_kind', message: 'Show the workload token.' }],
      });
    }
    const { clock, opening } = this.#ports;
    const active = denyUnlessActive(found.record, clock.nowMs());
    const ended = active ?? (await opening.tasks.denyUnlessLineageActive(found.record));
    if (ended !== undefined) return ended;
    await this.#ports.recordRenewed(found.record);
    return this.#token(found.record, 200);
  }

  async #end(credential: string | null, id: string, state: 'completed' | 'killed'): Promise<Reply | Denial> {
    const found = await accessTask(this.#ports.access, credential, id);
    if (isDenial(found)) return found;
    const ended = await this.#ports.opening.tasks.end(found.record, state);
    if (isDenial(ended)) return ended;
    await this.#ports.recordEnded(ended, found.proof);
    return jsonReply(200, await this.document(ended));
  }

  async #report(request: RawRequest, credential: string | null, id: string): Promise<Reply | Denial> {
    const body = this.#requests.thoughts(request.body);
    if (isDenial(body)) return body;
    const found = await accessTask(this.#ports.access, credential, id);
    if (isDenial(found)) return found;
    const { clock, opening } = this.#ports;
    const above = await opening.tasks.denyUnlessLineageActive(found.record);
    if (above !== undefined) return above;
    const thought = { id: newId(clock, 'thought'), callId: null, source: 'reported' as const, atMs: clock.nowMs() };
    const updated = await opening.tasks.update(found.record.tenant, found.record.id, (current) => {
      if (current === undefined) return deny('task_unknown', 'There is no such task for this caller.');
      const ended = denyUnlessActive(current, clock.nowMs());
      return ended ?? { ...current, thoughts: rememberThought(current, thought, body.proposals) };
    });
    if (isDenial(updated)) return updated;
    await this.#ports.recordThought(updated, thought.id, body.text, body.proposals);
    return jsonReply(201, { thought_id: thought.id, source: thought.source });
  }

  #token(record: TaskRecord, status: 200 | 201): Reply {
    const issued = this.issue(record);
    return jsonReply(status, {
      task_id: record.id,
      task_token: issued.token,
      token_type: 'Bearer',
      expires_at: new Date(issued.expiresAtMs).toISOString(),
      expires_in: issued.expiresInSeconds,
      tools: issued.tools,
      budget: spendingDocument(record.budget),
    });
  }

  /** A fresh task token for a task, and what it is good for. */
  issue(record: TaskRecord): IssuedToken {
    const { clock, tokenTtlMs, mint, opening } = this.#ports;
    const nowMs = clock.nowMs();
    const { token, expiresAtMs } = mint(record, Math.min(nowMs + tokenTtlMs, record.expiresAtMs));
    const every = () => opening.operations().all();
    return {
      token,
      expiresAtMs,
      expiresInSeconds: Math.max(0, Math.floor((expiresAtMs - nowMs) / 1000)),
      tools: record.tools ?? every().map(({ name }) => name),
    };
  }

  /** A task as its agent, its parent and operators see it. */
  async document(record: TaskRecord) {
    const { spent, reserved, remaining } = await this.#ports.balanceOf(record);
    const [parent] = record.ancestors;
    return {
      id: record.id as TaskId,
      state: stateOf(record, this.#ports.clock.nowMs()),
      agent: record.agent.id,
      subject:
        record.subject === null
          ? null
          : { id: record.subject.id, type: record.subject.type, assurance: record.subject.assurance },
      purpose: record.purpose,
      tools: record.tools,
      parent: parent === undefined ? null : { id: parent.id, agent: parent.agent },
      created_at: new Date(record.createdAtMs).toISOString(),
      expires_at: new Date(record.expiresAtMs).toISOString(),
      taint: record.taint,
      budget: {
        limit: spendingDocument(record.budget),
        reserved: spendingDocument(reserved),
        spent: spendingDocument(spent),
        remaining: spendingDocument(remaining),
      },
    };
  }
}

function wrongMethod(allowed: string): Denial {
  return deny('method_not_allowed', `This route takes ${allowed}.`, { allowed: [allowed] });
}
