/**
 * Loads tollgate.yaml: parses, substitutes, validates against what each room declares, checks what no schema can
 * say, makes paths absolute, and reads the documents it names. Either a whole configuration comes out or the list of
 * everything that is wrong, each with its line: nobody should have to start a gate five times to find five faults.
 */
import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, resolve } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse as parseYaml } from 'yaml';
import { checkBudget } from '../budget/section.ts';
import { checkIssuers } from '../identity/section.ts';
import { checkInspection } from '../inspection/section.ts';
import { checkRoutes } from '../route/section.ts';
import { checkGateway, publicUrlOf } from '../server/section.ts';
import { checkTask } from '../task/section.ts';
import { checkCredentials } from '../upstream/section.ts';
import { type ConfigFault, parseConfig, type Surroundings } from './document.ts';
import { schemaFaults } from './faults.ts';
import { type Config, configSchema } from './schema.ts';

export interface Loaded {
  readonly config: Config;
  /** The directory of the file. */
  readonly directory: string;
  /** The parsed OpenAPI document of each http route, by route name. */
  readonly openapi: Readonly<Record<string, unknown>>;
  /** Where the value at a JSON pointer stands, for faults that only show when the rooms are built. */
  readonly fault: (pointer: string, message: string) => ConfigFault;
}

export type LoadResult = Loaded | { readonly faults: readonly ConfigFault[] };

const openapiBytesMax = 16 * 1_048_576;

/** Loads and checks `file`. Never throws for what is in the file, or for its absence. */
export async function loadConfig(file: string, env: Surroundings['env']): Promise<LoadResult> {
  const path = resolve(file);
  const directory = dirname(path);
  let source: string;
  try {
    source = await readFile(path, 'utf8');
  } catch (fault) {
    return {
      faults: [
        { file, line: 0, column: 0, pointer: '', message: `the file cannot be read: ${(fault as Error).message}` },
      ],
    };
  }
  const document = parseConfig(file, source, { env, directory });
  if (document.value === null && document.faults.length > 0) return { faults: document.faults };
  const faultAt = (pointer: string, message: string): ConfigFault => ({
    file,
    ...document.place(pointer),
    pointer,
    message,
  });
  const faults = [...document.faults];
  const value = document.value ?? {};
  if (!isConfig(value, faults, faultAt)) return { faults: inOrder(faults) };
  for (const { pointer, message } of crossChecks(value)) faults.push(faultAt(pointer, message));
  const config = withAbsolutePaths(value, directory);
  const openapi = await readOpenapi(config, faults, faultAt);
  return faults.length > 0 ? { faults: inOrder(faults) } : { config, directory, openapi, fault: faultAt };
}

/** What no schema can say, by the rooms that know. Pointers are from the root of the file. */
function crossChecks(config: Config): readonly { readonly pointer: string; readonly message: string }[] {
  const issuerFaults = checkIssuers(config.issuers, publicUrlOf(config.gateway));
  return [
    ...checkGateway(config.gateway),
    ...issuerFaults.map(({ pointer, message }) => ({ pointer: `/issuers${pointer}`, message })),
    ...checkTask(config.task),
    ...checkBudget(config.budget),
    ...checkInspection(config.inspection),
    ...checkRoutes(config.routes, config.credentials),
    ...checkCredentials(config.credentials),
  ];
}

function isConfig(
  value: unknown,
  faults: ConfigFault[],
  faultAt: (pointer: string, message: string) => ConfigFault,
): value is Config {
  const ajv = new Ajv2020({ allErrors: true, useDefaults: true, strict: false, verbose: true, discriminator: true });
  const validate = ajv.compile<Config>(configSchema);
  if (validate(value)) return true;
  for (const { pointer, message } of schemaFaults(validate.errors ?? [])) faults.push(faultAt(pointer, message));
  return false;
}

function withAbsolutePaths(config: Config, directory: string): Config {
  const absolute = (path: string) => (isAbsolute(path) ? path : resolve(directory, path));
  return {
    ...config,
    gateway: { ...config.gateway, data_dir: absolute(config.gateway.data_dir) },
    policy: { ...config.policy, bundle: absolute(config.policy.bundle) },
    routes: config.routes.map((route) =>
      route.kind === 'http' ? { ...route, openapi: absolute(route.openapi) } : route,
    ),
  };
}

async function readOpenapi(
  config: Config,
  faults: ConfigFault[],
  faultAt: (pointer: string, message: string) => ConfigFault,
): Promise<Record<string, unknown>> {
  const documents: Record<string, unknown> = {};
  for (const [index, route] of config.routes.entries()) {
    if (route.kind !== 'http') continue;
    const pointer = `/routes/${index}/openapi`;
    try {
      const source = await readFile(route.openapi, 'utf8');
      if (source.length > openapiBytesMax) throw new Error(`it is larger than ${openapiBytesMax} bytes`);
      documents[route.name] = parseYaml(source);
    } catch (fault) {
      faults.push(
        faultAt(pointer, `the OpenAPI document ${route.openapi} cannot be read: ${(fault as Error).message}`),
      );
    }
  }
  return documents;
}

function inOrder(faults: readonly ConfigFault[]): readonly ConfigFault[] {
  return faults.toSorted((left, right) => left.line - right.line || left.column - right.column);
}

/** A fault as one line: `tollgate.yaml:12:5 /routes/0/kind: expected one of: …`. */
export function faultLine(fault: ConfigFault): string {
  const place = fault.line === 0 ? fault.file : `${fault.file}:${fault.line}:${fault.column}`;
  return `${place} ${fault.pointer === '' ? '' : `${fault.pointer}: `}${fault.message}`;
}
