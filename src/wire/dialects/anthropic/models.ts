/** The answer to `GET /v1/models` for Anthropic's clients: the routes that take messages, on one page. */
import type { JsonObject, Route } from '../../../call.ts';

/** When a route was made is not known: the list says so with the first moment there is. */
const unknownTime = '1970-01-01T00:00:00Z';

/** The list of `routes`, in their order; what is not known of them is null, as the SDK has it. */
export function anthropicModels(routes: readonly Route[]): JsonObject {
  const ids = routes.map(({ name }) => name);
  return {
    data: routes.map(({ name, targets }) => ({
      type: 'model',
      id: name,
      display_name: name,
      created_at: unknownTime,
      deprecated_at: null,
      retires_at: null,
      lifecycle: 'active',
      line: null,
      capabilities: null,
      max_input_tokens: null,
      // What every target of the route can write.
      max_tokens: targets.length === 0 ? null : Math.min(...targets.map(({ maxOutputTokens }) => maxOutputTokens)),
    })),
    has_more: false,
    first_id: ids[0] ?? null,
    last_id: ids.at(-1) ?? null,
  };
}
