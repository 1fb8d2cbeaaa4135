/**
 * Whom or what `tollgate agent …` is about: agents, and by the same commands tenants, issuers and routes. With an ID the
 * selectors say which agent of that id; without one, the one selector that is there is what is meant.
 */
import { adminOptions } from './admin-client.ts';
import { Usage } from './command.ts';

/** A suspension as the admin plane shows it. */
export interface Suspension {
  readonly kind: string;
  readonly id: string;
  readonly issuer?: string;
  readonly tenant?: string | null;
  readonly reason: string;
  readonly by: string;
  readonly at: string;
  readonly until: string | null;
}

export const selectors = {
  ...adminOptions,
  issuer: { type: 'string' },
  tenant: { type: 'string' },
  route: { type: 'string' },
  reason: { type: 'string' },
} as const;

export const whom = `  AGENT --issuer I [--tenant T]   the agent of that id and issuer; in T only, if it is named
  --tenant T                      every agent of a tenant
  --issuer I                      every agent of an issuer
  --route R                       a route, for all`;

export type Named = Readonly<Record<'kind' | 'id', string> & Partial<Record<'issuer' | 'tenant', string>>>;

export function named(
  positionals: readonly string[],
  { issuer, tenant, route }: { issuer?: string | undefined; tenant?: string | undefined; route?: string | undefined },
): Named {
  const [id] = positionals;
  if (positionals.length > 1) throw new Usage(`one AGENT at most, found ${positionals.length}`);
  if (id !== undefined) {
    if (issuer === undefined) throw new Usage('--issuer is missing: equal ids of two issuers are two agents');
    if (route !== undefined) throw new Usage('an agent is not suspended for one route; suspend the agent or the route');
    return { kind: 'agent', id, issuer, ...(tenant === undefined ? {} : { tenant }) };
  }
  const [only, ...more] = Object.entries({ issuer, tenant, route }).filter(([, value]) => value !== undefined);
  if (only === undefined || more.length > 0) {
    throw new Usage('name an AGENT with its --issuer, or one of --tenant, --issuer, --route');
  }
  return { kind: only[0], id: only[1] as string };
}

export function textOf({ kind, id, issuer, tenant }: Named): string {
  const of = issuer === undefined ? '' : ` of ${issuer}${tenant === undefined ? '' : ` in ${tenant}`}`;
  return `${kind} ${id}${of}`;
}
