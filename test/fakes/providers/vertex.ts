/**
 * Vertex AI as far as models are concerned: Anthropic's as their publisher's, and the OpenAI-compatible endpoint. Whoever
 * has no token of Google, or names the model where it does not belong, gets Google's errors.
 */
import type { ServerResponse } from 'node:http';
import type { Reply } from '../upstream.ts';

export interface VertexRules {
  /** `/v1/projects/{project}/locations/{region}` */
  readonly location: string;
  readonly token: string;
  readonly said: { readonly whole: object; readonly events: readonly { readonly type: string }[] };
  /** Answers what comes to the OpenAI-compatible endpoint. */
  readonly chat: Reply;
  /** Answers so in place of all else. */
  readonly error?: { readonly status: number; readonly name: string; readonly message: string };
}

export function vertexReply(rules: VertexRules): Reply {
  return (request, response, body) => {
    const { location, token, said, error } = rules;
    const url = request.url ?? '';
    const isChat = url === `${location}/endpoints/openapi/chat/completions`;
    if (request.headers.authorization !== `Bearer ${token}`) {
      return fail(response, isChat, 401, 'UNAUTHENTICATED', 'Request had invalid authentication credentials.');
    }
    if (error !== undefined) return fail(response, isChat, error.status, error.name, error.message);
    const asked = JSON.parse(body.toString()) as Record<string, unknown>;
    if (isChat) {
      if (!/^[a-z]+\/./.test(String(asked.model)))
        return fail(response, true, 400, 'INVALID_ARGUMENT', 'Malformed model');
      return rules.chat(request, response, body);
    }
    const models = `${location}/publishers/anthropic/models/`;
    const [, model = '', method = ''] = url.startsWith(models)
      ? (/^([^/:]+):(\w+)$/.exec(url.slice(models.length)) ?? [])
      : [];
    if (method === '') return fail(response, false, 404, 'NOT_FOUND', `no ${url}`);
    const counts = model === 'count-tokens';
    const version = String(asked.anthropic_version);
    if (!/^(?:vertex-2023-10-16|(?!2023)\d{4}-\d\d-\d\d)$/.test(version)) return refuse(response, 'anthropic_version');
    if (Object.hasOwn(asked, 'model') !== counts) return refuse(response, 'model');
    if (counts) return void response.writeHead(200, json).end('{"input_tokens":42}');
    if ((asked.stream === true) !== (method === 'streamRawPredict')) return refuse(response, 'stream');
    if (asked.stream !== true) return void response.writeHead(200, json).end(JSON.stringify(said.whole));
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    for (const event of said.events) response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    response.end();
  };
}

const json = { 'content-type': 'application/json; charset=UTF-8' };

/** Google's error; the OpenAI-compatible endpoint sends it as the one item of a list. */
function fail(response: ServerResponse, listed: boolean, code: number, status: string, message: string): void {
  const document = { error: { code, message, status, details: [] } };
  response.writeHead(code, json).end(JSON.stringify(listed ? [document] : document));
}

/** An error of the model's own. */
function refuse(response: ServerResponse, member: string): void {
  const error = { type: 'invalid_request_error', message: `${member}: Extra inputs are not permitted` };
  response.writeHead(400, json).end(JSON.stringify({ type: 'error', error, request_id: 'req_vrtx_1' }));
}
