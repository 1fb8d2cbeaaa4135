/**
 * The operations that come and go with what a server offers: the tools of mcp routes, made from the catalogue whenever it
 * has changed. What a reader would get wrong: a tool never takes the name of an operation that stands in the table, and
 * what is no operation (a schema that nobody can judge by) is left out and told of, not guessed.
 */
import type { BindingRequired, OfferedTool, Operation, Route } from '../call.ts';
import type { RouteSettings } from '../wire/dialect.ts';
import { SchemaCompiler } from '../wire/dialects/http/compiler.ts';
import { mcpToolOperation } from '../wire/dialects/mcp/operation.ts';

/** What servers offer now, by route. */
export interface LiveTools {
  /** The same array for as long as nothing has changed. */
  readonly ofRoute: (route: string) => readonly OfferedTool[];
  /** Told of what of a route is left out, or said of tools that are not there; each time they are made anew. */
  readonly leftOut: (route: string, tool: string, fault: string) => void;
  /** Resolves once the servers of the route, or of all routes, have been asked, within a bound. Never rejects. */
  readonly known: (route?: string) => Promise<void>;
}

/** A route whose operations are made here, with what the table says of each by its name without the route. */
export interface LiveRoute {
  readonly route: Route;
  readonly settings: RouteSettings['operations'];
  readonly bindingOf: (tool: string) => readonly BindingRequired[];
}

interface Made {
  readonly from: readonly OfferedTool[];
  readonly operations: readonly Operation[];
  readonly byName: ReadonlyMap<string, Operation>;
}

const none: Made = { from: [], operations: [], byName: new Map() };

export class LiveOperations {
  readonly #routes: ReadonlyMap<string, LiveRoute>;
  readonly #tools: LiveTools;
  readonly #isTaken: (name: string) => boolean;
  readonly #made = new Map<string, Made>();

  constructor(routes: ReadonlyMap<string, LiveRoute>, tools: LiveTools, isTaken: (name: string) => boolean) {
    this.#routes = routes;
    this.#tools = tools;
    this.#isTaken = isTaken;
  }

  /** See `LiveTools.known`. */
  known(route?: string): Promise<void> {
    return this.#tools.known(route);
  }

  ofRoute(route: string): readonly Operation[] {
    return this.#of(route).operations;
  }

  get(name: string): Operation | undefined {
    // Names of mcp routes have no dots.
    return this.#of(name.slice(0, Math.max(0, name.indexOf('.')))).byName.get(name);
  }

  bindings(name: string): readonly BindingRequired[] | undefined {
    const operation = this.get(name);
    if (operation === undefined) return undefined;
    return this.#routes.get(operation.route)?.bindingOf(name.slice(operation.route.length + 1));
  }

  #of(name: string): Made {
    const row = this.#routes.get(name);
    if (row === undefined) return none;
    const from = this.#tools.ofRoute(name);
    const made = this.#made.get(name);
    if (made?.from === from) return made;
    const anew = this.#make(row, from);
    this.#made.set(name, anew);
    return anew;
  }

  #make({ route, settings }: LiveRoute, from: readonly OfferedTool[]): Made {
    const compiler = new SchemaCompiler();
    const operations = from.flatMap((tool): Operation[] => {
      const { name } = tool.definition;
      const said = Object.hasOwn(settings, name) ? settings[name] : undefined;
      const { standing, drift } = tool;
      const made = mcpToolOperation(route.name, tool.definition, {
        ...{ settings: said, standing, compiler },
        ...(drift === undefined ? {} : { drift }),
      });
      const fault = 'fault' in made ? made.fault : this.#isTaken(made.operation.name) ? 'its name is taken' : undefined;
      if ('fault' in made || fault !== undefined) {
        this.#tools.leftOut(route.name, name, fault ?? '');
        return [];
      }
      return [made.operation];
    });
    const byName = new Map(operations.map((operation) => [operation.name, operation]));
    const isSpokenOf = (id: string) => byName.has(`${route.name}.${id}`) || this.#isTaken(`${route.name}.${id}`);
    for (const id of from.length === 0 ? [] : Object.keys(settings)) {
      if (!isSpokenOf(id))
        this.#tools.leftOut(route.name, id, 'the routing table speaks of it, and no server offers it');
    }
    return { from, operations, byName };
  }
}
