/**
 * The admin plane over the parts: one for all editions of the configuration, whose people, names and limits are those
 * of the edition in force. Here each area gets what it needs of the rooms, and what people do gets into the trail.
 */
import { type AdminHappening, recordAdmin, recordRefusedPerson } from '../audit/deed.ts';
import { recordRefusedRequest, recordTask } from '../audit/stage.ts';
import type { Json, JsonObject, TaskRecord } from '../call.ts';
import { overviewOf } from '../catalogue/overview.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { isKeyPurpose, type KeyPurpose } from '../identity/key-purpose.ts';
import type { Reply } from '../pipeline.ts';
import type { Person, ShownToken } from '../principal.ts';
import { adminAudit } from '../server/admin-audit.ts';
import { adminAuthzen } from '../server/admin-authzen.ts';
import { adminBudgets } from '../server/admin-budgets.ts';
import { adminKeys } from '../server/admin-keys.ts';
import { adminOperations } from '../server/admin-operations.ts';
import { type AdminDeed, AdminPlane, type AdminRefusal } from '../server/admin-plane.ts';
import { adminPlayground } from '../server/admin-playground.ts';
import { adminPolicy } from '../server/admin-policy.ts';
import { adminSuspensions } from '../server/admin-suspensions.ts';
import { adminTasks } from '../server/admin-tasks.ts';
import { isToken, tokenHolder } from '../server/admin-token.ts';
import { adminTools } from '../server/admin-tools.ts';
import { auditQueries } from '../server/audit-queries.ts';
import { ConsolePages, type SignIn } from '../server/console.ts';
import type { Readiness } from '../server/readiness.ts';
import { stateOf } from '../task/tasks.ts';
import { AdminRequests } from '../wire/admin-request.ts';
import { AuthzenRequests } from '../wire/authzen-request.ts';
import { http } from '../wire/dialects/http.ts';
import { TaskRequests } from '../wire/task-request.ts';
import { evaluate } from './authzen.ts';
import { adminBudgetsOf } from './budgets.ts';
import type { Editions } from './editions.ts';
import type { Foundation, Parts } from './parts.ts';
import { playgroundOf } from './playground.ts';
import { raiseTask } from './raise.ts';
import { adminRolloutOf } from './rollout.ts';

/** What the admin plane answers with, besides the foundation. */
export interface AdminSurroundings {
  readonly foundation: Foundation;
  readonly editions: Editions;
  readonly readiness: Readiness;
  /** Values of the Host header that are the plane's. */
  readonly hosts: () => readonly string[];
}

/** The admin plane, not yet listening. */
export function adminPlaneOf({ foundation, editions, readiness, hosts }: AdminSurroundings): AdminPlane {
  const { clock, faulted, trail, tasks, suspensions, keys, keyDirectory, telemetry } = foundation;
  const parts = () => editions.current.parts;
  const { prometheus, prometheus_token: scrapeToken } = parts().config.telemetry;
  const requests = new AdminRequests();
  const taskRequests = new TaskRequests();
  tellWhoComesIn(parts());
  return new AdminPlane({
    clock,
    hosts,
    readiness,
    pages: new ConsolePages(() => signInOf(parts())),
    who: (shown) => who(parts(), shown),
    scrapeToken: prometheus ? (scrapeToken ?? null) : null,
    answers: {
      ...adminAudit({ audit: auditQueries(trail), requests }),
      ...adminTasks({
        list: (query) => tasks.list(query),
        find: (id) => tasks.find(id),
        stateOf: (record) => stateOf(record, clock.nowMs()),
        document: (record) => editions.current.taskDocument(record),
        kill: (record) => kill(parts(), record),
        raise: (record, wanted) => raiseTask(parts(), record, wanted),
        requests,
      }),
      ...adminBudgets(
        adminBudgetsOf(
          foundation,
          parts,
          async (record) => (await editions.current.taskDocument(record)) as JsonObject,
        ),
      ),
      ...adminOperations({
        all: () => parts().table.all(),
        routes: () =>
          parts()
            .table.routes()
            .map(({ name }) => name),
      }),
      ...adminSuspensions({
        list: () => suspensions.list(),
        suspend: (what, why) => suspensions.suspend(what, why),
        resume: (what) => suspensions.resume(what),
        issuers: () => parts().config.issuers.map(({ name }) => name),
        routes: () => parts().config.routes.map(({ name }) => name),
        requests,
      }),
      ...adminTools({
        routes: () => parts().catalogue.routes.map((one) => overviewOf(one, (name) => parts().table.get(name))),
        accept: (route, tool, hash, by) => parts().catalogue.accept(route, tool, hash, by),
        requests,
      }),
      ...adminKeys({
        list: () => keys.list(),
        isPurpose: isKeyPurpose,
        rotate: (purpose: KeyPurpose, options) => keyDirectory.rotate(purpose, options),
        requests,
      }),
      ...adminPolicy({
        ...adminRolloutOf(foundation.rollout, () => parts().policy),
        canRecord: () => trail.healthy(),
        requests,
      }),
      ...adminPlayground(playgroundOf(foundation, () => parts().policy)),
      ...adminAuthzen({
        requests: new AuthzenRequests(),
        evaluate: (evaluation) => evaluate(parts(), taskRequests, evaluation),
        scheme: () => (parts().config.gateway.admin_tls === undefined ? 'http' : 'https'),
      }),
      metrics: async () => ({ reply: metricsReply(prometheus ? () => telemetry.exposition() : null) }),
    },
    record: (deed, durable) => recordAdmin(trail, happeningOf(parts(), deed), durable),
    canRecord: () => trail.healthy(),
    refused: (refusal) =>
      void recordRefusal(parts(), refusal).catch((fault: unknown) => {
        faulted('audit', fault);
      }),
    denied: (denial) => telemetry.denied(denial),
    problem: http.denial,
    faulted,
  });
}

