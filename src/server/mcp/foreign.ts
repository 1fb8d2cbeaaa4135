/**
 * Which requests to the MCP endpoint are none of its clients': led here by a browser from another site (DNS rebinding,
 * 2026-07-28 Streamable HTTP, Security), or with a body or an answer in a form that is not spoken here. What a reader
 * would get wrong: a missing Origin is fine, since only browsers send one.
 */
import { isIP } from 'node:net';
import { isDenial } from '../../denial.ts';
import type { RawRequest } from '../../wire/dialect.ts';
import { McpFault, rpcCodes } from '../../wire/mcp/fault.ts';
import { requestMediaType } from '../../wire/media.ts';

const wildcards: ReadonlySet<string> = new Set(['0.0.0.0', '::']);
const loopback: readonly string[] = ['127.0.0.1', 'localhost', '[::1]'];
const hostForm = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?$/;

/** Under which names the endpoint is reached. */
export interface OwnPlace {
  readonly publicUrl: string;
  /** Further names in lower case, as a Host header has them; without a port for any. */
  readonly hosts: readonly string[];
  /** Where the data plane listens, with the port that was chosen. */
  readonly address: { readonly host: string; readonly port: number };
}

/** Faults 403 for a Host or an Origin that is not the gate's own. */
export function strangerFault({ headers }: Pick<RawRequest, 'headers'>, place: OwnPlace): McpFault | undefined {
  const { host, origin } = headers;
  if (typeof host !== 'string' || !(isOwnHost(host, place) || isAddress(host, place))) {
    return forbidden('The Host header is not one of this gateway: gateway.public_url and gateway.hosts name them');
  }
  if (origin === undefined) return undefined;
  const url = typeof origin === 'string' && URL.canParse(origin) ? new URL(origin) : undefined;
  if (url !== undefined && url.origin === origin && isOwnOrigin(url, place)) return undefined;
  return forbidden('Requests from other origins are not answered');
}

function isOwnOrigin(url: URL, place: OwnPlace): boolean {
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  return url.origin === new URL(place.publicUrl).origin || isOwnHost(`${url.hostname}:${port}`, place);
}

/**
 * Whether a Host header is an address, or means this machine, whatever its port: ports are mapped on the way, and a page
 * of another site cannot make its own name one of these.
 */
function isAddress(value: string, { address }: Pick<OwnPlace, 'address'>): boolean {
  const [, name = ''] = hostForm.exec(value.toLowerCase()) ?? [];
  if (wildcards.has(address.host)) return isIP(bareOf(name)) !== 0 || name === 'localhost';
  return isLoopback(address.host) && loopback.includes(name);
}

/** `value` is a host with or without its port, as both headers have it. */
function isOwnHost(value: string, { publicUrl, hosts, address }: OwnPlace): boolean {
  const own = new URL(publicUrl);
  const [whole = '', name = '', port] = hostForm.exec(value.toLowerCase()) ?? [];
  if (name !== '' && (hosts.includes(whole) || hosts.includes(name))) return true;
  const usual = own.protocol === 'https:' ? '443' : '80';
  if (name === own.hostname && (port ?? usual) === (own.port === '' ? usual : own.port)) return true;
  if (Number(port ?? usual) !== address.port) return false;
  // A name can be made to mean another address; an address cannot.
  return bareOf(name) === address.host.toLowerCase() || isAddress(value, { address });
}

function bareOf(name: string): string {
  return name.replace(/^\[|\]$/g, '');
}

function isLoopback(host: string): boolean {
  return loopback.includes(host) || host === '::1';
}

/** Faults 415 for a body that is not said to be JSON, and 406 for a client that does not take both forms of answer. */
export function mediaFault(request: RawRequest): McpFault | undefined {
  const media = requestMediaType(request);
  if (isDenial(media)) return unfit(415, media.message);
  if (media?.type !== 'application/json') return unfit(415, 'Messages are sent as content-type: application/json');
  const wanted = ['application/json', 'text/event-stream'];
  if (wanted.every((type) => accepts(request.headers.accept, type))) return undefined;
  return unfit(406, `Answers are taken as ${wanted.join(' and ')}: name both in the Accept header`);
}

/** The same for a stream that a client opens by GET. */
export function streamFault({ headers }: Pick<RawRequest, 'headers'>): McpFault | undefined {
  return accepts(headers.accept, 'text/event-stream')
    ? undefined
    : unfit(406, 'This is a stream of text/event-stream: name it in the Accept header');
}

/** RFC 9110 §12.5.1; what is weighted with 0 is not taken. */
function accepts(header: string | readonly string[] | undefined, type: string): boolean {
  if (header === undefined) return true;
  const [group = ''] = type.split('/');
  const ranges = [header].flat().join(',').toLowerCase().split(',');
  return ranges.some((range) => {
    const [name = '', ...parameters] = range.split(';').map((part) => part.trim());
    const refused = parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter));
    return !refused && (name === type || name === `${group}/*` || name === '*/*');
  });
}

function forbidden(message: string): McpFault {
  return unfit(403, message);
}

function unfit(status: number, message: string): McpFault {
  return new McpFault(null, rpcCodes.invalidRequest, message, status);
}
