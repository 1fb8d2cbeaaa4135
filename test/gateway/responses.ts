/** Answers of a model with OpenAI's responses and embeddings for gateway tests: whole or as events, as the request asks. */
import type { Reply } from '../fakes/upstream.ts';
import type { World } from './world.ts';

export interface ResponseScript {
  readonly id?: string;
  /** What the ids of its items end in, so that they are those of this answer alone. */
  readonly suffix?: string;
  readonly text?: string;
  readonly reasoning?: string;
  /** Gives its reasoning in the encrypted form, too, only to those that ask for it, as the provider does. Left out: to all. */
  readonly sealsIfAsked?: boolean;
  readonly calls?: readonly { id: string; name: string; arguments: string }[];
  /** Further items of the output, which come whole. */
  readonly items?: readonly Record<string, unknown>[];
  /** Null leaves usage out. */
  readonly usage?: Record<string, unknown> | null;
  /** Breaks the stream off after so many events. */
  readonly breakAfter?: number;
  /** Milliseconds between the events of a stream. */
  readonly paceMs?: number;
}

const defaultUsage = { input_tokens: 10, output_tokens: 5, total_tokens: 15 };

type Event = { readonly type: string; readonly [member: string]: unknown };

/** The whole response of a script. */
export function responseOf(
  script: ResponseScript,
  sealed = true,
): Record<string, unknown> & { output: Record<string, unknown>[] } {
  const { id = 'resp_1', suffix = '', text = 'hello back', reasoning, calls = [] } = script;
  const { items = [], usage = defaultUsage } = script;
  const summary = [{ type: 'summary_text', text: reasoning }];
  const content = [{ type: 'output_text', text, annotations: [], logprobs: [] }];
  return {
    ...{ id, object: 'response', created_at: 1, status: 'completed', error: null, incomplete_details: null },
    ...{ model: 'gpt-real', parallel_tool_calls: true, tool_choice: 'auto', tools: [], metadata: {}, store: false },
    output: [
      ...(reasoning === undefined
        ? []
        : [
            {
              id: `rs_1${suffix}`,
              type: 'reasoning',
              summary,
              ...(sealed ? { encrypted_content: 'A'.repeat(80) } : {}),
            },
          ]),
      { id: `msg_1${suffix}`, type: 'message', role: 'assistant', status: 'completed', content },
      ...calls.map(({ id: call_id, ...call }, index) => {
        return { id: `fc_${index}${suffix}`, type: 'function_call', call_id, status: 'completed', ...call };
      }),
      ...items,
    ],
    ...(usage === null ? {} : { usage }),
  };
}

/** The same as events, in the order and with the members that the provider has. */
export function eventsOf(script: ResponseScript, sealed = true): readonly Event[] {
  const response = responseOf(script, sealed);
  const begun = { ...response, status: 'in_progress', output: [], usage: null };
  const events: Event[] = [
    { type: 'response.created', response: begun },
    { type: 'response.in_progress', response: begun },
    ...response.output.flatMap((item, output_index) => itemEvents(item, output_index)),
    { type: 'response.completed', response },
  ];
  return events.map((event, sequence_number) => ({ ...event, sequence_number }));
}

function itemEvents(item: Record<string, unknown>, output_index: number): Event[] {
  const at = { item_id: item.id, output_index };
  const added = (begun: object): Event => ({ type: 'response.output_item.added', output_index, item: begun });
  const done: Event = { type: 'response.output_item.done', output_index, item };
  if (item.type === 'message') {
    const [part] = item.content as [{ text: string }];
    const place = { ...at, content_index: 0 };
    return [
      added({ ...item, status: 'in_progress', content: [] }),
      { type: 'response.content_part.added', ...place, part: { ...part, text: '' } },
      ...pieces(part.text).map((delta) => ({
        ...{ type: 'response.output_text.delta', ...place, delta, logprobs: [], obfuscation: 'xK3p' },
      })),
      { type: 'response.output_text.done', ...place, text: part.text, logprobs: [] },
      { type: 'response.content_part.done', ...place, part },
      done,
    ];
  }
  if (item.type === 'reasoning') {
    const [part] = item.summary as [{ text: string }];
    const place = { ...at, summary_index: 0 };
    return [
      added({ ...item, summary: [] }),
      { type: 'response.reasoning_summary_part.added', ...place, part: { ...part, text: '' } },
      ...pieces(part.text).map((delta) => ({ type: 'response.reasoning_summary_text.delta', ...place, delta })),
      { type: 'response.reasoning_summary_text.done', ...place, text: part.text },
      { type: 'response.reasoning_summary_part.done', ...place, part },
      done,
    ];
  }
  if (item.type !== 'function_call') return [added({ ...item, status: 'in_progress' }), done];
  const whole = String(item.arguments);
  return [
    added({ ...item, status: 'in_progress', arguments: '' }),
    ...pieces(whole).map((delta) => ({ type: 'response.function_call_arguments.delta', ...at, delta })),
    { type: 'response.function_call_arguments.done', ...at, arguments: whole },
    done,
  ];
}

/** Words with the space behind them; a model does not cut where a finding begins. */
function pieces(text: string): string[] {
  return text === '' ? [] : text.split(/(?<= )/);
}

export function sseOf(event: Event): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

/** A model that answers every request the same way. */
export function responseReply(script: ResponseScript = {}): Reply {
  return async (_request, response, body) => {
    const asked = JSON.parse(body.toString()) as { stream?: boolean; include?: readonly string[] };
    const sealed = script.sealsIfAsked !== true || asked.include?.includes('reasoning.encrypted_content') === true;
    if (asked.stream !== true) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(responseOf(script, sealed)));
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const [index, event] of eventsOf(script, sealed).entries()) {
      if (response.destroyed) return;
      if (index === script.breakAfter) {
        response.destroy();
        return;
      }
      response.write(sseOf(event));
      if (script.paceMs !== undefined) await new Promise((resolve) => setTimeout(resolve, script.paceMs));
    }
    response.end();
  };
}

/** A model of embeddings: one vector of two numbers for each text, in the form that is asked for. */
export const embeddingsReply: Reply = (_request, response, body) => {
  const { input, encoding_format } = JSON.parse(body.toString()) as {
    input: string | unknown[];
    encoding_format?: string;
  };
  const count = Array.isArray(input) && typeof input[0] !== 'number' ? input.length : 1;
  const floats = Float32Array.of(0.25, -0.001234567890123);
  const vector =
    encoding_format === 'base64' ? Buffer.from(floats.buffer).toString('base64') : [0.25, -0.0012345678901234567];
  const data = Array.from({ length: count }, (_, index) => ({ object: 'embedding', index, embedding: vector }));
  const usage = { prompt_tokens: 7 * count, total_tokens: 7 * count };
  const answer = JSON.stringify({ object: 'list', data, model: 'embed-real', usage });
  response.writeHead(200, { 'content-type': 'application/json' }).end(answer);
};

/** A request to one of the two surfaces with the task token as SDKs send it. */
export function post(
  world: World,
  token: string,
  surface: 'responses' | 'embeddings',
  body: object,
): Promise<Response> {
  return world.fetch(`/v1/${surface}`, token, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gpt', ...body }),
  });
}
