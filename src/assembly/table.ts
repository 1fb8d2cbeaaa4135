/** The routing table of a loaded configuration, with the price of every model in it. */
import { openPrices } from '../budget/prices.ts';
import type { Clock } from '../clock.ts';
import type { ConfigFault } from '../config/document.ts';
import type { Loaded } from '../config/load.ts';
import { RouteTable, RouteTableFaulty } from '../route/table.ts';
import { operationSources } from '../wire/dialects/index.ts';
import { readInPieces } from './openapi.ts';

/** The table, or what is wrong with it: each fault with its place in tollgate.yaml. */
export async function tableOf(
  { config: { routes }, openapi, prices: file, fault }: Loaded,
  clock: Clock,
): Promise<RouteTable | { readonly faults: readonly ConfigFault[] }> {
  const unpriced = routes.flatMap((route) =>
    route.kind === 'model' && route.price === undefined ? route.targets.filter(({ price }) => price === undefined) : [],
  );
  const prices = await openPrices(unpriced, file, clock.nowMs());
  try {
    return RouteTable.build({ routes, sources: operationSources, openapi: await readInPieces(openapi, clock), prices });
  } catch (error) {
    if (!(error instanceof RouteTableFaulty)) throw error;
    return { faults: error.faults.map(({ pointer, message }) => fault(pointer, message)) };
  }
}
