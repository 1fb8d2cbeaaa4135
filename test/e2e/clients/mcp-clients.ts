/**
 * The SDKs of MCP as one: the one that ends at 2025-11-25, and the newer one in both of its eras. Each is unchanged but
 * for its URL and the token of a task. What it is asked it answers: a form with what its user would fill in, a prompt
 * with what its model would say, and where it works.
 */
import { Client as NewClient, StreamableHTTPClientTransport as NewTransport } from '@modelcontextprotocol/client';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { RequestOptions } from '@modelcontextprotocol/sdk/shared/protocol.js';
import {
  CallToolResultSchema,
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';

/** How each speaks: `sdk` and `legacy` with sessions, `modern` without. */
export const clients = ['sdk', 'legacy', 'modern'] as const;
export type ClientKind = (typeof clients)[number];

export const email = 'anna.schmidt@customer-mail.com';
const info = { name: 'a client', version: '1.0.0' };
const capabilities = { elicitation: {}, sampling: {}, roots: {} };
const said = { role: 'assistant' as const, content: { type: 'text' as const, text: 'Paris' }, model: 'its model' };
const works = { roots: [{ uri: 'file:///orders', name: 'work' }] };

export interface ToolAnswer {
  readonly content: readonly { readonly type: string; readonly text?: string }[];
  readonly isError?: boolean;
  readonly structuredContent?: Readonly<Record<string, unknown>>;
}

export interface CallOptions {
  readonly onprogress?: (progress: { readonly progress: number }) => void;
  readonly signal?: AbortSignal;
  /** The least severe log messages it wants to hear. */
  readonly logs?: 'info';
}

export interface AnyClient extends AsyncDisposable {
  readonly version: string | undefined;
  /** The methods it was asked, and the lines of the log it heard, oldest first. */
  readonly asked: readonly string[];
  readonly heard: readonly unknown[];
  /** How often it has heard that its tools are others by now. */
  readonly changes: () => number;
  readonly tools: () => Promise<readonly { readonly name: string; readonly inputSchema: object }[]>;
  readonly call: (name: string, args?: Record<string, unknown>, options?: CallOptions) => Promise<ToolAnswer>;
  readonly resources: () => Promise<readonly string[]>;
  readonly templates: () => Promise<readonly string[]>;
  readonly read: (uri: string) => Promise<readonly { readonly uri: string; readonly text?: string }[]>;
  readonly prompts: () => Promise<readonly string[]>;
  readonly prompt: (name: string, args: Record<string, string>) => Promise<readonly unknown[]>;
  readonly complete: (prompt: string, argument: string, value: string) => Promise<readonly string[]>;
}

/** What a user fills in: a text for everything, and an address where one is asked for. */
function filledIn(params: unknown): { action: 'accept'; content: Record<string, string> } {
  const { requestedSchema } = params as { requestedSchema: { properties: object } };
  const names = Object.keys(requestedSchema.properties);
  return {
    action: 'accept',
    content: Object.fromEntries(names.map((name) => [name, name === 'email' ? email : 'Anna'])),
  };
}

/** Connects a client of this kind, which shows `token` if there is one. Rejects as its SDK does. */
export async function connect(kind: ClientKind, url: string, token?: string): Promise<AnyClient> {
  const options = token === undefined ? {} : { requestInit: { headers: { authorization: `Bearer ${token}` } } };
  const asked: string[] = [];
  const heard: unknown[] = [];
  let changes = 0;
  const changed = () => {
    changes += 1;
  };
  const answered = <T>(method: string, answer: T): T => {
    asked.push(method);
    return answer;
  };
  if (kind === 'sdk') {
    const client = new OldClient(info, { capabilities });
    const transport = new OldTransport(new URL(url), options);
    client.setRequestHandler(ElicitRequestSchema, ({ method, params }) => answered(method, filledIn(params)));
    client.setRequestHandler(CreateMessageRequestSchema, ({ method }) => answered(method, said));
    client.setRequestHandler(ListRootsRequestSchema, ({ method }) => answered(method, works));
    client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void heard.push(params.data));
    client.setNotificationHandler(ToolListChangedNotificationSchema, changed);
    await client.connect(transport as Parameters<OldClient['connect']>[0]);
    return facade(client as unknown as CommonClient, {
      ...{ version: transport.protocolVersion, asked, heard, changes: () => changes },
      call: async (params, { logs, ...how }) => {
        if (logs !== undefined) await client.setLoggingLevel(logs);
        return (await client.callTool(params, CallToolResultSchema, how as RequestOptions)) as ToolAnswer;
      },
      close: async () => {
        await transport.terminateSession();
        await client.close();
      },
    });
  }
  const client = new NewClient(info, {
    capabilities,
    versionNegotiation: { mode: kind === 'modern' ? 'auto' : 'legacy' },
  });
  const transport = new NewTransport(new URL(url), options);
  client.setRequestHandler('elicitation/create', ({ method, params }) => answered(method, filledIn(params)));
  client.setRequestHandler('sampling/createMessage', ({ method }) => answered(method, said));
  client.setRequestHandler('roots/list', ({ method }) => answered(method, works));
  client.setNotificationHandler('notifications/message', ({ params }) => void heard.push(params.data));
  client.setNotificationHandler('notifications/tools/list_changed', changed);
  await client.connect(transport);
  if (kind === 'modern') await client.listen({ toolsListChanged: true });
  return facade(client as unknown as CommonClient, {
    ...{ version: client.getNegotiatedProtocolVersion(), asked, heard, changes: () => changes },
    call: async ({ name, arguments: args }, { logs, ...how }) => {
      if (logs !== undefined && kind === 'legacy') await client.setLoggingLevel(logs);
      const level = { 'io.modelcontextprotocol/logLevel': logs };
      const _meta = logs !== undefined && kind === 'modern' ? { _meta: level } : {};
      return (await client.callTool({ name, arguments: args, ..._meta }, how as object)) as ToolAnswer;
    },
    close: async () => {
      if (kind === 'legacy') await transport.terminateSession();
      await client.close();
    },
  });
}

