/** Frames of a stream that are easily said: those without text, and those that are nothing but text. */
import type { Frame, StreamEvent } from '../call.ts';

/** A frame without text for inspection. */
export function silentFrame(bytes: Uint8Array, events: readonly StreamEvent[] = []): Frame {
  const frame: Frame = { bytes, events, pieces: () => [], rewrite: () => frame };
  return frame;
}

/** Whole characters of a text that flows; `bytes` are its UTF-8. */
export function textFrame(bytes: Buffer): Frame {
  const text = bytes.toString('utf8');
  if (text === '') return silentFrame(bytes);
  return {
    bytes,
    events: [{ type: 'text', text }],
    pieces: () => [{ where: '', text, reading: 'flow' }],
    rewrite: ([changed = text]) => (changed === text ? textFrame(bytes) : textFrame(Buffer.from(changed))),
  };
}

/** How many bytes at the end of `bytes` are the beginning of a character that is not all there (RFC 3629 §3). */
export function brokenCharacterBytes(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;
    const width = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    return width > back ? back : 0;
  }
  return 0;
}
