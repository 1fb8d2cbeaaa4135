/** A server of MCP (2026-07-28, stateless) with whatever tools a test gives it, which keeps what it received. */
import { FakeUpstream } from './upstream.ts';

interface Asked {
  readonly id?: number | string;
  readonly method: string;
  readonly params?: { readonly name?: string; readonly arguments?: unknown };
}

export class McpServerFake implements AsyncDisposable {
  tools: readonly object[];
  /** What a call is answered with. */
  result: object = { content: [{ type: 'text', text: 'done' }] };
  /** What other methods are answered with; what stands nowhere it does not have. */
  readonly results: Record<string, object> = {};
  readonly #upstream: FakeUpstream;

  private constructor(upstream: FakeUpstream, tools: readonly object[]) {
    this.#upstream = upstream;
    this.tools = tools;
    upstream.reply = (_request, response, body) => {
      const { id, method } = JSON.parse(body.toString('utf8') || '{}') as Asked;
      const result = this.#resultOf(method);
      const answer = result === undefined ? { error: { code: -32601, message: 'no such method' } } : { result };
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ jsonrpc: '2.0', id, ...answer }));
    };
  }

  static async open(tools: readonly object[]): Promise<McpServerFake> {
    return new McpServerFake(await FakeUpstream.open(), tools);
  }

  get url(): string {
    return this.#upstream.url;
  }

  /** The calls of tools that reached it. */
  get calls(): readonly (Asked['params'] & object)[] {
    return this.#upstream.received.flatMap(({ body }) => {
      const { method, params } = JSON.parse(body.toString('utf8') || '{}') as Asked;
      return method === 'tools/call' && params !== undefined ? [params] : [];
    });
  }

  #resultOf(method: string): object | undefined {
    const complete = { resultType: 'complete' };
    if (method === 'server/discover') {
      const serverInfo = { name: 'fake', version: '1' };
      const known = { supportedVersions: ['2026-07-28'], capabilities: { tools: { listChanged: true } }, serverInfo };
      return { ...complete, ...known, ttlMs: 0, cacheScope: 'private' };
    }
    if (method === 'tools/list') return { ...complete, tools: this.tools, ttlMs: 0, cacheScope: 'private' };
    if (method === 'tools/call') return { ...complete, ...this.result };
    const result = this.results[method];
    return result === undefined ? undefined : { ...complete, ...result };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#upstream[Symbol.asyncDispose]();
  }
}
