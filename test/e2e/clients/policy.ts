/**
 * The shipped policies with a purpose for the routes of these tests: what an operator writes, and nothing else. The
 * rules, the classes of data and the settings are those of the checkout.
 */
import { cp, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

const shipped = resolve(import.meta.dirname, '../../../policies');

/** What a route can be called for by what its targets speak; the lint would find another one. */
const both = ['chat', 'messages'];
const own = { openai: ['responses', 'embeddings'], anthropic: ['count_tokens'] } as const;
export type Api = keyof typeof own;

const model = { effects: ['write'], max_tokens: 400, tool_kinds: ['function'] };
/** Where the provider may keep responses, as the purpose of that route says. */
const keeping = { ...model, tool_kinds: ['function', 'field:store', 'field:input.item_reference'] };

/** Writes them into `folder`, which a configuration names as its bundle; `routes` are those of models, with their APIs. */
export async function writePolicies(folder: string, routes: Readonly<Record<string, readonly Api[]>>): Promise<void> {
  const operations = Object.entries(routes).flatMap(([route, apis]) =>
    [...both, ...apis.flatMap((api) => own[api])].map((name) => [
      `${route}.${name}`,
      route === 'kept' ? keeping : model,
    ]),
  );
  const purpose = {
    issuers: ['azure'],
    agents: ['coordinator'],
    subject: { types: ['customer'], asserted_by: ['coordinator'] },
    task: { ttl_seconds: 600 },
    regions: ['westeurope'],
    same_subject: ['customer_id'],
    operations: { ...Object.fromEntries(operations), 'orders.get_order': { effects: ['read'] } },
  };
  await cp(shipped, folder, { recursive: true });
  await writeFile(join(folder, 'tollgate/purposes/data.yaml'), JSON.stringify({ test: purpose }));
}
