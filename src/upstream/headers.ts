/**
 * Which headers pass the gate, both ways by allow-list: a header nobody thought of stays outside. What the agent
 * says about itself, its credentials and its network position never reaches a target; what a target says about its
 * connection and its server never reaches an agent.
 */
import type { JsonObject } from '../call.ts';

/** Headers of a request that may go to a target as they came. */
const requestAllowed: ReadonlySet<string> = new Set([
  'accept',
  'accept-language',
  'anthropic-beta',
  'anthropic-user-profile-id',
  'anthropic-version',
  'anthropic-workspace-id',
  'content-language',
  'content-type',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-unmodified-since',
  'prefer',
  'range',
]);

/** What a server of MCP is told beside the message; the gate makes them itself of what was decided on. */
const mcpAllowed: ReadonlySet<string> = new Set([
  'last-event-id',
  'mcp-method',
  'mcp-name',
  'mcp-protocol-version',
  'mcp-session-id',
]);
const mcpParameterPrefix = 'mcp-param-';

/** Never sent for an agent, also where an operation declares them as an argument. */
const requestForbidden: ReadonlySet<string> = new Set([
  'accept-encoding',
  'authorization',
  'baggage',
  'connection',
  'content-encoding',
  'content-length',
  'cookie',
  'cookie2',
  'date',
  'expect',
  'forwarded',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'traceparent',
  'tracestate',
  'true-client-ip',
  'txn-token',
  'upgrade',
  'user-agent',
  'via',
  'x-api-key',
  'x-client-cert',
  'x-real-ip',
]);
const requestForbiddenPrefixes = [
  'proxy-',
  'sec-',
  'x-forwarded-',
  'x-tollgate-',
  'x-original-',
  'x-http-method',
  'x-method-override',
];

const answerAllowed: ReadonlySet<string> = new Set([
  'accept-ranges',
  'allow',
  'cache-control',
  'content-disposition',
  'content-language',
  'content-range',
  'content-type',
  'etag',
  'expires',
  'last-modified',
  'preference-applied',
  'retry-after',
  'retry-after-ms',
  'vary',
  'x-should-retry',
]);

// RFC 9110 §5.6.2 token, and §5.5 field values without control characters.
const headerName = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const headerValue = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Whether a header can be sent as it is: no line break that would begin another one. */
export function isHeader(name: string, value: string): boolean {
  return headerName.test(name) && headerValue.test(value);
}

/** Whether a header is one that only the gate itself may send. `name` is lower-case. */
export function isGatesOwn(name: string): boolean {
  return requestForbidden.has(name) || requestForbiddenPrefixes.some((prefix) => name.startsWith(prefix));
}

/**
 * The headers of the agent's request that go to a target. Besides the allow-list, header arguments of the operation
 * pass: the policy saw and decided on them; and those that the target is configured with. What is malformed is left out.
 * `toMcp`: only a target that is known to speak MCP gets the headers of MCP.
 */
export function requestHeaders(
  encoded: Readonly<Record<string, string>>,
  args: JsonObject,
  configured: Readonly<Record<string, string>> = {},
  toMcp = false,
): Record<string, string> {
  const declared = args.headers;
  const isObject = typeof declared === 'object' && declared !== null && !Array.isArray(declared);
  const asked: ReadonlySet<string> = new Set(isObject ? Object.keys(declared).map((name) => name.toLowerCase()) : []);
  const passing: Record<string, string> = {};
  for (const [given, value] of Object.entries(encoded)) {
    const name = given.toLowerCase();
    if (isGatesOwn(name) || !isHeader(name, value)) continue;
    if (toMcp && (mcpAllowed.has(name) || name.startsWith(mcpParameterPrefix))) passing[name] = value;
    else if (requestAllowed.has(name) || asked.has(name) || Object.hasOwn(configured, name)) passing[name] = value;
  }
  return passing;
}

/** `headers` with those that the target is configured with; features of a list add up. */
export function withConfigured(
  headers: Readonly<Record<string, string>>,
  configured: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> {
  if (configured === undefined) return headers;
  const all: Record<string, string> = { ...headers, ...configured };
  const betas = [headers['anthropic-beta'], configured['anthropic-beta']].flatMap((list) => list?.split(',') ?? []);
  const named = betas.map((one) => one.trim()).filter((one) => one !== '');
  if (named.length > 0) all['anthropic-beta'] = [...new Set(named)].join(',');
  return all;
}

/** A location inside the same service; an absolute one would lead the agent past the gate (RFC 9110 §10.2.2). */
function isRelative(location: string): boolean {
  return !/^(?:[a-z][a-z0-9+.-]*:|[\\/]{2})/i.test(location.trim()) && !location.includes('\\');
}

/** The headers of a target's answer that may reach an agent; `headers` has lower-case names. */
export function answerHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const passing: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    const allowed = answerAllowed.has(name) || (name === 'location' && isRelative(value));
    if (allowed && isHeader(name, value)) passing[name] = value;
  }
  return passing;
}
