/**
 * What a model route can be called for: the operations of the API that its targets speak. One route, one API: nothing
 * translates between two of them, so a route that mixes them is a fault of the configuration. And the lists of models,
 * in which a client finds the routes that it can call.
 */
import type { JsonObject, Operation, OperationRegistry, Route } from '../call.ts';
import type { OperationSource, RouteSettings } from './dialect.ts';
import { anthropicModels } from './dialects/anthropic/models.ts';
import { messageOperations } from './dialects/anthropic.ts';
import { modelsDocument } from './dialects/openai/models.ts';
import { modelOperations } from './dialects/openai.ts';

const anthropicProvider = 'anthropic';

export const modelRoutes: OperationSource = {
  kind: 'model',
  operations(route: Route, settings: RouteSettings) {
    const apis = new Set(route.targets.map(({ provider }) => provider));
    if (apis.size > 1) {
      const found = [...apis].join(' and ');
      const message = `expected targets that all speak the same API, found ${found}: make a route of each`;
      return { operations: [], faults: [{ pointer: '/targets', message }] };
    }
    return (apis.has(anthropicProvider) ? messageOperations : modelOperations).operations(route, settings);
  },
};

/** The routes of `table` with an operation that `may` be called by a client of `surface`, as its SDK lists models. */
export function modelListOf(
  surface: string,
  table: Pick<OperationRegistry, 'ofRoute'> & { routes(): readonly Route[] },
  may: (operation: Operation) => boolean,
): JsonObject {
  const ofAnthropic = ({ targets }: Route): boolean => targets.some(({ provider }) => provider === anthropicProvider);
  const routes = table.routes().filter((route) => route.kind === 'model' && table.ofRoute(route.name).some(may));
  const isAnthropic = surface === anthropicProvider;
  const own = routes.filter((route) => ofAnthropic(route) === isAnthropic);
  return isAnthropic ? anthropicModels(own) : modelsDocument(own);
}
