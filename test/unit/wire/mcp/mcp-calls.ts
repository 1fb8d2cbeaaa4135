/** MCP calls as their tests make them: a server with a tool, a service over HTTP, and what clients ask of both. */
import assert from 'node:assert/strict';
import type { Answer, JsonObject, Operation, Resolved, Route, Target, ToolDefinition } from '../../../../src/call.ts';
import { type Denial, isDenial } from '../../../../src/denial.ts';
import { httpTools } from '../../../../src/wire/dialects/http.ts';
import { type McpToolOptions, mcpToolOperation } from '../../../../src/wire/dialects/mcp/operation.ts';
import { type McpCall, mcpRequest } from '../../../../src/wire/dialects/mcp/request.ts';
import { mcpTools } from '../../../../src/wire/dialects/mcp.ts';
import { isMcpFault } from '../../../../src/wire/mcp/fault.ts';
import { allowed, registryOf, routeNamed, targetOf } from '../request.ts';

/** JSON as JSON.parse gives it. */
export type Read = ReturnType<typeof JSON.parse>;

export const modern = '2026-07-28';
export const legacy = '2025-11-25';
export const gate = { name: 'tollgate', version: '1' };
export const routes: readonly Route[] = [routeNamed('crm', 'mcp'), routeNamed('shop', 'http')];

export const sendMail: ToolDefinition = {
  name: 'mail.send',
  description: 'Sends a mail.',
  inputSchema: {
    type: 'object',
    properties: {
      to: { type: 'string', 'x-mcp-header': 'To' },
      body: { type: 'object', properties: { text: { type: 'string' }, tone: { enum: ['kind', 'short'] } } },
      copies: { type: 'array', items: { $ref: '#/$defs/address' } },
    },
    required: ['to'],
    $defs: { address: { type: 'object', properties: { mail: { type: 'string' } } } },
  },
  annotations: { readOnlyHint: true, title: 'Send' },
};

export function toolOf(definition: ToolDefinition, options: McpToolOptions = {}): Operation {
  const made = mcpToolOperation('crm', definition, options);
  if ('fault' in made) throw new Error(made.fault);
  return made.operation;
}

export const openapi = {
  openapi: '3.1.0',
  info: {},
  paths: {
    '/orders/{id}': {
      get: {
        operationId: 'getOrder',
        summary: 'One order',
        parameters: [
          { name: 'id', in: 'path', required: true, schema: { type: 'integer' } },
          { name: 'full', in: 'query', schema: { type: 'boolean' } },
        ],
        responses: {
          200: {
            content: { 'application/json': { schema: { type: 'object', properties: { id: { type: 'integer' } } } } },
          },
        },
      },
    },
    '/orders': {
      post: {
        operationId: 'addOrder',
        requestBody: {
          required: true,
          content: {
            'application/json': {
              schema: { type: 'object', properties: { item: { type: 'string' } }, required: ['item'] },
            },
          },
        },
      },
    },
    '/picture': {
      put: { operationId: 'setPicture', requestBody: { required: true, content: { 'image/png': { schema: {} } } } },
    },
  },
};

export const methods = mcpTools.operations(routeNamed('crm', 'mcp'), { openapi: undefined, operations: {} }).operations;
export const shop = httpTools.operations(routeNamed('shop', 'http'), { openapi, operations: {} }).operations;
export const everything = [...methods, ...shop, toolOf(sendMail)];

export interface Asked extends Partial<Omit<McpCall, 'message'>> {
  readonly method?: string;
  readonly params?: JsonObject;
  readonly operations?: readonly Operation[];
}

export const named = (name: string, args: JsonObject = {}, more: JsonObject = {}) => ({
  params: { name, arguments: args, ...more },
});
export const client = (version: string, more = {}) => ({ version, capabilities: {}, ...more });

export function wire({ method = 'tools/call', params = {}, operations: _all, ...more }: Asked) {
  return mcpRequest({
    ...{ route: null, aggregated: true, client: client(legacy), headers: {}, callKey: 'k', gate },
    ...more,
    message: { kind: 'request', id: 5, method, params },
  });
}

export function ask(asked: Asked): Resolved | Denial {
  const request = wire(asked);
  if (isMcpFault(request)) throw new Error(`fault ${request.code}: ${request.message}`);
  return request.resolve(registryOf(routes, asked.operations ?? everything));
}

export const reasonsOf = (denial: unknown) =>
  isDenial(denial) ? denial.reasons.map(({ code, path }) => `${code} ${path}`) : [];
export const codeOf = (value: unknown) => (isDenial(value) ? value.code : isMcpFault(value) ? value.code : 'passed');

export function sent(resolved: Resolved | Denial, version: string, more: Partial<Target> = {}) {
  const { headers, body, ...rest } = allowed(resolved).payload.encode({
    ...targetOf(null),
    mcp: { version, sessionId: 's1' },
    ...more,
  });
  return { headers, message: JSON.parse(String(body)), ...rest };
}

export function answered(
  asked: Asked,
  message: unknown,
): { readonly answer: Answer; readonly told: () => { status: number; body: Read } } {
  const bytes = Buffer.from(typeof message === 'string' ? message : JSON.stringify(message));
  const head = { status: 200, headers: { 'content-type': 'application/json', 'mcp-session-id': 's' } };
  const answer = allowed(ask(asked)).payload.readAnswer(head, bytes, targetOf(null));
  return {
    answer,
    told: () => {
      const { head, body } = answer.encode();
      assert.deepEqual(head.headers, { 'content-type': 'application/json' });
      return { status: head.status, body: JSON.parse(String(body)) };
    },
  };
}

export const result = (value: JsonObject) => ({ jsonrpc: '2.0', id: 'k.1', result: value });
export const mail = named('crm__mail.send', { to: 'ann' });
