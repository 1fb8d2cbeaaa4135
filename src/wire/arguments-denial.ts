/**
 * The refusal of a call whose arguments do not fit its operation: the first fault in the message, all of them, up to a
 * bound, as reasons. The operation is known by then, and the trail names it.
 */
import type { Operation } from '../call.ts';
import { type Denial, deny, type Reason } from '../denial.ts';

/** How many reasons one denial lists. */
export const reasonsMax = 20;

/** Why a call of `operation` with such faults is refused: `args_invalid`; undefined for none. */
export function argumentsDenial(operation: Operation, reasons: readonly Reason[]): Denial | undefined {
  const [first] = reasons;
  if (first === undefined) return undefined;
  const { name, effect } = operation;
  const more = reasons.length > 1 ? ` (and ${reasons.length - 1} more)` : '';
  const message = `the arguments do not fit ${name}: ${first.path ?? ''} ${first.message}${more}`;
  return deny('args_invalid', message, { reasons: reasons.slice(0, reasonsMax), operation: { name, effect } });
}
