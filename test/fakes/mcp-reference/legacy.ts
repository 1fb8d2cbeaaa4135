/**
 * A reference server of MCP 2025-11-25, on the SDK that ends there: sessions, streams that are taken up again by their
 * last event, and questions that it asks its client while a tool runs. It speaks 2025-06-18 and 2025-03-26 as well.
 */
import { randomUUID } from 'node:crypto';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { type EventStore, StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js';
import {
  CallToolRequestSchema,
  CompleteRequestSchema,
  CreateMessageResultSchema,
  ElicitResultSchema,
  ErrorCode,
  GetPromptRequestSchema,
  type JSONRPCMessage,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListRootsResultSchema,
  ListToolsRequestSchema,
  McpError,
  ReadResourceRequestSchema,
  type ServerNotification,
  type ServerRequest,
  SetLevelRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import {
  type Args,
  addedPrompt,
  addedTool,
  Changes,
  type ChangingList,
  completed,
  noArguments,
  one,
  prompts,
  resources,
  type Schema,
  type Tool,
  type ToolResult,
  template,
  templated,
  text,
  tools,
} from './content.ts';
import { Witness } from './witness.ts';

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>;

interface AskingTool extends Omit<Tool, 'call'> {
  readonly ask: (args: Args, extra: Extra) => Promise<ToolResult>;
}

const levels = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];

/** A log of events for each session; a stream that broke is read on from any of its events. */
class Events implements EventStore {
  readonly #events: { readonly id: string; readonly stream: string; readonly message: JSONRPCMessage }[] = [];

  storeEvent(stream: string, message: JSONRPCMessage): Promise<string> {
    const id = `${stream}_${this.#events.length}`;
    this.#events.push({ id, stream, message });
    return Promise.resolve(id);
  }

  getStreamIdForEventId(id: string): Promise<string | undefined> {
    return Promise.resolve(this.#events.find((event) => event.id === id)?.stream);
  }

  async replayEventsAfter(
    last: string,
    { send }: { send: (id: string, message: JSONRPCMessage) => Promise<void> },
  ): Promise<string> {
    const at = this.#events.findIndex(({ id }) => id === last);
    const stream = this.#events[at]?.stream ?? '';
    // An event that primes a stream holds no message.
    const missed = this.#events.slice(at + 1).filter((event) => event.stream === stream && 'jsonrpc' in event.message);
    for (const { id, message } of missed) await send(id, message);
    return stream;
  }
}

const choices = (titles: Readonly<Record<string, string>>) =>
  Object.entries(titles).map(([value, title]) => ({ const: value, title }));

async function elicited(extra: Extra, message: string, requestedSchema: Schema): Promise<ToolResult> {
  const asked = { method: 'elicitation/create' as const, params: { message, requestedSchema } };
  const { action, content } = await extra.sendRequest(asked as unknown as ServerRequest, ElicitResultSchema);
  return text(`User response: action=${action}, content=${JSON.stringify(content ?? {})}`);
}

const askingTools: readonly AskingTool[] = [
  {
    name: 'test_sampling',
    description: 'Asks the model of its caller.',
    inputSchema: one('prompt'),
    ask: async ({ prompt }, extra) => {
      const messages = [{ role: 'user' as const, content: { type: 'text' as const, text: String(prompt) } }];
      const asked = { method: 'sampling/createMessage' as const, params: { messages, maxTokens: 100 } };
      const { content } = await extra.sendRequest(asked, CreateMessageResultSchema);
      return text(`LLM response: ${content.type === 'text' ? content.text : content.type}`);
    },
  },
  {
    name: 'test_elicitation',
    description: 'Asks the user of its caller.',
    inputSchema: one('message'),
    ask: ({ message }, extra) =>
      elicited(extra, String(message), {
        type: 'object',
        properties: {
          username: { type: 'string', description: "User's response" },
          email: { type: 'string', description: "User's email address" },
        },
        required: ['username', 'email'],
      }),
  },
  {
    name: 'test_elicitation_sep1034_defaults',
    description: 'Asks the user with an answer filled in for everything.',
    inputSchema: noArguments,
    ask: (_args, extra) =>
      elicited(extra, 'Who are you?', {
        type: 'object',
        properties: {
          name: { type: 'string', default: 'John Doe' },
          age: { type: 'integer', default: 30 },
          score: { type: 'number', default: 95.5 },
          status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
          verified: { type: 'boolean', default: true },
        },
      }),
  },
  {
    name: 'test_elicitation_sep1330_enums',
    description: 'Asks the user to choose in every way there is.',
    inputSchema: noArguments,
    ask: (_args, extra) => {
      const options = ['option1', 'option2', 'option3'];
      const titled = choices({ value1: 'First', value2: 'Second', value3: 'Third' });
      return elicited(extra, 'What do you choose?', {
        type: 'object',
        properties: {
          untitledSingle: { type: 'string', enum: options },
          titledSingle: { type: 'string', oneOf: titled },
          legacyEnum: { type: 'string', enum: ['opt1', 'opt2', 'opt3'], enumNames: ['One', 'Two', 'Three'] },
          untitledMulti: { type: 'array', items: { type: 'string', enum: options } },
          titledMulti: { type: 'array', items: { anyOf: titled } },
        },
      });
    },
  },
  {
    name: 'test_list_roots',
    description: 'Asks its caller where it works.',
    inputSchema: noArguments,
    ask: async (_args, extra) => {
      const { roots } = await extra.sendRequest({ method: 'roots/list' }, ListRootsResultSchema);
      return text(`Roots: ${roots.map(({ uri }) => uri).join(' ')}`);
    },
  },
];

/** The names of all its tools. */
export const legacyTools = [...tools(() => undefined), ...askingTools, addedTool].map(({ name }) => name);

/** The server of one session; `tellAll` tells all sessions of a change. */
function sessionServer(broken: string[], changes: Changes, tellAll: (list: ChangingList) => void): Server {
  const server = new Server(
    { name: 'reference-2025-11-25', version: '1.0.0' },
    {
      capabilities: {
        ...{ tools: { listChanged: true }, prompts: { listChanged: true }, logging: {}, completions: {} },
        resources: { subscribe: true },
      },
      instructions: 'Everything is for tests.',
    },
  );
  const always = tools((name) => broken.push(name));
  const plain = () => [...always, ...(changes.added.tools ? [addedTool] : [])];
  const allPrompts = () => [...prompts, ...(changes.added.prompts ? [addedPrompt] : [])];
  let least = 'debug';
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: [...plain(), ...askingTools].map(({ name, description, inputSchema, outputSchema }) => ({
      ...{ name, description, inputSchema: inputSchema as { type: 'object' } },
      ...(outputSchema === undefined ? {} : { outputSchema: outputSchema as { type: 'object' } }),
    })),
  }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const args = params.arguments ?? {};
    const asking = askingTools.find(({ name }) => name === params.name);
    if (asking !== undefined) return { ...(await asking.ask(args, extra)) };
    const tool = plain().find(({ name }) => name === params.name);
    if (tool === undefined) throw new McpError(ErrorCode.InvalidParams, `There is no tool ${params.name}.`);
    const token = params._meta?.progressToken;
    const result = await tool.call(args, {
      signal: extra.signal,
      log: async (data) => {
        if (levels.indexOf('info') < levels.indexOf(least)) return;
        await extra.sendNotification({ method: 'notifications/message', params: { level: 'info', data } });
      },
      progress: async (progress) => {
        if (token === undefined) return;
        const how = { progressToken: token, progress, total: 100 };
        await extra.sendNotification({ method: 'notifications/progress', params: how });
      },
      breakStream: () => extra.closeSSEStream?.(),
      change: (list) => {
        changes.change(list);
        tellAll(list);
      },
    });
    return { ...result };
  });
  server.setRequestHandler(SetLevelRequestSchema, ({ params }) => {
    least = params.level;
    return {};
  });
  server.setRequestHandler(CompleteRequestSchema, ({ params }) => ({
    completion: { values: completed(params.argument.value), hasMore: false },
  }));
  offerResources(server);
  server.setRequestHandler(ListPromptsRequestSchema, () => ({
    prompts: allPrompts().map(({ name, description, takes }) => ({
      ...{ name, description, arguments: takes.map((taken) => ({ name: taken, required: true })) },
    })),
  }));
  server.setRequestHandler(GetPromptRequestSchema, ({ params }) => {
    const prompt = allPrompts().find(({ name }) => name === params.name);
    if (prompt === undefined) throw new McpError(ErrorCode.InvalidParams, `There is no prompt ${params.name}.`);
    const messages = prompt.messages(params.arguments ?? {});
    return { messages: messages.map((content) => ({ role: 'user' as const, content })) };
  });
  return server;
}

