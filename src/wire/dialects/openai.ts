/**
 * The wire format of OpenAI's SDKs, below `/v1/`: chat completions and responses, streamed and not, and embeddings.
 * `model` in the body is the name of a route, and the target's model never shows. `/v1/messages` is Anthropic's and not
 * read here; `GET /v1/models` is answered by the server from `modelsDocument`. Responses are a dialect of their own,
 * because their streams end otherwise.
 */
import type { JsonObject, Operation, Payload, Route, WireRequest } from '../../call.ts';
import { type Denial, deny } from '../../denial.ts';
import { type Dialect, labelsOf, type OperationSource, type RawRequest, type RouteSettings } from '../dialect.ts';
import { isAnthropic } from '../model-request.ts';
import { sseEvent } from '../sse.ts';
import { EmbeddingsPayload } from './openai/embeddings/request.ts';
import { ChatPayload } from './openai/request.ts';
import { ResponsesPayload } from './openai/responses/request.ts';
import { encodeDenial, errorDocument, type ModelSurface, parseModelCall } from './openai/surface.ts';

const chat: ModelSurface = {
  id: 'chat',
  what: 'chat completions',
  payloadOf: ({ route, text, body }) => new ChatPayload(route, text, body),
};
const responses: ModelSurface = {
  id: 'responses',
  what: 'responses',
  payloadOf: (read, { keepsUnasked = false, remembersAnswers = true }) =>
    new ResponsesPayload({ ...read, keepsUnasked, remembers: remembersAnswers }),
};
const embeddings: ModelSurface = {
  id: 'embeddings',
  what: 'embeddings',
  payloadOf: ({ route, text, body }) => new EmbeddingsPayload(route, text, body),
};

const responsesPath = '/v1/responses';

export const openai: Dialect = {
  name: 'openai',
  handles: (path, headers) => path.startsWith('/v1/') && !isAnthropic(path, headers) && !isResponses(path),
  parse: parseOther,
  denial: encodeDenial,
  // The SDK throws on a frame with `error` and never reads what follows; other clients wait for the end mark.
  denialFrame: (_denial, members) =>
    Buffer.concat([sseEvent(JSON.stringify(errorDocument(members))), sseEvent('[DONE]')]),
};

export const openaiResponses: Dialect = {
  name: 'openai_responses',
  handles: isResponses,
  parse: parseResponses,
  denial: encodeDenial,
  // Some clients read the event as the reference has it, others the error inside, as the provider sends it.
  denialFrame: (_denial, members, _requestId, lastNumber) => {
    const { error } = errorDocument(members);
    const { message, code } = members;
    const event = { type: 'error', sequence_number: (lastNumber ?? -1) + 1, code, message, param: null, error };
    return sseEvent(JSON.stringify(event), 'error');
  },
};

function isResponses(path: string): boolean {
  return path === responsesPath || path.startsWith(`${responsesPath}/`);
}

function parseResponses(request: RawRequest): WireRequest | Denial {
  if (request.path === responsesPath) return parseModelCall(request, responses);
  const message = 'responses that the provider has stored are not offered: there is only POST /v1/responses';
  return deny('operation_unknown', message);
}

function parseOther(request: RawRequest): WireRequest | Denial {
  const { path } = request;
  if (path === '/v1/chat/completions') return parseModelCall(request, chat);
  if (path === '/v1/embeddings') return parseModelCall(request, embeddings);
  if (path === '/v1/realtime' || path.startsWith('/v1/realtime/')) {
    return deny('operation_unknown', 'realtime sessions do not pass this gate');
  }
  return deny('operation_unknown', 'there is no such model operation');
}

/** What a model route can be called for whose targets speak this API. What a model of it cannot do, its target says. */
export const modelOperations: OperationSource = {
  kind: 'model',
  operations(route: Route, settings: RouteSettings) {
    const operation = (id: string, what: string): Operation => ({
      name: `${route.name}.${id}`,
      route: route.name,
      kind: 'model',
      // It changes nothing at the model, but it costs, and it carries data out.
      effect: 'write',
      summary: `${what} by the model route ${route.name}`,
      inputSchema: null,
      remember: [],
      ...labelsOf(settings.operations[id]),
    });
    const { keeps_unasked: keeps, remembers } = settings.operations.responses ?? {};
    const memory = {
      ...(keeps === true ? { keepsUnasked: true } : {}),
      ...(remembers === false ? { remembersAnswers: false } : {}),
    };
    const operations = [
      operation('chat', 'Chat completion'),
      { ...operation('responses', 'Response'), ...memory },
      operation('embeddings', 'Embeddings'),
    ];
    const faults = Object.entries(settings.operations).flatMap(([id, { keeps_unasked, remembers: remembered }]) => {
      if (id === 'responses') return [];
      const misplaced = Object.entries({ keeps_unasked, remembers: remembered }).filter(
        ([, said]) => said !== undefined,
      );
      const message = 'only responses are taken for kept unasked';
      return misplaced.map(([name]) => ({ pointer: `/operations/${id}/${name}`, message }));
    });
    return { operations, faults };
  },
};

/** What would be sent for `operation` with `args`, as `supposed` has it; undefined for operations of other surfaces. */
export function supposedOpenai(
  { name, route, keepsUnasked = false }: Operation,
  args: JsonObject | null,
): Payload | undefined {
  const body: JsonObject = { ...args, model: route };
  const text = JSON.stringify(body);
  switch (name.slice(route.length + 1)) {
    case 'chat':
      return new ChatPayload(route, text, body);
    case 'responses':
      return new ResponsesPayload({ route, text, body, keepsUnasked });
    case 'embeddings':
      return new EmbeddingsPayload(route, text, body);
    default:
      return undefined;
  }
}
