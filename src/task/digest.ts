/**
 * Keyed digests of what a task called and of what a model proposed. Keyed by a secret of the task, because a plain
 * hash of a card number or a name is reversed in seconds; two tasks never have equal digests.
 */
import { createHmac } from 'node:crypto';
import type { Json, JsonObject, Operation } from '../call.ts';
import { idempotencyKeyHeader } from '../wire/call-hints.ts';
import { canonical } from '../wire/canonical.ts';
import { aggregatedName } from '../wire/mcp/names.ts';

/** Where the arguments of an HTTP call stand. */
const places: ReadonlySet<string> = new Set(['path', 'query', 'headers', 'body']);

/** Digest of any JSON value under the task's `digestKey`, base64url. */
export function digestOf(digestKey: string, value: Json): string {
  return digestOfText(digestKey, canonical(value));
}

function digestOfText(digestKey: string, text: string): string {
  return createHmac('sha256', Buffer.from(digestKey, 'base64url')).update(text).digest('base64url');
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The arguments as a model would write them for this operation: an HTTP tool's path, query, header and body members side
 * by side. Undefined where the same name stands in two places with different values.
 */
function flatArguments(args: JsonObject): JsonObject | undefined {
  const flat: Record<string, Json> = {};
  for (const part of places) {
    const value = args[part];
    if (value === undefined || value === null) continue;
    // A body that is a list, or a text, has no members to stand side by side with the others.
    const members = isObject(value) ? value : { [part]: value };
    for (const [name, value] of Object.entries(members)) {
      if (Object.hasOwn(flat, name) && canonical(flat[name] as Json) !== canonical(value)) return undefined;
      flat[name] = value;
    }
  }
  return flat;
}

/**
 * The digests under which a model may have proposed a call with these arguments: as they are, without the places that hold
 * nothing (as they are shown to clients of MCP), and flat. A header that only says how a repeat is known is no argument.
 */
export function argumentDigests(digestKey: string, args: JsonObject): readonly string[] {
  const said = withoutKey(args);
  const spelt = [args, said, lean(said), flatArguments(said)];
  const texts = new Set(spelt.flatMap((one) => (one === undefined ? [] : canonical(one))));
  return [...texts].map((text) => digestOfText(digestKey, text));
}

function withoutKey(args: JsonObject): JsonObject {
  if (!isObject(args.headers) || args.headers[idempotencyKeyHeader] === undefined) return args;
  const { [idempotencyKeyHeader]: _key, ...headers } = args.headers;
  return { ...args, headers };
}

/** Without the places of an HTTP call that hold nothing. */
function lean(args: JsonObject): JsonObject {
  const holds = (value: Json) => value !== null && !(isObject(value) && Object.keys(value).length === 0);
  return Object.fromEntries(Object.entries(args).filter(([name, value]) => !places.has(name) || holds(value)));
}

/**
 * The names under which a model may know an operation: tool names of model APIs allow no dots, so `orders.get_order`
 * is offered as `orders__get_order`, `orders_get_order`, or by its operation id alone. What is neither letter, digit, `_`
 * nor `-` in the name of a tool is an underscore there, and a long name is the one that the list of all routes has.
 */
export function toolNames({ name, route }: Pick<Operation, 'name' | 'route'>): readonly string[] {
  const short = name.slice(route.length + 1);
  const plain = short.replaceAll(/[^A-Za-z0-9_-]/g, '_');
  const of = (text: string) => [text, `${route}.${text}`, `${route}__${text}`, `${route}_${text}`];
  return [...new Set([...of(short), ...of(plain), aggregatedName(route, short)])];
}

/** Clients of MCP put their own name of the server before that of the tool: `mcp__{server}__{tool}`. */
const clientPrefix = /^mcp__[A-Za-z0-9_-]*?[A-Za-z0-9-]__/;

/** Whether a model that says `proposed` means an operation that it may know by `names`. */
export function isNamed(names: readonly string[], proposed: string): boolean {
  if (names.includes(proposed)) return true;
  return clientPrefix.test(proposed) && names.some((name) => proposed.endsWith(`__${name}`));
}
