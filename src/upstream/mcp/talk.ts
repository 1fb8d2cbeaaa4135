/**
 * One message to a server of MCP over HTTP, and the requests that the gate makes of its own accord: handshakes, listings.
 * All of them go the way of the call they are for, with its credentials and Txn-Token. What a reader would get wrong:
 * the endpoint is one URL; nothing is ever put behind it, not even a slash.
 */
import type { Attempt, JsonObject, McpSpoken, Target, UpstreamAnswer } from '../../call.ts';
import { deny } from '../../denial.ts';
import type { RpcId } from '../../wire/mcp/fault.ts';
import { standardHeaders } from '../../wire/mcp/headers.ts';
import { type RpcMessage, type RpcResponse, requestText } from '../../wire/mcp/message.ts';
import { legacyHeaders } from '../../wire/mcp/outbound.ts';
import { isModern } from '../../wire/mcp/versions.ts';
import { DialError } from '../exchange.ts';
import { type AttemptResult, denialOfFault, type Errand } from '../send.ts';
import { Heard, messagesOf, readText } from './incoming.ts';
import type { Failed, McpPorts } from './ports.ts';

/** What a refusal may hold, in bytes; and how long a handshake may take, in milliseconds. */
const refusalBytesMax = 256 * 1024;
const handshakeMsMax = 20_000;

/** What a target says again however often it is asked, with whatever key. */
const finalStatuses: ReadonlySet<number> = new Set([400, 404, 405, 406, 410, 413, 415, 421, 422]);

const accept = 'application/json, text/event-stream';

/** The answer to a request of the gate's own. */
export interface Said {
  readonly response: RpcResponse;
  /** Its `status` is that of HTTP. */
  readonly attempt: Attempt;
  /** The session that came with it. */
  readonly session?: string;
}

/** It was answered, but not with a message of MCP. */
export interface Refused {
  readonly refused: Attempt;
}

export type Talk = Pick<McpPorts, 'send'>;

/** A target that is spoken to so, in the time that a handshake has. */
export function inHandshake(target: Target, mcp: McpSpoken): Target {
  const { connect, firstByte, total } = target.timeoutMs;
  const timeoutMs = { connect, firstByte: Math.min(firstByte, handshakeMsMax), total: Math.min(total, handshakeMsMax) };
  return { ...target, mcp, timeoutMs };
}

/** The path behind the URL of an endpoint, which is a whole one: a slash at its end belongs to it. */
export function pathOf({ url }: Target): string {
  return url.endsWith('/') ? '/' : '';
}

/** The headers of a session, where there is one. */
export function sessionHeaders({ version, sessionId }: McpSpoken = { version: '' }): Record<string, string> {
  return legacyHeaders(version, sessionId);
}

/** The headers of a request in the version that is spoken. */
export function headersFor(spoken: McpSpoken, method: string, params: JsonObject): Record<string, string> {
  return isModern(spoken.version) ? standardHeaders(spoken.version, method, params) : sessionHeaders(spoken);
}

/** Sends one message, whatever it is; `target.mcp` says how the target is spoken to. */
export function post(
  { send }: Talk,
  errand: Errand,
  target: Target,
  text: string,
  headers: Readonly<Record<string, string>>,
): Promise<AttemptResult> {
  const all = { accept, 'content-type': 'application/json', ...headers };
  return send(errand, target, { method: 'POST', path: pathOf(target), headers: all, body: Buffer.from(text) });
}

/** Sends what has no answer but that it was taken. Gives whether it was; never rejects. */
export async function tell(
  talk: Talk,
  errand: Errand,
  target: Target,
  text: string,
  headers: Readonly<Record<string, string>>,
): Promise<boolean> {
  try {
    const sent = await post(talk, errand, target, text, headers);
    if ('failed' in sent) return false;
    const taken = sent.answer.head.status < 300;
    for await (const chunk of sent.answer.body) if (chunk.length > refusalBytesMax) break;
    return taken;
  } catch {
    // Nobody waits for it: what it was about goes on, or fails by itself.
    return false;
  }
}

/**
 * A request of the gate's own, and the response to it. What the server tells meanwhile is of no interest, what it asks
 * stays unanswered.
 */
export async function request(
  talk: Talk,
  errand: Errand,
  target: Target,
  asked: { readonly id: RpcId; readonly method: string; readonly params: JsonObject },
  headers: Readonly<Record<string, string>>,
): Promise<Said | Refused | Failed> {
  const { id, method, params } = asked;
  const sent = await post(talk, errand, target, requestText(id, method, params), headers);
  if ('failed' in sent) return sent;
  const { answer, attempt, mcpSession } = sent;
  const session = mcpSession === undefined ? {} : { session: mcpSession };
  try {
    if (answer.head.status >= 300) {
      const response = await refusalOf(answer);
      return response === undefined ? { refused: attempt } : { response, attempt, ...session };
    }
    for await (const message of messagesOf(answer, new Heard())) {
      if (isAnswerTo(message, id)) return { response: message, attempt, ...session };
    }
    return { refused: attempt };
  } catch (fault) {
    if (!(fault instanceof DialError)) throw fault;
    return { failed: { ...attempt, status: null, error: fault.kind }, denial: denialOfFault(fault, target) };
  }
}

/** Whether `message` is the response to the request `id`, or to one whose id could not be read. */
export function isAnswerTo(message: RpcMessage, id: RpcId): message is RpcResponse {
  return message.kind === 'response' && (message.id === id || (message.id === null && 'error' in message));
}

/** The error that a server refuses with, where it is one of JSON-RPC. Throws DialError where it breaks off. */
export async function refusalOf(answer: UpstreamAnswer): Promise<RpcResponse | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of answer.body) {
    bytes += chunk.length;
    if (bytes > refusalBytesMax) return undefined;
    chunks.push(chunk);
  }
  const [message] = readText(Buffer.concat(chunks).toString('utf8')) ?? [];
  return message?.kind === 'response' ? message : undefined;
}

/** An attempt whose answer is none of MCP: a status that says that all is well says nothing here. */
export function unanswered(attempt: Attempt): Attempt {
  const { status } = attempt;
  return { ...attempt, status: status !== null && status >= 400 ? status : null, error: 'protocol' };
}

/** What an answer means that is none of MCP: the target refused, or is unwell. */
export function refusedDenial({ name }: Target, { status, retryAfterMs }: Attempt) {
  const code = status === 429 || status === 503 ? 'upstream_unavailable' : 'upstream_error';
  return deny(code, `target ${name} answered HTTP ${status} and no message of MCP`, {
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(status !== null && finalStatuses.has(status) ? { retryable: false } : {}),
  });
}
