/**
 * What a server offers, asked by the gate for itself: all pages of `tools/list`, in either era, with the credential of
 * the target on behalf of the gate. What a reader would get wrong: what a server offers the gate may be less than what it
 * offers an agent, or more; the catalogue is made of this, and agents are offered nothing else.
 */
import type { JsonObject, McpSpoken, Target, ToolDefinition } from '../../call.ts';
import { objectIn, type RpcResponse } from '../../wire/mcp/message.ts';
import { modernVersion } from '../../wire/mcp/versions.ts';
import { type McpPorts, ownErrand } from './ports.ts';
import { ownParams, type ProgramServer } from './program.ts';
import type { ReadyServers } from './ready.ts';
import { headersFor, inHandshake, request } from './talk.ts';

/** The most that one server may offer. */
const listingMax = { pages: 100, tools: 5_000, bytes: 16 * 1_048_576 } as const;

/** Why a server could not be asked what it offers. The message may be logged, and holds no text of the server. */
export class ListingFault extends Error {
  override readonly name = 'ListingFault';
}

type Ask = (params: JsonObject) => Promise<RpcResponse>;

/** The tools of a server over HTTP. Throws ListingFault. */
export async function listOverHttp(
  ports: McpPorts,
  servers: ReadyServers,
  target: Target,
  signal: AbortSignal,
): Promise<readonly ToolDefinition[]> {
  const errand = ownErrand(ports, `${target.route}.tools/list`, signal);
  const era = await servers.eras.of(errand, target);
  if (typeof era !== 'string') throw new ListingFault(era.denial.message);
  const session = era === 'modern' ? { version: modernVersion } : await servers.initialize(errand, target);
  if ('failed' in session) {
    servers.eras.forget(target);
    throw new ListingFault(session.denial.message);
  }
  const spoken: McpSpoken = session;
  let pages = 0;
  try {
    return await allPages(async (params) => {
      const asked = { id: `tools.${++pages}`, method: 'tools/list', params: ownParams(ports, spoken, params) };
      const headers = headersFor(spoken, asked.method, asked.params);
      const said = await request(ports, errand, inHandshake(target, spoken), asked, headers);
      if ('response' in said) return said.response;
      servers.eras.forget(target);
      throw new ListingFault('failed' in said ? said.denial.message : `HTTP ${said.refused.status} to tools/list`);
    });
  } finally {
    // The session was for this alone.
    void servers.end(errand, target, spoken);
  }
}

/** The tools of a program. Throws ListingFault. */
export async function listOfProgram(
  ports: McpPorts,
  program: ProgramServer,
  target: Target,
  signal: AbortSignal,
): Promise<readonly ToolDefinition[]> {
  try {
    const spoken = await program.ready();
    return await allPages((params) => program.own(target, 'tools/list', ownParams(ports, spoken, params), signal));
  } catch (fault) {
    throw fault instanceof ListingFault ? fault : new ListingFault((fault as Error).message);
  }
}

async function allPages(ask: Ask): Promise<readonly ToolDefinition[]> {
  const tools: ToolDefinition[] = [];
  const cursors = new Set<string>();
  let bytes = 0;
  let cursor: string | undefined;
  for (let pages = 1; ; pages++) {
    const response = await ask(cursor === undefined ? {} : { cursor });
    if ('error' in response) {
      // A server without tools need not know the method.
      if (response.error.code === -32601 && pages === 1) return [];
      throw new ListingFault(`tools/list was answered with the error ${response.error.code}`);
    }
    const { tools: page, nextCursor } = response.result;
    if (!Array.isArray(page)) throw new ListingFault('tools/list was answered without tools');
    bytes += JSON.stringify(page).length;
    tools.push(...page.flatMap((one) => toolOf(objectIn(one)) ?? []));
    if (tools.length > listingMax.tools || bytes > listingMax.bytes) throw new ListingFault('it offers too much');
    if (typeof nextCursor !== 'string') return tools;
    if (cursors.has(nextCursor) || pages >= listingMax.pages) throw new ListingFault('its pages have no end');
    cursors.add(nextCursor);
    cursor = nextCursor;
  }
}

/** A tool as it was listed; undefined for what is none, which nobody can call. */
function toolOf(listed: JsonObject | undefined): ToolDefinition | undefined {
  if (listed === undefined) return undefined;
  const { name, title, description, inputSchema, outputSchema, annotations, ...rest } = listed;
  const schema = objectIn(inputSchema);
  if (typeof name !== 'string' || schema === undefined) return undefined;
  const [output, notes] = [objectIn(outputSchema), objectIn(annotations)];
  return {
    name,
    inputSchema: schema,
    ...(typeof title === 'string' ? { title } : {}),
    ...(typeof description === 'string' ? { description } : {}),
    ...(output === undefined ? {} : { outputSchema: output }),
    ...(notes === undefined ? {} : { annotations: notes }),
    ...(Object.keys(rest).length === 0 ? {} : { rest }),
  };
}
