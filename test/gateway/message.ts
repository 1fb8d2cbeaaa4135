/** Answers of a model with Anthropic's wire format for gateway tests, and the requests to get them. */
import type { Reply } from '../fakes/upstream.ts';
import type { World } from './world.ts';

export interface MessageScript {
  readonly text?: string;
  readonly thinking?: string;
  /** The id of the container that the provider ran code in. */
  readonly container?: string;
  readonly toolUses?: readonly { id: string; name: string; input: Record<string, unknown> }[];
  /** Null leaves usage out. */
  readonly usage?: { input_tokens: number; output_tokens: number; [name: string]: unknown } | null;
  /** Breaks the stream off after so many events. */
  readonly breakAfter?: number;
  /** Milliseconds between the events of a stream. */
  readonly paceMs?: number;
}

/** What a model says by a script: as a whole message, and as the events of a stream. */
export function said(script: MessageScript): { readonly whole: object; readonly events: readonly SaidEvent[] } {
  const {
    text = 'hello back',
    thinking,
    container,
    toolUses = [],
    usage = { input_tokens: 10, output_tokens: 5 },
  } = script;
  const blocks = [
    ...(thinking === undefined ? [] : [{ type: 'thinking', thinking, signature: 'c2lnbmVk' }]),
    { type: 'text', text },
    ...toolUses.map((use) => ({ type: 'tool_use', ...use })),
  ];
  const stop_reason = toolUses.length > 0 ? 'tool_use' : 'end_turn';
  const ran = container === undefined ? {} : { container: { id: container, expires_at: '2026-12-01T00:00:00Z' } };
  const message = {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'claude-real',
    stop_sequence: null,
    ...ran,
  };
  return {
    whole: { ...message, content: blocks, stop_reason, ...(usage === null ? {} : { usage }) },
    events: eventsOf(blocks, { ...message, content: [], stop_reason: null }, stop_reason, usage),
  };
}

/** A model that answers every request the same way: a count of tokens, a message, or its events, as is asked. */
export function messageReply(script: MessageScript = {}): Reply {
  const { whole, events } = said(script);
  return async (request, response, body) => {
    if (request.url?.startsWith('/v1/messages/count_tokens')) {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"input_tokens":42}');
      return;
    }
    const asked = JSON.parse(body.toString()) as { stream?: boolean };
    if (asked.stream !== true) {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(whole));
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const [index, event] of events.entries()) {
      if (response.destroyed) return;
      if (index === script.breakAfter) {
        response.destroy();
        return;
      }
      response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
      if (script.paceMs !== undefined) await new Promise((resolve) => setTimeout(resolve, script.paceMs));
    }
    response.end();
  };
}

export interface SaidEvent {
  readonly type: string;
  readonly [member: string]: unknown;
}

function eventsOf(
  blocks: readonly Record<string, unknown>[],
  message: object,
  stop_reason: string,
  usage: MessageScript['usage'],
): readonly SaidEvent[] {
  const begun = usage === null ? {} : { usage: { ...usage, output_tokens: 1 } };
  const delta = (index: number, said: object) => ({ type: 'content_block_delta', index, delta: said });
  return [
    { type: 'message_start', message: { ...message, ...begun } },
    { type: 'ping' },
    ...blocks.flatMap((block, index) => [
      { type: 'content_block_start', index, content_block: emptied(block) },
      ...pieces(String(block.text ?? '')).map((text) => delta(index, { type: 'text_delta', text })),
      ...pieces(String(block.thinking ?? '')).map((thinking) => delta(index, { type: 'thinking_delta', thinking })),
      ...(block.type === 'thinking' ? [delta(index, { type: 'signature_delta', signature: block.signature })] : []),
      ...pieces(block.input === undefined ? '' : JSON.stringify(block.input)).map((partial_json) =>
        delta(index, { type: 'input_json_delta', partial_json }),
      ),
      { type: 'content_block_stop', index },
    ]),
    {
      type: 'message_delta',
      delta: { stop_reason, stop_sequence: null },
      ...(usage === null || usage === undefined ? {} : { usage: { output_tokens: usage.output_tokens } }),
    },
    { type: 'message_stop' },
  ];
}

function emptied(block: Record<string, unknown>): object {
  if (block.type === 'text') return { ...block, text: '' };
  return block.type === 'thinking' ? { ...block, thinking: '', signature: '' } : { ...block, input: {} };
}

/** Words with the space behind them; a model does not cut where a finding begins. */
function pieces(text: string): string[] {
  return text === '' ? [] : text.split(/(?<= )/);
}

export const ask = { model: 'claude', max_tokens: 50, messages: [{ role: 'user' as const, content: 'hello' }] };

/** A request to the messages surface with the task token as SDKs send it. */
export function message(
  world: World,
  token: string,
  body: Record<string, unknown> = {},
  path = '/v1/messages',
): Promise<Response> {
  return fetch(`${world.gate.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': token, 'anthropic-version': '2023-06-01' },
    body: JSON.stringify({ ...ask, ...body }),
  });
}
