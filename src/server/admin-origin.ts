/**
 * Which requests to the admin plane a browser was led to make: to another name than its own (DNS rebinding), from
 * another origin, or from another site. Checked on loopback too, and before the credential: no cookie is ever read
 * here, so this only stands behind the bearer token, which a foreign page does not have.
 */
import { type Denial, deny, isDenial } from '../denial.ts';
import type { RawRequest } from '../wire/dialect.ts';
import { requestMediaType } from '../wire/media.ts';
import type { AdminRoute } from './admin-routes.ts';

const wildcards: ReadonlySet<string> = new Set(['0.0.0.0', '::']);
const loopback = ['127.0.0.1', 'localhost', '::1'];
/** Fetch Metadata: what a page of this very origin, or the person at the address bar, sends. */
const ownSites: ReadonlySet<string> = new Set(['same-origin', 'none']);

/**
 * The values of Host that are the admin plane's: where it listens, loopback, and `gateway.admin_hosts`. Of those, a
 * name without a port stands for itself and for itself with the port of the plane (a proxy before it has its own).
 */
export function adminHosts(
  address: { readonly host: string; readonly port: number },
  configured: readonly string[],
): string[] {
  const own = wildcards.has(address.host) ? loopback : [address.host, ...loopback];
  const named = configured.flatMap((name) => (portForm.test(name) ? [name] : [name, `${name}:${address.port}`]));
  return [...new Set([...own.map((host) => `${bracketed(host)}:${address.port}`), ...named])].map(lower);
}

const portForm = /:[0-9]{1,5}$/;

/**
 * Denies `request_invalid` for what a browser was led to do. `hosts` are in lower case. To what is `linked`, a document
 * that shows nothing by itself, a link on another site may lead.
 */
export function denyStranger(
  { method, headers }: RawRequest,
  hosts: readonly string[],
  linked = false,
): Denial | undefined {
  const { host, origin, 'sec-fetch-site': site } = headers;
  if (typeof host !== 'string' || !hosts.includes(lower(host))) {
    return deny('request_invalid', 'The Host header is not one of the admin plane; gateway.admin_hosts names more.', {
      reasons: [{ code: 'host_unknown', message: 'Ask it by a name that is its own.' }],
    });
  }
  if (origin !== undefined && !hosts.some((own) => origin === `http://${own}` || origin === `https://${own}`)) {
    return deny('request_invalid', 'Requests from other origins are not answered.', {
      reasons: [{ code: 'origin_foreign', message: 'The Origin header is not one of the admin plane.' }],
    });
  }
  const followed =
    linked && method === 'GET' && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
  if (site !== undefined && !followed && !(typeof site === 'string' && ownSites.has(site))) {
    return deny('request_invalid', 'Requests from other sites are not answered.', {
      reasons: [{ code: 'site_foreign', message: 'The Sec-Fetch-Site header is of another site.' }],
    });
  }
  return undefined;
}

/**
 * Denies a body that is not JSON by its own word: `application/json` is what a form of a foreign page cannot send
 * without being asked for leave first. Denies 415, or 400 where `route` says so.
 */
export function denyForeignBody(request: RawRequest, route: Pick<AdminRoute, 'mediaIsBadRequest'>): Denial | undefined {
  if (request.body.length === 0) return undefined;
  const media = requestMediaType(request);
  if (isDenial(media)) return media;
  if (media?.type === 'application/json') return undefined;
  if (route.mediaIsBadRequest === true) return deny('request_invalid', 'The body must be application/json.');
  return deny('media_type_unsupported', 'The body must be application/json.', { allowed: ['application/json'] });
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function lower(text: string): string {
  return text.toLowerCase();
}
