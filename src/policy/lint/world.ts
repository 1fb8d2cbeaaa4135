/**
 * What a gate's configuration names and a bundle may speak of. A bundle is checked against it only where it is known:
 * whoever writes policies away from the gate has none.
 */
import type { JsonObject } from '../../call.ts';
import { digest } from '../sources.ts';

export interface LintOperation {
  readonly name: string;
  readonly route: string;
  readonly effect: string;
  /** Dotted paths whose sums the gate keeps. */
  readonly remember: readonly string[];
  /** Of its arguments; null or absent where nothing is known of them. */
  readonly inputSchema?: JsonObject | null;
}

export interface LintWorld {
  readonly operations: readonly LintOperation[];
  readonly routes: readonly string[];
  /** Those whose operations are known once a server was asked; what is named of them is not judged. Left out: none. */
  readonly openRoutes?: readonly string[];
  /** Names of tollgate.yaml: whose agents there are, and whose tokens prove a subject. */
  readonly issuers: readonly string[];
  readonly subjectIssuers: readonly string[];
}

/** What of a configuration and its routing table a bundle may name. */
export function lintWorld(
  config: {
    readonly issuers: readonly { readonly name: string }[];
    readonly subject_issuers: readonly { readonly name: string }[];
    readonly routes: readonly {
      readonly name: string;
      readonly kind: string;
      readonly operations?: Readonly<Record<string, object>>;
    }[];
  },
  operations: readonly LintOperation[],
): LintWorld {
  const names = (rows: readonly { readonly name: string }[]) => rows.map(({ name }) => name);
  const open = config.routes.filter(({ kind }) => kind === 'mcp');
  const fixed = new Set(operations.map(({ name }) => name));
  // What servers offer is not known yet, and must not decide which policies are good: only what the table says of it.
  const spokenOf = open.flatMap(({ name: route, operations: said = {} }) =>
    Object.entries(said as Readonly<Record<string, Partial<LintOperation>>>)
      .map(([tool, { effect = 'delete', remember = [] }]) => ({ name: `${route}.${tool}`, route, effect, remember }))
      .filter(({ name }) => !fixed.has(name)),
  );
  return {
    operations: [...operations, ...spokenOf].map(
      ({ name, route, effect, remember, inputSchema = null }: LintOperation) => ({
        ...{ name, route, effect, remember, inputSchema },
      }),
    ),
    routes: names(config.routes),
    ...(open.length === 0 ? {} : { openRoutes: names(open) }),
    issuers: names(config.issuers),
    subjectIssuers: names(config.subject_issuers),
  };
}

/** Changes whenever the world does. */
export function worldDigest(world: LintWorld | null): string {
  return digest([JSON.stringify(world)]);
}

/** Whether `item` names an operation, or all of a route (`{route}.*`). */
export function namesOperation(world: LintWorld, item: string): boolean {
  if (item.endsWith('.*') && world.routes.includes(item.slice(0, -2))) return true;
  return world.operations.some(({ name }) => name === item) || mayBeOffered(world, item);
}

/** Whether a server may offer an operation of this name, or one that this pattern fits. */
export function mayBeOffered({ openRoutes = [] }: LintWorld, name: string): boolean {
  if (name.startsWith('*')) return openRoutes.length > 0;
  return openRoutes.some((route) => name.startsWith(`${route}.`));
}
