/**
 * A model that keeps its own books: what it wrote for whom, and so what it will bill, whoever still listened. Its
 * tokenizer takes as many tokens as one can (each byte, and the most of a template), it goes on writing when its client
 * has left, and it never bills more than `max_tokens`. How it answers is drawn from `seed` in the request.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { templateTokens } from '../../src/wire/dialects/openai/fields.ts';
import { FakeUpstream } from './upstream.ts';

/** What the model does with a request; the same request, made again, gets the same. */
export const manners = ['whole', 'silent', 'stream', 'broken', 'reset', 'error', 'limited', 'runaway', 'hold'] as const;
export type Manner = (typeof manners)[number];

export interface Billed {
  /** `user` of the request. */
  readonly user: string;
  readonly manner: Manner;
  readonly promptTokens: number;
  /** Hidden reasoning included. */
  readonly outputTokens: number;
}

interface Asked {
  readonly user: string;
  readonly seed: number;
  readonly max_tokens: number;
  readonly stream?: boolean;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
}

/** The manner of a seed that a test has made by `seedOf`. */
const mannerOf = (seed: number): Manner => manners[seed % manners.length] as Manner;

/** A seed that the model answers in this manner; `draw` says the rest. */
export function seedOf(manner: Manner, draw: number): number {
  return draw * manners.length + manners.indexOf(manner);
}

export class LedgerModel implements AsyncDisposable {
  readonly #server: FakeUpstream;
  /** One row for each request that it worked on; what it refused is not billed and has none. */
  readonly billed: Billed[] = [];
  /** Who asked, refused or not. */
  readonly users = new Set<string>();
  /** Requests that are held open, by user. */
  readonly held = new Set<string>();

  private constructor(server: FakeUpstream) {
    this.#server = server;
    server.reply = (request, response, body) => this.#answer(request, response, body);
  }

  static async open(): Promise<LedgerModel> {
    return new LedgerModel(await FakeUpstream.open());
  }

  get url(): string {
    return this.#server.url;
  }

  async #answer(_request: IncomingMessage, response: ServerResponse, body: Buffer): Promise<void> {
    const asked = JSON.parse(body.toString()) as Asked;
    const manner = mannerOf(asked.seed);
    this.users.add(asked.user);
    if (manner === 'error' || manner === 'limited') {
      const status = manner === 'error' ? 500 : 429;
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: { message: 'not now', type: 'server_error', param: null, code: null } }));
      return;
    }
    const promptTokens = asked.messages.reduce<number>(
      (sum, { role, content }) => sum + templateTokens.message + Buffer.byteLength(role + content),
      templateTokens.request,
    );
    // What was written before anybody knew of its end: the most that was asked for.
    const bill = (outputTokens: number) =>
      void this.billed.push({ user: asked.user, manner, promptTokens, outputTokens });
    const outputTokens = 1 + (Math.floor(asked.seed / manners.length) % asked.max_tokens);
    const usage = {
      prompt_tokens: promptTokens,
      completion_tokens: outputTokens,
      completion_tokens_details: { reasoning_tokens: Math.floor(outputTokens / 2) },
    };
    switch (manner) {
      case 'reset':
        bill(asked.max_tokens);
        response.destroy();
        return;
      case 'hold':
        bill(asked.max_tokens);
        this.held.add(asked.user);
        response.on('close', () => this.held.delete(asked.user));
        if (asked.stream === true) await writeChunks(response, 1);
        return;
      case 'runaway':
      case 'broken':
        bill(asked.max_tokens);
        if (asked.stream === true) {
          await writeChunks(response, manner === 'runaway' ? 4 * asked.max_tokens : 2);
          if (manner === 'runaway' && !response.destroyed) response.end('data: [DONE]\n\n');
        } else response.writeHead(200, { 'content-type': 'application/json', 'content-length': '9999' }).write('{"id"');
        response.destroy();
        return;
      case 'silent':
        bill(asked.max_tokens);
        await this.#finish(response, asked, null);
        return;
      default:
        bill(outputTokens);
        await this.#finish(response, asked, usage);
    }
  }

  async #finish(response: ServerResponse, asked: Asked, usage: object | null): Promise<void> {
    const told = usage === null ? {} : { usage };
    if (asked.stream === true) {
      await writeChunks(response, 2);
      response.write(chunk([{ index: 0, delta: {}, finish_reason: 'stop' }]));
      if (usage !== null) response.write(chunk([], told));
      response.end('data: [DONE]\n\n');
      return;
    }
    const choices = [{ index: 0, message: { role: 'assistant', content: 'yes' }, finish_reason: 'stop' }];
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ id: 'c', object: 'chat.completion', created: 1, model: 'm', choices, ...told }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }
}

function chunk(choices: readonly object[], more: object = {}): string {
  const document = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices, ...more };
  return `data: ${JSON.stringify(document)}\n\n`;
}

/** One token a chunk, until there are `count` or nobody listens. */
async function writeChunks(response: ServerResponse, count: number): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (let written = 0; written < count && !response.destroyed; written++) {
    response.write(chunk([{ index: 0, delta: { content: ' word' } }]));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
