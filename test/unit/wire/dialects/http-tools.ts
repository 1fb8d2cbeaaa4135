/** The warehouse of test/fixtures/wire as an http route, and calls to it. */
import { readFileSync } from 'node:fs';
import { isDenial } from '../../../../src/denial.ts';
import type { RawRequest, RouteSettings } from '../../../../src/wire/dialect.ts';
import { http, httpTools } from '../../../../src/wire/dialects/http.ts';
import { rawRequest, registryOf, routeNamed, targetOf } from '../request.ts';

const document = new URL('../../../fixtures/wire/warehouse.openapi.json', import.meta.url);
export const warehouse = JSON.parse(readFileSync(document, 'utf8'));
export const route = routeNamed('shop', 'http');

export function settings(openapi: unknown = warehouse, operations: RouteSettings['operations'] = {}): RouteSettings {
  return { openapi, operations };
}

export const { operations } = httpTools.operations(route, settings());
export const registry = registryOf([route, routeNamed('gpt', 'model')], operations);

/** What becomes of a request: a denial, or an operation and its payload. */
export function call(
  method: string,
  path: string,
  body?: unknown,
  headers: RawRequest['headers'] = {},
  in_ = registry,
) {
  const parsed = http.parse(rawRequest(method, `/tools/shop${path}`, body, headers));
  return isDenial(parsed) ? parsed : parsed.resolve(in_);
}

/** What would be sent, or the code of the denial. */
export function outcome(method: string, path: string, body?: unknown, headers: RawRequest['headers'] = {}): string {
  const resolved = call(method, path, body, headers);
  if (isDenial(resolved)) return resolved.code;
  const out = resolved.payload.encode(targetOf(null));
  return `${out.method} ${out.path}`;
}
