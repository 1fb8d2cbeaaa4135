/**
 * Azure OpenAI, v1 and classic. Its answers tell of the content filter; the first chunk of its streams has no choice in it,
 * but what was found in the prompt.
 */
import type { ServerResponse } from 'node:http';
import type { Reply } from '../upstream.ts';

export interface AzureRules {
  /** In the header `api-key`, or as a token of Entra. */
  readonly key: string;
  /** Deployments with the reply of each. */
  readonly deployments: Readonly<Record<string, string>>;
  readonly versions: readonly string[];
  /** What every answer of a chat calls, beside its text. */
  readonly toolCalls?: readonly { readonly id: string; readonly name: string; readonly arguments: string }[];
  /** Answers the responses and embeddings of the v1 API, which are OpenAI's own. */
  readonly rest?: Reply;
  /** Answers so in place of all else. */
  readonly error?: { readonly status: number; readonly headers: Record<string, string>; readonly body: string };
}

const safe = { hate: { filtered: false, severity: 'safe' }, violence: { filtered: false, severity: 'safe' } };
const prompted = [
  { prompt_index: 0, content_filter_results: { ...safe, jailbreak: { filtered: false, detected: false } } },
];
const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };

export function azureReply(rules: AzureRules): Reply {
  return (request, response, body) => {
    const shown = request.headers['api-key'] ?? request.headers.authorization?.replace(/^Bearer /, '');
    if (shown !== rules.key) {
      const refusal = { statusCode: 401, message: 'Unauthorized. Access token is missing, invalid or expired.' };
      return void response.writeHead(401, { 'content-type': 'application/json' }).end(JSON.stringify(refusal));
    }
    if (rules.error !== undefined) {
      return void response.writeHead(rules.error.status, rules.error.headers).end(rules.error.body);
    }
    const url = new URL(request.url ?? '', 'http://azure.test');
    const asked = JSON.parse(body.toString()) as { model: string; stream?: boolean; stream_options?: object };
    if (rules.rest !== undefined && /^\/openai\/v1\/(?:responses|embeddings)$/.test(url.pathname)) {
      if (!Object.hasOwn(rules.deployments, asked.model)) return fail(response, 404, 'DeploymentNotFound', 'No such.');
      return rules.rest(request, response, body);
    }
    const [, classic] = /^\/openai\/deployments\/([^/]+)\/chat\/completions$/.exec(url.pathname) ?? [];
    const version = url.searchParams.get('api-version');
    const named = classic === undefined ? asked.model : decodeURIComponent(classic);
    const isV1 = url.pathname === '/openai/v1/chat/completions';
    const text = rules.deployments[named];
    if (isV1 === (classic !== undefined) || (!isV1 && !rules.versions.includes(version ?? '')) || text === undefined) {
      return fail(response, 404, 'DeploymentNotFound', 'The API deployment for this resource does not exist.');
    }
    const base = { id: 'chatcmpl-az1', created: 1, model: 'gpt-4o-2024-11-20', system_fingerprint: 'fp_1' };
    const calls = (rules.toolCalls ?? []).map(({ id, ...called }) => ({ id, type: 'function', function: called }));
    const finish = calls.length > 0 ? 'tool_calls' : 'stop';
    if (asked.stream !== true) {
      const called = calls.length > 0 ? { tool_calls: calls } : {};
      const message = { role: 'assistant', content: text, refusal: null, ...called };
      const choices = [{ index: 0, message, finish_reason: finish, logprobs: null, content_filter_results: safe }];
      const whole = { ...base, object: 'chat.completion', choices, prompt_filter_results: prompted, usage };
      return void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(whole));
    }
    const counts = (asked.stream_options as { include_usage?: boolean } | undefined)?.include_usage === true;
    const chunk = (choices: object[], more: object = counts ? { usage: null } : {}) =>
      `data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', choices, ...more })}\n\n`;
    const choice = (delta: object, finish_reason: string | null = null) => ({
      ...{ index: 0, delta, finish_reason, logprobs: null, content_filter_results: safe },
    });
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    const first = { choices: [], created: 0, id: '', model: '', object: '', prompt_filter_results: prompted };
    response.write(`data: ${JSON.stringify(first)}\n\n`);
    response.write(chunk([choice({ role: 'assistant', content: '', refusal: null })]));
    for (const word of text.split(/(?<= )/)) response.write(chunk([choice({ content: word })]));
    for (const [index, call] of calls.entries()) response.write(chunk([choice({ tool_calls: [{ index, ...call }] })]));
    response.write(chunk([choice({}, finish)]));
    if (counts) response.write(chunk([], { usage }));
    response.end('data: [DONE]\n\n');
  };
}

function fail(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ error: { code, message } }));
}
