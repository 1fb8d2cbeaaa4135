/**
 * The closed table of denials: every refusal the gate can give, on every surface. A denial is a value that stages
 * return; an exception is a fault. Codes are a public contract (docs/reference/denials.md is generated from here).
 */

import type { RateState } from './rate.ts';

interface DenialRow {
  /** HTTP status on surfaces that have one. */
  readonly status: number;
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean;
  /** Short public text, the same for every occurrence (RFC 9457 `title`). */
  readonly title: string;
}

export const denials = {
  request_invalid: { status: 400, retryable: false, title: 'The request cannot be read' },
  unauthenticated: { status: 401, retryable: false, title: 'The credential is missing or not accepted' },
  task_budget_exhausted: { status: 402, retryable: false, title: 'The budget of the task does not cover this call' },
  budget_exhausted: { status: 402, retryable: false, title: 'The budget of the agent or tenant is spent' },
  task_paused: { status: 402, retryable: false, title: 'The task is paused until an operator raises its budget' },
  insufficient_scope: { status: 403, retryable: false, title: 'The token does not carry the scope' },
  policy_denied: { status: 403, retryable: false, title: 'The policy does not allow this call' },
  approval_required: { status: 403, retryable: false, title: 'A human must approve this call' },
  approval_denied: { status: 403, retryable: false, title: 'A human refused this call' },
  approval_expired: { status: 403, retryable: false, title: 'The approval has expired' },
  task_unknown: { status: 403, retryable: false, title: 'There is no such task for this caller' },
  task_expired: { status: 403, retryable: false, title: 'The task has expired' },
  task_completed: { status: 403, retryable: false, title: 'The task is completed' },
  task_killed: { status: 403, retryable: false, title: 'The task was killed' },
  task_looping: { status: 403, retryable: false, title: 'The task repeats itself' },
  agent_suspended: { status: 403, retryable: false, title: 'The agent is suspended' },
  residency_violation: { status: 403, retryable: false, title: 'No target lies where the data may go' },
  pii_blocked: { status: 403, retryable: false, title: 'Personal data may not pass here' },
  secret_blocked: { status: 403, retryable: false, title: 'A secret may not pass here' },
  tool_drifted: { status: 403, retryable: false, title: 'The definition of the tool has changed' },
  operation_unknown: { status: 404, retryable: false, title: 'There is no such operation' },
  route_unknown: { status: 404, retryable: false, title: 'There is no such route' },
  method_not_allowed: { status: 405, retryable: false, title: 'The method is not allowed here' },
  task_conflict: { status: 409, retryable: true, title: 'The task changed under this call' },
  outcome_unknown: { status: 409, retryable: false, title: 'Whether an earlier equal call took effect is not known' },
  precondition_failed: { status: 412, retryable: false, title: 'The precondition does not hold' },
  too_large: { status: 413, retryable: false, title: 'The request is too large' },
  media_type_unsupported: { status: 415, retryable: false, title: 'The media type is not supported' },
  args_invalid: { status: 422, retryable: false, title: 'The arguments do not fit the operation' },
  rate_limited: { status: 429, retryable: true, title: 'Too many calls' },
  upstream_error: { status: 502, retryable: true, title: 'The target broke off or answered nonsense' },
  circuit_open: { status: 503, retryable: true, title: 'The destination keeps failing and is not called' },
  upstream_unavailable: { status: 503, retryable: true, title: 'No target of the route can be reached' },
  policy_unavailable: { status: 503, retryable: true, title: 'No decision can be made' },
  store_unavailable: { status: 503, retryable: true, title: 'The shared state cannot be reached' },
  audit_unavailable: { status: 503, retryable: true, title: 'The call cannot be recorded' },
  upstream_timeout: { status: 504, retryable: true, title: 'The target did not answer in time' },
} as const satisfies Record<string, DenialRow>;

export type DenialCode = keyof typeof denials;

/** Why: a stable code that programs act on, and a text for the agent. `path` is a JSON pointer into the arguments. */
export interface Reason {
  readonly code: string;
  readonly message: string;
  readonly path?: string;
}

