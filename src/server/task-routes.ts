/**
 * The routes of a task's life: open, see, renew, complete, kill, report thoughts, check calls, checkpoint. Who may is decided by the task
 * room's `accessTask`; this page reads requests and writes documents.
 */
import type { JsonObject, ShownToken, Spending, TaskRecord, Trace } from '../call.ts';
import { type Clock, newId, type ThoughtId } from '../clock.ts';
import { type Denial, type DenialCode, deny, isDenial } from '../denial.ts';
import type { Reply } from '../pipeline.ts';
import { type AccessPorts, accessTask, accessToEnd, type Proof } from '../task/access.ts';
import { type IssuedToken, renewTask, type Ticket } from '../task/issue.ts';
import { type OpeningPorts, openTask, type TaskVerdict } from '../task/open.ts';
import { actingOf } from '../task/suspended.ts';
import { denyUnlessActive } from '../task/tasks.ts';
import { rememberThought } from '../task/thoughts.ts';
import type { RawRequest } from '../wire/dialect.ts';
import type { TaskRequests } from '../wire/task-request.ts';
import type { RequestContext } from './arrival.ts';
import type { TaskChecks } from './check.ts';
import type { CheckpointRoutes } from './checkpoint-routes.ts';
import { credentialOf } from './credential.ts';
import { jsonReply } from './reply.ts';
import type { ResultRoutes } from './result-routes.ts';
import { taskDocument, tokenDocument } from './task-document.ts';

export interface TaskRoutesPorts<Verdict extends TaskVerdict> {
  readonly requests: TaskRequests;
  readonly opening: OpeningPorts<Verdict>;
  readonly access: AccessPorts;
  readonly clock: Clock;
  /** A token of a task, and what it is good for. It is recorded, durably, before it is there. */
  readonly issue: (ticket: Ticket, trace: Trace) => Promise<IssuedToken | Denial>;
  readonly balanceOf: (record: TaskRecord) => Promise<{ spent: Spending; reserved: Spending; remaining: Spending }>;
  /** Records, durably, what was done to a task and by what right. */
  readonly recordEnded: (record: TaskRecord, by: Proof) => Promise<void>;
  /** `POST /tasks/{id}/check`. */
  readonly checks: Pick<TaskChecks, 'answer'>;
  /** `GET` and `PUT /tasks/{id}/checkpoint`. */
  readonly checkpoints: Pick<CheckpointRoutes, 'answer'>;
  /** `GET /tasks/{id}/results/{cursor}`. */
  readonly results: Pick<ResultRoutes, 'answer'>;
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
  // Of a checkpoint.
  'secret_blocked',
  'residency_violation',
]);

/** What is posted to a task. */
const posted: ReadonlySet<string> = new Set(['token', 'complete', 'kill', 'thoughts', 'check']);
const taskPath = /^\/tasks(?:\/([^/]+)(?:\/([a-z]+)(?:\/([A-Za-z0-9_.-]{1,64}))?)?)?$/;

