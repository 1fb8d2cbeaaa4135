/**
 * What of a request has no place in the API of a target, as it is found. Nothing is dropped in silence: a field is
 * translated, named here, or one of the few that docs/decisions/0031 lists as left out.
 */
import type { Json, JsonObject, Target } from '../../call.ts';
import { type Denial, deny, type Reason } from '../../denial.ts';
import { rowOf } from '../field-class.ts';
import { child } from '../pointer.ts';

/** How many fields one denial names. */
const reasonsMax = 20;

/** How messages call the two APIs. */
const apiNames = { openai: 'the chat completions API', anthropic: 'the messages API' } as const;

export class Unfit {
  readonly reasons: Reason[] = [];

  /** `path` is a JSON pointer into the request of the client. */
  tell(path: string, message: string): void {
    if (this.reasons.length < reasonsMax) this.reasons.push({ code: 'unfit', message, path });
  }

  /** Tells of every member of `value` that is set and not among `known`. */
  members(value: JsonObject, known: ReadonlySet<string>, at: string): void {
    for (const [name, member] of Object.entries(value)) {
      if (member !== null && !known.has(name)) this.tell(child(at, name), `${name} has no place there`);
    }
  }
}

/** What becomes of one field that is set. */
export type Take = (value: Json, draft: Record<string, Json>, unfit: Unfit) => void;

/** Hands each member of `body` that is set to its row; one without a row is unfit. */
export function takeFields(
  body: JsonObject,
  rows: Readonly<Record<string, Take>>,
  draft: Record<string, Json>,
  unfit: Unfit,
): void {
  for (const [name, value] of Object.entries(body)) {
    if (value === null) continue;
    const take = rowOf(rows, name);
    if (take === undefined) unfit.tell(child('', name), `${name} has no place there`);
    else take(value, draft, unfit);
  }
}

/** A field that is read elsewhere, or that may be left out. */
export const left: Take = () => undefined;

/** A field under the same name. */
export function same(name: string): Take {
  return (value, draft) => {
    draft[name] = value;
  };
}

/** A field whose `values` mean nothing there, or what is done anyway; it has no others there. */
export function only(name: string, ...values: readonly Json[]): Take {
  return (value, _draft, unfit) => {
    if (values.includes(value)) return;
    const allowed = values.map((one) => JSON.stringify(one)).join(' or ');
    unfit.tell(child('', name), `${name} has no place there, unless it is ${allowed}`);
  };
}

/** A field that is empty, or has no place there. */
export function empty(name: string): Take {
  return (value, _draft, unfit) => {
    if (typeof value !== 'object' || value === null || Object.keys(value).length > 0) {
      unfit.tell(child('', name), `${name} has no place there`);
    }
  };
}

/** `args_invalid` for the fields in `reasons`, with a reason each; undefined where there are none. */
export function denyUnfit(target: Target, reasons: readonly Reason[]): Denial | undefined {
  if (reasons.length === 0) return undefined;
  const api = target.api === null ? 'another API' : apiNames[target.api];
  const paths = reasons.map(({ path }) => path).join(', ');
  const message = `the target ${target.name} speaks ${api}, which cannot be asked for this: ${paths}`;
  return deny('args_invalid', message, { reasons });
}
