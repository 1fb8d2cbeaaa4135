/**
 * The lists of tools that are asked for, for a task or for a token of one. A token is narrowed, never widened: what it is
 * asked for beyond its task or the token it is made from is refused, not left out.
 */
import type { OperationRegistry, TaskRecord } from '../call.ts';
import { type Denial, deny } from '../denial.ts';
import { type Toolset, toolsBeyond, unknownTools } from '../toolset.ts';
import { isPlainName } from '../wire/segments.ts';

/** What a token is narrowed to travels in the token, in a header, on every call. */
const scopeItemsMax = 64;
const scopeCharsMax = 8192;
/** How many faults one denial lists. */
const reasonsMax = 20;

/** Denies `args_invalid` for tools that no route has, at `/tools`. */
export function denyUnknownTools(tools: Toolset, operations: OperationRegistry): Denial | undefined {
  const unknown = unknownTools(tools, operations);
  if (unknown.length === 0) return undefined;
  return denyTools(
    'The task asks for tools that do not exist.',
    unknown,
    // Reasons are recorded for ever, and what was asked for may be anything.
    (item) => ['operation_unknown', isPlainName(item) ? `There is no operation ${item}` : 'There is no such operation'],
    operations.all().map(({ name }) => name),
  );
}

function denyTools(
  message: string,
  items: readonly string[],
  reason: (item: string) => readonly [code: string, message: string],
  allowed: readonly string[],
): Denial {
  const reasons = items.slice(0, reasonsMax).map((item) => {
    const [code, text] = reason(item);
    return { code, message: text, path: '/tools' };
  });
  return deny('args_invalid', message, { reasons, allowed });
}

/** What a token may be narrowed to: tools of the task, and of the token it is made from. Null is all of both. */
export function narrowedTo(
  operations: OperationRegistry,
  record: TaskRecord,
  asked: Toolset,
  held: Toolset,
): Toolset | Denial {
  if (asked === null) return held;
  const items = [...new Set(asked)];
  if (items.length === 0 || items.length > scopeItemsMax || items.join(' ').length > scopeCharsMax)
    return denyTooMuch();
  const unknown = denyUnknownTools(items, operations);
  if (unknown !== undefined) return unknown;
  const beyond = [...toolsBeyond(items, record.tools, operations), ...toolsBeyond(items, held, operations)];
  if (beyond.length > 0) {
    const allowed = held ?? record.tools ?? [];
    return denyTools(
      'A token is narrowed to tools of its task.',
      [...new Set(beyond)],
      (item) => ['not_in_task', `${item} is not among them.`],
      allowed,
    );
  }
  return items;
}

export function denyTooMuch(): Denial {
  const message = `A token is narrowed to 1 to ${scopeItemsMax} tools, of ${scopeCharsMax} characters together.`;
  return deny('args_invalid', message, {
    reasons: [{ code: 'invalid', message: 'name fewer, or whole routes', path: '/tools' }],
  });
}
