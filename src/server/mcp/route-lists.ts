/**
 * The lists of resources, templates and prompts over many routes: one call a route, each judged and recorded by itself,
 * their answers put together and paged. What a reader would get wrong: what one server's list cannot be had for is no
 * fault of the others; its route is named in `_meta`, and the rest is listed.
 */
import type { Json, JsonObject } from '../../call.ts';
import type { Reply } from '../../pipeline.ts';
import { parseAnswerJson } from '../../wire/json.ts';
import { type RpcId, rpcCodes } from '../../wire/mcp/fault.ts';
import { objectIn } from '../../wire/mcp/message.ts';
import { aggregatedPrompt, aggregatedUri } from '../../wire/mcp/names.ts';

/** Where the items stand in the result of each list; how they are named among those of all routes, see `named`. */
const lists: Readonly<Record<string, string>> = {
  'resources/list': 'resources',
  'resources/templates/list': 'resourceTemplates',
  'prompts/list': 'prompts',
};

/** A page holds the lists of so many routes, and ends once it has so many items. */
const pageRoutes = 16;
const pageItems = 500;
const cursorCharsMax = 16_384;

/** Whether a method lists what servers have. */
export function isRouteList(method: string): boolean {
  return Object.hasOwn(lists, method);
}

/** Where a page begins. */
interface Place {
  readonly route: string;
  /** The server's own cursor; absent at the beginning of its list. */
  readonly cursor?: string;
}

/**
 * The page behind `cursor`; undefined where it is none of ours. `routes` are in their order; `ask` makes the call of one
 * route, and gives its whole reply. What all routes refuse is the refusal of the last.
 */
export async function routeListPage(
  method: string,
  cursor: Json | undefined,
  routes: readonly string[],
  ask: (route: string, params: JsonObject) => Promise<Reply>,
): Promise<{ readonly result: JsonObject } | { readonly refused: Reply } | undefined> {
  const member = lists[method];
  const from = cursor === undefined ? undefined : readCursor(cursor);
  if (member === undefined || (cursor !== undefined && from === undefined)) return undefined;
  const sorted = routes.toSorted();
  const rest = from === undefined ? sorted : sorted.filter((route) => route >= from.route);
  const items: Json[] = [];
  const unlisted: JsonObject[] = [];
  let refused: Reply | undefined;
  let answered = from !== undefined;
  let next: Place | undefined;
  for (const [index, route] of rest.entries()) {
    if (index >= pageRoutes || items.length >= pageItems) {
      next = { route };
      break;
    }
    const inner = from?.route === route && from.cursor !== undefined ? { cursor: from.cursor } : {};
    const reply = await ask(route, inner);
    const message = Buffer.isBuffer(reply.body) ? objectIn(parseAnswerJson(reply.body)?.exact) : undefined;
    const result = objectIn(message?.result);
    if (result === undefined) {
      const error = objectIn(message?.error);
      // A server that has no such list has an empty one.
      if (error?.code === rpcCodes.methodNotFound) answered = true;
      else {
        unlisted.push({ route, code: objectIn(error?.data)?.code ?? error?.code ?? reply.status });
        refused = reply;
      }
      continue;
    }
    answered = true;
    const found = result[member];
    items.push(...(Array.isArray(found) ? found.map((item: Json) => named(route, item)) : []));
    if (typeof result.nextCursor === 'string') {
      next = { route, cursor: result.nextCursor };
      break;
    }
  }
  if (!answered && refused !== undefined) return { refused };
  const meta = unlisted.length === 0 ? {} : { _meta: { 'tollgate/unlisted': unlisted } };
  const more = next === undefined ? {} : { nextCursor: cursorOf(next) };
  return { result: { [member]: items, ...more, ...meta } };
}

/** An item of a list as a client of many routes knows it. */
function named(route: string, item: Json): Json {
  const one = objectIn(item);
  if (one === undefined) return item;
  const { name, uri, uriTemplate } = one;
  if (typeof uri === 'string') return { ...one, uri: aggregatedUri(route, uri) };
  if (typeof uriTemplate === 'string') return { ...one, uriTemplate: aggregatedUri(route, uriTemplate) };
  return typeof name === 'string' ? { ...one, name: aggregatedPrompt(route, name) } : one;
}

/** The result of a list of one route whose server has no such list; undefined for any other answer. */
export function emptyList(method: string, body: Buffer): JsonObject | undefined {
  const member = lists[method];
  const error = objectIn(objectIn(parseAnswerJson(body)?.value)?.error);
  return member !== undefined && error?.code === rpcCodes.methodNotFound ? { [member]: [] } : undefined;
}

/** A response with `result`. */
export function resultOf(id: RpcId, result: JsonObject): JsonObject {
  return { jsonrpc: '2.0', id, result };
}

function cursorOf({ route, cursor }: Place): string {
  return Buffer.from(JSON.stringify([route, ...(cursor === undefined ? [] : [cursor])])).toString('base64url');
}

function readCursor(cursor: Json): Place | undefined {
  if (typeof cursor !== 'string' || cursor.length > cursorCharsMax) return undefined;
  try {
    const [route, inner] = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')) as unknown[];
    if (typeof route !== 'string' || (inner !== undefined && typeof inner !== 'string')) return undefined;
    return { route, ...(inner === undefined ? {} : { cursor: inner }) };
  } catch {
    return undefined;
  }
}