/** What a request to the task routes comes with besides itself. */
export type TaskContext = RequestContext;

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
    const [whole, id, verb, item] = taskPath.exec(request.path) ?? [];
    if (whole === undefined) return deny('route_unknown', 'There is no such route.');
    const credential = credentialOf(request);
    if (isDenial(credential)) return credential;
    if (id === undefined)
      return request.method === 'POST' ? this.#open(request, credential, context) : wrongMethod('POST');
    if (item !== undefined) return this.#item(request, credential, id, verb, item, context);
    const route = `${request.method} ${verb ?? ''}`;
    switch (route) {
      case 'GET ':
        return this.#see(credential, id);
      case 'POST token':
        return this.#renew(request, credential, id, context);
      case 'POST complete':
        return this.#end(credential, id, 'completed');
      case 'POST kill':
        return this.#end(credential, id, 'killed');
      case 'POST thoughts':
        return this.#report(request, credential, id);
      case 'POST check':
        return this.#ports.checks.answer(request, credential, id, context);
      case 'GET checkpoint':
      case 'PUT checkpoint':
        return this.#ports.checkpoints.answer(request, credential, id, context);
      default: {
        if (verb === 'checkpoint') return wrongMethod('GET', 'PUT');
        const known = verb === undefined ? 'GET' : posted.has(verb) ? 'POST' : undefined;
        return known === undefined ? deny('route_unknown', 'There is no such route.') : wrongMethod(known);
      }
    }
  }

  #item(
    { method }: RawRequest,
    credential: ShownToken | null,
    id: string,
    verb: string | undefined,
    item: string,
    context: TaskContext,
  ): Denial | Promise<Reply | Denial> {
    if (verb !== 'results') return deny('route_unknown', 'There is no such route.');
    return method === 'GET' ? this.#ports.results.answer(credential, id, item, context) : wrongMethod('GET');
  }

  async #open(request: RawRequest, credential: ShownToken | null, context: TaskContext): Promise<Reply | Denial> {
    const body = this.#requests.task(request.body);
    if (isDenial(body)) return body;
    const ticket = await openTask(this.#ports.opening, {
      claim: { credential },
      parentToken: null,
      request: body,
      ...context,
    });
    return isDenial(ticket) ? ticket : this.#token(ticket, 201, context.trace);
  }

  async #see(credential: ShownToken | null, id: string): Promise<Reply | Denial> {
    const found = await accessTask(this.#ports.access, credential, id);
    return isDenial(found) ? found : jsonReply(200, await this.document(found.record));
  }

  async #renew(
    request: RawRequest,
    credential: ShownToken | null,
    id: string,
    { trace }: TaskContext,
  ): Promise<Reply | Denial> {
    const body = this.#requests.token(request.body);
    if (isDenial(body)) return body;
    const { access, opening } = this.#ports;
    const ticket = await renewTask({ ...opening, ...access }, credential, id, body);
    return isDenial(ticket) ? ticket : this.#token(ticket, 200, trace);
  }

  async #end(credential: ShownToken | null, id: string, state: 'completed' | 'killed'): Promise<Reply | Denial> {
    const found = await accessToEnd(this.#ports.access, credential, id);
    if (isDenial(found)) return found;
    const ended = await this.#ports.opening.tasks.end(found.record, state);
    if (isDenial(ended)) return ended;
    await this.#ports.recordEnded(ended, found.proof);
    return jsonReply(200, await this.document(ended));
  }

  async #report(request: RawRequest, credential: ShownToken | null, id: string): Promise<Reply | Denial> {
    const body = this.#requests.thoughts(request.body);
    if (isDenial(body)) return body;
    const found = await accessTask(this.#ports.access, credential, id);
    if (isDenial(found)) return found;
    // The trail says of a thought that the agent of its task has reported it.
    if (found.proof === 'parent') return denyForeignThought();
    const { clock, opening } = this.#ports;
    const denial =
      (await opening.tasks.denyUnlessLineageActive(found.record)) ??
      (await opening.denySuspended(actingOf(found.record)));
    if (denial !== undefined) return denial;
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

  async #token(ticket: Ticket, status: 200 | 201, trace: Trace): Promise<Reply | Denial> {
    const issued = await this.#ports.issue(ticket, trace);
    return isDenial(issued) ? issued : jsonReply(status, tokenDocument(ticket, issued));
  }

  /** A task as its agent, its parent and operators see it. */
  async document(record: TaskRecord): Promise<JsonObject> {
    return taskDocument(record, await this.#ports.balanceOf(record), this.#ports.clock.nowMs());
  }
}

function denyForeignThought(): Denial {
  return deny('insufficient_scope', 'The thoughts of a task are reported by its own agent.', {
    reasons: [{ code: 'not_own_task', message: 'Show the token of the task itself.' }],
  });
}

function wrongMethod(...allowed: readonly string[]): Denial {
  return deny('method_not_allowed', `This route takes ${allowed.join(' and ')}.`, { allowed });
}
