/**
 * Reads the bodies that people send to the admin plane: unknown in, typed out. A field that is not known is refused
 * with its path: a misspelt `until` would suspend for ever, a misspelt `tenant` in all of them.
 */
import { Ajv2020 } from 'ajv/dist/2020.js';
import Type from 'typebox';
import type { Spending } from '../call.ts';
import { type Denial, deny, type Reason } from '../denial.ts';
import { parseJson } from './json.ts';
import { microUsdFromUsd } from './money.ts';
import { child, pointerTokens } from './pointer.ts';
import { isPlainName } from './segments.ts';

/** How many faults one denial lists. */
const reasonsMax = 20;
const id = Type.String({ pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]{1,255}$' });
const why = Type.String({ pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]{1,500}$' });

const suspendable = {
  kind: Type.Union([Type.Literal('agent'), Type.Literal('tenant'), Type.Literal('issuer'), Type.Literal('route')]),
  id,
  issuer: Type.Optional(id),
  tenant: Type.Optional(id),
};

const suspendBody = Type.Object(
  { ...suspendable, reason: why, until: Type.Optional(Type.String({ maxLength: 64 })) },
  { additionalProperties: false },
);
const resumeBody = Type.Object({ ...suspendable, reason: Type.Optional(why) }, { additionalProperties: false });
const rotateBody = Type.Object(
  {
    purpose: Type.String({ pattern: '^[a-z_]{1,32}$' }),
    lead_seconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 30 * 24 * 3600 })),
  },
  { additionalProperties: false },
);
const rolloutBody = Type.Object(
  {
    stage: Type.Enum(['shadow', 'canary', 'full', 'rolled_back']),
    percent: Type.Optional(Type.Number({ minimum: 0, maximum: 100 })),
    content: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}$' })),
    revision: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })),
    reason: Type.Optional(why),
    force: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);
const limits = Type.Object(
  {
    tokens: Type.Optional(Type.Integer({ minimum: 0 })),
    cost_usd: Type.Optional(Type.Number({ minimum: 0 })),
    calls: Type.Optional(Type.Integer({ minimum: 0 })),
    seconds: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  { additionalProperties: false },
);
const raiseBody = Type.Object(
  {
    to: Type.Optional(limits),
    by: Type.Optional(limits),
    ttl_seconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 30 * 24 * 3600 })),
    reason: Type.Optional(why),
  },
  { additionalProperties: false },
);
const acceptBody = Type.Object(
  {
    route: id,
    tool: id,
    hash: Type.String({ pattern: '^[0-9a-f]{64}$' }),
    reason: Type.Optional(why),
  },
  { additionalProperties: false },
);
const reasonBody = Type.Object({ reason: Type.Optional(why) }, { additionalProperties: false });

/** Whom or what to suspend. An agent is named with its issuer: equal ids of two issuers are two agents. */
export type Suspended =
  | { readonly kind: 'agent'; readonly issuer: string; readonly id: string; readonly tenant?: string }
  | { readonly kind: 'tenant' | 'issuer' | 'route'; readonly id: string };

export interface SuspendRequest {
  readonly what: Suspended;
  readonly reason: string;
  /** Milliseconds since 1970; null for good. */
  readonly untilMs: number | null;
}

/** What of a task is raised: limits to a number, or by one; its life to so long from now at least, null to leave it. */
export interface RaiseRequest {
  readonly to: Partial<Spending>;
  readonly by: Partial<Spending>;
  readonly ttlMs: number | null;
  readonly reason: string | null;
}

/** A step of the rollout of a candidate; `content` and `revision` say which candidate is meant, and no other. */
export type RolloutRequest = Readonly<Type.Static<typeof rolloutBody>>;

/** A definition of a tool that is accepted; `hash` says which, so that none passes that nobody has looked at. */
export interface AcceptRequest {
  readonly route: string;
  readonly tool: string;
  readonly hash: string;
  readonly reason: string | null;
}

/** RFC 3339 §5.6, with a zone: a time without one would be another at each gateway. */
const timeForm = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})$/;

/** The readers of the admin plane; the schemas are compiled once. All deny 400 for no JSON, 422 for another document. */
export class AdminRequests {
  readonly #ajv = new Ajv2020({ allErrors: true, strict: false });
  readonly #suspend = this.#ajv.compile<Type.Static<typeof suspendBody>>(suspendBody);
  readonly #resume = this.#ajv.compile<Type.Static<typeof resumeBody>>(resumeBody);
  readonly #rotate = this.#ajv.compile<Type.Static<typeof rotateBody>>(rotateBody);
  readonly #rollout = this.#ajv.compile<Type.Static<typeof rolloutBody>>(rolloutBody);
  readonly #raise = this.#ajv.compile<Type.Static<typeof raiseBody>>(raiseBody);
  readonly #accept = this.#ajv.compile<Type.Static<typeof acceptBody>>(acceptBody);
  readonly #reason = this.#ajv.compile<Type.Static<typeof reasonBody>>(reasonBody);

