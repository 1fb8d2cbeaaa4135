/**
 * Which hosts and addresses the gate may dial. A host is allowed by the configuration, as scheme, name and port
 * together; the address its name resolves to is judged apart, because a name is under somebody else's control and may
 * be pointed at a metadata service (SSRF by DNS). Private and loopback addresses are fine: their host is configured.
 */
import type { LookupAddress } from 'node:dns';
import { BlockList, isIP } from 'node:net';

/** One place that may be dialled. `host` is lower-case, an IPv6 address without its brackets. */
export interface AllowedHost {
  readonly protocol: 'http:' | 'https:';
  readonly host: string;
  readonly port: number;
}

/** The host a configured URL names. Throws TypeError on anything but an http or https URL without user info. */
export function allowedHost(address: string): AllowedHost {
  const url = new URL(address);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new TypeError(`not http or https: ${url.protocol}`);
  if (url.username !== '' || url.password !== '') throw new TypeError('a URL to dial holds no user name or password');
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
  return { protocol: url.protocol, host: url.hostname.replace(/^\[|\]$/g, ''), port };
}

/** One line for one allowed host, to look it up by. */
export function hostKey({ protocol, host, port }: AllowedHost): string {
  return `${protocol}//${host}:${port}`;
}

/** What no name may resolve to; a literal address in the configuration is not asked this. */
function forbiddenAddresses(): BlockList {
  const list = new BlockList();
  list.addSubnet('0.0.0.0', 8, 'ipv4'); // "this host": connects to loopback on Linux
  list.addSubnet('169.254.0.0', 16, 'ipv4'); // link-local: the metadata services of AWS, Azure, Google, ECS
  list.addSubnet('224.0.0.0', 4, 'ipv4'); // multicast
  list.addSubnet('240.0.0.0', 4, 'ipv4'); // reserved, and broadcast
  list.addAddress('100.100.100.200', 'ipv4'); // metadata, Alibaba
  list.addAddress('168.63.129.16', 'ipv4'); // platform channel, Azure
  list.addAddress('192.0.0.192', 'ipv4'); // metadata, Oracle
  list.addAddress('::', 'ipv6');
  list.addSubnet('fe80::', 10, 'ipv6');
  list.addSubnet('ff00::', 8, 'ipv6');
  list.addAddress('fd00:ec2::254', 'ipv6'); // metadata, AWS
  list.addAddress('fd20:ce::254', 'ipv6'); // metadata, Google
  list.addSubnet('64:ff9b::', 96, 'ipv6'); // NAT64 carries any IPv4 address
  return list;
}

/** Tells whether a resolved address may not be dialled. IPv4 addresses in IPv6 form are judged as IPv4. */
export function addressJudge(): (address: string) => boolean {
  const forbidden = forbiddenAddresses();
  return (address) => {
    const bare = address.split('%')[0] ?? '';
    const family = isIP(bare);
    return family === 0 || forbidden.check(bare, family === 4 ? 'ipv4' : 'ipv6');
  };
}

/** The part of node:dns that the dialer asks; a test hands in its own. */
export type Resolve = (
  host: string,
  callback: (error: NodeJS.ErrnoException | null, addresses: readonly LookupAddress[]) => void,
) => void;

// RFC 3986 §3.3 and §3.4: what a path and a query are made of. No fragment, no space, no control character.
const pathAndQuery = /^\/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*$/;
const dotSegment = /(?:^|\/)(?:\.|%2[eE]){1,2}(?:\/|$)/;

/**
 * Splits a URL without changing a byte of its path and query: `new URL` would take `..` away, and a target must get
 * what was decided on. Undefined where it is no URL that can be sent as it stands.
 */
export function splitUrl(address: string): { readonly allowed: AllowedHost; readonly path: string } | undefined {
  const parts = /^https?:\/\/[^/?#\\@\s]+(.*)$/s.exec(address);
  if (parts === null) return undefined;
  const rest = parts[1] ?? '';
  const path = rest === '' || rest.startsWith('?') ? `/${rest}` : rest;
  if (!pathAndQuery.test(path) || dotSegment.test(path.split('?')[0] ?? '')) return undefined;
  try {
    return { allowed: allowedHost(address), path };
  } catch {
    return undefined;
  }
}
