/**
 * Amazon Bedrock's runtime for Anthropic's models, as strict as the service: it verifies the signature of what it
 * received, takes no member that InvokeModel does not have, and frames its streams in AWS's event stream, which is written
 * here from its specification and not with the library that reads it.
 */
import type { ServerResponse } from 'node:http';
import { crc32 } from 'node:zlib';
import type { Clock } from '../../../src/clock.ts';
import { verifySignature } from '../clouds/aws.ts';
import type { Received, Reply } from '../upstream.ts';

export interface BedrockRules {
  readonly clock: Clock;
  readonly region: string;
  readonly key: { readonly id: string; readonly secret: string; readonly token?: string };
  /** The models there are, as ids, profiles or ARNs. */
  readonly models: readonly string[];
  readonly said: { readonly whole: object; readonly events: readonly { readonly type: string }[] };
  /** Answers with this exception in place of a message, or in the stream after so many events. */
  readonly exception?: {
    readonly name: string;
    readonly status: number;
    readonly message: string;
    readonly after?: number;
  };
  /** Closes the connection of a stream after so many events. */
  readonly breakAfter?: number;
}

/** The members of a request that the service knows besides those of a message. */
const own = ['anthropic_version', 'anthropic_beta'];
const members = [
  ...['max_tokens', 'messages', 'system', 'temperature', 'top_p', 'top_k', 'stop_sequences', 'tools', 'tool_choice'],
  ...['thinking', 'metadata', 'output_config', 'user_profile_id'],
];

export function bedrockReply(rules: BedrockRules): Reply {
  return (request, response, body) => {
    const received: Received = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body };
    try {
      const { id, secret, token } = rules.key;
      const session = { number: 1, secret, ...(token === undefined ? {} : { token }) };
      verifySignature(
        received,
        { clock: rules.clock, revokedUpTo: 0 },
        { region: rules.region, service: 'bedrock' },
        new Map([[id, session]]),
      );
    } catch (error) {
      return fail(response, 403, 'InvalidSignatureException', (error as Error).message);
    }
    const [, segment = '', operation = ''] = /^\/model\/([^/]+)\/([a-z-]+)$/.exec(received.url) ?? [];
    const model = decodeURIComponent(segment);
    if (!rules.models.includes(model)) {
      return fail(response, 404, 'ResourceNotFoundException', `Could not resolve the foundation model ${model}`);
    }
    const { exception } = rules;
    if (exception !== undefined && exception.after === undefined) {
      return fail(response, exception.status, exception.name, exception.message);
    }
    const asked = JSON.parse(body.toString()) as Record<string, unknown>;
    if (operation === 'count-tokens') return count(response, model, asked);
    const fault = faultIn(asked);
    if (fault !== null) return fail(response, 400, 'ValidationException', fault);
    if (operation === 'invoke') return void response.writeHead(200, json).end(JSON.stringify(rules.said.whole));
    if (operation === 'invoke-with-response-stream') return stream(response, rules);
    return fail(response, 404, 'UnknownOperationException', operation);
  };
}

const json = { 'content-type': 'application/json', 'x-amzn-requestid': '1f2e' };

function fail(response: ServerResponse, status: number, name: string, message: string): void {
  const headers = { ...json, 'x-amzn-errortype': `${name}:http://internal.amazon.com/coral/com.amazon.bedrock/` };
  response.writeHead(status, headers).end(JSON.stringify({ message }));
}

function faultIn(asked: Record<string, unknown>): string | null {
  if (typeof asked.anthropic_version !== 'string') return 'anthropic_version: Field required';
  if (!/^(?:bedrock-2023-05-31|\d{4}-\d\d-\d\d)$/.test(asked.anthropic_version)) return 'Invalid API version';
  if (asked.anthropic_version === '2023-06-01') return 'Invalid API version';
  const extra = Object.keys(asked).find((name) => !own.includes(name) && !members.includes(name));
  if (extra !== undefined) return `${extra}: Extra inputs are not permitted`;
  return typeof asked.max_tokens === 'number' && Array.isArray(asked.messages) ? null : 'max_tokens: Field required';
}

/** Only of models: profiles of several regions cannot count. */
function count(response: ServerResponse, model: string, asked: Record<string, unknown>): void {
  const { input } = asked as { input?: { invokeModel?: { body?: string } } };
  const text = Buffer.from(input?.invokeModel?.body ?? '', 'base64').toString();
  const counts = text !== '' && model.startsWith('anthropic.');
  const fault = counts
    ? faultIn(JSON.parse(text) as Record<string, unknown>)
    : "The provided model doesn't support counting tokens.";
  if (fault === null) response.writeHead(200, json).end('{"inputTokens":42}');
  else fail(response, 400, 'ValidationException', fault);
}

function stream(response: ServerResponse, { said, exception, breakAfter }: BedrockRules): void {
  response.writeHead(200, {
    'content-type': 'application/vnd.amazon.eventstream',
    'x-amzn-bedrock-content-type': 'application/json',
  });
  const frames = eventFramesOf(said.events);
  if (breakAfter !== undefined) {
    // In the middle of a message.
    const bytes = Buffer.concat(frames.slice(0, breakAfter + 1));
    response.write(bytes.subarray(0, bytes.length - 5), () => response.destroy());
    return;
  }
  for (const frame of frames.slice(0, exception?.after ?? frames.length)) response.write(frame);
  if (exception !== undefined) response.write(exceptionFrame(exception.name, exception.message));
  response.end();
}

/** Events as Bedrock frames them: base64 in a document, with padding, and what it measured in the last one. */
export function eventFramesOf(events: readonly { readonly type: string }[]): readonly Buffer[] {
  return events.map((event, index) => {
    const measured = { inputTokenCount: 10, outputTokenCount: 5, invocationLatency: 812, firstByteLatency: 307 };
    const last = index === events.length - 1 ? { 'amazon-bedrock-invocationMetrics': measured } : {};
    const bytes = Buffer.from(JSON.stringify({ ...event, ...last })).toString('base64');
    const headers = { ':event-type': 'chunk', ':content-type': 'application/json', ':message-type': 'event' };
    return frame(headers, JSON.stringify({ bytes, p: 'abcdefghijklmnop'.slice(0, index % 16) }));
  });
}

/** An exception in a stream; names begin in lower case there. */
export function exceptionFrame(name: string, message: string): Buffer {
  const type = name.charAt(0).toLowerCase() + name.slice(1);
  const headers = { ':exception-type': type, ':content-type': 'application/json', ':message-type': 'exception' };
  return frame(headers, JSON.stringify({ message }));
}

/** One message of `application/vnd.amazon.eventstream`, its headers all strings (type 7). */
export function frame(headers: Readonly<Record<string, string>>, body: string): Buffer {
  const named = Object.entries(headers).map(([name, value]) => {
    const size = Buffer.alloc(2);
    size.writeUInt16BE(Buffer.byteLength(value));
    return Buffer.concat([Buffer.from([name.length]), Buffer.from(name), Buffer.from([7]), size, Buffer.from(value)]);
  });
  const head = Buffer.concat(named);
  const payload = Buffer.from(body);
  const prelude = Buffer.alloc(8);
  prelude.writeUInt32BE(16 + head.length + payload.length, 0);
  prelude.writeUInt32BE(head.length, 4);
  const begun = Buffer.concat([prelude, checksum(prelude), head, payload]);
  return Buffer.concat([begun, checksum(begun)]);
}

function checksum(bytes: Buffer): Buffer {
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(bytes));
  return sum;
}
