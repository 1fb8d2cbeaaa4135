/**
 * What stands in a payload where a finding stood. Redacted: `[redacted:email]`. Hashed: `[email:` and 16 letters, the
 * same for the same value within a task and another in every other task. Masked: the last four of cards and IBANs,
 * the first letter and the domain of an e-mail address, and `[redacted:…]` for everything else.
 */
import { createHmac } from 'node:crypto';

const hashLetters = 16;
const tailLength = 4;

export function redacted(type: string): string {
  return `[redacted:${type}]`;
}

/** The value as it is compared: the same card is the same with and without its dashes. */
function canonical(type: string, folded: string): string {
  if (type === 'card' || type === 'iban') return folded.replace(/[^0-9a-z]/gi, '').toUpperCase();
  return type === 'email' ? folded.toLowerCase() : folded;
}

/**
 * A keyed digest of 64 bits: enough to tell the values of one task apart, too keyed to be looked up in a table of all
 * cards. Written in the letters a to p, so that no placeholder can ever look like a number or a key itself.
 */
export function hashed(type: string, folded: string, digestKey: string): string {
  const key = Buffer.from(digestKey, 'base64url');
  const digest = createHmac('sha256', key)
    .update(`tollgate/inspection\0${type}\0${canonical(type, folded)}`)
    .digest();
  let letters = '';
  for (const byte of digest.subarray(0, hashLetters / 2))
    letters += String.fromCharCode(97 + (byte >> 4), 97 + (byte & 15));
  return `[${type}:${letters}]`;
}

export function masked(type: string, folded: string): string {
  if (type === 'email') {
    const first = String.fromCodePoint(folded.codePointAt(0) as number);
    return `${first}***${folded.slice(folded.lastIndexOf('@'))}`;
  }
  if (type !== 'card' && type !== 'iban') return redacted(type);
  const value = canonical(type, folded);
  return `${'*'.repeat(value.length - tailLength)}${value.slice(-tailLength)}`;
}
