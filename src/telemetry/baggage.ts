/**
 * W3C Baggage (https://www.w3.org/TR/baggage/): what of it may go on. An agent can write anything into it, so nothing
 * passes but the keys that the configuration names, without their properties, and only inside the trust domain.
 */

const membersMax = 64;
const charsMax = 8_192;
// §3.2.1.1: a token, and octets without white space, quotes, commas, semicolons and backslashes.
const memberForm = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*([\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*)$/;

/**
 * The members of `header` whose keys are `allowed`, as one header; null if there are none. A list beyond the limits of
 * the specification (64 members, 8192 characters) is dropped whole, a malformed member by itself.
 */
export function allowedBaggage(
  header: string | readonly string[] | undefined,
  allowed: readonly string[],
): string | null {
  if (header === undefined || allowed.length === 0) return null;
  const whole = typeof header === 'string' ? header : header.join(',');
  if (whole.length > charsMax) return null;
  const members = whole.split(',');
  if (members.length > membersMax) return null;
  const kept = new Map<string, string>();
  for (const member of members) {
    const [pair = ''] = member.split(';');
    const [, key, value] = memberForm.exec(pair.replace(/^[ \t]+|[ \t]+$/g, '')) ?? [];
    if (key !== undefined && value !== undefined && allowed.includes(key) && !kept.has(key)) kept.set(key, value);
  }
  return kept.size === 0 ? null : [...kept].map(([key, value]) => `${key}=${value}`).join(',');
}
