/**
 * What the trail says that the policy had decided. What a reader would get wrong: an event says what the *gate* did.
 * A refusal for a spent budget tells of a policy that had allowed, without saying why it had; and some refusals that
 * look like the policy's are the gate's own, on which no policy has a say.
 */
import type { Json, JsonObject } from '../../call.ts';
import { ownReasons } from '../stage.ts';

/** Of an event of the trail, what replaying needs; the audit room's events fit. */
export interface ReplayedEvent {
  readonly seq: number;
  readonly type: string;
  readonly id: string;
  readonly time: string;
  readonly task: string | null;
  readonly call: string | null;
  readonly agent: string | null;
  readonly issuer: string | null;
  readonly operation: string | null;
  readonly attempts: readonly {
    readonly status: number | null;
    readonly sent: boolean;
    readonly error?: string | null;
  }[];
  readonly decision: {
    readonly id: string | null;
    readonly allow: boolean;
    readonly reasons: readonly { readonly code: string; readonly count?: number }[];
    readonly obligations: JsonObject;
    readonly revision: string | null;
  } | null;
}

/** A decision, as far as two of them are compared. `codes` is null where it is not known why it allowed. */
export interface Said {
  readonly allow: boolean;
  readonly codes: readonly string[] | null;
  readonly obligations: JsonObject;
}

/**
 * `unasked`: no policy was asked; `gate`: the gate refused by itself and would again; `untold`: the gate failed before
 * it looked at what the policy said.
 */
export type Recorded = Said | 'unasked' | 'gate' | 'untold';

/** The call ended before what the policy said was enforced, whatever that was. */
const untoldCodes: ReadonlySet<string> = new Set(['policy_unavailable', 'request_invalid']);

export function recordedOf(event: ReplayedEvent): Recorded {
  const { decision, type } = event;
  if (decision === null || decision.id === null) return 'unasked';
  // Reasons with a count are the gate's own remarks.
  const codes = decision.reasons.filter(({ count }) => count === undefined).map(({ code }) => code);
  const { obligations } = decision;
  if (type !== 'denial') return { allow: true, codes, obligations };
  const [denial = '', ...reasons] = codes;
  if (untoldCodes.has(denial)) return 'untold';
  // A denial of the policy keeps no obligations: what has some was allowed, and could not be met.
  if (denial !== 'policy_denied' || Object.keys(obligations).length > 0)
    return { allow: true, codes: null, obligations };
  if (reasons.length === 1 && ownReasons.has(reasons[0] as string)) return 'gate';
  return { allow: false, codes: reasons, obligations: {} };
}

/** What was decided about an answer, as it was kept beside it; null for what is no decision. */
export function answerSaid({ allow, reasons, obligations }: JsonObject): Said | null {
  if (typeof allow !== 'boolean' || !Array.isArray(reasons)) return null;
  const codes = reasons.map((reason: { readonly code?: unknown } | null) => String(reason?.code));
  return { allow, codes, obligations: (obligations ?? {}) as JsonObject };
}

/** Where the recorder redacted something it leaves the type of the finding in brackets. */
const marks = /\[(?:[a-z][a-z0-9_]{0,31}|too deep)\]/g;

/** Whether a recorded input may hold something else than the policy saw; a text that only looks like it counts, too. */
export function isRedacted(input: Json): boolean {
  if (typeof input === 'string') return input.search(marks) !== -1;
  if (input === null || typeof input !== 'object') return false;
  if (Array.isArray(input)) return input.some(isRedacted);
  return Object.entries(input).some(([name, member]) => isRedacted(name) || isRedacted(member));
}

/** The input with another value for each redacted one, no two alike: equal marks need not have been equal values. */
export function withOthers(input: JsonObject): JsonObject {
  let place = 0;
  const visit = (value: Json): Json => {
    if (typeof value === 'string') return value.replace(marks, () => `other-${++place}`);
    if (value === null || typeof value !== 'object') return value;
    if (Array.isArray(value)) return value.map(visit);
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, visit(member)]));
  };
  return visit(input) as JsonObject;
}
