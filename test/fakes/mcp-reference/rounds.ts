/**
 * What the reference server of 2026-07-28 asks its client: a tool or a prompt says what input it needs, and is called
 * again with it. Where it has to know on the next round what it did on this one, it says that in a sealed state.
 */
import {
  acceptedContent,
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  type InputRequiredResult,
  inputRequired,
  inputResponse,
  ProtocolError,
  ProtocolErrorCode,
  type RequestStateCodec,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { type Args, noArguments, one, type Schema, type Tool, type ToolResult, text } from './content.ts';

export type State = RequestStateCodec<Record<string, unknown>>;

export interface AskingTool extends Omit<Tool, 'call'> {
  readonly ask: (
    args: Args,
    ctx: ServerContext,
    state: State,
  ) => Promise<ToolResult | InputRequiredResult> | ToolResult | InputRequiredResult;
}

const form = (message: string, requestedSchema: Schema) =>
  inputRequired.elicit({ message, requestedSchema: requestedSchema as never });
const sample = (prompt: string, maxTokens = 100) =>
  inputRequired.createMessage({ messages: [{ role: 'user', content: { type: 'text', text: prompt } }], maxTokens });
const confirm = form('Please confirm', one('ok', { type: 'boolean' }));

/** What a form was answered with; undefined where it was not, or not as asked for. */
function filled(ctx: ServerContext, key: string, name: string): string | undefined {
  const value = acceptedContent<Record<string, unknown>>(ctx.mcpReq.inputResponses, key)?.[name];
  return value === undefined ? undefined : String(value);
}

/** The answer to `key` of the kind that was asked for. */
function answered<Kind extends 'sampling' | 'roots'>(ctx: ServerContext, key: string, kind: Kind) {
  const view = inputResponse(ctx.mcpReq.inputResponses, key);
  return view.kind === kind ? (view as Extract<typeof view, { kind: Kind }>) : undefined;
}

/** The state of the round before; one that does not verify never comes this far. */
const stateOf = (ctx: ServerContext): Record<string, unknown> | undefined =>
  ctx.mcpReq.requestState<Record<string, unknown>>();

const asks = (name: string, description: string, ask: AskingTool['ask']): AskingTool => ({
  ...{ name, description, inputSchema: noArguments, ask },
});

const prefix = 'test_input_required_result';

export const askingTools: readonly AskingTool[] = [
  asks(`${prefix}_elicitation`, 'Asks for a name.', (_args, ctx) => {
    const name = filled(ctx, 'user_name', 'name');
    if (name !== undefined) return text(`Hello, ${name}!`);
    return inputRequired({ inputRequests: { user_name: form('What is your name?', one('name')) } });
  }),
  asks(`${prefix}_sampling`, 'Asks a model for a capital.', (_args, ctx) => {
    const told = answered(ctx, 'capital_question', 'sampling');
    if (told !== undefined) return text(`LLM response: ${JSON.stringify(told.result.content)}`);
    return inputRequired({ inputRequests: { capital_question: sample('What is the capital of France?') } });
  }),
  asks(`${prefix}_list_roots`, 'Asks its caller where it works.', (_args, ctx) => {
    const told = answered(ctx, 'client_roots', 'roots');
    if (told !== undefined) return text(`Roots: ${told.roots.map(({ uri }) => uri).join(' ')}`);
    return inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } });
  }),
  asks(`${prefix}_request_state`, 'Asks for a yes and remembers that it did.', async (_args, ctx, state) => {
    if (stateOf(ctx)?.asked === 'confirm' && filled(ctx, 'confirm', 'ok') !== undefined) return text('state-ok');
    return inputRequired({ inputRequests: { confirm }, requestState: await state.mint({ asked: 'confirm' }) });
  }),
  asks(`${prefix}_multiple_inputs`, 'Asks for everything at once.', async (_args, ctx, state) => {
    const name = filled(ctx, 'user_name', 'name');
    const greeting = answered(ctx, 'greeting', 'sampling');
    const roots = answered(ctx, 'client_roots', 'roots');
    if (name !== undefined && greeting !== undefined && roots !== undefined)
      return text(`${name}, with ${roots.roots.length} roots.`);
    return inputRequired({
      inputRequests: {
        user_name: form('What is your name?', one('name')),
        greeting: sample('Generate a greeting', 50),
        client_roots: inputRequired.listRoots(),
      },
      requestState: await state.mint({ asked: 'all' }),
    });
  }),
  asks(`${prefix}_multi_round`, 'Asks twice.', async (_args, ctx, state) => {
    const before = stateOf(ctx);
    const name = filled(ctx, 'step1', 'name');
    if (before?.round === 2 && filled(ctx, 'step2', 'color') !== undefined)
      return text(`${String(before.name)} likes ${filled(ctx, 'step2', 'color')}.`);
    if (before?.round === 1 && name !== undefined)
      return inputRequired({
        inputRequests: { step2: form('Step 2: What is your favorite color?', one('color')) },
        requestState: await state.mint({ round: 2, name }),
      });
    return inputRequired({
      inputRequests: { step1: form('Step 1: What is your name?', one('name')) },
      requestState: await state.mint({ round: 1 }),
    });
  }),
  asks(`${prefix}_tampered_state`, 'Asks for a yes and trusts only its own state.', async (_args, ctx, state) => {
    if (stateOf(ctx) !== undefined && filled(ctx, 'confirm', 'ok') !== undefined) return text('integrity-ok');
    return inputRequired({ inputRequests: { confirm }, requestState: await state.mint({ asked: 'tampered' }) });
  }),
  asks(`${prefix}_capabilities`, 'Asks only what its caller can answer.', (_args, ctx) => {
    const able: ClientCapabilities = ctx.mcpReq.envelope?.[CLIENT_CAPABILITIES_META_KEY as never] ?? {};
    const inputRequests = {
      ...(able.elicitation === undefined ? {} : { user_name: form('What is your name?', one('name')) }),
      ...(able.sampling === undefined ? {} : { greeting: sample('Generate a greeting', 50) }),
    };
    if (Object.keys(inputRequests).length === 0 || ctx.mcpReq.inputResponses !== undefined) return text('Thank you.');
    return inputRequired({ inputRequests });
  }),
  asks('test_streaming_elicitation', 'Asks for a name while its answer streams.', (_args, ctx) => {
    const name = filled(ctx, 'user_name', 'name');
    if (name !== undefined) return text(`Hello, ${name}!`);
    return inputRequired({ inputRequests: { user_name: form('What is your name?', one('name')) } });
  }),
  asks('test_missing_capability', 'Cannot do without the model of its caller.', (_args, ctx) => {
    if (answered(ctx, 'needed', 'sampling') !== undefined) return text('Thank you.');
    return inputRequired({ inputRequests: { needed: sample('Anything') } });
  }),
  {
    name: 'test_region',
    description: 'Has an argument that is mirrored to a header.',
    inputSchema: {
      type: 'object',
      properties: { region: { type: 'string', 'x-mcp-header': 'Region' } },
      required: ['region'],
    },
    ask: ({ region }) => {
      if (typeof region !== 'string') throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'region is missing');
      return text(`In ${region}.`);
    },
  },
];

export interface AskingPrompt {
  readonly name: string;
  readonly description: string;
  readonly ask: (
    ctx: ServerContext,
  ) => { readonly required: InputRequiredResult } | { readonly messages: readonly Readonly<Record<string, unknown>>[] };
}

export const askingPrompt: AskingPrompt = {
  name: `${prefix}_prompt`,
  description: 'Asks what it is about.',
  ask: (ctx) => {
    const context = filled(ctx, 'user_context', 'context');
    if (context !== undefined) return { messages: [{ type: 'text', text: `In the context of ${context}.` }] };
    const user_context = form('What context should the prompt use?', one('context'));
    return { required: inputRequired({ inputRequests: { user_context } }) };
  },
};
