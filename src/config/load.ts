/**
 * Loads tollgate.yaml: parses, substitutes, validates against what each room declares, checks what no schema can
 * say, makes paths absolute, and reads the documents it names. Either a whole configuration comes out or the list of
 * everything that is wrong, each with its line: nobody should have to start a gate five times to find five faults.
 */
import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, resolve } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { checkRates } from '../budget/rates/section.ts';
import { checkBudget, type PriceFile } from '../budget/section.ts';
import { checkAlerts } from '../budget/spend/section.ts';
import type { ToolDefinition } from '../call.ts';
import { checkKeys } from '../identity/keepers/section.ts';
import { checkIdentity } from '../identity/section.ts';
import { checkInspection } from '../inspection/section.ts';
import { checkPolicy, isServed } from '../policy/section.ts';
import { checkRoutes } from '../route/section.ts';
import { checkGateway, publicUrlOf } from '../server/section.ts';
import { checkStore } from '../store/section.ts';
import { checkTask } from '../task/section.ts';
import { checkTelemetry } from '../telemetry/section.ts';
import { checkRetry } from '../upstream/retry/section.ts';
import { checkCredentials, type TlsIdentity } from '../upstream/section.ts';
import type { OpenApiDocuments } from '../wire/dialects/http/references.ts';
import { schemaFaults } from '../wire/schema-faults.ts';
import { checkAssertionAudiences } from './assertion-audiences.ts';
import { checkBindings } from './bindings.ts';
import { absoluteCredentials, readIdentities } from './credential-files.ts';
import { type ConfigFault, parseConfig, type Surroundings } from './document.ts';
import { type FetchDocument, isUrl, readOpenApi } from './openapi.ts';
import { readPriceFile } from './price-file.ts';
import { type Config, configSchema } from './schema.ts';
import { absoluteTls, readTls, type TlsOfConfig } from './tls-files.ts';
import { absoluteTools, readToolFiles } from './tool-files.ts';

export interface Loaded {
  readonly config: Config;
  /** The directory of the file. */
  readonly directory: string;
  /** The OpenAPI documents of each http route, by route name. */
  readonly openapi: Readonly<Record<string, OpenApiDocuments>>;
  /** The definitions in the `tools` file of each mcp route that has one, by route name. */
  readonly tools: Readonly<Record<string, readonly ToolDefinition[]>>;
  /** What stands in the file of `budget.prices`; null without one. */
  readonly prices: PriceFile | null;
  /** What stands in the files of each plane's `tls`. */
  readonly tls: TlsOfConfig;
  /** What stands in the files of each credential of kind `mtls`, by its name. */
  readonly identities: Readonly<Record<string, TlsIdentity>>;
  /** Every file that was read: a change of one of them is a change of the configuration. */
  readonly files: readonly string[];
  /** Where the value at a JSON pointer stands, for faults that only show when the rooms are built. */
  readonly fault: (pointer: string, message: string) => ConfigFault;
}

/** A whole configuration, or everything that is wrong; `files` are those that were looked at. */
export type LoadResult = Loaded | { readonly faults: readonly ConfigFault[]; readonly files: readonly string[] };

export type ConfigValidator = ValidateFunction<Config>;

/** The schema, compiled: it takes 100 ms in one piece, so who loads more than once makes it once. */
export function configValidator(): ConfigValidator {
  const ajv = new Ajv2020({ allErrors: true, useDefaults: true, strict: false, verbose: true, discriminator: true });
  return ajv.compile<Config>(configSchema);
}

/**
 * Loads and checks `file`. Never throws for what is in the file, or for its absence. Without `fetch` OpenAPI documents
 * from the network are left out, for whoever does not need them.
 */
