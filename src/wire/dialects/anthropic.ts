/**
 * The wire format of Anthropic's SDKs: `/v1/messages`, streamed and not, and `/v1/messages/count_tokens`. `model` in the
 * body is the name of a route, and the target's model never shows. `GET /v1/models` is answered by the server from
 * `anthropicModels`, for clients that send `anthropic-version`.
 */
import type { JsonObject, Operation, Payload, Route, WireRequest } from '../../call.ts';
import { type Denial, type DenialMembers, denialHeaders, deny, isDenial } from '../../denial.ts';
import {
  type Dialect,
  type EncodedDenial,
  labelsOf,
  type OperationSource,
  type RawRequest,
  type RouteSettings,
} from '../dialect.ts';
import { isAnthropic, modelCall, readModelBody } from '../model-request.ts';
import { sseEvent } from '../sse.ts';
import { errorType } from './anthropic/errors.ts';
import { headerParams, misplacedParams } from './anthropic/faults.ts';
import { noParams, readParams } from './anthropic/params.ts';
import { CountPayload, MessagesPayload, type MessagesRequest } from './anthropic/request.ts';

/** The operations by their paths. */
const operationAt: Readonly<Record<string, 'messages' | 'count_tokens'>> = {
  '/v1/messages': 'messages',
  '/v1/messages/count_tokens': 'count_tokens',
};

export const anthropic: Dialect = {
  name: 'anthropic',
  requestIdHeader: 'request-id',
  handles: isAnthropic,
  parse: parseMessages,
  denial: (denial, members, requestId): EncodedDenial => ({
    status: denial.status,
    headers: { 'content-type': 'application/json', ...denialHeaders(denial) },
    body: Buffer.from(JSON.stringify(errorDocument(denial, members, requestId))),
  }),
  // The SDK throws on an event of this name, and never reads what follows.
  denialFrame: (denial, members, requestId) =>
    sseEvent(JSON.stringify(errorDocument(denial, members, requestId)), 'error'),
};

/** Anthropic's error object; SDKs keep its extra members. */
function errorDocument(denial: Denial, members: DenialMembers, requestId: string | undefined): object {
  const { message, code, ...rest } = members;
  const error = { type: errorType(denial.status), message, code, ...rest };
  return { type: 'error', error, request_id: requestId ?? null };
}

function parseMessages(request: RawRequest): WireRequest | Denial {
  const asked = Object.hasOwn(operationAt, request.path) ? operationAt[request.path] : undefined;
  if (asked === undefined) return deny('operation_unknown', 'there is no such model operation');
  if (request.method !== 'POST') {
    return deny('method_not_allowed', 'messages are made and counted with POST', { allowed: ['POST'] });
  }
  const params = readParams(request);
  if (isDenial(params)) return params;
  const read = readModelBody(request);
  if (isDenial(read)) return read;
  const { route, text, body } = read;
  return modelCall({ route, id: asked, what: 'messages' }, () => {
    const reasons = misplacedParams(body);
    if (reasons.length > 0) return deny('args_invalid', 'the body has what only headers have', { reasons });
    return payloadOf(asked, { route, text, body, params });
  });
}

function payloadOf(asked: 'messages' | 'count_tokens', request: MessagesRequest): Payload {
  return asked === 'messages' ? new MessagesPayload(request) : new CountPayload(request);
}

/** What a model route can be called for whose targets speak this API. */
export const messageOperations: OperationSource = {
  kind: 'model',
  operations(route: Route, settings: RouteSettings) {
    const operation = (id: string, rest: Pick<Operation, 'effect' | 'summary'>): Operation => ({
      name: `${route.name}.${id}`,
      route: route.name,
      kind: 'model',
      inputSchema: null,
      remember: [],
      ...rest,
      ...labelsOf(settings.operations[id]),
    });
    return {
      operations: [
        // It changes nothing at the model, but it costs, and it carries data out.
        operation('messages', { effect: 'write', summary: `Message by the model route ${route.name}` }),
        operation('count_tokens', { effect: 'read', summary: `Length of a prompt for the route ${route.name}` }),
      ],
      faults: [],
    };
  },
};

/** What would be sent for `operation` with `args`, as `supposed` has it; undefined for operations of other surfaces. */
export function supposedMessages({ name, route }: Operation, args: JsonObject | null): Payload | undefined {
  const id = name.slice(route.length + 1);
  if (id !== 'messages' && id !== 'count_tokens') return undefined;
  const given = Object.entries(args ?? {});
  const isHeader = ([member]: readonly [string, unknown]): boolean => Object.hasOwn(headerParams, member);
  const body: JsonObject = { ...Object.fromEntries(given.filter((one) => !isHeader(one))), model: route };
  const params = { ...noParams, members: Object.fromEntries(given.filter(isHeader)) };
  return payloadOf(id, { route, text: JSON.stringify(body), body, params });
}
