/**
 * What a model route can be called for, by which APIs its targets speak. Chat completions and messages are translated
 * into each other, so every route takes both; what else there is in an API only its own targets answer. And the lists
 * of models, in which a client finds the routes that it can call.
 */
import type { JsonObject, ModelApi, Operation, OperationRegistry, Route } from '../call.ts';
import type { OperationSource, RouteSettings } from './dialect.ts';
import { anthropicModels } from './dialects/anthropic/models.ts';
import { messageOperations } from './dialects/anthropic.ts';
import { modelsDocument } from './dialects/openai/models.ts';
import { modelOperations } from './dialects/openai.ts';
import { rowOf } from './field-class.ts';

/** The operations that are translated, by the name of the surface that they are called through. */
const translated: Readonly<Record<ModelApi, string>> = { openai: 'chat', anthropic: 'messages' };
const sources: Readonly<Record<ModelApi, OperationSource>> = { openai: modelOperations, anthropic: messageOperations };
const apis: readonly ModelApi[] = ['openai', 'anthropic'];

export const modelRoutes: OperationSource = {
  kind: 'model',
  operations(route: Route, settings: RouteSettings) {
    const found = apis.map((api) => {
      const { operations, faults } = sources[api].operations(route, settings);
      const spoken = route.targets.some((target) => target.api === api);
      return {
        operations: operations.filter(({ name }) => spoken || name === `${route.name}.${translated[api]}`),
        faults,
      };
    });
    return {
      operations: found.flatMap(({ operations }) => operations),
      faults: found.flatMap(({ faults }) => faults),
    };
  },
};

/** The routes of `table` with an operation that `may` be called by a client of `surface`, as its SDK lists models. */
export function modelListOf(
  surface: string,
  table: Pick<OperationRegistry, 'ofRoute'> & { routes(): readonly Route[] },
  may: (operation: Operation) => boolean,
): JsonObject {
  const isAnthropic = surface === 'anthropic';
  const own = ({ name, route }: Operation): boolean =>
    rowOf(surfaces, name.slice(route.length + 1)) === (isAnthropic ? 'anthropic' : undefined);
  const callable = (route: Route): boolean => table.ofRoute(route.name).some((one) => own(one) && may(one));
  const routes = table.routes().filter((route) => route.kind === 'model' && callable(route));
  return isAnthropic ? anthropicModels(routes) : modelsDocument(routes);
}

/** The operations that are not called through the surface of OpenAI. */
const surfaces: Readonly<Record<string, ModelApi>> = { messages: 'anthropic', count_tokens: 'anthropic' };
