/**
 * JSON Web Tokens in compact form: signed (RFC 7515 §7.1, three parts) and encrypted (RFC 7516 §7.1, five). The first
 * part must decode to a JSON object with `alg` or `typ`; that alone tells a token from other dotted base64. Whether
 * the token is valid or expired does not matter. Longer than a stream window: streams need a state here.
 */
import { runEnd } from '../characters.ts';
import { word } from '../key_shapes.ts';
import type { Recognizer, Span } from '../recognizer.ts';

const opening = 'eyJ';
const headerMin = 12;
const headerMax = 1024;
const partMax = 32_768;
const dot = 0x2e;
const headerMember = /"(?:alg|typ|enc|kid)"/;

function isBeginning(text: string, at: number): boolean {
  return opening.startsWith(text.slice(at));
}

export const jwt: Recognizer = {
  name: 'jwt',
  triggers: { tokenStart: 'e' },
  longestMatch: headerMax + 4 * (partMax + 1),
  examine(text, at): Span | number | undefined {
    if (!text.startsWith(opening, at)) return undefined;
    const headerEnd = runEnd(text, at, word, headerMax);
    if (text.charCodeAt(headerEnd) !== dot || headerEnd - at < headerMin) return undefined;
    if (!headerMember.test(Buffer.from(text.slice(at, headerEnd), 'base64url').toString('latin1'))) return undefined;
    const ends: number[] = [headerEnd];
    while (ends.length < 5 && text.charCodeAt(ends.at(-1) as number) === dot) {
      const from = (ends.at(-1) as number) + 1;
      const to = runEnd(text, from, word, partMax);
      ends.push(to);
    }
    // An encrypted token has five parts, the second of them often empty; a signed one three, unsigned ones an empty
    // third. A dot behind them ends a sentence.
    const parts = ends.length === 5 && (ends[4] as number) > (ends[3] as number) + 1 ? 5 : 3;
    const end = ends[parts - 1];
    if (end === undefined || (parts === 3 && (ends[1] as number) === headerEnd + 1)) return undefined;
    return { start: at, end, type: 'jwt', confidence: 0.99 };
  },
  open(text, at): number | undefined {
    if (!text.startsWith(opening, at))
      return at + opening.length > text.length && isBeginning(text, at) ? at : undefined;
    let end = runEnd(text, at, word, headerMax);
    if (end === text.length) return at;
    if (!headerMember.test(Buffer.from(text.slice(at, end), 'base64url').toString('latin1'))) return undefined;
    for (let parts = 1; parts < 5 && text.charCodeAt(end) === dot; parts++) {
      end = runEnd(text, end + 1, word, partMax);
      if (end === text.length) return at;
    }
    return undefined;
  },
};
