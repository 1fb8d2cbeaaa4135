/** The admin API as the console asks it, with the token of the person. Everything it answers is data, to be shown as text. */

export interface Problem {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly reasons: readonly { readonly code: string; readonly message: string; readonly path?: string }[];
}

export type Answer<Value> = { readonly value: Value } | { readonly problem: Problem };

/** Who lets people in. */
export type SignIn =
  | { readonly way: 'admin_token' }
  | { readonly way: 'oidc'; readonly issuer: string; readonly audience: string };

export type Phase = 'task' | 'call' | 'response';
export const phases: readonly Phase[] = ['task', 'call', 'response'];

/** A row of `GET /policy/inputs`. */
export interface RecordedRow {
  readonly event: string;
  readonly time: string;
  readonly phase: Phase;
  readonly task: string;
  readonly call: string | null;
  readonly agent: string | null;
  readonly operation: string | null;
  readonly allow: boolean | null;
  readonly codes: readonly string[];
  readonly revision: string | null;
}

export interface Said {
  readonly allow: boolean;
  readonly reasons: readonly { readonly code: string; readonly message: string; readonly path?: string }[];
  readonly obligations: Readonly<Record<string, unknown>>;
  readonly grant?: unknown;
}

export interface RecordedInput extends RecordedRow {
  readonly input: unknown;
  readonly redacted: boolean;
  readonly left_out: readonly string[];
  readonly recorded: (Partial<Said> & { readonly revision?: string | null }) | null;
}

export interface Rule {
  readonly package: string;
  readonly name: string;
  readonly kind: 'rule' | 'function' | 'default' | 'else';
  readonly file: string;
  readonly line: number;
  readonly text: string;
  readonly outcome: 'fired' | 'tried' | 'untouched';
}

export interface Side {
  readonly side: 'active' | 'candidate';
  readonly bundle: string;
  readonly revision: string;
  readonly decision: Said;
  readonly wanting: readonly string[];
  readonly rules?: readonly Rule[];
  readonly rules_cut?: boolean;
  readonly compared?: boolean;
  readonly mismatch?: boolean;
  readonly opa_decision?: Said;
  readonly rules_unavailable?: string;
}

/** `GET path` or, with a body, `POST path`. Never rejects: what cannot be reached is a problem with status 0. */
export async function ask<Value>(token: string | null, path: string, body?: string): Promise<Answer<Value>> {
  try {
    const response = await fetch(path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body }),
      credentials: 'omit',
      cache: 'no-store',
    });
    const text = await response.text();
    if (response.ok) return { value: JSON.parse(text) as Value };
    return { problem: problemOf(response.status, text) };
  } catch {
    const message = 'The gate cannot be reached, or its answer cannot be read.';
    return { problem: { status: 0, code: 'unreachable', message, reasons: [] } };
  }
}

function problemOf(status: number, text: string): Problem {
  let said: Partial<Problem> & { readonly detail?: string; readonly title?: string } = {};
  try {
    said = (JSON.parse(text) ?? {}) as typeof said;
  } catch {
    // What is no JSON is not shown; the status says enough.
  }
  const { code = 'unknown', reasons = [] } = said;
  return {
    status,
    code,
    message: said.message ?? said.detail ?? said.title ?? `The gate answered ${status}.`,
    reasons,
  };
}
