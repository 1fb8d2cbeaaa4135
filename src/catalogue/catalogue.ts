/**
 * The catalogue of one edition of the configuration: what the servers of all its mcp routes offer. What a reader would
 * get wrong: it owns nothing. The catalogue of a route outlives an edition where nothing of that route has changed.
 */
import type { OfferedTool } from '../call.ts';
import type { Denial } from '../denial.ts';
import { deny } from '../denial.ts';
import type { ListTools, RouteTools } from './route-tools.ts';
import type { SaidTexts } from './said.ts';

const none: readonly OfferedTool[] = [];

export class Catalogue {
  readonly #routes: ReadonlyMap<string, RouteTools>;

  constructor(routes: readonly RouteTools[]) {
    this.#routes = new Map(routes.map((one) => [one.route, one]));
  }

  /** In the order of the configuration. */
  get routes(): readonly RouteTools[] {
    return [...this.#routes.values()];
  }

  /** The edition is in force: its servers are asked by `listTools` from now on. */
  begin(listTools: ListTools): void {
    for (const route of this.#routes.values()) route.begin(listTools);
  }

  /** What agents may be offered of a route; the same array until it changes. */
  ofRoute(route: string): readonly OfferedTool[] {
    return this.#routes.get(route)?.tools ?? none;
  }

  /** What judges the texts of a route's servers beside its tools; undefined for what is no mcp route. */
  said(route: string): SaidTexts | undefined {
    return this.#routes.get(route)?.said;
  }

  /** Resolves once a server of the route, or one of each, has said what it offers, or after 2 s. Never rejects. */
  async known(route?: string): Promise<void> {
    if (route !== undefined) await this.#routes.get(route)?.known();
    else await Promise.all(this.routes.map((one) => one.known()));
  }

  /** A server of the route says that what it offers has changed. */
  toldOfChange(route: string): void {
    this.#routes.get(route)?.toldOfChange();
  }

  /** See `RouteTools.accept`. Denies `route_unknown` for what is no mcp route. */
  async accept(route: string, tool: string, hash: string, by: string): Promise<{ readonly before: string } | Denial> {
    const found = this.#routes.get(route);
    if (found !== undefined) return found.accept(tool, hash, by);
    return deny('route_unknown', 'There is no MCP server of this name in the configuration.', {
      allowed: [...this.#routes.keys()],
    });
  }

  /** Of each route how many of its tools are not what was accepted. */
  drifted(): readonly (readonly [route: string, tools: number])[] {
    return this.routes.map(({ route, entries }) => [
      route,
      entries.filter(({ others, pin }) => pin !== null && others.length > 0).length,
    ]);
  }
}
