/**
 * What two calls are compared by: everything that would be sent, and of a model call its prompt alone. What a reader
 * would get wrong: these are plain, and a card number can be read or guessed from them; they stay in memory, and what is
 * kept anywhere is `keyedDigest` of them.
 */
import { createHmac, hash } from 'node:crypto';
import type { Json, Operation, Payload } from '../call.ts';
import { canonical } from '../wire/canonical.ts';
import { isPrompt } from '../wire/prompt.ts';

/** Below that many characters a value stands for itself: to make it shorter would cost more than it saves. */
const shortChars = 128;

/** Plain texts: what is long in them is there by its SHA-256. */
export interface CallDigests {
  /** Operation and canonical payload: equal for equal calls, however they are spelt. */
  readonly whole: string;
  /** A model call without what only turns its sampling, whichever model is asked; null for other calls. */
  readonly prompt: string | null;
}

/** The payload is made canonical once; a prompt of a megabyte would be felt twice. */
export function callDigests({ name, kind }: Operation, payload: Pick<Payload, 'document'>): CallDigests {
  const members = membersOf(payload.document()).map(
    ([member, value]) => [member, shortened(canonical(value))] as const,
  );
  const prompt = kind === 'model' ? JSON.stringify(members.filter(([member]) => isPrompt(member))) : null;
  return { whole: JSON.stringify([name, members]), prompt };
}

/** What may be kept of such a text, and of others before it: base64url; nobody finds its call without `key` (base64url). */
export function keyedDigest(key: string, ...texts: readonly string[]): string {
  const hmac = createHmac('sha256', Buffer.from(key, 'base64url'));
  // With their lengths, so that nothing can be shifted from one to the next.
  for (const text of texts) hmac.update(`${text.length}:${text}`);
  return hmac.digest('base64url');
}

function membersOf(document: Json): readonly (readonly [string, Json])[] {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) return [['', document]];
  return Object.entries(document).sort(([one], [other]) => (one < other ? -1 : 1));
}

/** A canonical text never begins with `#`. */
function shortened(text: string): string {
  return text.length <= shortChars ? text : `#${hash('sha256', text, 'base64url')}`;
}
