/**
 * The catalogue over the parts: one of each mcp route, carried over to the next edition of the configuration where
 * nothing of the route has changed, and what becomes of drift in the trail.
 */
import { join } from 'node:path';
import { adminEvent } from '../audit/deed.ts';
import type { ToolDefinition } from '../call.ts';
import { Catalogue } from '../catalogue/catalogue.ts';
import { Pins } from '../catalogue/pins.ts';
import { type Drift, RouteTools } from '../catalogue/route-tools.ts';
import type { Loaded } from '../config/load.ts';
import type { RouteTable } from '../route/table.ts';
import type { Take } from './lease.ts';
import type { Foundation } from './parts.ts';

type Ground = Pick<Foundation, 'store' | 'clock' | 'log' | 'trail' | 'faulted' | 'toolsChanged'>;

/** The catalogue of an edition; nobody is asked before it is in force. Rejects with `StoreUnavailable`. */
export async function catalogueOf(
  { config, tools: files }: Pick<Loaded, 'config' | 'tools'>,
  table: RouteTable,
  ground: Ground,
  take: Take,
): Promise<Catalogue> {
  const routes: RouteTools[] = [];
  for (const row of config.routes) {
    if (row.kind !== 'mcp') continue;
    const { name, drift, hidden_instructions: hidden, refresh_seconds: refreshSeconds } = row;
    const targets = table.route(name)?.targets ?? [];
    const configured: readonly ToolDefinition[] | null = Object.hasOwn(files, name) ? (files[name] ?? []) : null;
    const origin = { name, targets, drift, hidden, refreshSeconds, configured };
    const { store, clock, log } = ground;
    const made = await take(`tools:${name}`, origin, async () => {
      const file = join(config.gateway.data_dir, 'tools', `${name}.json`);
      const one = new RouteTools({
        ...{ route: name, targets, configured, store, clock, log },
        rules: { drift, hidden },
        refreshMs: refreshSeconds * 1000,
        pins: new Pins({ store, clock, route: name, file }),
        drifted: (found) => recordDrift(ground, found),
        changed: (route) => {
          for (const listener of ground.toolsChanged) listener(route);
        },
      });
      await one.open();
      return one;
    });
    routes.push(made);
  }
  return new Catalogue(routes);
}

/** The table with what servers offer; what is left out of it is told once for each change. */
export function withCatalogue(table: RouteTable, catalogue: Catalogue, { log }: Pick<Ground, 'log'>): RouteTable {
  return table.withTools({
    ofRoute: (route) => catalogue.ofRoute(route),
    known: (route) => catalogue.known(route),
    leftOut: (route, tool, fault) => log('warn', 'a tool is left out of the table', { route, tool, fault }),
  });
}

/** That a definition has changed, as an event of the trail: nobody did it, so the gate says it of the server. */
function recordDrift({ trail, faulted }: Ground, { route, tool, target, accepted, found }: Drift): void {
  const event = adminEvent({
    operation: 'tools.drifted',
    actor: 'catalogue',
    route,
    notes: { tool, server: target, accepted_hash: accepted, found_hash: found },
  });
  trail.append(event, { durable: false }).catch((fault: unknown) => faulted('audit', fault));
}
