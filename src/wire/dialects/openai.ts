/**
 * The wire format of OpenAI's SDKs, below `/v1/`: chat completions, streamed and not. `model` in the body is the name of
 * a route, and the target's model never shows. `/v1/messages` is Anthropic's and not read here; `GET /v1/models` is
 * answered by the server from `modelsDocument`.
 */
import type { Operation, Route, WireRequest } from '../../call.ts';
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
import { ChatPayload } from './openai/request.ts';

const chatPath = '/v1/chat/completions';

export const openai: Dialect = {
  name: 'openai',
  handles: (path, headers) => path.startsWith('/v1/') && !isAnthropic(path, headers),
  parse: parseChat,
  denial: (denial, members): EncodedDenial => ({
    status: denial.status,
    headers: {
      'content-type': 'application/json',
      ...denialHeaders(denial),
    },
    body: Buffer.from(JSON.stringify(errorDocument(members))),
  }),
  // The SDK throws on a frame with `error` and never reads what follows; other clients wait for the end mark.
  denialFrame: (_denial, members) =>
    Buffer.concat([sseEvent(JSON.stringify(errorDocument(members))), sseEvent('[DONE]')]),
};

/** OpenAI's error object; SDKs keep its extra members. */
function errorDocument(members: DenialMembers): object {
  const { message, code, ...rest } = members;
  return { error: { message, type: code, param: null, code, ...rest } };
}

function parseChat(request: RawRequest): WireRequest | Denial {
  if (request.path === '/v1/realtime' || request.path.startsWith('/v1/realtime/')) {
    return deny('operation_unknown', 'realtime sessions do not pass this gate');
  }
  if (request.path !== chatPath) return deny('operation_unknown', 'there is no such model operation');
  if (request.method !== 'POST')
    return deny('method_not_allowed', 'chat completions are made with POST', { allowed: ['POST'] });
  if (request.query !== '') return deny('request_invalid', 'chat completions take no query');
  const read = readModelBody(request);
  if (isDenial(read)) return read;
  const { route, text, body } = read;
  return modelCall({ route, id: 'chat', what: 'chat completions' }, () => new ChatPayload(route, text, body));
}

/** What a model route can be called for. */
export const modelOperations: OperationSource = {
  kind: 'model',
  operations(route: Route, settings: RouteSettings) {
    const chat: Operation = {
      name: `${route.name}.chat`,
      route: route.name,
      kind: 'model',
      // It changes nothing at the model, but it costs, and it carries data out.
      effect: 'write',
      summary: `Chat completion by the model route ${route.name}`,
      inputSchema: null,
      remember: [],
      ...labelsOf(settings.operations.chat),
    };
    return { operations: [chat], faults: [] };
  },
};
