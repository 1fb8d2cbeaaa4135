/**
 * Every route of the admin plane and who may take it: a closed table. What is not in it is not there, and a route
 * without an answer, or an answer without a route, does not compile (see `AdminAnswers`).
 */
import { type Denial, deny } from '../denial.ts';
import type { Reply } from '../pipeline.ts';
import type { Person, Role } from '../principal.ts';

export const everyRole: readonly Role[] = ['auditor', 'policy_author', 'operator', 'approver'];

/** One route. A `{name}` of the path stands for exactly one segment, which is not empty. */
export interface AdminRoute {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  /** Who may: one of these roles is enough. */
  readonly roles: readonly Role[];
  /**
   * How it is recorded: `durable`, on disk before it is answered (whatever changes something); `accepted`, in the queue
   * of the trail before it is answered (whatever shows personal data apart from events); null, not at all.
   */
  readonly records: 'durable' | 'accepted' | null;
  /** Stops something: it is done also where the trail cannot take it, and then answered as a fault. */
  readonly stops?: true;
  /** A body of another media type is answered 400, as a standard wants it; else it is 415. */
  readonly mediaIsBadRequest?: true;
}

export const adminRoutes = {
  'audit.events': { method: 'GET', path: '/audit/events', roles: ['auditor'], records: null },
  'audit.story': { method: 'GET', path: '/audit/tasks/{id}', roles: ['auditor'], records: null },
  'audit.trace': { method: 'GET', path: '/audit/traces/{id}', roles: ['auditor'], records: null },
  'audit.checkpoints': { method: 'GET', path: '/audit/checkpoints', roles: ['auditor'], records: null },
  'audit.export': { method: 'GET', path: '/audit/export', roles: ['auditor'], records: 'accepted' },
  'audit.payloads': { method: 'GET', path: '/audit/tasks/{id}/payloads', roles: ['auditor'], records: 'accepted' },
  'audit.erase': { method: 'DELETE', path: '/audit/tasks/{id}/payloads', roles: ['operator'], records: 'durable' },
  'task.list': { method: 'GET', path: '/tasks', roles: ['auditor', 'operator'], records: null },
  'task.show': { method: 'GET', path: '/tasks/{id}', roles: ['auditor', 'operator'], records: null },
  'task.kill': { method: 'POST', path: '/tasks/{id}/kill', roles: ['operator'], records: 'durable', stops: true },
  budgets: { method: 'GET', path: '/budgets', roles: ['auditor', 'operator'], records: null },
  'task.raise': { method: 'POST', path: '/tasks/{id}/raise', roles: ['operator'], records: 'durable' },
  'operation.list': {
    ...{ method: 'GET', path: '/operations' },
    ...{ roles: ['auditor', 'policy_author', 'operator'], records: null },
  },
  'suspension.list': { method: 'GET', path: '/suspensions', roles: ['operator'], records: null },
  'suspension.suspend': {
    ...{ method: 'POST', path: '/suspensions', roles: ['operator'] },
    ...{ records: 'durable', stops: true },
  },
  'suspension.resume': { method: 'POST', path: '/suspensions/resume', roles: ['operator'], records: 'durable' },
  'tools.list': { method: 'GET', path: '/tools', roles: ['auditor', 'policy_author', 'operator'], records: null },
  'tools.accept': { method: 'POST', path: '/tools/accept', roles: ['operator'], records: 'durable' },
  'keys.list': { method: 'GET', path: '/keys', roles: ['operator'], records: null },
  'keys.rotate': { method: 'POST', path: '/keys/rotate', roles: ['operator'], records: 'durable' },
  'policy.show': {
    ...{ method: 'GET', path: '/policy' },
    ...{ roles: ['auditor', 'policy_author', 'operator'], records: null },
  },
  'policy.rollout': {
    ...{ method: 'POST', path: '/policy/rollout', roles: ['operator'] },
    ...{ records: 'durable', stops: true },
  },
  'policy.inputs': {
    ...{ method: 'GET', path: '/policy/inputs' },
    ...{ roles: ['policy_author', 'auditor'], records: null },
  },
  'policy.input': {
    ...{ method: 'GET', path: '/policy/inputs/{id}' },
    ...{ roles: ['policy_author', 'auditor'], records: 'accepted' },
  },
  'policy.evaluate': { method: 'POST', path: '/policy/evaluate', roles: ['policy_author'], records: 'accepted' },
  'authzen.metadata': {
    ...{ method: 'GET', path: '/.well-known/authzen-configuration' },
    ...{ roles: ['policy_author', 'operator'], records: null },
  },
  'authzen.evaluation': {
    ...{ method: 'POST', path: '/access/v1/evaluation' },
    ...{ roles: ['policy_author', 'operator'], records: 'accepted', mediaIsBadRequest: true },
  },
  'authzen.evaluations': {
    ...{ method: 'POST', path: '/access/v1/evaluations' },
    ...{ roles: ['policy_author', 'operator'], records: 'accepted', mediaIsBadRequest: true },
  },
  metrics: { method: 'GET', path: '/metrics', roles: ['operator'], records: null },
} as const satisfies Readonly<Record<string, AdminRoute>>;

