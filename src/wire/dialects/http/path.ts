/**
 * The one reading of a request path. Percent-decoding happens once, and what a second decoding, a matrix parameter, a
 * backslash or a dot segment could turn into another path is refused, so that the policy and the target cannot read
 * the same request as two. The path that goes out is built anew from what was read here.
 */

/** Longest path taken, and most segments. */
const pathCharsMax = 8192;
const segmentsMax = 128;

/** RFC 3986 §3.3 `pchar` without `;`, whose meaning servers do not agree on. */
const segmentPattern = /^(?:[A-Za-z0-9\-._~!$&'()*+,=:@]|%[0-9A-Fa-f]{2})*$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const controls = /[\u0000-\u001f\u007f-\u009f]/;

export type PathReading = { readonly segments: readonly string[] } | { readonly fault: string };

/**
 * The decoded segments of a raw path that begins with `/`. The last one is empty for a path that ends in `/`: that is
 * another path than the one without.
 */
export function readPath(raw: string): PathReading {
  if (raw.length > pathCharsMax) return { fault: 'the path is too long' };
  if (!raw.startsWith('/')) return { fault: 'the path must begin with a slash' };
  const parts = raw.slice(1).split('/');
  if (parts.length > segmentsMax) return { fault: 'the path has too many segments' };
  const segments: string[] = [];
  for (const [index, part] of parts.entries()) {
    if (part === '' && index === parts.length - 1) {
      segments.push('');
      continue;
    }
    if (!segmentPattern.test(part))
      return { fault: 'the path holds a character that must be percent-encoded, or is not taken' };
    const decoded = percentDecoded(part);
    if (decoded === undefined) return { fault: 'the path is not percent-encoded UTF-8' };
    const fault = segmentFault(decoded);
    if (fault !== null) return { fault: `a segment of the path ${fault}` };
    segments.push(decoded);
  }
  return { segments };
}

/** Why a decoded segment cannot stand in a path; null if it can. */
export function segmentFault(segment: string): string | null {
  if (segment === '') return 'is empty';
  if (segment === '.' || segment === '..') return 'is a dot segment';
  if (segment.includes('/') || segment.includes('\\')) return 'holds a slash or backslash';
  if (segment.includes('%')) return 'is encoded twice or holds a percent sign';
  if (segment.includes(';')) return 'holds a semicolon';
  if (controls.test(segment)) return 'holds a control character';
  return segment.isWellFormed() ? null : 'is not Unicode';
}

/** One percent-decoding (RFC 3986 §2.1); undefined for broken escapes and for what is not UTF-8. */
export function percentDecoded(text: string): string | undefined {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