export async function loadConfig(
  file: string,
  env: Surroundings['env'],
  validate: ConfigValidator = configValidator(),
  fetch?: FetchDocument,
): Promise<LoadResult> {
  const path = resolve(file);
  const directory = dirname(path);
  let source: string;
  try {
    source = await readFile(path, 'utf8');
  } catch (fault) {
    const message = `the file cannot be read: ${(fault as Error).message}`;
    return { faults: [{ file, line: 0, column: 0, pointer: '', message }], files: [path] };
  }
  const document = parseConfig(file, source, { env, directory });
  const files = [path, ...document.files];
  if (document.value === null && document.faults.length > 0) return { faults: document.faults, files };
  const faultAt = (pointer: string, message: string): ConfigFault => ({
    file,
    ...document.place(pointer),
    pointer,
    message,
  });
  const faults = [...document.faults];
  const value = document.value ?? {};
  if (!isConfig(value, validate, faults, faultAt)) return { faults: inOrder(faults), files };
  for (const { pointer, message } of crossChecks(value)) faults.push(faultAt(pointer, message));
  const config = withAbsolutePaths(value, directory);
  const openapi: Record<string, OpenApiDocuments> = {};
  for (const [index, route] of config.routes.entries()) {
    if (route.kind !== 'http') continue;
    const source = { directory, dataDir: config.gateway.data_dir, fetch };
    const documents = await readOpenApi(route, source, files, (key, message) =>
      faults.push(faultAt(`/routes/${index}/${key}`, message)),
    );
    if (documents !== undefined) openapi[route.name] = documents;
  }
  const tools = await readToolFiles(config.routes, files, (pointer, message) => faults.push(faultAt(pointer, message)));
  const prices = await readPriceFile(config.budget.prices, { env, directory }, files, faults);
  const tls = await readTls(config.gateway, files, (pointer, message) => faults.push(faultAt(pointer, message)));
  const identities = await readIdentities(config.credentials, files, (pointer, message) =>
    faults.push(faultAt(pointer, message)),
  );
  if (faults.length > 0) return { faults: inOrder(faults), files };
  return { config, directory, openapi, tools, prices, tls, identities, files, fault: faultAt };
}

/** What no schema can say, by the rooms that know. Pointers are from the root of the file. */
function crossChecks(config: Config): readonly { readonly pointer: string; readonly message: string }[] {
  return [
    ...checkGateway(config.gateway),
    ...checkIdentity(config, publicUrlOf(config.gateway)),
    ...checkTask(config.task, config.limits.history),
    ...checkPolicy(config.policy),
    ...checkBudget(config.budget),
    ...checkRates(config.budget.rates),
    ...checkRetry(config.retry),
    ...checkAlerts(config.budget.alerts),
    ...checkStore(config.store),
    ...checkKeys(config.keys, config.store),
    ...checkInspection(config.inspection),
    ...checkRoutes(config.routes, config.credentials),
    ...checkCredentials(config.credentials, config.routes),
    ...checkTelemetry(config.telemetry),
    ...checkBindings(config),
    ...checkAssertionAudiences(config),
  ];
}

function isConfig(
  value: unknown,
  validate: ConfigValidator,
  faults: ConfigFault[],
  faultAt: (pointer: string, message: string) => ConfigFault,
): value is Config {
  if (validate(value)) return true;
  for (const { pointer, message } of schemaFaults(validate.errors ?? [])) faults.push(faultAt(pointer, message));
  return false;
}

function withAbsolutePaths(config: Config, directory: string): Config {
  const absolute = (path: string) => (isAbsolute(path) ? path : resolve(directory, path));
  const { prices } = config.budget;
  return {
    ...config,
    gateway: { ...absoluteTls(config.gateway, absolute), data_dir: absolute(config.gateway.data_dir) },
    keys: absoluteCommand(config.keys, directory),
    policy: absolutePolicy(config.policy, absolute),
    budget: { ...config.budget, ...(prices === undefined ? {} : { prices: absolute(prices) }) },
    credentials: absoluteCredentials(config.credentials, absolute),
    routes: config.routes.map((route) =>
      route.kind === 'http'
        ? { ...route, openapi: isUrl(route.openapi) ? route.openapi : absolute(route.openapi) }
        : absoluteTools(route, absolute),
    ),
  };
}

function absolutePolicy(policy: Config['policy'], absolute: (path: string) => string): Config['policy'] {
  const placed = (source: string) => (isServed(source) ? source : absolute(source));
  const { bundle, shadow } = policy;
  return { ...policy, bundle: placed(bundle), ...(shadow === undefined ? {} : { shadow: placed(shadow) }) };
}

/** A program that is a path is one from the file, like every path; a bare name is looked for in PATH. */
function absoluteCommand(keys: Config['keys'], directory: string): Config['keys'] {
  const [program, ...args] = keys.command ?? [];
  if (program === undefined || !/^\.{1,2}\//.test(program)) return keys;
  return { ...keys, command: [resolve(directory, program), ...args] };
}

function inOrder(faults: readonly ConfigFault[]): readonly ConfigFault[] {
  return faults.toSorted((left, right) => left.line - right.line || left.column - right.column);
}

/** A fault as one line: `tollgate.yaml:12:5 /routes/0/kind: expected one of: …`. */
export function faultLine(fault: ConfigFault): string {
  const place = fault.line === 0 ? fault.file : `${fault.file}:${fault.line}:${fault.column}`;
  return `${place} ${fault.pointer === '' ? '' : `${fault.pointer}: `}${fault.message}`;
}
