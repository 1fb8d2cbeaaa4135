/**
 * Takes from an HTTP request what `verify` asks for. The two ways to get it wrong: a `Txn-Token` that stands there twice,
 * of which somebody else might read the other one; and a body that was parsed and written anew, whose digest is another.
 */

/** What of Node's IncomingMessage is needed; the requests of Fastify, Express and HTTP/2 have it too. */
export interface MessageHeaders {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/**
 * The `Txn-Token` header, or null where there is none. If it stands there more than once the values come joined by
 * commas, which no token holds, so that `verify` refuses them (`token_malformed`): the draft wants exactly one.
 */
export function txnTokenOf({ headers }: MessageHeaders): string | null {
  const value = headers['txn-token'];
  if (value === undefined) return null;
  return typeof value === 'string' ? value : value.join(', ');
}

/** The bytes of a request (or of any stream) as they came. Rejects with RangeError beyond `bytesMax`. */
export async function rawBodyOf(message: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of message) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new RangeError(`the body has more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
