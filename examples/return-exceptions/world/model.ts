/**
 * A model server that speaks the OpenAI chat wire format, streaming and not, and plays the script of `script.ts`
 * instead of thinking. It counts what it gives in a ledger, as a provider does for its bill: the story holds the gate's
 * books against it. It can be told to die in the middle of its work.
 */
import { randomUUID, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Listening, listen, readBody } from './listen.ts';
import { type Received, Recorder } from './record.ts';
import { type ChatMessage, nextTurn, plainTurn, type Turn } from './script.ts';

export interface LedgerEntry {
  /** Which of the servers gave it: the name of its target in tollgate.yaml. */
  readonly target: string;
  readonly completionId: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
}

interface ChatRequest {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly unknown[];
  readonly stream?: boolean;
  readonly stream_options?: { readonly include_usage?: boolean };
  readonly max_tokens?: number;
  readonly max_completion_tokens?: number;
}

const answerTokensMax = 1024;
const chunkDelayMs = 2;

/** One token for each started four characters: rough, and the same on every run. */
function countTokens(text: string): number {
  return Math.ceil(text.length / 4);
}

export interface ModelServerOptions {
  /** The name of its target in tollgate.yaml. */
  readonly target: string;
  readonly key: string;
  /** Where it writes what it gave; one for all servers, so that entries stand in the order of the calls. */
  readonly ledger: LedgerEntry[];
}

export class ModelServer {
  readonly #recorder = new Recorder();
  readonly #options: ModelServerOptions;
  readonly key: string;
  #listening: Listening | undefined;
  #answersLeft = Number.POSITIVE_INFINITY;

  constructor(options: ModelServerOptions) {
    this.#options = options;
    this.key = options.key;
  }

  get url(): string {
    if (this.#listening === undefined) throw new Error('the model server is not open');
    return `${this.#listening.url}/v1`;
  }

  get received(): readonly Received[] {
    return this.#recorder.all;
  }

  async open(preferredPort: number): Promise<void> {
    this.#listening = await listen((request, response) => void this.#serve(request, response), preferredPort);
  }

  /** Nothing listens any more once it has given `answers` more answers. */
  dieAfter(answers: number): void {
    this.#answersLeft = answers;
  }

  /** Stops listening and drops every connection. */
  async close(): Promise<void> {
    await this.#listening?.close();
  }

  /** Listens again, where it did before it died. */
  async revive(): Promise<void> {
    this.#answersLeft = Number.POSITIVE_INFINITY;
    const port = this.#listening?.port ?? 0;
    await this.open(port);
    if (this.#listening?.port !== port) throw new Error(`port ${port} was taken while the model server was dead`);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const received = this.#recorder.add(request, await readBody(request));
    const shown = request.headers['api-key'];
    const known = typeof shown === 'string' && shown.length === this.key.length;
    if (!known || !timingSafeEqual(Buffer.from(shown), Buffer.from(this.key))) {
      return fail(response, 401, 'invalid_api_key', 'Incorrect API key provided.');
    }
    if (received.method !== 'POST' || received.path !== '/v1/chat/completions') {
      return fail(response, 404, 'unknown_url', 'Unknown request URL.');
    }
    let chat: ChatRequest;
    try {
      chat = JSON.parse(received.body) as ChatRequest;
      if (!Array.isArray(chat.messages)) throw new TypeError('messages');
    } catch {
      return fail(response, 400, 'invalid_request', 'The body is not a chat request.');
    }
    const completion = complete(chat);
    const { id: completionId } = completion.head;
    const { prompt_tokens: promptTokens, completion_tokens: completionTokens } = completion.usage;
    const { ledger, target } = this.#options;
    ledger.push({ target, completionId, promptTokens, completionTokens });
    this.#answersLeft--;
    if (this.#answersLeft === 0) response.once('finish', () => void this.close());
    if (chat.stream === true) await this.#stream(response, chat, completion);
    else json(response, 200, completion.whole);
  }

  async #stream(
    response: ServerResponse,
    chat: ChatRequest,
    { head, turn, calls, finishReason, usage }: ReturnType<typeof complete>,
  ): Promise<void> {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    const withUsage = chat.stream_options?.include_usage === true;
    const chunk = (choices: readonly object[], members: object = {}) =>
      `data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', choices, ...members })}\n\n`;
    const usageSoFar = withUsage ? { usage: null } : {};
    for (const delta of deltas(turn, calls)) {
      response.write(chunk([{ index: 0, delta, finish_reason: null }], usageSoFar));
      await sleep(chunkDelayMs);
    }
    response.write(chunk([{ index: 0, delta: {}, finish_reason: finishReason }], usageSoFar));
    if (withUsage) response.write(chunk([], { usage }));
    response.end('data: [DONE]\n\n');
  }
}

/** The answer to one request, whole and in the parts that a stream is made of. */
function complete(chat: ChatRequest) {
  const tokensMax = chat.max_completion_tokens ?? chat.max_tokens ?? answerTokensMax;
  const turn = chat.tools === undefined ? plainTurn(tokensMax) : nextTurn(chat.messages);
  const calls = turn.calls.map(({ name, arguments: args }) => ({
    id: `call_${randomUUID().replaceAll('-', '').slice(0, 24)}`,
    type: 'function',
    function: { name, arguments: JSON.stringify(args) },
  }));
  const said = turn.calls.length === 0 && turn.reasoning === '' ? turn.text.split(' ').length : undefined;
  const reasoningTokens = countTokens(turn.reasoning);
  const completionTokens = said ?? countTokens(turn.text + JSON.stringify(calls)) + reasoningTokens;
  const promptTokens = countTokens(JSON.stringify([chat.messages, chat.tools ?? []]));
  const usage = {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    completion_tokens_details: { reasoning_tokens: reasoningTokens },
  };
  const head = {
    id: `chatcmpl-${randomUUID()}`,
    created: Math.floor(Date.now() / 1000),
    model: chat.model,
    system_fingerprint: 'scripted',
  };
  const finishReason = calls.length > 0 ? 'tool_calls' : 'stop';
  const message = {
    role: 'assistant',
    content: turn.text,
    ...(turn.reasoning === '' ? {} : { reasoning_content: turn.reasoning }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
  const choices = [{ index: 0, message, finish_reason: finishReason }];
  const whole = { ...head, object: 'chat.completion', choices, usage };
  return { head, turn, calls, finishReason, usage, whole };
}

/** The answer in pieces. Arguments of tool calls come apart in the middle, as real servers send them. */
function* deltas(turn: Turn, calls: readonly { id: string; function: { name: string; arguments: string } }[]) {
  yield { role: 'assistant', content: '' };
  for (const text of pieces(turn.reasoning, 24)) yield { reasoning_content: text };
  for (const text of pieces(turn.text, 12)) yield { content: text };
  for (const [index, call] of calls.entries()) {
    const { name, arguments: args } = call.function;
    yield { tool_calls: [{ index, id: call.id, type: 'function', function: { name, arguments: '' } }] };
    for (const text of pieces(args, 9)) yield { tool_calls: [{ index, function: { arguments: text } }] };
  }
}

function pieces(text: string, length: number): string[] {
  const parts: string[] = [];
  for (let start = 0; start < text.length; start += length) parts.push(text.slice(start, start + length));
  return parts;
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function fail(response: ServerResponse, status: number, code: string, message: string): void {
  json(response, status, { error: { message, type: 'invalid_request_error', param: null, code } });
}