/** Of the health of the process: for whoever keeps it alive, without a credential, and they tell nothing else. */
export const openAdminPaths = ['/livez', '/readyz'] as const;

export type AdminRouteName = keyof typeof adminRoutes;

/** Filter and paging of a list, as they stand in the query. */
export type Query = Readonly<Record<string, string>>;

/** What somebody who may asks of a route. */
export interface Asked {
  readonly person: Person;
  /** The segment that stands for `{id}`, percent-decoded; empty where the path has none. */
  readonly id: string;
  readonly query: Query;
  /** JSON, or empty. */
  readonly body: Buffer;
  /** The name by which the plane was asked, one of its own; with its port. */
  readonly host: string;
}

/** Whom or what an action was about, as far as it is known: these are fields of its event, and found by its filters. */
export interface About {
  readonly task?: string;
  readonly agent?: string;
  /** `name` of the issuer of the agent in tollgate.yaml. */
  readonly issuer?: string;
  readonly tenant?: string;
  readonly route?: string;
  /** Stands for the route's name where the body says more: `tenant.suspend`. */
  readonly operation?: string;
  /** What else the event says, by a stable code: a person's reason, the purpose of a key. */
  readonly notes?: Readonly<Record<string, string>>;
}

export interface Answered {
  readonly reply: Reply | Denial;
  readonly about?: About;
}

/** One answer for each route of an area, and none more. */
export type AdminAnswers<Name extends AdminRouteName> = {
  readonly [Route in Name]: (asked: Asked) => Promise<Answered>;
};

export interface FoundRoute {
  readonly name: AdminRouteName;
  readonly id: string;
}

const routes = Object.entries(adminRoutes) as readonly [AdminRouteName, AdminRoute][];

/** The route of a request. Denies `route_unknown`, or `method_not_allowed` with those that are. */
export function findAdminRoute(method: string, path: string): FoundRoute | Denial {
  const allowed: string[] = [];
  for (const [name, route] of routes) {
    const id = matched(route.path, path);
    if (id === undefined) continue;
    if (route.method === method) return { name, id };
    allowed.push(route.method);
  }
  if (allowed.length === 0) return deny('route_unknown', 'There is no such route on the admin plane.');
  return deny('method_not_allowed', `This route takes ${allowed.join(', ')}.`, { allowed });
}

/** The id in `path` if it is of this pattern, empty where the pattern has none; undefined if it is of another. */
function matched(pattern: string, path: string): string | undefined {
  const wanted = pattern.split('/');
  const segments = path.split('/');
  if (wanted.length !== segments.length) return undefined;
  let id = '';
  for (const [index, part] of wanted.entries()) {
    const segment = segments[index] as string;
    if (part !== '{id}') {
      if (part !== segment) return undefined;
      continue;
    }
    try {
      id = decodeURIComponent(segment);
    } catch {
      return undefined;
    }
    if (id === '') return undefined;
  }
  return id;
}

/** Denies `insufficient_scope` unless the person has one of the roles of the route. */
export function denyUnlessMay(person: Person, { roles }: AdminRoute): Denial | undefined {
  if (person.roles.some((role) => roles.includes(role))) return undefined;
  return deny('insufficient_scope', 'Your roles do not open this route.', {
    reasons: [{ code: 'role_missing', message: `It takes one of these roles: ${roles.join(', ')}.` }],
    allowed: roles,
  });
}
