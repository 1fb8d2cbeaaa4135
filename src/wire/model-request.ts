/**
 * What all requests to models have in common, whoever's SDK made them: a JSON object whose `model` names a route. And
 * whose they are: the paths of two SDKs meet in the list of models, where only a header tells their clients apart.
 */
import type { JsonObject, Operation, OperationRegistry, Payload, Resolved, WireRequest } from '../call.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import type { RawRequest } from './dialect.ts';
import { parseJson } from './json.ts';
import { objectOf } from './json-value.ts';
import { requestMediaType } from './media.ts';

export interface ModelBody {
  /** The value of `model`. */
  readonly route: string;
  /** The JSON text that `body` was read from. */
  readonly text: string;
  readonly body: JsonObject;
}

/** Whether a request is of a client of Anthropic's API; every other one below `/v1/` is of OpenAI's. */
export function isAnthropic(path: string, headers: RawRequest['headers']): boolean {
  if (path === '/v1/messages' || path.startsWith('/v1/messages/')) return true;
  const listsModels = path === '/v1/models' || path.startsWith('/v1/models/');
  return listsModels && headers['anthropic-version'] !== undefined;
}

/** Denies `media_type_unsupported`, and `request_invalid` for what is no JSON object with a model. */
export function readModelBody(request: RawRequest): ModelBody | Denial {
  const media = requestMediaType(request);
  if (isDenial(media)) return media;
  if (media?.type !== 'application/json') {
    return deny('media_type_unsupported', 'the body must be application/json');
  }
  const parsed = parseJson(request.body);
  if ('fault' in parsed) {
    const { message, offset, pointer } = parsed.fault;
    const at = offset === null ? '' : ` (byte ${offset})`;
    const reason = { code: 'json', message: `${message}${at}`, ...(pointer === null ? {} : { path: pointer }) };
    return deny('request_invalid', `the body cannot be read: ${message}${at}`, { reasons: [reason] });
  }
  const body = objectOf(parsed.value);
  const route = body.model;
  if (typeof route !== 'string') {
    const reason = { code: 'missing', message: 'model must name a model route', path: '/model' };
    return deny('request_invalid', 'the body must be an object whose model names a route', { reasons: [reason] });
  }
  return { route, text: request.body.toString('utf8'), body };
}

/**
 * The call of operation `{route}.{id}`; `what` is named where the route takes none. Its resolution denies `route_unknown`,
 * `operation_unknown`, and what making or validating the payload does.
 */
export function modelCall(
  { route, id, what }: { readonly route: string; readonly id: string; readonly what: string },
  payloadOf: (operation: Operation) => Payload | Denial,
): WireRequest {
  return {
    kind: 'model',
    route,
    resolve(registry: OperationRegistry): Resolved | Denial {
      if (registry.route(route)?.kind !== 'model') return deny('route_unknown', 'there is no model route of that name');
      const operation = registry.get(`${route}.${id}`);
      if (operation === undefined) return deny('operation_unknown', `the route does not take ${what}`);
      const payload = payloadOf(operation);
      if (isDenial(payload)) return payload;
      return payload.validate() ?? { operation, payload };
    },
  };
}
