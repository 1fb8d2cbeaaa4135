/** The name of a model as one segment of a path (RFC 3986 §3.3); SigV4 encodes it once more when it signs. */

/** `:` and `@`, which such names have, stay; the `/` of an ARN does not. */
export function modelSegment(model: string): string {
  return encodeURIComponent(model).replaceAll(/%3A|%40/g, decodeURIComponent);
}
