/**
 * Reads the body of a request whole, within a bound. A body that is too large is refused at its announcement where
 * there is one; how long it may take is the server's own limit (`limits.request_ms`).
 */
import type { IncomingMessage } from 'node:http';

/** The body is larger than it may be. Its rest is not read. */
export class BodyTooLarge extends Error {
  override readonly name = 'BodyTooLarge';
  readonly bytesMax: number;
  constructor(bytesMax: number) {
    super(`the body is larger than ${bytesMax} bytes`);
    this.bytesMax = bytesMax;
  }
}

/** The bytes of the body. Rejects with `BodyTooLarge`, or if the client leaves before its end. */
export function readBody(message: IncomingMessage, bytesMax: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (Number(message.headers['content-length'] ?? 0) > bytesMax) {
      reject(new BodyTooLarge(bytesMax));
      return;
    }
    const chunks: Buffer[] = [];
    let bytes = 0;
    const take = (chunk: Buffer) => {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes <= bytesMax) return;
      message.off('data', take).pause();
      reject(new BodyTooLarge(bytesMax));
    };
    message.on('data', take);
    message.once('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    message.once('error', reject);
    message.once('close', () => reject(new Error('the client left before the end of the body')));
  });
}
