/**
 * The methods of MCP that reach a server on behalf of an agent, and the answers of an agent to what a server asks: each is
 * an operation of its route, beside the tools. What the front answers by itself (`initialize`, `ping`, `tools/list`, …)
 * is none. Params that a method does not have are refused, as arguments of tools are.
 */
import type { Effect, JsonObject } from '../../../call.ts';

export interface McpMethod {
  readonly name: string;
  readonly summary: string;
  readonly effect: Effect;
  /** Whether it is what an agent answers to a server, and no request. */
  readonly answer: boolean;
  readonly inputSchema: JsonObject;
}

const text: JsonObject = { type: 'string', minLength: 1, maxLength: 8192 };
const page: JsonObject = object({ cursor: { type: 'string', maxLength: 8192 } });
const uri: JsonObject = object({ uri: text }, ['uri']);
const texts: JsonObject = { type: 'object', additionalProperties: { type: 'string' } };
const anything: JsonObject = { type: 'object' };

const resourceRef = object({ type: { const: 'ref/resource' }, uri: text }, ['type', 'uri']);
const promptRef = object({ type: { const: 'ref/prompt' }, name: text, title: { type: 'string' } }, ['type', 'name']);

export const mcpMethods: readonly McpMethod[] = [
  request('resources/list', 'List the resources of the server', page),
  request('resources/templates/list', 'List the templates of resources of the server', page),
  request('resources/read', 'Read a resource', uri),
  request('resources/subscribe', 'Be told when a resource changes', uri),
  request('resources/unsubscribe', 'Be told no more when a resource changes', uri),
  request('prompts/list', 'List the prompts of the server', page),
  request(
    'prompts/get',
    'Get a prompt with its arguments filled in',
    object({ name: text, arguments: texts }, ['name']),
  ),
  request(
    'completion/complete',
    'Complete an argument of a prompt or of the template of a resource',
    object(
      {
        ref: { oneOf: [promptRef, resourceRef] },
        argument: object({ name: text, value: { type: 'string' } }, ['name', 'value']),
        context: object({ arguments: texts }),
      },
      ['ref', 'argument'],
    ),
  ),
  answer(
    'elicitation/create',
    'Answer what the server asks the user',
    object({ action: { enum: ['accept', 'decline', 'cancel'] }, content: anything, _meta: anything }, ['action']),
  ),
  answer('sampling/createMessage', 'Answer with what a model said to the messages of the server', {
    type: 'object',
    properties: {
      role: { enum: ['user', 'assistant'] },
      content: { type: ['object', 'array'] },
      model: { type: 'string' },
      stopReason: { type: 'string' },
      _meta: anything,
    },
    required: ['role', 'content', 'model'],
    additionalProperties: false,
  }),
  answer(
    'roots/list',
    'Tell the server which folders it may work in',
    object(
      {
        roots: {
          type: 'array',
          maxItems: 1000,
          items: object({ uri: text, name: { type: 'string' }, _meta: anything }, ['uri']),
        },
        _meta: anything,
      },
      ['roots'],
    ),
  ),
];

/** The method of that name that is a request to the server; undefined for any other. */
export function requestMethod(name: string): McpMethod | undefined {
  return mcpMethods.find((method) => !method.answer && method.name === name);
}

/** The question of that name that an agent may answer; undefined for any other. */
export function answerMethod(name: string): McpMethod | undefined {
  return mcpMethods.find((method) => method.answer && method.name === name);
}

function request(name: string, summary: string, inputSchema: JsonObject): McpMethod {
  return { name, summary, effect: 'read', answer: false, inputSchema };
}

function answer(name: string, summary: string, inputSchema: JsonObject): McpMethod {
  return { name, summary, effect: 'write', answer: true, inputSchema };
}

function object(properties: JsonObject, required: readonly string[] = []): JsonObject {
  return { type: 'object', properties, required, additionalProperties: false };
}
