/**
 * What a target shows of the credential it was called with: an echo, a debugging page, AWS quoting the request whose
 * signature it did not take. An agent would read it there, so such a header is left out and such a body breaks off
 * before the first byte of it. What a reader would get wrong: a target that encodes it anew is not found out.
 */
import { DialError } from './exchange.ts';

/** What a credential sends that is no secret. */
const open: ReadonlySet<string> = new Set(['host', 'x-amz-content-sha256', 'x-amz-date']);
/** Anything shorter may stand in an answer by chance. */
const secretBytesMin = 16;

/** The secrets among the headers of a credential, without the scheme in front of them. */
export function secretsOf(headers: Readonly<Record<string, string>>): readonly Buffer[] {
  return Object.entries(headers)
    .filter(([name]) => !open.has(name))
    .map(([, value]) => Buffer.from(value.replace(/^[A-Za-z][\w-]* +/, ''), 'latin1'))
    .filter(({ length }) => length >= secretBytesMin);
}

/** The headers in which no secret stands. */
export function headersWithout(
  secrets: readonly Buffer[],
  headers: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const shows = (value: string) => secrets.some((secret) => value.includes(secret.toString('latin1')));
  return Object.fromEntries(Object.entries(headers).filter(([, value]) => !shows(value)));
}

/** The body as it comes, held back only where its last bytes may begin a secret. Throws DialError at a secret. */
export async function* bodyWithout(
  secrets: readonly Buffer[],
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of body) {
    const bytes =
      held.length === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length) : Buffer.concat([held, chunk]);
    if (secrets.some((secret) => bytes.includes(secret))) {
      throw new DialError('protocol', 'the answer shows the credential that it was asked with', true);
    }
    const heldBytes = Math.max(...secrets.map((secret) => begunBytes(secret, bytes)));
    held = bytes.subarray(bytes.length - heldBytes);
    if (heldBytes < bytes.length) yield bytes.subarray(0, bytes.length - heldBytes);
  }
  if (held.length > 0) yield held;
}

/** How many of the last bytes are the first ones of the secret. */
function begunBytes(secret: Buffer, bytes: Buffer): number {
  const from = Math.max(0, bytes.length - secret.length + 1);
  for (let at = bytes.indexOf(secret[0] as number, from); at !== -1; at = bytes.indexOf(secret[0] as number, at + 1)) {
    if (bytes.subarray(at).equals(secret.subarray(0, bytes.length - at))) return bytes.length - at;
  }
  return 0;
}
