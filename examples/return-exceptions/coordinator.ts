/**
 * The coordinator agent "in Azure": an ordinary program. The `openai` SDK has its base URL and key changed, tools are
 * plain `fetch`; nothing else in here knows of Tollgate. It holds one secret, its own workload's, and no key of any
 * model or service.
 */
import OpenAI from 'openai';
import { type Answered, answered, callThroughGate, type GateRequest, type OpenTask, timeoutMs } from './agent.ts';

/** One tool call that the coordinator made. */
export interface Made extends Answered {
  readonly tool: string;
  readonly toolCallId: string;
}

export interface Conversation {
  readonly answer: string;
  /** Everything the model said on the way, with its tool calls. */
  readonly completions: readonly OpenAI.ChatCompletion[];
  readonly made: readonly Made[];
  readonly chunks: number;
}

type Arguments = Readonly<Record<string, unknown>>;

interface Tool {
  readonly definition: OpenAI.ChatCompletionFunctionTool;
  readonly request: (args: Arguments) => GateRequest;
}

function tool(name: string, description: string, properties: Record<string, string>, request: Tool['request']): Tool {
  const schema = Object.fromEntries(Object.entries(properties).map(([key, type]) => [key, { type }]));
  const parameters = { type: 'object', properties: schema, required: Object.keys(schema), additionalProperties: false };
  return { definition: { type: 'function', function: { name, description, parameters } }, request };
}

const part = (value: unknown) => encodeURIComponent(String(value));

/** What the model may propose, and the request each proposal becomes. */
const tools: Readonly<Record<string, Tool>> = {
  orders__get_customer: tool(
    'orders__get_customer',
    'A customer, with lifetime value.',
    { customer_id: 'string' },
    (args) => ({ method: 'GET', path: `/tools/orders/customers/${part(args.customer_id)}` }),
  ),
  orders__get_order: tool(
    'orders__get_order',
    'One order of a customer.',
    { customer_id: 'string', order_id: 'string' },
    (args) => ({
      method: 'GET',
      path: `/tools/orders/customers/${part(args.customer_id)}/orders/${part(args.order_id)}`,
    }),
  ),
  risk__assess_return: tool(
    'risk__assess_return',
    'How risky it is to take an order back late.',
    {
      customer_id: 'string',
      order_id: 'string',
      amount_cents: 'integer',
      lifetime_value_cents: 'integer',
      days_late: 'integer',
    },
    (args) => ({ method: 'POST', path: '/tools/risk/assessments', body: args }),
  ),
  refunds__create_refund: tool(
    'refunds__create_refund',
    'Pays money back.',
    { customer_id: 'string', order_id: 'string', amount_cents: 'integer', reason: 'string' },
    (args) => ({ method: 'POST', path: '/tools/refunds/refunds', body: args }),
  ),
};

const instructions = 'You decide on returns after the return period. Use the tools; refund only where the risk is low.';
const roundsMax = 8;

export interface Question {
  readonly order_id: string;
  readonly amount_cents: number;
  readonly days_late: number;
}

/**
 * Asks the legal department's agent. What it hands over is a delegation token: good for that agent alone, which opens a
 * part of this task with it, and for nothing else.
 */
export async function askLegalRisk(
  riskAgentUrl: string,
  delegationToken: string,
  question: Question,
): Promise<Answered> {
  const response = await fetch(`${riskAgentUrl}/questions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${delegationToken}`, 'content-type': 'application/json' },
    body: JSON.stringify(question),
    signal: AbortSignal.timeout(timeoutMs),
  });
  return answered(response);
}

/**
 * Talks to the model until it proposes nothing more, and makes every call it proposes. A denial goes back to the model
 * like any other answer: its reasons tell what to do instead.
 */
export async function converse(gateUrl: string, task: OpenTask, message: string): Promise<Conversation> {
  const openai = new OpenAI({ baseURL: `${gateUrl}/v1`, apiKey: task.task_token, timeout: timeoutMs });
  const messages: OpenAI.ChatCompletionMessageParam[] = [
    { role: 'system', content: instructions },
    { role: 'user', content: message },
  ];
  const completions: OpenAI.ChatCompletion[] = [];
  const made: Made[] = [];
  let chunks = 0;
  for (let round = 0; round < roundsMax; round++) {
    const stream = openai.chat.completions.stream({
      model: 'planner',
      messages,
      tools: Object.values(tools).map(({ definition }) => definition),
      max_tokens: 400,
    });
    stream.on('chunk', () => chunks++);
    const completion = await stream.finalChatCompletion();
    completions.push(completion);
    const said = completion.choices[0]?.message;
    if (said === undefined) throw new Error('the model said nothing');
    const proposed = (said.tool_calls ?? []).filter((call) => call.type === 'function');
    messages.push({
      role: 'assistant',
      content: said.content,
      ...(proposed.length === 0 ? {} : { tool_calls: proposed }),
    });
    if (proposed.length === 0) return { answer: said.content ?? '', completions, made, chunks };
    for (const call of proposed) {
      const known = tools[call.function.name];
      if (known === undefined) throw new Error(`the model proposed ${call.function.name}, which is not a tool`);
      const request = known.request(JSON.parse(call.function.arguments) as Arguments);
      const sent = await callThroughGate(gateUrl, task.task_token, request, { 'x-tollgate-tool-call-id': call.id });
      made.push({ ...sent, tool: call.function.name, toolCallId: call.id });
      messages.push({ role: 'tool', tool_call_id: call.id, content: JSON.stringify(sent.body) });
    }
  }
  throw new Error(`the model was not done after ${roundsMax} rounds`);
}
