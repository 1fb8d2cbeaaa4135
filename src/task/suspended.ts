/**
 * What a list of suspensions says of an agent, a tenant, an issuer or a route; no store here, only values. Equal ids of
 * two issuers are two agents. The operator's reason is for operators: a denial never repeats it.
 */
import type { TaskRecord } from '../call.ts';
import { type Denial, deny, type Reason } from '../denial.ts';

/** What may be suspended. An agent without a `tenant` is suspended in all of them. */
export type Suspendable =
  | { readonly kind: 'agent'; readonly issuer: string; readonly id: string; readonly tenant?: string }
  | { readonly kind: 'tenant' | 'issuer' | 'route'; readonly id: string };

/** An entry of the list, as operators see it. */
export type Suspension = Suspendable & {
  /** For operators alone. */
  readonly reason: string;
  /** Who suspended it. */
  readonly by: string;
  readonly atMs: number;
  /** From then on it is suspended no more; for good where it is left out. */
  readonly untilMs?: number;
};

/** Who is about to do something, and where. */
export interface Acting {
  readonly agent: { readonly issuer: string; readonly id: string };
  readonly tenant: string;
  /** The agents of the tasks above, in the same tenant. */
  readonly lineage?: readonly { readonly issuer: string; readonly agent: string }[];
  readonly route?: string;
}

/** Whoever acts in a task: its agent, on behalf of those above it. */
export function actingOf({ agent, tenant, ancestors }: Pick<TaskRecord, 'agent' | 'tenant' | 'ancestors'>): Acting {
  return { agent, tenant, lineage: ancestors };
}

const textCharsMax = 255;
const reasonCharsMax = 500;

/** The same text for the same thing, whatever else stands in it. */
export function keyOf(what: Suspendable): string {
  return what.kind === 'agent' ? agentKey(what.issuer, what.id, what.tenant ?? null) : `${what.kind} ${what.id}`;
}

function agentKey(issuer: string, id: string, tenant: string | null): string {
  return JSON.stringify([issuer, id, tenant]);
}

/** The members that say what is suspended, and no others. */
export function suspendableOf(what: Suspendable): Suspendable {
  if (what.kind !== 'agent') return { kind: what.kind, id: what.id };
  const { kind, issuer, id, tenant } = what;
  return { kind, issuer, id, ...(tenant === undefined ? {} : { tenant }) };
}

/** Denies `args_invalid` for an id or a text that is empty or too long. */
export function denyUnfit(entry: Suspension): Denial | undefined {
  const texts = { id: entry.id, by: entry.by, ...(entry.kind === 'agent' ? { issuer: entry.issuer } : {}) };
  const reasons: Reason[] = Object.entries(texts)
    .filter(([, text]) => text === '' || text.length > textCharsMax)
    .map(([name]) => ({ code: 'length', message: `must be 1 to ${textCharsMax} characters`, path: `/${name}` }));
  if (entry.reason === '' || entry.reason.length > reasonCharsMax) {
    reasons.push({ code: 'length', message: `must be 1 to ${reasonCharsMax} characters`, path: '/reason' });
  }
  return reasons.length === 0 ? undefined : deny('args_invalid', 'The suspension is not valid.', { reasons });
}

const told = {
  agent: 'This agent is suspended by an operator. Stop, and do not retry; only an operator can resume it.',
  above: 'An agent that this task is part of is suspended by an operator. Stop; only an operator can resume it.',
  tenant: 'The tenant is suspended by an operator. Stop, and do not retry; only an operator can resume it.',
  issuer: 'The issuer of this agent is suspended by an operator. Stop; only an operator can resume it.',
  route: 'The route is suspended by an operator. Do without it, or ask the operator.',
} as const;

export class SuspensionList {
  /** The version of the record it was read at; 0 for none. */
  readonly version: number;
  readonly entries: readonly Suspension[];
  readonly #byKey: ReadonlyMap<string, Suspension>;

  constructor(version: number, entries: readonly Suspension[]) {
    this.version = version;
    this.entries = entries;
    this.#byKey = new Map(entries.map((entry) => [keyOf(entry), entry]));
  }

  /** The denial of whoever acts, or undefined: `agent_suspended`, with a reason that says which of the four it is. */
  denialOf({ agent, tenant, lineage = [], route }: Acting, nowMs: number): Denial | undefined {
    if (this.#byKey.size === 0) return undefined;
    const suspended = (key: string) => {
      const entry = this.#byKey.get(key);
      return entry !== undefined && (entry.untilMs === undefined || nowMs < entry.untilMs);
    };
    const agentIs = (issuer: string, id: string) =>
      suspended(agentKey(issuer, id, tenant)) || suspended(agentKey(issuer, id, null));
    const issuers = [agent.issuer, ...lineage.map(({ issuer }) => issuer)];
    if (agentIs(agent.issuer, agent.id)) return denial('agent_suspended', told.agent);
    if (suspended(`tenant ${tenant}`)) return denial('tenant_suspended', told.tenant);
    if (issuers.some((issuer) => suspended(`issuer ${issuer}`))) return denial('issuer_suspended', told.issuer);
    if (lineage.some((above) => agentIs(above.issuer, above.agent))) return denial('agent_suspended', told.above);
    if (route !== undefined && suspended(`route ${route}`)) return denial('route_suspended', told.route);
    return undefined;
  }
}

function denial(code: string, message: string): Denial {
  return deny('agent_suspended', message, { reasons: [{ code, message }] });
}
