/**
 * What one edition of the gate says of itself to whoever asks: keys, metadata, challenges. The names of routes are in
 * it, as RFC 9728 has it: a client must find out what a path needs before it has a token for it.
 */
import type { BindingRequired, JsonObject, Route, Shown } from '../call.ts';
import type { Denial } from '../denial.ts';
import {
  jwksPath,
  type MetadataFacts,
  metadataDocuments,
  type Resource,
  wwwAuthenticate,
} from '../identity/metadata.ts';
import { introspectionPath, revocationPath } from '../server/oauth-life.ts';
import { tokenPath } from '../server/oauth-routes.ts';
import type { Parts } from './parts.ts';

export interface Documents {
  /** By path. */
  readonly documents: Readonly<Record<string, () => JsonObject>>;
  /** The `WWW-Authenticate` of a denial, where it has one. */
  readonly challenge: (denial: Denial, shown: Pick<Shown, 'path' | 'scheme' | 'proof'>) => string | undefined;
}

const endpoints = { token: tokenPath, revocation: revocationPath, introspection: introspectionPath };

/** Where the data plane serves the routes of a kind. */
const pathsOf: Readonly<Record<Route['kind'], (name: string) => readonly string[]>> = {
  model: () => ['/v1'],
  http: (name) => [`/tools/${name}`, '/mcp', `/mcp/${name}`],
  mcp: (name) => ['/mcp', `/mcp/${name}`],
  agent: (name) => [`/a2a/${name}`],
};

export function documentsOf(parts: Pick<Parts, 'config' | 'table' | 'publicUrl' | 'keyDirectory'>): Documents {
  const { config, keyDirectory } = parts;
  const facts: MetadataFacts = {
    publicUrl: parts.publicUrl.replace(/\/$/, ''),
    certificates: (config.gateway.tls?.client ?? 'none') !== 'none',
    resources: resourcesOf(parts),
    endpoints,
  };
  return {
    documents: { [jwksPath]: () => keyDirectory.jwks(), ...metadataDocuments(facts) },
    challenge: (denial, shown) => wwwAuthenticate(denial, shown, facts),
  };
}

function resourcesOf({ config, table }: Pick<Parts, 'config' | 'table'>): MetadataFacts['resources'] {
  const ofPath = new Map<string, Route[]>();
  for (const route of table.routes()) {
    for (const path of pathsOf[route.kind](route.name)) ofPath.set(path, [...(ofPath.get(path) ?? []), route]);
  }
  const dpopRequired = (routes: readonly Route[]): boolean => {
    const operations = routes.flatMap(({ name }) => table.ofRoute(name));
    const required = (effect: 'read' | 'write' | 'delete', name: string): readonly BindingRequired[] => [
      ...table.bindings(name),
      config.task.binding[effect] ?? 'none',
    ];
    return operations.length > 0 && operations.every(({ name, effect }) => required(effect, name).includes('dpop'));
  };
  const parts = [...ofPath].map(([path, routes]): Resource => ({ path, dpopRequired: dpopRequired(routes) }));
  return [{ path: '', dpopRequired: dpopRequired(table.routes()) }, ...parts];
}
