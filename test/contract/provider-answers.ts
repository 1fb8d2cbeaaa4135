/** What providers answer in their own words: one message, streamed in each format, and errors. */
const delta = (text: string) => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } });
export const events = [
  {
    type: 'message_start',
    message: { id: 'msg_1', role: 'assistant', content: [], usage: { input_tokens: 10, output_tokens: 1 } },
  },
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
  ...[delta('hello '), delta('back')],
  { type: 'content_block_stop', index: 0 },
  { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 5 } },
  { type: 'message_stop' },
];
export const sse = {
  type: 'text/event-stream',
  bytes: Buffer.from(events.map((one) => `event: ${one.type}\ndata: ${JSON.stringify(one)}\n\n`).join('')),
};
export const chunk = (choices: object[], more: object = {}) =>
  `data: ${JSON.stringify({ id: 'c', created: 1, model: 'm', choices, ...more })}\n\n`;
const said = (text: string) => chunk([{ index: 0, delta: { content: text }, finish_reason: null }]);
const usage = { prompt_tokens: 10, completion_tokens: 5 };
const ending = [chunk([{ index: 0, delta: {}, finish_reason: 'stop' }]), chunk([], { usage }), 'data: [DONE]\n\n'];
export const chat = (before = '') => ({
  type: 'text/event-stream',
  bytes: Buffer.from([before, said('hello '), said('back'), ...ending].join('')),
});
export const filtered = [{ prompt_index: 0, content_filter_results: { hate: { filtered: false, severity: 'safe' } } }];

export const anthropics = (status: number, message: string) => ({
  body: JSON.stringify({ type: 'error', error: { type: status === 529 ? 'overloaded_error' : 'api_error', message } }),
  headers: {},
});
export const openais = (_status: number, message: string) => ({
  body: JSON.stringify({ error: { message, type: 'requests', param: null, code: null } }),
  headers: {},
});

export const google = (listed: boolean) => (code: number, message: string) => {
  const document = { error: { code, message, status: 'RESOURCE_EXHAUSTED' } };
  return {
    body: JSON.stringify(listed ? [document] : document),
    headers: { 'content-type': 'application/json; charset=UTF-8' },
  };
};