export interface DenialDetails {
  readonly reasons?: readonly Reason[];
  /** When a retry may help, in milliseconds from now. */
  readonly retryAfterMs?: number;
  /** What the agent may do instead: operations, or values. */
  readonly allowed?: readonly string[];
  /** Overrides the table for this occurrence, for example an issuer that is away. */
  readonly retryable?: boolean;
  /** What a token must cover for this, on 403 `insufficient_scope` (RFC 6750 §3.1). */
  readonly scope?: string;
  /** What is left of a budget, on 402. */
  readonly remaining?: Readonly<Record<string, number>>;
  /** How the limits by time stand, on 429; told in headers. */
  readonly rates?: readonly RateState[];
  /** What the call was of, where it was refused as soon as that was known; for the trail. */
  readonly operation?: { readonly name: string; readonly effect: 'read' | 'write' | 'delete' };
  /** How long the call waited before it was refused; not the gate's overhead. */
  readonly waitedMs?: number;
}

/** A refusal by the gate. `message` is public: it never holds a token, a key, or the data it complains of. */
export class Denial {
  readonly code: DenialCode;
  readonly message: string;
  readonly reasons: readonly Reason[];
  readonly details: DenialDetails;

  constructor(code: DenialCode, message: string, details: DenialDetails = {}) {
    this.code = code;
    this.message = message;
    this.reasons = details.reasons ?? [];
    this.details = details;
  }

  get status(): number {
    return denials[this.code].status;
  }

  get retryable(): boolean {
    return this.details.retryable ?? denials[this.code].retryable;
  }
}

/** Makes a denial; reads better than `new` in the middle of a stage. */
export function deny(code: DenialCode, message: string, details?: DenialDetails): Denial {
  return new Denial(code, message, details);
}

export function isDenial(value: unknown): value is Denial {
  return value instanceof Denial;
}

/** What of a call a denial names; all that is known when it happens. */
export interface DenialIds {
  readonly decision_id?: string | undefined;
  readonly task_id?: string | undefined;
  readonly call_id?: string | undefined;
  readonly trace_id?: string | undefined;
}

/** The members of a denial on every surface; each surface only wraps them. `retry_after` is in whole seconds. */
export interface DenialMembers {
  readonly code: DenialCode;
  readonly message: string;
  readonly reasons: readonly Reason[];
  readonly decision_id: string | null;
  readonly task_id: string | null;
  readonly call_id: string | null;
  readonly trace_id: string | null;
  readonly retryable: boolean;
  readonly retry_after?: number;
  readonly allowed?: readonly string[];
  readonly remaining?: Readonly<Record<string, number>>;
}

/** The public members of `denial`, as design and docs name them. */
export function denialMembers(denial: Denial, ids: DenialIds): DenialMembers {
  const { retryAfterMs, allowed, remaining } = denial.details;
  return {
    code: denial.code,
    message: denial.message,
    reasons: denial.reasons,
    decision_id: ids.decision_id ?? null,
    task_id: ids.task_id ?? null,
    call_id: ids.call_id ?? null,
    trace_id: ids.trace_id ?? null,
    retryable: denial.retryable,
    ...(retryAfterMs === undefined ? {} : { retry_after: Math.ceil(retryAfterMs / 1000) }),
    ...(allowed === undefined ? {} : { allowed }),
    ...(remaining === undefined ? {} : { remaining }),
  };
}

const longestUsefulWaitMs = 60_000;

/**
 * Headers every denial carries besides its body. `x-should-retry: false` stops the big SDKs from repeating what a
 * repeat cannot help: what is not retryable, both 409s, and waits of over a minute (SDKs ignore such waits).
 */
export function denialHeaders(denial: Denial): Record<string, string> {
  const headers: Record<string, string> = { 'cache-control': 'no-store' };
  const { retryAfterMs } = denial.details;
  if (retryAfterMs !== undefined) headers['retry-after'] = String(Math.ceil(retryAfterMs / 1000));
  if (!denial.retryable || denial.status === 409 || (retryAfterMs ?? 0) > longestUsefulWaitMs) {
    headers['x-should-retry'] = 'false';
  }
  return headers;
}
