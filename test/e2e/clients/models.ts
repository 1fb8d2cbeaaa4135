/**
 * The providers that the clients of these tests reach: one server for each wire format, all reading from one script, so
 * that a test says what the model says next and not which target is asked. A stream goes out as it is made, or cut to
 * pieces anywhere: a piece is a chunk of HTTP, so that the gate reads it by itself.
 */
import type { ServerResponse } from 'node:http';
import { systemClock } from '../../../src/clock.ts';
import { azureReply } from '../../fakes/providers/azure.ts';
import { bedrockReply } from '../../fakes/providers/bedrock.ts';
import { vertexReply } from '../../fakes/providers/vertex.ts';
import { FakeUpstream, type Received, type Reply } from '../../fakes/upstream.ts';
import { chatReply } from '../../gateway/chat.ts';
import { messageReply, said } from '../../gateway/message.ts';
import { embeddingsReply, responseReply } from '../../gateway/responses.ts';

/** What a model says at one turn. */
export interface Turn {
  readonly text?: string;
  /** What it thinks before, where the format of its provider has a place for it. */
  readonly thinking?: string;
  readonly calls?: readonly { readonly id: string; readonly name: string; readonly input: Record<string, unknown> }[];
  /** Milliseconds between the events of a stream, which then goes out as it is made. */
  readonly paceMs?: number;
}

export const providers = ['openai', 'azure', 'anthropic', 'bedrock', 'vertex'] as const;
export type Provider = (typeof providers)[number];

export const awsKey = { id: 'AKIAIOSFODNN7EXAMPLE', secret: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
export const awsRegion = 'eu-central-1';
export const bedrockModel = 'eu.anthropic.claude-sonnet-4-5-20250929-v1:0';
export const location = '/v1/projects/p-1/locations/europe-west1';
export const keys = { azure: 'the-azure-key', vertex: 'ya29.the-google-token', plain: 'the-key-of-the-gate' };

/** Where a stream is cut: nowhere, behind each byte, or behind so many. */
export type Cut = 'nowhere' | 'everywhere' | number;

export class Models implements AsyncDisposable {
  readonly servers: Readonly<Record<Provider, FakeUpstream>>;
  /** What is said next; a model that is asked and has nothing left to say fails. */
  readonly turns: Turn[] = [];
  cut: Cut = 'nowhere';
  /** What all of them received since `say`, in the order it came. */
  readonly received: Received[] = [];
  /** How many bytes the last stream had. */
  streamedBytes = 0;

  private constructor(servers: Models['servers']) {
    this.servers = servers;
    for (const provider of providers) servers[provider].reply = this.#replyOf(provider);
  }

  static async open(): Promise<Models> {
    const opened = await Promise.all(providers.map(async (name) => [name, await FakeUpstream.open()] as const));
    return new Models(Object.fromEntries(opened) as Models['servers']);
  }

  /** The bodies of what was received. */
  get asked(): readonly Record<string, unknown>[] {
    return this.received.map(({ body }) => JSON.parse(String(body)) as Record<string, unknown>);
  }

  say(...turns: readonly Turn[]): void {
    this.turns.splice(0, this.turns.length, ...turns);
    this.received.length = 0;
  }

  #replyOf(provider: Provider): Reply {
    return (request, response, body) => {
      this.received.push(...this.servers[provider].received.splice(0));
      if (request.url?.endsWith('/embeddings')) return embeddingsReply(request, response, body);
      const turn = this.turns.shift();
      if (turn === undefined) {
        const headers = { 'content-type': 'application/json', 'x-should-retry': 'false' };
        return void response.writeHead(500, headers).end('{"error":{"message":"the script has ended"}}');
      }
      const streams = /"stream": ?true/.test(String(body)) || request.url?.endsWith('-stream') === true;
      if (!streams || turn.paceMs !== undefined) return replies[provider](turn)(request, response, body);
      const pieces = new Pieces(response);
      return Promise.resolve(replies[provider](turn)(request, pieces.asResponse, body)).then(() => {
        this.streamedBytes = pieces.send(this.cut);
      });
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(providers.map((provider) => this.servers[provider][Symbol.asyncDispose]()));
  }
}

const chatOf = ({ text = '', calls = [], paceMs }: Turn) => ({
  text,
  ...(paceMs === undefined ? {} : { paceMs }),
  toolCalls: calls.map(({ input, ...call }) => ({ ...call, arguments: JSON.stringify(input) })),
  usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
});

const messageOf = ({ calls = [], ...turn }: Turn) => ({ text: '', ...turn, toolUses: calls });

const openaiReply = (turn: Turn): Reply => {
  const { toolCalls, usage: _, ...spoken } = chatOf(turn);
  const { thinking } = turn;
  const reasoning = thinking === undefined ? {} : { reasoning: thinking, sealsIfAsked: true };
  const response = responseReply({ ...spoken, ...reasoning, calls: toolCalls });
  const chat = chatReply(chatOf(turn));
  return (...asked) => (asked[0].url?.endsWith('/responses') ? response : chat)(...asked);
};

const replies: Readonly<Record<Provider, (turn: Turn) => Reply>> = {
  openai: openaiReply,
  anthropic: (turn) => messageReply(messageOf(turn)),
  azure: (turn) => {
    const { text, toolCalls } = chatOf(turn);
    const rules = { key: keys.azure, deployments: { 'our-gpt': text }, versions: [], toolCalls };
    return azureReply({ ...rules, rest: openaiReply(turn) });
  },
  bedrock: (turn) =>
    bedrockReply({
      ...{ clock: systemClock(), region: awsRegion, key: awsKey, models: [bedrockModel] },
      said: said(messageOf(turn)),
    }),
  vertex: (turn) =>
    vertexReply({
      ...{ location, token: keys.vertex, said: said(messageOf(turn)) },
      chat: chatReply(chatOf(turn)),
    }),
};

/** Stands in for a response: keeps what is written, and sends it in pieces. */
class Pieces {
  readonly #response: ServerResponse;
  readonly #written: Buffer[] = [];

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  get asResponse(): ServerResponse {
    const write = (bytes: string | Buffer) => this.#written.push(Buffer.from(bytes));
    const own = {
      destroyed: false,
      writeHead: (status: number, headers: Record<string, string>) => this.#response.writeHead(status, headers),
      write,
      end: (bytes: string | Buffer = '') => void write(bytes),
    };
    return own as unknown as ServerResponse;
  }

  /** How many bytes there were. */
  send(cut: Cut): number {
    const all = Buffer.concat(this.#written);
    if (cut === 'everywhere') for (const byte of all) this.#response.write(Buffer.of(byte));
    else if (cut === 'nowhere') this.#response.write(all);
    else
      for (const piece of [all.subarray(0, cut), all.subarray(cut)]) if (piece.length > 0) this.#response.write(piece);
    this.#response.end();
    return all.length;
  }
}
