/**
 * HTTP tools below `/tools/{route}/`: what comes after is a request to a service that an OpenAPI document describes.
 * Method and path must mean exactly one operation of it. A denial is a problem document (RFC 9457).
 */
import type { OperationRegistry, Resolved, WireRequest } from '../../call.ts';
import { type Denial, type DenialMembers, denialHeaders, denials, deny, isDenial } from '../../denial.ts';
import type { Dialect, EncodedDenial, OperationSource, RawRequest } from '../dialect.ts';
import { readArguments } from './http/arguments.ts';
import { HttpOperation, httpOperations } from './http/operation.ts';
import { readPath } from './http/path.ts';
import { HttpPayload } from './http/payload.ts';

const prefix = '/tools/';
const methods = ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE'];
/** How many operations a denial lists. */
const allowedMax = 50;

/** Headers with which a service might take the request for another one than the path and the method say. */
const overrides = [
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
  'x-original-method',
  'x-original-url',
  'x-original-uri',
  'x-rewrite-url',
  'x-forwarded-uri',
  'x-forwarded-prefix',
];

/** Begins the `type` of every problem document; the code of the denial ends it (RFC 9457 §3.1.1). */
export const problemTypes = 'urn:tollgate:denial:';

export const http: Dialect = {
  name: 'http',
  handles: (path) => path === '/tools' || path.startsWith(prefix),
  parse: parseTool,
  denial: (denial, members): EncodedDenial => ({
    status: denial.status,
    headers: { 'content-type': 'application/problem+json', ...denialHeaders(denial) },
    body: Buffer.from(JSON.stringify(problemDocument(denial, members))),
  }),
  // Plain HTTP has no error frame: the answer is cut off, and the server must not end it as if it were whole.
  denialFrame: () => Buffer.alloc(0),
};

/** The problem document of a denial (RFC 9457 §3). */
export function problemDocument(denial: Denial, members: DenialMembers): object {
  return {
    type: `${problemTypes}${denial.code}`,
    title: denials[denial.code].title,
    status: denial.status,
    detail: members.message,
    ...members,
  };
}

function parseTool(request: RawRequest): WireRequest | Denial {
  if (!methods.includes(request.method)) {
    return deny('method_not_allowed', 'tools are not called with this method', { allowed: methods });
  }
  const override = overrides.find((name) => request.headers[name] !== undefined);
  if (override !== undefined) return deny('request_invalid', `the header ${override} is not taken`);
  const [, , route = '', ...rest] = request.path.split('/');
  if (!/^[a-z0-9_-]{1,64}$/.test(route) || rest.length === 0) {
    return deny('route_unknown', 'the path must be /tools/{route}/ and a path of that service');
  }
  const path = readPath(`/${rest.join('/')}`);
  if ('fault' in path) return deny('request_invalid', path.fault);
  return {
    kind: 'tool',
    route,
    resolve(registry: OperationRegistry): Resolved | Denial {
      if (registry.route(route)?.kind !== 'http') return deny('route_unknown', 'there is no tool route of that name');
      const operations = registry.ofRoute(route);
      const known = operations.find((operation) => operation instanceof HttpOperation);
      const match = known?.table.match(request.method, path.segments);
      if (match === undefined || !operations.includes(match.operation)) {
        const allowed = operations.slice(0, allowedMax).map(({ name }) => name);
        return deny('operation_unknown', `no operation of ${route} has this method and path`, { allowed });
      }
      const read = readArguments(request, match);
      if (isDenial(read)) return read;
      const payload = new HttpPayload(match.operation, read, request.body);
      return payload.validate() ?? { operation: match.operation, payload };
    },
  };
}

/** What an http route can be called for. */
export const httpTools: OperationSource = {
  kind: 'http',
  operations: (route, settings) => httpOperations(route.name, settings),
};
