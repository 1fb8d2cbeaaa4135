/**
 * The four calls that are measured, as an agent makes them and as an upstream answers them. Every request of a run
 * differs from the one before it, or the gate would rightly take the task for one that runs in circles.
 */
export const workloadNames = ['read', 'write', 'chat', 'stream'] as const;
export type WorkloadName = (typeof workloadNames)[number];

export interface Workload {
  readonly title: string;
  readonly method: 'GET' | 'POST';
  readonly path: (serial: number) => string;
  readonly body: (serial: number) => string | null;
  readonly status: number;
  /** How the last bytes of a good answer look. */
  readonly ends: string;
}

export const streamChunks = 100;
export const customer = 'C-1001';

const json = { 'content-type': 'application/json' };
const prose =
  'The customer writes that the headphones arrived with a broken hinge, two days before the end of the return period, ' +
  'and that the shop at the corner would not take them back without the box. She has been buying here since 2019, mostly ' +
  'records and a turntable, and never sent anything back before. Say whether an exception to the returns policy is due, ' +
  'which amount would be paid back, and what she should be told. Keep to what the policy says about damage on arrival. ';

function chatBody(serial: number, stream: boolean): string {
  return JSON.stringify({
    model: 'planner',
    messages: [
      {
        role: 'system',
        content: 'You decide on exceptions to the returns policy of a music shop. Answer in two sentences.',
      },
      { role: 'user', content: `Case ${serial}. ${prose}${prose.slice(0, 300)}` },
    ],
    max_tokens: 256,
    temperature: 0,
    ...(stream ? { stream: true, stream_options: { include_usage: true } } : {}),
  });
}

function orderId(serial: number): string {
  return `${String.fromCharCode(65 + (Math.floor(serial / 10_000) % 26))}-${String(serial % 10_000).padStart(4, '0')}`;
}

export const workloads: Readonly<Record<WorkloadName, Workload>> = {
  read: {
    title: 'HTTP tool, read',
    method: 'GET',
    path: (serial) => `/tools/orders/customers/${customer}/orders/${orderId(serial)}`,
    body: () => null,
    status: 200,
    ends: '}',
  },
  write: {
    title: 'HTTP tool, write',
    method: 'POST',
    path: () => '/tools/refunds/refunds',
    body: (serial) =>
      JSON.stringify({ customer_id: customer, order_id: orderId(serial), amount_cents: 1, reason: 'broken hinge' }),
    status: 201,
    ends: '}',
  },
  chat: {
    title: '1 KB chat',
    method: 'POST',
    path: () => '/v1/chat/completions',
    body: (serial) => chatBody(serial, false),
    status: 200,
    ends: '}',
  },
  stream: {
    title: `chat, stream of ${streamChunks} chunks`,
    method: 'POST',
    path: () => '/v1/chat/completions',
    body: (serial) => chatBody(serial, true),
    status: 200,
    ends: 'data: [DONE]\n\n',
  },
};

/** Bytes of a good answer, less what a gate may rightly change in it. A stream that was cut short has fewer. */
export function bytesMin(name: WorkloadName): number {
  const answer = cannedAnswers()[name];
  const pieces: readonly Buffer[] = Array.isArray(answer) ? answer : [answer];
  return Math.floor(pieces.reduce((sum, { length }) => sum + length, 0) * 0.95);
}

/** The answers, ready to be sent: nothing of the upstream's own work should show in the measurement. */
export function cannedAnswers() {
  const head = { id: 'chatcmpl-bench', created: 1_790_000_000, model: 'gpt-4.1' };
  const usage = { prompt_tokens: 280, completion_tokens: 120, total_tokens: 400 };
  const message = { role: 'assistant', content: prose };
  const chunk = (choices: readonly object[], members: object = {}) =>
    Buffer.from(`data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', choices, ...members })}\n\n`);
  const deltas = Array.from({ length: streamChunks - 2 }, (_, place) =>
    chunk([{ index: 0, delta: place === 0 ? { role: 'assistant', content: '' } : { content: ' twelve chars' } }]),
  );
  return {
    json,
    read: Buffer.from(
      JSON.stringify({
        ...{
          order_id: 'A-0001',
          article: 'headphones',
          paid_cents: 4500,
          delivered_on: '2026-09-18',
          return_until: '2026-10-18',
        },
        notes: prose.slice(0, 800),
      }),
    ),
    write: Buffer.from(
      JSON.stringify({ refund_id: 'R-1', customer_id: customer, order_id: 'A-0001', amount_cents: 1 }),
    ),
    chat: Buffer.from(
      JSON.stringify({
        ...head,
        object: 'chat.completion',
        choices: [{ index: 0, message, finish_reason: 'stop' }],
        usage,
      }),
    ),
    stream: [
      ...deltas,
      chunk([{ index: 0, delta: {}, finish_reason: 'stop' }]),
      Buffer.concat([chunk([], { usage }), Buffer.from('data: [DONE]\n\n')]),
    ],
  };
}
