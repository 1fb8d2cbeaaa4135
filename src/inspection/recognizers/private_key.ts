/**
 * Private keys in PEM (RFC 7468) and its relatives (OpenSSH, PGP armor), from `-----BEGIN` to the END line, or as far
 * as the body goes where the end is missing: most of a key is a key. A header that nothing follows is somebody
 * talking about keys, and is not reported. Matches are far longer than a stream window: streams need a state here.
 */
import { alphanumerics, charset, runEnd } from '../characters.ts';
import type { Recognizer, Span } from '../recognizer.ts';

const begin = '-----BEGIN ';
const label = /-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----/y;
const end = /-{5}END [A-Z0-9 ]{0,48}PRIVATE KEY(?: BLOCK)?-{5}/y;
/** RSA with 16,384 bits takes 13 KB; PGP armor with several subkeys and a photo takes more. */
const bodyMax = 65_536;
const bodyMin = 40;
// Headers (`Proc-Type: 4,ENCRYPTED`) stand in the body too; a dash only inside them, never five in a row.
const body = charset(`${alphanumerics}+/=\n\r\t :,.()`);
const hyphen = 0x2d;
/** Lengths that the two lines around a key never exceed. */
const labelMax = begin.length + 64;
const endMax = 88;

/** Where the body that begins at `from` ends. */
function bodyEnd(text: string, from: number): number {
  let to = from;
  do to = runEnd(text, text.charCodeAt(to) === hyphen ? to + 1 : to, body, bodyMax);
  while (to - from < bodyMax && text.charCodeAt(to) === hyphen && text.charCodeAt(to + 1) !== hyphen);
  return to;
}

export const privateKey: Recognizer = {
  name: 'private_key',
  triggers: { anywhere: '-' },
  longestMatch: labelMax + 2 * bodyMax + endMax,
  examine(text, at): Span | number | undefined {
    if (!text.startsWith(begin, at)) return undefined;
    label.lastIndex = at;
    if (!label.test(text)) return undefined;
    const from = label.lastIndex;
    const to = bodyEnd(text, from);
    if (to - from < bodyMin) return from;
    end.lastIndex = to;
    return { start: at, end: end.test(text) ? end.lastIndex : to, type: 'private_key', confidence: 0.99 };
  },
  open(text, at): number | undefined {
    if (!text.startsWith(begin, at)) return begin.startsWith(text.slice(at)) ? at : undefined;
    label.lastIndex = at;
    if (!label.test(text)) return text.length < at + labelMax ? at : undefined;
    const to = bodyEnd(text, label.lastIndex);
    if (to === text.length) return at;
    end.lastIndex = to;
    if (end.test(text)) return end.lastIndex === text.length ? at : undefined;
    return text.charCodeAt(to) === hyphen && text.length < to + endMax ? at : undefined;
  },
};