/** What both classes have alike. */
interface CommonClient {
  listTools(): Promise<{ tools: { name: string; inputSchema: object }[] }>;
  listResources(): Promise<{ resources: { uri: string }[] }>;
  listResourceTemplates(): Promise<{ resourceTemplates: { uriTemplate: string }[] }>;
  readResource(params: { uri: string }): Promise<{ contents: { uri: string; text?: string }[] }>;
  listPrompts(): Promise<{ prompts: { name: string }[] }>;
  getPrompt(params: object): Promise<{ messages: { content: unknown }[] }>;
  complete(params: object): Promise<{ completion: { values: string[] } }>;
}

interface Own extends Pick<AnyClient, 'version' | 'asked' | 'heard' | 'changes'> {
  readonly call: (
    params: { name: string; arguments: Record<string, unknown> },
    options: CallOptions,
  ) => Promise<ToolAnswer>;
  readonly close: () => Promise<void>;
}

function facade(client: CommonClient, { call, close, ...own }: Own): AnyClient {
  return {
    ...own,
    tools: async () => (await client.listTools()).tools,
    call: (name, args = {}, options = {}) => call({ name, arguments: args }, options),
    resources: async () => (await client.listResources()).resources.map(({ uri }) => uri),
    templates: async () =>
      (await client.listResourceTemplates()).resourceTemplates.map(({ uriTemplate }) => uriTemplate),
    read: async (uri) => (await client.readResource({ uri })).contents,
    prompts: async () => (await client.listPrompts()).prompts.map(({ name }) => name),
    prompt: async (name, args) =>
      (await client.getPrompt({ name, arguments: args })).messages.map(({ content }) => content),
    complete: async (name, argument, value) => {
      const ref = { type: 'ref/prompt', name };
      return (await client.complete({ ref, argument: { name: argument, value } })).completion.values;
    },
    [Symbol.asyncDispose]: close,
  };
}
