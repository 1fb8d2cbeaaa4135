/**
 * Toolsets: lists of operations and `{route}.*`; null is every operation there is. A route is compared whole: model
 * routes may hold dots, so `gpt-4.*` must not cover `gpt-4.1.chat`, which begins with the same letters.
 */
import type { Operation, OperationRegistry } from './call.ts';

export type Toolset = readonly string[] | null;

/** Whether `tools` holds `operation`. An empty list holds nothing. */
export function inToolset(tools: Toolset, operation: Operation): boolean {
  return tools === null || tools.some((item) => covers(item, operation.name, operation.route));
}

/** What both lists hold; items that are no operation and no route of `registry` are in neither. */
export function narrowTools(asked: Toolset, granted: Toolset, registry: OperationRegistry): Toolset {
  if (asked === null || granted === null) return asked ?? granted;
  const within = (items: readonly string[], others: readonly string[]) =>
    items.filter((item) => others.some((other) => covers(other, item, routeOf(item, registry))));
  return [...new Set([...within(asked, granted), ...within(granted, asked)])];
}

/** The items of `tools` that name nothing in `registry`. */
export function unknownTools(tools: Toolset, registry: OperationRegistry): readonly string[] {
  return (tools ?? []).filter((item) => routeOf(item, registry) === undefined);
}

/** The items of `tools` that `held` does not cover: what a narrower list must not have. */
export function toolsBeyond(tools: readonly string[], held: Toolset, registry: OperationRegistry): readonly string[] {
  if (held === null) return [];
  return tools.filter((item) => !held.some((other) => covers(other, item, routeOf(item, registry))));
}

function covers(item: string, other: string, routeOfOther: string | undefined): boolean {
  return routeOfOther !== undefined && (item === other || item === `${routeOfOther}.*`);
}

/** The route that an item belongs to, if it names an operation or a whole route that is there. */
function routeOf(item: string, registry: OperationRegistry): string | undefined {
  const operation = registry.get(item);
  if (operation !== undefined) return operation.route;
  const route = item.endsWith('.*') ? item.slice(0, -2) : undefined;
  return route !== undefined && registry.route(route) !== undefined ? route : undefined;
}