  /** The body of `POST /suspensions`. */
  suspend(bytes: Buffer): SuspendRequest | Denial {
    const body = read(bytes, this.#suspend);
    if ('denial' in body) return body.denial;
    const { reason, until, ...named } = body.value;
    const what = suspendedOf(named);
    if ('denial' in what) return what.denial;
    const untilMs = until === undefined ? null : timeForm.test(until) ? Date.parse(until) : Number.NaN;
    if (Number.isNaN(untilMs))
      return unfit('/until', 'expected a time as in RFC 3339, for example 2026-11-02T09:00:00Z');
    return { what: what.value, reason, untilMs };
  }

  /** The body of `POST /suspensions/resume`. */
  resume(bytes: Buffer): { readonly what: Suspended; readonly reason: string | null } | Denial {
    const body = read(bytes, this.#resume);
    if ('denial' in body) return body.denial;
    const { reason, ...named } = body.value;
    const what = suspendedOf(named);
    return 'denial' in what ? what.denial : { what: what.value, reason: reason ?? null };
  }

  /** The body of `POST /keys/rotate`. */
  rotate(bytes: Buffer): { readonly purpose: string; readonly leadMs: number | null } | Denial {
    const body = read(bytes, this.#rotate);
    if ('denial' in body) return body.denial;
    const { purpose, lead_seconds: lead } = body.value;
    return { purpose, leadMs: lead === undefined ? null : lead * 1000 };
  }

  /** The body of `POST /policy/rollout`. */
  rollout(bytes: Buffer): RolloutRequest | Denial {
    const body = read(bytes, this.#rollout);
    return 'denial' in body ? body.denial : body.value;
  }

  /** The body of `POST /tasks/{id}/raise`. */
  raise(bytes: Buffer): RaiseRequest | Denial {
    const body = read(bytes, this.#raise);
    if ('denial' in body) return body.denial;
    const { to = {}, by = {}, ttl_seconds: ttl, reason } = body.value;
    const [wanted, more] = [spendingOf(to), spendingOf(by)];
    if (wanted === undefined || more === undefined) {
      return unfit(`/${wanted === undefined ? 'to' : 'by'}/cost_usd`, 'expected dollars with six decimals at most');
    }
    return { to: wanted, by: more, ttlMs: ttl === undefined ? null : ttl * 1000, reason: reason ?? null };
  }

  /** The body of `POST /tools/accept`: a tool, and the hash of the definition that was looked at. */
  accept(bytes: Buffer): AcceptRequest | Denial {
    const body = read(bytes, this.#accept);
    if ('denial' in body) return body.denial;
    const { reason, ...named } = body.value;
    return { ...named, reason: reason ?? null };
  }

  /** A body that may say why, and may be left out: of a kill, of an erasure. */
  reason(bytes: Buffer): { readonly reason: string | null } | Denial {
    if (bytes.length === 0) return { reason: null };
    const body = read(bytes, this.#reason);
    return 'denial' in body ? body.denial : { reason: body.value.reason ?? null };
  }
}

function spendingOf({ cost_usd: costUsd, ...rest }: Type.Static<typeof limits>): Partial<Spending> | undefined {
  if (costUsd === undefined) return rest;
  const costMicroUsd = microUsdFromUsd(costUsd);
  return costMicroUsd === undefined ? undefined : { ...rest, costMicroUsd };
}

interface Validator<T> {
  (value: unknown): value is T;
  errors?: readonly Fault[] | null;
}

interface Fault {
  readonly instancePath: string;
  readonly keyword: string;
  readonly message?: string;
  readonly params: Record<string, unknown>;
}

type Read<T> = { readonly value: T } | { readonly denial: Denial };

function read<T>(bytes: Buffer, fits: Validator<T>): Read<T> {
  const json = parseJson(bytes);
  if ('fault' in json) {
    return { denial: deny('request_invalid', `Expected a JSON document: ${json.fault.message}.`) };
  }
  const value: unknown = json.value;
  if (fits(value)) return { value };
  const reasons = (fits.errors ?? [])
    // Each literal of a union complains for itself; the union says it for all.
    .filter(({ keyword }) => keyword !== 'const')
    .slice(0, reasonsMax)
    .map(reasonOf);
  return { denial: deny('args_invalid', 'The request is not valid.', { reasons }) };
}

function reasonOf({ instancePath, keyword, message, params }: Fault): Reason {
  const path = (pointerTokens(instancePath) ?? []).reduce(shownChild, '');
  const extra = params.additionalProperty;
  if (typeof extra === 'string') {
    return { code: 'unknown_field', message: 'there is no such field', path: shownChild(path, extra) };
  }
  const missing = params.missingProperty;
  if (typeof missing === 'string') return { code: 'missing', message: 'is needed', path: shownChild(path, missing) };
  const text = keyword === 'anyOf' ? 'must be one of: agent, tenant, issuer, route' : message;
  return { code: 'invalid', message: text ?? 'not valid', path };
}

/** Names that could be data do not stand in pointers (see segments.ts): reasons are recorded for ever. */
function shownChild(path: string, name: string): string {
  return child(path, isPlainName(name) ? name : '{}');
}

interface Named {
  readonly kind: 'agent' | 'tenant' | 'issuer' | 'route';
  readonly id: string;
  readonly issuer?: string;
  readonly tenant?: string;
}

function suspendedOf({ kind, id: named, issuer, tenant }: Named): Read<Suspended> {
  if (kind !== 'agent') {
    const needless = issuer !== undefined ? '/issuer' : tenant !== undefined ? '/tenant' : undefined;
    if (needless !== undefined) return { denial: unfit(needless, `has no meaning for the kind ${kind}`) };
    return { value: { kind, id: named } };
  }
  if (issuer === undefined)
    return { denial: unfit('/issuer', 'is needed: an agent is named with its issuer', 'missing') };
  return { value: { kind, issuer, id: named, ...(tenant === undefined ? {} : { tenant }) } };
}

function unfit(path: string, message: string, code = 'invalid'): Denial {
  return deny('args_invalid', 'The request is not valid.', { reasons: [{ code, message, path }] });
}
