/** What must be true of an address that policies come from or reports go to, before anything is sent there. */
import { X509Certificate } from 'node:crypto';

const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/**
 * What is wrong with an address, in words; undefined if nothing is. `expected` says what would be right, `token` where a
 * secret belongs that somebody may have put into it.
 */
export function urlFault(address: string, expected: string, token: string): string | undefined {
  const url = URL.parse(address);
  if (url === null || !/^https?:$/.test(url.protocol)) return `expected ${expected}`;
  if (url.username !== '' || url.password !== '') return `a URL holds no user or password: use ${token}`;
  if (url.hash !== '') return 'expected a URL without a fragment';
  if (url.protocol === 'http:' && !loopback.test(url.hostname)) return 'expected https: (http only on loopback)';
  return undefined;
}

/** Whether `pem` begins with a certificate. */
export function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).fingerprint256 !== '';
  } catch {
    return false;
  }
}
