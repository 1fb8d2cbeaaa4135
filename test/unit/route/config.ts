/** Rows of a routing table as tollgate.yaml would give them, with the defaults filled in by the schema itself. */
import assert from 'node:assert/strict';
import { Ajv2020 } from 'ajv/dist/2020.js';
import Type from 'typebox';
import type { JsonObject } from '../../../src/call.ts';
import { type RoutesConfig, routesSection } from '../../../src/route/section.ts';

export const modelTargetRow: JsonObject = {
  name: 'azure-we',
  cloud: 'azure',
  region: 'westeurope',
  provider: 'openai',
  url: 'http://127.0.0.1:9000/v1',
  model: 'gpt-4.1-2025',
  max_output_tokens: 1_000,
  price: { input_usd_per_mtok: 2, output_usd_per_mtok: 8 },
};

export const httpTargetRow: JsonObject = {
  name: 'aws-fra',
  cloud: 'aws',
  region: 'eu-central-1',
  url: 'http://127.0.0.1:9001/api',
};

export const modelRow: JsonObject = { name: 'gpt-4.1', kind: 'model', targets: [modelTargetRow] };
export const httpRow: JsonObject = { name: 'orders', kind: 'http', openapi: './orders.yaml', targets: [httpTargetRow] };

/** The rows after the schema; its errors as `pointer keyword` where it finds any. */
export function readRoutes(rows: readonly JsonObject[]): { routes: RoutesConfig; errors: string[] } {
  const ajv = new Ajv2020({ allErrors: true, useDefaults: true, discriminator: true });
  const validate = ajv.compile(Type.Object({ routes: routesSection }));
  const file = structuredClone({ routes: rows });
  validate(file);
  const errors = (validate.errors ?? []).map(({ instancePath, keyword }) => `${instancePath} ${keyword}`);
  return { routes: file.routes as unknown as RoutesConfig, errors };
}

/** The same for rows that must be good. */
export function goodRoutes(...rows: readonly JsonObject[]): RoutesConfig {
  const { routes, errors } = readRoutes(rows);
  assert.deepEqual(errors, []);
  return routes;
}
