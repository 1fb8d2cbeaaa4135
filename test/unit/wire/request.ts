/** What wire tests begin with: a request as the server hands it over, a registry of operations, a target. */
import type { ModelApi, Operation, OperationRegistry, Route, Target } from '../../../src/call.ts';
import { isDenial } from '../../../src/denial.ts';
import type { RawRequest } from '../../../src/wire/dialect.ts';
import { callPriceOf } from '../../../src/wire/price.ts';

/** `path` may hold a query. A body that is not a string or Buffer is sent as JSON. */
export function rawRequest(
  method: string,
  path: string,
  body?: unknown,
  headers: RawRequest['headers'] = {},
): RawRequest {
  const [before = '', ...query] = path.split('?');
  const bytes = Buffer.isBuffer(body)
    ? body
    : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body ?? '').replace(/^""$/, ''));
  const type = bytes.length === 0 ? {} : { 'content-type': 'application/json' };
  return { method, path: before, query: query.join('?'), headers: { ...type, ...headers }, body: bytes };
}

export function routeNamed(name: string, kind: Route['kind']): Route {
  return { name, kind, targets: [] };
}

export function registryOf(routes: readonly Route[], operations: readonly Operation[]): OperationRegistry {
  return {
    get: (name) => operations.find((operation) => operation.name === name),
    ofRoute: (route) => operations.filter((operation) => operation.route === route),
    all: () => operations,
    route: (name) => routes.find((route) => route.name === name),
  };
}

export function targetOf(model: string | null, api: ModelApi = 'openai'): Target {
  return {
    name: 'somewhere',
    route: 'r',
    kind: model === null ? 'tool' : 'model',
    cloud: 'azure',
    region: 'westeurope',
    provider: api,
    api: model === null ? null : api,
    url: 'https://example.com/v1',
    model,
    weight: 1,
    credential: null,
    maxOutputTokens: 4096,
    price: callPriceOf(0, 'config'),
    timeoutMs: { connect: 1, firstByte: 1, total: 1 },
    txnToken: false,
  };
}

/** The value, where a denial would fail the test with its code and message. */
export function allowed<Value>(value: Value): Exclude<Value, { readonly code: unknown }> {
  if (isDenial(value)) throw new Error(`denied: ${value.code}: ${value.message} ${JSON.stringify(value.reasons)}`);
  return value as Exclude<Value, { readonly code: unknown }>;
}

/** `bytes` in two pieces, cut at each place in turn, or at every so many. */
export function* inTwo(bytes: Buffer, step = 1): Generator<() => AsyncGenerator<Uint8Array>> {
  for (let at = 1; at < bytes.length; at += step) {
    yield async function* () {
      yield bytes.subarray(0, at);
      yield bytes.subarray(at);
    };
  }
}

/** Chunks of `bytes` of `size` bytes each. */
export async function* inChunks(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Small generator of numbers below 1 that one seed reproduces (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
