/**
 * Suspensions, as operators make and lift them: of an agent, a tenant, an issuer or a route. What a reader would get
 * wrong: the name of an issuer or a route that the gate does not know is refused, because a misspelt one would suspend
 * nothing and look as if it had; agents and tenants it cannot know.
 */
import type { JsonObject } from '../call.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import type { AdminRequests, Suspended } from '../wire/admin-request.ts';
import type { About, AdminAnswers, Answered, Asked } from './admin-routes.ts';
import { jsonReply } from './reply.ts';

/** A suspension in force. */
export type SuspensionEntry = Suspended & {
  readonly reason: string;
  readonly by: string;
  readonly atMs: number;
  readonly untilMs?: number;
};

export interface AdminSuspensionPorts {
  /** Those in force, the latest first. */
  readonly list: () => Promise<readonly SuspensionEntry[]>;
  /** In force on every gateway of the store once it resolves. */
  readonly suspend: (
    what: Suspended,
    why: { readonly reason: string; readonly by: string; readonly untilMs?: number },
  ) => Promise<SuspensionEntry | Denial>;
  /** Gives what was suspended; undefined if nothing was. */
  readonly resume: (what: Suspended) => Promise<SuspensionEntry | undefined | Denial>;
  /** Names in the configuration in force. */
  readonly issuers: () => readonly string[];
  readonly routes: () => readonly string[];
  readonly requests: AdminRequests;
}

type SuspensionRoute = 'suspension.list' | 'suspension.suspend' | 'suspension.resume';

/** The answers of `/suspensions…`. */
export function adminSuspensions(ports: AdminSuspensionPorts): AdminAnswers<SuspensionRoute> {
  return {
    'suspension.list': async () => ({ reply: jsonReply(200, { suspensions: (await ports.list()).map(document) }) }),
    'suspension.suspend': (asked) => suspend(ports, asked),
    'suspension.resume': (asked) => resume(ports, asked),
  };
}

async function suspend(ports: AdminSuspensionPorts, { body, person }: Asked): Promise<Answered> {
  const read = ports.requests.suspend(body);
  if (isDenial(read)) return { reply: read };
  const { what, reason, untilMs } = read;
  const about = aboutWhat(what, 'suspend', reason);
  const unknown = denyUnknown(ports, what);
  if (unknown !== undefined) return { reply: unknown, about };
  const why = { reason, by: person.id, ...(untilMs === null ? {} : { untilMs }) };
  const made = await ports.suspend(what, why);
  return { reply: isDenial(made) ? made : jsonReply(200, document(made)), about };
}

async function resume(ports: AdminSuspensionPorts, { body }: Asked): Promise<Answered> {
  const read = ports.requests.resume(body);
  if (isDenial(read)) return { reply: read };
  const about = aboutWhat(read.what, 'resume', read.reason);
  const ended = await ports.resume(read.what);
  if (isDenial(ended)) return { reply: ended, about };
  // Not being suspended is what was wanted; that it was not before is said, for a misspelt id looks the same.
  const { kind, id } = read.what;
  const reply = jsonReply(200, { kind, id, resumed: ended !== undefined });
  return { reply, about };
}

function denyUnknown(ports: AdminSuspensionPorts, what: Suspended): Denial | undefined {
  const issuer = what.kind === 'agent' ? what.issuer : what.kind === 'issuer' ? what.id : undefined;
  if (issuer !== undefined && !ports.issuers().includes(issuer)) {
    return unknownName(what.kind === 'agent' ? '/issuer' : '/id', 'issuer', ports.issuers());
  }
  if (what.kind !== 'route' || ports.routes().includes(what.id)) return undefined;
  return unknownName('/id', 'route', ports.routes());
}

function unknownName(path: string, kind: string, allowed: readonly string[]): Denial {
  return deny('args_invalid', `There is no ${kind} of this name in the configuration, so nothing is suspended.`, {
    reasons: [{ code: `${kind}_unknown`, message: `no ${kind} is named so`, path }],
    allowed,
  });
}

function aboutWhat(what: Suspended, done: 'suspend' | 'resume', reason: string | null): About {
  const named =
    what.kind === 'agent'
      ? { agent: what.id, issuer: what.issuer, ...(what.tenant === undefined ? {} : { tenant: what.tenant }) }
      : { [what.kind]: what.id };
  return {
    ...named,
    operation: `${what.kind}.${done}`,
    ...(reason === null ? {} : { notes: { reason_given: reason } }),
  };
}

function document(entry: SuspensionEntry): JsonObject {
  const { kind, id, reason, by, atMs, untilMs } = entry;
  return {
    ...{ kind, id },
    ...(entry.kind === 'agent' ? { issuer: entry.issuer, tenant: entry.tenant ?? null } : {}),
    ...{ reason, by, at: new Date(atMs).toISOString() },
    until: untilMs === undefined ? null : new Date(untilMs).toISOString(),
  };
}
