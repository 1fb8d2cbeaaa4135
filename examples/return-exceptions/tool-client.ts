/**
 * How an agent of this world uses tools over MCP: the SDK of the standard as it is, with two values changed, the URL and
 * the token. It knows no server: what its task may use, of whichever route, it sees in one list.
 */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import type { OpenTask } from './agent.ts';

export interface ToolAnswer {
  readonly content: readonly { readonly type: string; readonly text?: string }[];
  /** What a model is told that failed: by the tool, or by the gate. */
  readonly isError?: boolean;
  readonly structuredContent?: Readonly<Record<string, unknown>>;
}

export interface Tools extends AsyncDisposable {
  readonly list: () => Promise<readonly { readonly name: string }[]>;
  readonly call: (name: string, args: Readonly<Record<string, unknown>>) => Promise<ToolAnswer>;
}

/** The tools of a task. Closes with what holds it. */
export async function connectTools(gateUrl: string, task: OpenTask): Promise<Tools> {
  const client = new Client({ name: 'coordinator', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } });
  const requestInit = { headers: { authorization: `Bearer ${task.task_token}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(`${gateUrl}/mcp`), { requestInit }));
  return {
    list: async () => (await client.listTools()).tools,
    call: async (name, args) => (await client.callTool({ name, arguments: { ...args } })) as ToolAnswer,
    [Symbol.asyncDispose]: () => client.close(),
  };
}
