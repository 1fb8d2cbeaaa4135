/**
 * The digest that ties a Txn-Token to one request. Whoever checks it must use what came over the wire: the path with
 * its query exactly as in the request line, and the body's bytes before anything parses them.
 */
import { createHash } from 'node:crypto';

/**
 * Base64url SHA-256 of: the method in upper case, one space, path and query, one line feed, the body's bytes (none for
 * no body). Neither method nor path can hold a space or a line feed, so no two requests have the same form.
 * @example sentDigest('POST', '/refunds?dry=1', Buffer.from('{}'))
 */
export function sentDigest(method: string, pathWithQuery: string, body: Uint8Array | null): string {
  const digest = createHash('sha256').update(`${method.toUpperCase()} ${pathWithQuery}\n`, 'utf8');
  if (body !== null) digest.update(body);
  return digest.digest('base64url');
}
