/**
 * The carrier's desk "in AWS": a server of MCP 2026-07-28 on the SDK of the standard, stateless, with two tools. Like every
 * service here it asks for its key on each request, and for a `Txn-Token` on each call; a list of tools moves nothing, so
 * for that the key will do. Its definitions can change while it runs, as those of any server can.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { isRefusal, type TxnTokenVerifier } from '../../../src/identity/verify.ts';
import { type Listening, listen, readBody } from './listen.ts';
import { type Received, Recorder } from './record.ts';

/** Where the parcel of an order is. */
const parcels: Readonly<Record<string, string>> = {
  'A-1001': 'Delivered on 2026-09-18 at 11:04, signed for by Keller.',
  'A-1002': 'Delivered on 2026-09-21, left with a neighbour.',
};

const endpoint = '/mcp';

export class ParcelDesk {
  /** What the tool says of itself, to whoever lists it from now on. */
  description = 'Where the parcel of an order is, and who signed for it.';
  readonly key: string;
  readonly #recorder = new Recorder();
  #listening: Listening | undefined;
  #txnTokens: TxnTokenVerifier | undefined;
  readonly #mcp = createMcpHandler(() => this.#server(), { legacy: 'reject', keepAliveMs: 0 });
  readonly #serve = toNodeHandler(this.#mcp);

  constructor(key: string) {
    this.key = key;
  }

  /** Where it is spoken to. */
  get url(): string {
    if (this.#listening === undefined) throw new Error('the parcel desk is not open');
    return `${this.#listening.url}${endpoint}`;
  }

  /** The calls of tools. What the gate asks on its own account, again and again, is not among them. */
  get received(): readonly Received[] {
    return this.#recorder.all;
  }

  /** Whose Txn-Tokens it takes from now on; before that it refuses every call. */
  trust(txnTokens: TxnTokenVerifier): void {
    this.#txnTokens = txnTokens;
  }

  async open(preferredPort: number): Promise<void> {
    this.#listening = await listen((request, response) => void this.#take(request, response), preferredPort);
  }

  async close(): Promise<void> {
    await this.#mcp.close();
    await this.#listening?.close();
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refuse = (status: number) => void response.writeHead(status).end();
    const body = await readBody(request);
    const message = messageIn(body);
    if (message?.method === 'tools/call') this.#recorder.add(request, body);
    if (request.headers['x-service-key'] !== this.key) return refuse(401);
    if (message === undefined) return refuse(400);
    if (message.method === 'tools/call' && !(await this.#isForThis(request, body, message))) return refuse(403);
    // What it takes is a request of Node in all but how its optional members are typed.
    await this.#serve(request as never, response, message);
  }

  async #isForThis(request: IncomingMessage, body: Buffer, { params }: Message): Promise<boolean> {
    const shown = request.headers['txn-token'];
    const txn = await this.#txnTokens?.verify(typeof shown === 'string' ? shown : null, {
      method: request.method ?? '',
      pathWithQuery: request.url ?? '',
      body,
      operation: `parcels.${params?.name}`,
    });
    return txn !== undefined && !isRefusal(txn);
  }

  #server(): McpServer {
    const server = new McpServer({ name: 'parcel-desk', version: '1.0.0' }, { capabilities: { tools: {} } });
    const order = z.string().describe('The number of the order.');
    server.registerTool(
      'track_parcel',
      { description: this.description, inputSchema: z.strictObject({ order_id: order }) },
      ({ order_id: id }) => ({ content: [{ type: 'text', text: parcels[id] ?? 'There is no such parcel.' }] }),
    );
    server.registerTool(
      'reroute_parcel',
      {
        description: 'Sends a parcel elsewhere.',
        inputSchema: z.strictObject({ order_id: order, address: z.string() }),
      },
      () => ({ content: [{ type: 'text', text: 'It is on its way there.' }] }),
    );
    return server;
  }
}

interface Message {
  readonly method?: string;
  readonly params?: { readonly name?: string };
}

function messageIn(body: Buffer): Message | undefined {
  try {
    return JSON.parse(body.toString('utf8')) as Message;
  } catch {
    return undefined;
  }
}
