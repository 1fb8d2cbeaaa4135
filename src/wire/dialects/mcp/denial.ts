/**
 * Denials in MCP: a call of a tool ends as a result that the model can read, with the members as structured content; any
 * other request as a JSON-RPC error. What a reader would get wrong: the HTTP status is 200 for both, so that no client
 * takes the policy's no for a broken connection, or for a reason to authorize anew. A missing credential and a missing
 * scope are those reasons, and keep their status (MCP, Authorization).
 */
import type { JsonObject } from '../../../call.ts';
import { type Denial, type DenialMembers, denialHeaders } from '../../../denial.ts';
import type { EncodedDenial } from '../../dialect.ts';
import { errorText, type RpcRequest, resultText } from '../../mcp/message.ts';
import { type McpClient, metaKeys } from '../../mcp/meta.ts';
import { isModern } from '../../mcp/versions.ts';

/** How many of a denial's reasons and alternatives its text names. */
const shownMax = 20;

/** A denial where it is not known what was asked: an error without an id, with the status of the denial. */
export function unaddressedDenial(denial: Denial, members: DenialMembers): EncodedDenial {
  return encoded(denial.status, denial, errorText(null, rpcError(denial, members)));
}

/** A denial as the request is answered with it. `toolName` is what the client knows an operation by. */
export function addressedDenial(
  { id, method }: RpcRequest,
  { version }: McpClient,
  gate: JsonObject,
  denial: Denial,
  members: DenialMembers,
  toolName: (operation: string) => string = (operation) => operation,
): EncodedDenial {
  const ofToken = denial.code === 'unauthenticated' || denial.code === 'insufficient_scope';
  if (method !== 'tools/call' || ofToken) {
    return encoded(ofToken ? denial.status : 200, denial, errorText(id, rpcError(denial, members)));
  }
  const modern = { resultType: 'complete', _meta: { [metaKeys.serverInfo]: gate } };
  const result = { ...(isModern(version) ? modern : {}), ...denialResult(members, toolName) };
  return encoded(200, denial, resultText(id, result));
}

/** What the model is told, and what a program reads. */
function denialResult(members: DenialMembers, toolName: (operation: string) => string): JsonObject {
  return {
    content: [{ type: 'text', text: denialText(members, toolName) }],
    structuredContent: members as unknown as JsonObject,
    isError: true,
  };
}

/** The JSON Schema of the structured content of a denial, for clients that check it. */
export const denialSchema: JsonObject = {
  type: 'object',
  description: 'A refusal by the gate; then isError is true.',
  properties: {
    code: { type: 'string' },
    message: { type: 'string' },
    reasons: { type: 'array', items: { type: 'object' } },
    retryable: { type: 'boolean' },
  },
  required: ['code', 'message', 'reasons', 'retryable', 'call_id'],
};

function denialText(
  { code, message, reasons, allowed = [], retryable, retry_after: after }: DenialMembers,
  toolName: (operation: string) => string,
): string {
  const lines = [`The gate refused this call (${code}): ${message}`];
  const told = reasons.filter((reason) => reason.message !== message).slice(0, shownMax);
  lines.push(...told.map(({ path, message: why }) => `- ${path === undefined ? '' : `${path}: `}${why}`));
  // Methods are no tools: a model cannot call them.
  const instead = allowed
    .filter((name) => !name.includes('/'))
    .slice(0, shownMax)
    .map(toolName);
  if (instead.length > 0) lines.push(`Allowed instead: ${instead.join(', ')}`);
  if (after !== undefined && retryable) lines.push(`It may be tried again in ${after} seconds.`);
  else lines.push(retryable ? 'It may be tried again later.' : 'Trying again unchanged will not help.');
  return lines.join('\n');
}

/** Codes of the gate are HTTP statuses, which lie outside of what JSON-RPC and MCP keep for themselves. */
function rpcError({ status }: Denial, members: DenialMembers) {
  return { code: status, message: members.message, data: members as unknown as JsonObject };
}

function encoded(status: number, denial: Denial, text: string): EncodedDenial {
  return {
    status,
    headers: { 'content-type': 'application/json', ...denialHeaders(denial) },
    body: Buffer.from(text),
  };
}
