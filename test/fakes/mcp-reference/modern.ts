/**
 * A reference server of MCP 2026-07-28 and of no other version: stateless, `server/discover`, checked headers,
 * subscriptions, and questions that end a call with `input_required` and come back sealed with the next one.
 */
import { randomUUID } from 'node:crypto';
import { toNodeHandler } from '@modelcontextprotocol/node';
import {
  completable,
  createMcpHandler,
  createRequestStateCodec,
  fromJsonSchema,
  McpServer,
  ResourceTemplate,
  type ServerContext,
  type ServerNotifier,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import {
  type Args,
  addedPrompt,
  addedTool,
  Changes,
  completed,
  type Host,
  prompts,
  resources,
  template,
  templated,
  tools,
} from './content.ts';
import { type AskingPrompt, askingPrompt, askingTools, type State } from './rounds.ts';
import { Witness } from './witness.ts';

function hostOf(ctx: ServerContext, notify: ServerNotifier, changes: Changes): Host {
  const { mcpReq } = ctx;
  const token = mcpReq._meta?.progressToken;
  return {
    signal: mcpReq.signal,
    log: (data) => mcpReq.log('info', data),
    progress: async (progress) => {
      if (token === undefined) return;
      const how = { progressToken: token, progress, total: 100 };
      await mcpReq.notify({ method: 'notifications/progress', params: how });
    },
    breakStream: () => undefined,
    change: (list) => {
      changes.change(list);
      if (list === 'tools') notify.toolsChanged();
      else notify.promptsChanged();
    },
  };
}

const takenBy = (takes: readonly string[]) =>
  z.object(Object.fromEntries(takes.map((name) => [name, completable(z.string(), (begun) => completed(begun ?? ''))])));

/** The names of all its tools. */
export const modernTools = [...tools(() => undefined), ...askingTools, addedTool].map(({ name }) => name);

/** The server of one request. */
function requestServer(state: State, notify: ServerNotifier, broken: string[], changes: Changes): McpServer {
  const server = new McpServer(
    { name: 'reference-2026-07-28', version: '1.0.0' },
    {
      capabilities: {
        ...{ tools: { listChanged: true }, prompts: { listChanged: true }, logging: {}, completions: {} },
        resources: {},
      },
      instructions: 'Everything is for tests.',
      requestState: { verify: state.verify },
    },
  );
  const always = tools((tool) => broken.push(tool));
  const offered = changes.added.tools ? [...always, addedTool] : always;
  for (const { name, description, inputSchema, outputSchema, call } of offered)
    server.registerTool(
      name,
      {
        ...{ description, inputSchema: fromJsonSchema<Args>(inputSchema) },
        ...(outputSchema === undefined ? {} : { outputSchema: fromJsonSchema(outputSchema) }),
      },
      async (args, ctx) => (await call(args, hostOf(ctx, notify, changes))) as never,
    );
  for (const { name, description, inputSchema, ask } of askingTools)
    server.registerTool(
      name,
      { description, inputSchema: fromJsonSchema<Args>(inputSchema) },
      async (args, ctx) => (await ask(args, ctx, state)) as never,
    );
  for (const { uri, content, ...about } of resources)
    server.registerResource(about.name, uri, about, () => ({
      contents: [{ uri, mimeType: about.mimeType, ...content }],
    }));
  const { uriTemplate, name, ...about } = template;
  server.registerResource(name, new ResourceTemplate(uriTemplate, { list: undefined }), about, (uri, { id }) => ({
    contents: [templated(uri.href, String(id))],
  }));
  for (const prompt of changes.added.prompts ? [...prompts, addedPrompt] : prompts)
    server.registerPrompt(prompt.name, { description: prompt.description, argsSchema: takenBy(prompt.takes) }, (args) =>
      said(prompt.messages(args as Record<string, string>)),
    );
  const asking: AskingPrompt = askingPrompt;
  server.registerPrompt(asking.name, { description: asking.description }, (ctx) => {
    const answer = asking.ask(ctx);
    return 'messages' in answer ? said(answer.messages) : (answer.required as never);
  });
  return server;
}

const said = (messages: readonly Readonly<Record<string, unknown>>[]) => ({
  messages: messages.map((content) => ({ role: 'user' as const, content })) as never,
});

/** Opens the server on a port of its own. */
export async function openModernReference(): Promise<Witness> {
  const broken: string[] = [];
  const changes = new Changes();
  const state: State = createRequestStateCodec<Record<string, unknown>>({ key: `${randomUUID()}${randomUUID()}` });
  const endpoint = createMcpHandler(() => requestServer(state, endpoint.notify, broken, changes), {
    ...{ legacy: 'reject', keepAliveMs: 0 },
  });
  const serve = toNodeHandler(endpoint);
  // What it takes is a request of Node in all but how its optional members are typed.
  return Witness.open((request, response, body) => serve(request as never, response, body), broken, endpoint.close);
}
