/** A world whose routes are all one small service, with other settings for their results; and what of its calls is recorded. */
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import type { AuditEvent } from '../../src/audit/event.ts';
import { FakeUpstream } from '../fakes/upstream.ts';
import { World } from './world.ts';

export const card = '4111111111111111';
/** Labels of a task in whose answers card numbers are redacted. */
export const redacting = { oblige_response: JSON.stringify({ redact: [{ type: 'card' }] }) };

export const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

export class ShelfWorld implements AsyncDisposable {
  readonly world: World;
  readonly shelf: FakeUpstream;

  private constructor(world: World, shelf: FakeUpstream) {
    this.world = world;
    this.shelf = shelf;
  }

  static async open(): Promise<ShelfWorld> {
    const shelf = await FakeUpstream.open();
    const openapi = resolve(import.meta.dirname, '../fixtures/wire/shelf.openapi.json');
    const targets = [{ name: 'one', url: shelf.url, cloud: 'azure', region: 'westeurope' }];
    const row = { kind: 'http', openapi, targets };
    const routes = [
      { ...row, name: 'shelf' },
      { ...row, name: 'pages', result: { max_bytes: 2048, html: 'text' } },
      { ...row, name: 'strict', responses: 'enforce' },
      { ...row, name: 'seen', responses: 'observe' },
    ];
    return new ShelfWorld(await World.open({ config: { routes, limits: { answer_bytes: 65_536 } } }), shelf);
  }

  /** What the service answers from now on. */
  answers(type: string, body: string | Buffer, status = 200, headers: Record<string, string> = {}): void {
    this.shelf.reply = (_request, response) =>
      void response.writeHead(status, { 'content-type': type, ...headers }).end(body);
  }

  async outcomeOf(task: string): Promise<AuditEvent | undefined> {
    return (await this.world.events({ task, type: 'outcome' })).at(-1);
  }

  /** The arguments that the last call of a task was decided on. */
  async argumentsOf(task: string): Promise<Record<string, unknown>> {
    const reply = await this.world.admin(`/audit/tasks/${task}/payloads?kind=policy_input`);
    const { payloads } = (await reply.json()) as { payloads: { text: string }[] };
    return JSON.parse(payloads.at(-1)?.text ?? '').call.arguments;
  }

  /** All pages of a result whose first one has come. */
  async pagesOf(task: string, token: string, first: Response): Promise<string[]> {
    const pages = [await first.text()];
    for (let cursor = first.headers.get('x-tollgate-result-cursor'); cursor !== null; ) {
      const next = await this.world.fetch(`/tasks/${task}/results/${cursor}`, token);
      if (next.status !== 200) throw new Error(`page ${pages.length} is answered ${next.status}`);
      pages.push(await next.text());
      cursor = next.headers.get('x-tollgate-result-cursor');
    }
    return pages;
  }

  /** Calls a tool as a stateless client of MCP does. */
  callTool(path: string, token: string, name: string, args: Record<string, unknown>): Promise<Response> {
    const version = '2026-07-28';
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': version,
      'io.modelcontextprotocol/clientCapabilities': {},
      'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
    };
    const params = { name, arguments: args, _meta };
    return this.world.fetch(path, token, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...{ 'mcp-protocol-version': version, 'mcp-method': 'tools/call', 'mcp-name': name },
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
    await this.shelf[Symbol.asyncDispose]();
  }
}
