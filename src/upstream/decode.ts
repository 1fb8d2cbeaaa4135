/**
 * Takes a content coding off an answer. The gate asks for none, but some servers compress regardless, and what is
 * not decoded cannot be inspected: an unknown coding is refused, and a bomb ends at the size bound.
 */
import { Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw, createZstdDecompress } from 'node:zlib';
import { DialError } from './exchange.ts';

const decoders = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

function isKnown(coding: string): coding is keyof typeof decoders {
  return Object.hasOwn(decoders, coding);
}

/** Whether `decode` can read an answer with this `content-encoding`; at most one coding (RFC 9110 §8.4). */
export function canDecode(contentEncoding: string | undefined): boolean {
  const coding = (contentEncoding ?? 'identity').trim().toLowerCase();
  return coding === '' || coding === 'identity' || isKnown(coding);
}

/**
 * The body without its coding, as it flows. Throws DialError `protocol` on damaged data and beyond `bytesMax`.
 * Ask `canDecode` first.
 */
export function decode(
  body: AsyncIterable<Uint8Array>,
  contentEncoding: string | undefined,
  bytesMax: number,
): AsyncIterable<Uint8Array> {
  const coding = (contentEncoding ?? 'identity').trim().toLowerCase();
  return isKnown(coding) ? inflated(body, coding, bytesMax) : body;
}

async function* inflated(
  body: AsyncIterable<Uint8Array>,
  coding: keyof typeof decoders,
  bytesMax: number,
): AsyncGenerator<Uint8Array> {
  const rest = body[Symbol.asyncIterator]();
  const first = await rest.next();
  if (first.done) return; // A 304 names the coding of a body that it does not have.
  const source = Readable.from(whole(first.value, rest), { objectMode: false });
  // RFC 9110 §8.4.1.2: some servers say deflate and leave out the zlib format (RFC 1950) around it.
  const decoder = coding === 'deflate' && !isZlib(first.value) ? createInflateRaw() : decoders[coding]();
  source.on('error', (error) => decoder.destroy(error));
  source.pipe(decoder);
  let bytes = 0;
  try {
    for await (const chunk of decoder as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > bytesMax)
        throw new DialError('protocol', `the answer is larger than ${bytesMax} bytes decoded`, true);
      yield chunk;
    }
  } catch (error) {
    if (error instanceof DialError) throw error;
    throw new DialError('protocol', `the ${coding} coding of the answer is damaged`, true, error);
  } finally {
    source.destroy();
    decoder.destroy();
  }
}

/** RFC 1950 §2.2: the method is 8 in the low bits, and the first two bytes are a multiple of 31. */
function isZlib([method = 0, flags]: Uint8Array): boolean {
  return (method & 0x0f) === 8 && (flags === undefined || ((method << 8) | flags) % 31 === 0);
}

async function* whole(first: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  yield* { [Symbol.asyncIterator]: () => rest };
}
