/** The request that a payload made, as what is sent to a server; and the one response, as what the rooms on the way back see. */
import type { AnswerHead, Attempt, OutboundRequest, Target, UpstreamAnswer } from '../../call.ts';
import type { RpcId } from '../../wire/mcp/fault.ts';
import type { RpcRequest, RpcResponse } from '../../wire/mcp/message.ts';
import { readText } from './incoming.ts';

export interface Asked extends RpcRequest {
  readonly request: OutboundRequest;
}

/** The request of JSON-RPC in what a payload made. */
export function askedOf(request: OutboundRequest): Asked {
  const [message] = readText(request.body?.toString('utf8') ?? '') ?? [];
  if (message?.kind !== 'request') throw new Error('the payload of an MCP call is no request of JSON-RPC');
  return { ...message, request };
}

export const responseHead: AnswerHead = { status: 200, headers: { 'content-type': 'application/json' } };

export function bytesOf(response: RpcResponse): Buffer {
  const { kind: _kind, ...message } = response;
  return Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }));
}

/** An answer that is there already. */
export function whole(target: Target, response: RpcResponse): UpstreamAnswer {
  return { target, head: responseHead, body: only(bytesOf(response)) };
}

async function* only(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** The answer to what is kept by the gate, and the attempt that was none. */
export function keptByGate(target: Target, id: RpcId, latencyMs: number) {
  const attempt: Attempt = { target: target.name, status: 200, error: null, latencyMs, sent: false };
  const response: RpcResponse = { kind: 'response', id, result: { resultType: 'complete' } };
  return { answer: whole(target, response), attempt };
}
