/** The answer to `GET /v1/models`: the model routes, as OpenAI clients list them. */
import type { JsonObject, Route } from '../../../call.ts';

/** The list of the model routes among `routes`, in their order. `created` is not known and therefore 0. */
export function modelsDocument(routes: readonly Route[]): JsonObject {
  const models = routes.filter((route) => route.kind === 'model');
  return {
    object: 'list',
    data: models.map((route) => ({ id: route.name, object: 'model', created: 0, owned_by: 'tollgate' })),
  };
}