function offerResources(server: Server): void {
  server.setRequestHandler(ListResourcesRequestSchema, () => ({
    resources: resources.map(({ content: _, ...resource }) => resource),
  }));
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({ resourceTemplates: [template] }));
  server.setRequestHandler(ReadResourceRequestSchema, ({ params: { uri } }) => {
    const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
    if (id !== undefined) return { contents: [templated(uri, id)] };
    const resource = resources.find((known) => known.uri === uri);
    if (resource === undefined) throw new McpError(-32002, `There is no resource ${uri}.`, { uri });
    return { contents: [{ uri, mimeType: resource.mimeType, ...resource.content }] };
  });
  const watched = new Set<string>();
  server.setRequestHandler(SubscribeRequestSchema, async ({ params: { uri } }) => {
    watched.add(uri);
    // What is watched has changed since; who watches hears of it on the stream of the session.
    setTimeout(() => {
      if (watched.has(uri)) server.sendResourceUpdated({ uri }).catch(() => undefined);
    }, 20);
    return {};
  });
  server.setRequestHandler(UnsubscribeRequestSchema, ({ params: { uri } }) => {
    watched.delete(uri);
    return {};
  });
}

const notFound = JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32001, message: 'Session not found' } });

/** Opens the server on a port of its own. */
export async function openLegacyReference(): Promise<Witness> {
  const broken: string[] = [];
  const changes = new Changes();
  const servers = new Set<Server>();
  const tellAll = (list: ChangingList) => {
    for (const server of servers) {
      const told = list === 'tools' ? server.sendToolListChanged() : server.sendPromptListChanged();
      // A session that was ended meanwhile hears nothing.
      told.catch(() => undefined);
    }
  };
  const sessions = new Map<string, StreamableHTTPServerTransport>();
  return Witness.open(
    async (request, response, body) => {
      const id = request.headers['mcp-session-id'];
      let transport = typeof id === 'string' ? sessions.get(id) : undefined;
      if (transport === undefined) {
        if (typeof id === 'string')
          return void response.writeHead(404, { 'content-type': 'application/json' }).end(notFound);
        const opened: StreamableHTTPServerTransport = new StreamableHTTPServerTransport({
          sessionIdGenerator: randomUUID,
          onsessioninitialized: (sessionId) => void sessions.set(sessionId, opened),
          onsessionclosed: (sessionId) => void sessions.delete(sessionId),
          ...{ eventStore: new Events(), retryInterval: 50, keepAliveMs: 0 },
        });
        // Its accessors are wider than what the interface of a transport says under exact optional properties.
        const server = sessionServer(broken, changes, tellAll);
        await server.connect(opened as Parameters<Server['connect']>[0]);
        servers.add(server);
        server.onclose = () => servers.delete(server);
        transport = opened;
      }
      await transport.handleRequest(request, response, body);
    },
    broken,
    async () => {
      await Promise.all([...sessions.values()].map((transport) => transport.close()));
    },
  );
}
