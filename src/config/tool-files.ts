/**
 * The `tools` files of mcp routes: the definitions that are accepted there, as a server lists them. What a reader would
 * get wrong: a list that is cut short is not repaired; a tool that is not in the file is not offered.
 */
import { readFile } from 'node:fs/promises';
import { parse as parseYaml } from 'yaml';
import type { ToolDefinition } from '../call.ts';
import { toolDefinitions } from '../wire/mcp/definitions.ts';
import type { Config } from './schema.ts';

type RouteConfig = Config['routes'][number];
const fileBytesMax = 16 * 1_048_576;

/** The path of the file is relative to tollgate.yaml. */
export function absoluteTools(route: RouteConfig, absolute: (path: string) => string): RouteConfig {
  return route.kind === 'mcp' && route.tools !== undefined ? { ...route, tools: absolute(route.tools) } : route;
}

/** The definitions of each route that names a file, by its name; `files` gets the paths. Faults are told, never thrown. */
export async function readToolFiles(
  routes: Config['routes'],
  files: string[],
  fault: (pointer: string, message: string) => void,
): Promise<Readonly<Record<string, readonly ToolDefinition[]>>> {
  const definitions: Record<string, readonly ToolDefinition[]> = {};
  for (const [index, route] of routes.entries()) {
    if (route.kind !== 'mcp' || route.tools === undefined) continue;
    files.push(route.tools);
    const pointer = `/routes/${index}/tools`;
    try {
      const source = await readFile(route.tools, 'utf8');
      if (source.length > fileBytesMax) throw new Error(`it is larger than ${fileBytesMax} bytes`);
      const read = toolDefinitions(parseYaml(source));
      if ('fault' in read) fault(pointer, `expected the tools of a server in ${route.tools}: ${read.fault}`);
      else definitions[route.name] = read.tools;
    } catch (error) {
      fault(pointer, `the file ${route.tools} cannot be read: ${(error as Error).message}`);
    }
  }
  return definitions;
}
