/** Answers of a chat model for gateway tests: whole or as a stream, as the request asks. */
import type { Reply } from '../fakes/upstream.ts';

export interface ChatScript {
  readonly text?: string;
  readonly toolCalls?: readonly { id: string; name: string; arguments: string }[];
  /** Null leaves usage out. */
  readonly usage?: { prompt_tokens: number; completion_tokens: number; [name: string]: unknown } | null;
  /** Further members of the answer, or of each chunk. */
  readonly more?: object;
  /** Breaks the stream off after so many chunks. */
  readonly breakAfter?: number;
  /** Milliseconds between the chunks of a stream. */
  readonly paceMs?: number;
}

/** A model that answers every request the same way. */
export function chatReply(script: ChatScript = {}): Reply {
  const { text = 'hello back', toolCalls = [], usage = { prompt_tokens: 10, completion_tokens: 5 } } = script;
  const calls = toolCalls.map(({ id, name, arguments: args }) => ({
    id,
    type: 'function',
    function: { name, arguments: args },
  }));
  const finish = calls.length > 0 ? 'tool_calls' : 'stop';
  return async (_request, response, body) => {
    const asked = JSON.parse(body.toString()) as { stream?: boolean; stream_options?: { include_usage?: boolean } };
    const base = { id: 'chatcmpl-1', created: 1, model: 'gpt-real', ...script.more };
    if (asked.stream !== true) {
      const message = { role: 'assistant', content: text, ...(calls.length > 0 ? { tool_calls: calls } : {}) };
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({
          ...base,
          object: 'chat.completion',
          choices: [{ index: 0, message, finish_reason: finish }],
          ...(usage === null ? {} : { usage }),
        }),
      );
      return;
    }
    const chunk = (choices: object[], more: object = {}) =>
      `data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', choices, ...more })}\n\n`;
    const chunks = [
      chunk([{ index: 0, delta: { role: 'assistant', content: '' } }]),
      ...text.split(/(?<= )/).map((content) => chunk([{ index: 0, delta: { content } }])),
      ...calls.map((call, index) => chunk([{ index: 0, delta: { tool_calls: [{ index, ...call }] } }])),
      chunk([{ index: 0, delta: {}, finish_reason: finish }]),
      ...(usage === null || asked.stream_options?.include_usage !== true ? [] : [chunk([], { usage })]),
      'data: [DONE]\n\n',
    ];
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const [index, frame] of chunks.entries()) {
      if (response.destroyed) return;
      if (index === script.breakAfter) {
        response.destroy();
        return;
      }
      response.write(frame);
      if (script.paceMs !== undefined) await new Promise((resolve) => setTimeout(resolve, script.paceMs));
    }
    response.end();
  };
}
