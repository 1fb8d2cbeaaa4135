/**
 * The routing table as the gate works with it, and with it the registry of operations: what can be called at all. Built
 * whole from the config and the documents it names; a reload builds a new one. Only the tools of mcp routes change in it:
 * they are what `withTools` is given.
 */

import type { BindingRequired, CallKind, Operation, OperationRegistry, Price, Route, Target } from '../call.ts';
import type { OperationSource, RouteSettings } from '../wire/dialect.ts';
import { apiOf } from '../wire/model-apis.ts';
import { child } from '../wire/pointer.ts';
import { callPriceOf, type ModelPrices, priceOf } from '../wire/price.ts';
import { tokenizerOf } from '../wire/tokenizer.ts';
import { keysOf } from './keys.ts';
import { LiveOperations, type LiveRoute, type LiveTools } from './live-operations.ts';
import type { RouteConfig, RouteFault, RoutesConfig } from './section.ts';
import type { TargetConfig } from './target.ts';

/** Why a table could not be built; every fault is listed. */
export class RouteTableFaulty extends Error {
  override readonly name = 'RouteTableFaulty';
  readonly faults: readonly RouteFault[];

  constructor(faults: readonly RouteFault[]) {
    super(faults.map(({ pointer, message }) => `${pointer}: ${message}`).join('; '));
    this.faults = faults;
  }
}

export interface RouteTableParts {
  /** Checked: `checkRoutes` has no fault to find in it. */
  readonly routes: RoutesConfig;
  /** One for each kind of route that occurs. */
  readonly sources: readonly OperationSource[];
  /** The parsed OpenAPI document of each http route, by the route's name. */
  readonly openapi: Readonly<Record<string, unknown>>;
  /** For models that the table itself gives no price; left out: there are none. */
  readonly prices?: ModelPrices;
}

const callKinds: Readonly<Record<Route['kind'], CallKind>> = {
  model: 'model',
  http: 'tool',
  mcp: 'tool',
  agent: 'agent',
};

interface Rows {
  readonly routes: ReadonlyMap<string, Route>;
  readonly byRoute: ReadonlyMap<string, readonly Operation[]>;
  readonly bindings: ReadonlyMap<string, readonly BindingRequired[]>;
  readonly live: ReadonlyMap<string, LiveRoute>;
}

export class RouteTable implements OperationRegistry {
  readonly #rows: Rows;
  readonly #operations: ReadonlyMap<string, Operation>;
  readonly #fixed: readonly Operation[];
  readonly #live: LiveOperations | undefined;

  private constructor(rows: Rows, tools?: LiveTools) {
    this.#rows = rows;
    this.#fixed = [...rows.byRoute.values()].flat();
    this.#operations = new Map(this.#fixed.map((operation) => [operation.name, operation]));
    if (tools !== undefined) {
      this.#live = new LiveOperations(rows.live, tools, (name) => this.#operations.has(name));
    }
  }

  /**
   * The table of `routes`, with the operations that the sources find in them. Throws `RouteTableFaulty` with all
   * faults: documents that cannot be read, settings of operations that do not exist, names that two operations share,
   * models without a price. Of tools of mcp routes it knows nothing yet.
   */
  static build(parts: RouteTableParts): RouteTable {
    const routes = new Map<string, Route>();
    const byRoute = new Map<string, readonly Operation[]>();
    const bindings = new Map<string, readonly BindingRequired[]>();
    const live = new Map<string, LiveRoute>();
    const faults: RouteFault[] = [];
    const names = new Set<string>();
    for (const [index, row] of parts.routes.entries()) {
      const { route, unpriced } = routeOf(row, `/routes/${index}`, parts.prices);
      faults.push(...unpriced);
      const found = operationsOf(row, route, `/routes/${index}`, parts);
      for (const operation of found.operations) {
        // Routes may have dots, and so may operation ids: `a` with `b.c` and `a.b` with `c` would be one name.
        if (names.has(operation.name)) {
          const message = `the operation ${operation.name} is there twice; names of operations must be unique`;
          found.faults.push({ pointer: `/routes/${index}`, message });
        }
        names.add(operation.name);
        bindings.set(operation.name, bindingsOf(row, operation.name));
      }
      routes.set(row.name, route);
      byRoute.set(row.name, found.operations);
      if (row.kind === 'mcp') {
        const bindingOf = (tool: string) => bindingsOf(row, `${row.name}.${tool}`);
        live.set(row.name, { route, settings: settingsOf(row), bindingOf });
      }
      faults.push(...found.faults);
    }
    if (faults.length > 0) throw new RouteTableFaulty(faults);
    return new RouteTable({ routes, byRoute, bindings, live });
  }

