/**
 * Which URLs may be fetched on behalf of an issuer. Keys that come over plain HTTP are whoever's sits on the network;
 * only a development issuer on loopback may do so, and only towards loopback.
 */

/**
 * Why `url` may not be fetched on behalf of `issuer`, or undefined if it may: https, without user and fragment; http
 * where both are on loopback.
 */
export function unfitUrl(url: string, issuer: string): string | undefined {
  if (!URL.canParse(url)) return 'expected a URL';
  const { protocol, username, password, hash } = new URL(url);
  if (username !== '' || password !== '' || hash !== '') return 'expected a URL without user, password and fragment';
  if (protocol === 'https:') return undefined;
  if (protocol !== 'http:') return 'expected an https:// URL';
  if (isLoopback(url) && URL.canParse(issuer) && isLoopback(issuer)) return undefined;
  return 'http:// is only for issuers on loopback: expected https://';
}

/** Whether a URL (that can be parsed) names this machine. */
export function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
