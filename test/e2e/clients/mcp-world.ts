/**
 * What clients of MCP stand before: a whole gate with the shipped rules, inspection with every recognizer, and a trail
 * that is on disk before anything is sent, reads included; behind it the two reference servers and an HTTP service. The
 * operations of the servers are what the gate takes them for where its configuration says nothing: every tool deletes,
 * reads what anybody may have written, and sends outside.
 */
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { legacyTools, openLegacyReference } from '../../fakes/mcp-reference/legacy.ts';
import { modernTools, openModernReference } from '../../fakes/mcp-reference/modern.ts';
import type { Witness } from '../../fakes/mcp-reference/witness.ts';
import { FakeUpstream } from '../../fakes/upstream.ts';
import { type OpenedTask, World } from '../../gateway/world.ts';

/** The routes by the era of their servers. */
export const eras = ['legacy', 'modern'] as const;
export type Era = (typeof eras)[number];

/** Methods that reach a server, and what its client answers when the server asks. */
const methods = {
  read: [
    ...['resources/list', 'resources/templates/list', 'resources/read', 'resources/subscribe', 'resources/unsubscribe'],
    ...['prompts/list', 'prompts/get', 'completion/complete'],
  ],
  write: ['elicitation/create', 'sampling/createMessage', 'roots/list'],
} as const;

const inBoth = [
  ...['notes_of', 'test_reconnection', 'test_simple_text', 'test_tool_with_logging', 'test_tool_with_progress'],
  ...['wait_until_cancelled', 'weather_in'],
];
const rounds = ['elicitation', 'list_roots', 'multi_round', 'sampling'];

/** The tools that tasks of the clients have, in the order of their names; `notes_of` only of their own customer. */
export const toolsOfClients: Readonly<Record<Era, readonly string[]>> = {
  legacy: [...inBoth, 'test_elicitation', 'test_list_roots', 'test_sampling'].sort(),
  modern: [...inBoth, ...rounds.map((name) => `test_input_required_result_${name}`)].sort(),
};

const shipped = resolve(import.meta.dirname, '../../../policies');

type Operations = Record<string, Record<string, unknown>>;

function operationsOf(route: string, tools: readonly string[]): Operations {
  const each = (names: readonly string[], operation: Record<string, unknown>): Operations =>
    Object.fromEntries(names.map((name) => [`${route}.${name}`, operation]));
  return {
    ...each(tools, { effects: ['delete'], limits: [] }),
    ...each(methods.read, { effects: ['read'] }),
    ...each(methods.write, { effects: ['write'], limits: [] }),
  };
}

async function writePolicies(folder: string): Promise<void> {
  const purpose = {
    issuers: ['azure'],
    agents: ['coordinator'],
    subject: { types: ['customer'], asserted_by: ['coordinator'] },
    task: { ttl_seconds: 600 },
    regions: ['westeurope'],
    same_subject: ['customer_id'],
  };
  const orders = {
    'orders.get_order': { effects: ['read'] },
    'orders.create_refund': { effects: ['write'], limits: [] },
  };
  const both = (tools: Readonly<Record<Era, readonly string[]>>) => ({
    ...operationsOf('legacy', tools.legacy),
    ...operationsOf('modern', tools.modern),
  });
  await cp(shipped, folder, { recursive: true });
  const purposes = {
    everything: { ...purpose, operations: both({ legacy: legacyTools, modern: modernTools }) },
    clients: { ...purpose, operations: { ...both(toolsOfClients), ...orders } },
  };
  await writeFile(join(folder, 'tollgate/purposes/data.yaml'), JSON.stringify(purposes));
}

export class McpWorld implements AsyncDisposable {
  readonly world: World;
  readonly servers: Readonly<Record<Era, Witness>>;
  readonly orders: FakeUpstream;
  readonly #opened: AsyncDisposableStack;

  private constructor(parts: Pick<McpWorld, 'world' | 'servers' | 'orders'>, opened: AsyncDisposableStack) {
    this.world = parts.world;
    this.servers = parts.servers;
    this.orders = parts.orders;
    this.#opened = opened;
  }

  /** `publicUrl` is where a gate behind a proxy is reached. */
  static async open(publicUrl?: string): Promise<McpWorld> {
    // Where the gate does not start, nothing is to stay open.
    await using opened = new AsyncDisposableStack();
    const folder = await mkdtemp(join(tmpdir(), 'tollgate-mcp-'));
    opened.defer(() => rm(folder, { recursive: true, force: true }));
    const servers = {
      legacy: opened.use(await openLegacyReference()),
      modern: opened.use(await openModernReference()),
    };
    const orders = opened.use(
      await FakeUpstream.open((_request, response) => {
        response.writeHead(200, { 'content-type': 'application/json' }).end('{"order_id":"O-1","state":"shipped"}');
      }),
    );
    await writePolicies(folder);
    const place = { cloud: 'azure', region: 'westeurope' };
    const world = await World.open({
      keepCompiled: true,
      config: {
        policy: { bundle: folder },
        inspection: {},
        gateway: { region: 'westeurope', ...(publicUrl === undefined ? {} : { public_url: publicUrl }) },
        audit: { durability: { read: 'strict', write: 'strict' } },
        routes: [
          ...eras.map((name) => ({ name, kind: 'mcp', targets: [{ name: 'one', ...place, url: servers[name].url }] })),
          {
            ...{ name: 'orders', kind: 'http', openapi: './orders.json' },
            targets: [{ name: 'one', ...place, url: orders.url }],
          },
        ],
      },
    });
    opened.use(world);
    return new McpWorld({ world, servers, orders }, opened.move());
  }

  /** A task of the customer C-1, with the tools of `purpose` or the part of them that is asked for. */
  async task(purpose: 'everything' | 'clients', tools?: readonly string[]): Promise<OpenedTask> {
    const asked = tools === undefined ? {} : { tools };
    const task = await this.world.task({ purpose, subject: { id: 'C-1', type: 'customer' }, ...asked });
    assert.equal(task.status, 201, JSON.stringify(task.body));
    return task;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#opened.disposeAsync();
  }
}
