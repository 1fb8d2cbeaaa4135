/**
 * What a server calls its resources, as a client knows them that sees those of many routes in one list. Only where the
 * protocol has a URI to come back with; texts that speak of one are left as they are. Lists are renamed by whoever puts
 * those of many routes together.
 */
import type { Json, JsonObject } from '../../../call.ts';
import { objectIn } from '../../mcp/message.ts';
import { aggregatedUri } from '../../mcp/names.ts';

type Change = (item: JsonObject) => JsonObject;

/** `result` of `method` with the URIs that clients of many routes know. */
export function renamed(route: string, method: string, result: JsonObject): JsonObject {
  switch (method) {
    case 'resources/read':
      return each(result, 'contents', (item) => withUri(route, item));
    case 'prompts/get':
      return each(result, 'messages', (item) => {
        const content = objectIn(item.content);
        return content === undefined
          ? each(item, 'content', block(route))
          : { ...item, content: block(route)(content) };
      });
    case 'tools/call':
      return each(result, 'content', block(route));
    default:
      return result;
  }
}

function block(route: string): Change {
  return (item) => {
    if (item.type === 'resource_link') return withUri(route, item);
    const resource = item.type === 'resource' ? objectIn(item.resource) : undefined;
    return resource === undefined ? item : { ...item, resource: withUri(route, resource) };
  };
}

function withUri(route: string, item: JsonObject): JsonObject {
  return typeof item.uri === 'string' ? { ...item, uri: aggregatedUri(route, item.uri) } : item;
}

function each(object: JsonObject, member: string, change: Change): JsonObject {
  const list = object[member];
  if (!Array.isArray(list)) return object;
  const items = (list as readonly Json[]).map((item) => {
    const one = objectIn(item);
    return one === undefined ? item : change(one);
  });
  return { ...object, [member]: items };
}