  /** The same table, with the tools that the servers of its mcp routes offer at any time. */
  withTools(tools: LiveTools): RouteTable {
    return new RouteTable(this.#rows, tools);
  }

  get(name: string): Operation | undefined {
    return this.#operations.get(name) ?? this.#live?.get(name);
  }

  ofRoute(route: string): readonly Operation[] {
    const fixed = this.#rows.byRoute.get(route) ?? [];
    const live = this.#live?.ofRoute(route) ?? [];
    return live.length === 0 ? fixed : [...live, ...fixed];
  }

  all(): readonly Operation[] {
    if (this.#live === undefined || this.#rows.live.size === 0) return this.#fixed;
    return [...this.#rows.routes.keys()].flatMap((route) => this.ofRoute(route));
  }

  /** Resolves once the servers of a route, or of all routes, have said what they offer, or after a short while. */
  async known(route?: string): Promise<void> {
    if (route === undefined || this.#rows.live.has(route)) await this.#live?.known(route);
  }

  route(name: string): Route | undefined {
    return this.#rows.routes.get(name);
  }

  /** Which keys tokens must belong to for this operation: what its route asks for, and what it asks for itself. */
  bindings(operation: string): readonly BindingRequired[] {
    return this.#rows.bindings.get(operation) ?? this.#live?.bindings(operation) ?? [];
  }

  /** All routes, in the order of the file. */
  routes(): readonly Route[] {
    return [...this.#rows.routes.values()];
  }
}

function operationsOf(
  row: RouteConfig,
  route: Route,
  pointer: string,
  parts: RouteTableParts,
): { operations: readonly Operation[]; faults: RouteFault[] } {
  const source = parts.sources.find(({ kind }) => kind === row.kind);
  if (source === undefined) {
    return { operations: [], faults: [{ pointer: `${pointer}/kind`, message: `nothing speaks ${row.kind} here` }] };
  }
  const openapi = Object.hasOwn(parts.openapi, row.name) ? parts.openapi[row.name] : undefined;
  const settings: RouteSettings = { openapi, operations: settingsOf(row) };
  const { operations, faults } = source.operations(route, settings);
  const inTable = (fault: RouteFault): RouteFault => ({ ...fault, pointer: `${pointer}${fault.pointer}` });
  // Of a document that cannot be read every name would seem wrong.
  if (operations.length === 0 && faults.length > 0) return { operations, faults: faults.map(inTable) };
  const ids = operations.map(({ name }) => name.slice(row.name.length + 1));
  // What the server of an mcp route offers shows once it is asked.
  const isOpen = row.kind === 'mcp';
  const unknown = isOpen ? [] : Object.keys(settings.operations).filter((id) => !ids.includes(id));
  const message = `expected an operation of this route: ${ids.join(', ') || 'it has none'}`;
  return {
    operations,
    faults: [...faults, ...unknown.map((id) => ({ pointer: child('/operations', id), message }))].map(inTable),
  };
}

/** The settings of the operations of a row, money in micro-dollars. */
function settingsOf(row: RouteConfig): RouteSettings['operations'] {
  if (row.kind === 'model') return row.operations ?? {};
  const priced = Object.entries(row.operations).map(([name, { call_usd: callUsd, ...settings }]) => [
    name,
    callUsd === undefined ? settings : { ...settings, callMicroUsd: callPriceOf(callUsd, 'config').callMicroUsd },
  ]);
  return Object.fromEntries(priced);
}

function bindingsOf(row: RouteConfig, name: string): readonly BindingRequired[] {
  const own = row.kind !== 'model' ? row.operations[name.slice(row.name.length + 1)] : undefined;
  return [row.binding ?? 'none', own?.binding ?? 'none'];
}

/** The route, with a fault for each of its models that has no price: without one no budget could hold. */
function routeOf(
  row: RouteConfig,
  pointer: string,
  prices: ModelPrices | undefined,
): { readonly route: Route; readonly unpriced: readonly RouteFault[] } {
  const unpriced: RouteFault[] = [];
  const targets = row.targets.map((target, index) => {
    const price = priceOfTarget(row, target, prices);
    if (typeof price !== 'string') return targetOf(row, target, price);
    unpriced.push({ pointer: `${pointer}/targets/${index}/model`, message: price });
    return targetOf(row, target, callPriceOf(0, 'none'));
  });
  return { route: { name: row.name, kind: row.kind, targets, ...answersOf(row) }, unpriced };
}

/** What the row says of answers. */
function answersOf(row: RouteConfig): Pick<Route, 'result' | 'responses'> {
  if (row.kind === 'model') return {};
  const { max_bytes: maxBytes, html } = row.result ?? {};
  const result = {
    ...(maxBytes === undefined ? {} : { maxBytes }),
    ...(html === undefined ? {} : { htmlAsText: true as const }),
  };
  const responses = row.kind === 'http' && row.responses !== 'off' ? { responses: row.responses } : {};
  return { ...(Object.keys(result).length === 0 ? {} : { result }), ...responses };
}

/** The price of the target itself, of its route, or one that is known of its model; else what to do about it. */
function priceOfTarget(row: RouteConfig, target: TargetConfig, prices: ModelPrices | undefined): Price | string {
  if (!('model' in target)) return callPriceOf(target.price?.call_usd ?? 0, 'config');
  const written = target.price ?? row.price;
  if (written !== undefined) return priceOf(written, apiOf(target), 'config');
  const known = prices?.find(target) ?? null;
  if (known !== null) return known;
  const near = prices?.near(target) ?? [];
  const guess = near.length === 0 ? '' : ` (known are ${near.join(', ')})`;
  const how = 'price: {input_usd_per_mtok: …, output_usd_per_mtok: …}';
  return `no price is known of ${target.model}${guess}; give its target or its route ${how}, both 0 where it costs nothing, or name it in the file of budget.prices`;
}

function targetOf(row: RouteConfig, target: TargetConfig, price: Price): Target {
  const model = 'model' in target ? target : null;
  const tokenizer = model === null ? undefined : tokenizerOf(model);
  return {
    name: target.name,
    route: row.name,
    kind: callKinds[row.kind],
    cloud: target.cloud,
    region: target.region,
    provider: model?.provider ?? row.kind,
    api: model === null ? null : apiOf(model),
    ...(model?.api_version === undefined ? {} : { apiVersion: model.api_version }),
    ...(model?.headers === undefined ? {} : { headers: model.headers }),
    url: target.url ?? '',
    ...programOf(target),
    model: model?.model ?? null,
    weight: target.weight,
    ...keysOf(target),
    maxOutputTokens: model?.max_output_tokens ?? 0,
    ...(tokenizer === undefined ? {} : { tokenizer }),
    price,
    timeoutMs: {
      connect: target.timeout_ms.connect,
      firstByte: target.timeout_ms.first_byte,
      total: target.timeout_ms.total,
    },
    // Never for a model: a Txn-Token would leave the trust domain.
    txnToken: 'txn_token' in target && target.txn_token,
  };
}

function programOf(target: TargetConfig): Pick<Target, 'program'> {
  if (!('command' in target) || target.command === undefined) return {};
  const { command, args, env } = target;
  return { program: { command, args, env } };
}
