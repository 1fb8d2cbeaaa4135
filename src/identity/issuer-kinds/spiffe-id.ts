/**
 * SPIFFE IDs (SPIFFE-ID §2) in their only form: two spellings of one identity would be two agents to a policy, and a
 * path with `..` could be read as another by whoever normalizes it.
 */

const trustDomainForm = /^[a-z0-9._-]{1,255}$/;
const segmentForm = /^[A-Za-z0-9._-]+$/;
const scheme = 'spiffe://';

export function isTrustDomain(name: string): boolean {
  return trustDomainForm.test(name);
}

/**
 * The trust domain of a workload's SPIFFE ID; undefined for what is none: another scheme, a port or user, percent
 * signs, a query, empty segments, `.` and `..`, a trailing slash, or no path at all (that names the domain itself).
 */
export function trustDomainOf(id: string): string | undefined {
  if (!id.startsWith(scheme)) return undefined;
  const [domain = '', ...segments] = id.slice(scheme.length).split('/');
  if (!isTrustDomain(domain) || segments.length === 0) return undefined;
  const good = segments.every((segment) => segmentForm.test(segment) && segment !== '.' && segment !== '..');
  return good ? domain : undefined;
}