/** Who comes in by what is said once at the start: a file with a token that opens nothing would mislead. */
function tellWhoComesIn({ people, log }: Parts): void {
  if (people === null) return;
  log('info', 'people sign in at the admin plane by OIDC; the token in data_dir/admin-token opens nothing');
}

/** What the console tells people to bring. */
function signInOf({ config }: Parts): SignIn {
  const { admin } = config;
  if (admin === undefined) return { way: 'admin_token' };
  return { way: 'oidc', issuer: admin.issuer, audience: admin.audience };
}

async function who({ people, adminToken }: Parts, { token }: ShownToken): Promise<Person | Denial> {
  if (people !== null) return people.verify(token);
  if (isToken(token, adminToken)) return tokenHolder;
  return deny('unauthenticated', 'Show the admin token: Authorization: Bearer <content of data_dir/admin-token>.');
}

async function kill({ tasks, trail, clock, redact }: Parts, record: TaskRecord): Promise<TaskRecord | Denial> {
  const alive = ['active', 'paused'].includes(stateOf(record, clock.nowMs()));
  const ended = await tasks.end(record, 'killed');
  if (isDenial(ended)) return ended;
  // What had ended before had its event then; that somebody wanted to kill it is in that of the person.
  if (alive && ended.state === 'killed') {
    const details = { by: 'operator' };
    await recordTask(trail, { record: ended, operation: 'task.kill', status: 200, details }, redact);
  }
  return ended;
}

function metricsReply(exposition: (() => string) | null): Reply | Denial {
  if (exposition === null) return deny('route_unknown', 'telemetry.prometheus is off.');
  const headers = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'cache-control': 'no-store' };
  return { status: 200, headers, body: Buffer.from(exposition()) };
}

/** The event of what somebody did; what they wrote of their own is redacted, as everything that is kept for ever. */
function happeningOf({ redact }: Parts, deed: AdminDeed): AdminHappening {
  const { person, about, operation, status, denial, trace } = deed;
  const { notes, operation: _named, ...subject } = about;
  return {
    ...subject,
    ...{ operation, actor: person.id, vouchedBy: person.issuer, status, denial, trace },
    ...(notes === undefined ? {} : { notes: redact(notes as Json) as Record<string, string> }),
  };
}

async function recordRefusal({ trail, sampler }: Parts, refusal: AdminRefusal): Promise<void> {
  const { denial, trace, person, operation } = refusal;
  if (person === null) return recordRefusedRequest(trail, { id: null, trace, denial }, sampler);
  const actor = { actor: person.id, vouchedBy: person.issuer };
  const happening = { ...actor, operation: operation ?? 'admin.unknown_route', status: denial.status, denial, trace };
  return recordRefusedPerson(trail, happening, sampler);
}
