/**
 * Keyed digests of what a task called and of what a model proposed. Keyed by a secret of the task, because a plain
 * hash of a card number or a name is reversed in seconds; two tasks never have equal digests.
 */
import { createHmac } from 'node:crypto';
import type { Json, JsonObject, Operation } from '../call.ts';
import { canonical } from '../wire/canonical.ts';

/** Digest of any JSON value under the task's `digestKey`, base64url. */
export function digestOf(digestKey: string, value: Json): string {
  return createHmac('sha256', Buffer.from(digestKey, 'base64url')).update(canonical(value)).digest('base64url');
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The arguments as a model would write them for this operation: an HTTP tool's path, query and body members side by
 * side. Undefined where the same name stands in two places with different values.
 */
export function flatArguments(args: JsonObject): JsonObject | undefined {
  const flat: Record<string, Json> = {};
  for (const part of ['path', 'query', 'body']) {
    const members = args[part];
    if (!isObject(members)) {
      if (members !== undefined && members !== null) return undefined;
      continue;
    }
    for (const [name, value] of Object.entries(members)) {
      if (Object.hasOwn(flat, name) && canonical(flat[name] as Json) !== canonical(value)) return undefined;
      flat[name] = value;
    }
  }
  return flat;
}

/** The digests under which a model may have proposed a call with these arguments. */
export function argumentDigests(digestKey: string, args: JsonObject): readonly string[] {
  const flat = flatArguments(args);
  const whole = digestOf(digestKey, args);
  return flat === undefined ? [whole] : [whole, digestOf(digestKey, flat)];
}

/**
 * The names under which a model may know an operation: tool names of model APIs allow no dots, so `orders.get_order`
 * is offered as `orders__get_order`, `orders_get_order`, or by its operation id alone.
 */
export function toolNames(operation: Operation): readonly string[] {
  const short = operation.name.slice(operation.route.length + 1);
  return [operation.name, `${operation.route}__${short}`, `${operation.route}_${short}`, short];
}
