/**
 * A stream of server-sent events as frames, whatever they mean: bytes in, one frame an event, until the reader says that
 * the answer has ended. What comes after the end is read away within a bound, so that the connection can be used again.
 */
import type { Frame } from '../call.ts';
import { type SseEvent, SseParser } from './sse.ts';

/** What may come after the end before the gate stops reading. */
const tailBytesMax = 64 * 1024;

/** A stream that is not what its surface promises, or ends before its end; its last bytes are held back. */
export class StreamBroken extends Error {
  override readonly name = 'StreamBroken';
}

/** What makes sense of the events of one answer. */
export interface EventReading {
  /** Whether the answer has ended; nothing is read any more then. */
  readonly ended: boolean;
  read(event: SseEvent): Frame;
  /** The stream is over, and the answer had not ended. */
  end(): Frame;
}

/** The frames of `body`. What it throws is passed on; throws `StreamBroken` for an event that is too long. */
export async function* eventFrames(body: AsyncIterable<Uint8Array>, reader: EventReading): AsyncGenerator<Frame> {
  const parser = new SseParser();
  let tailBytes = 0;
  for await (const chunk of body) {
    if (reader.ended) {
      tailBytes += chunk.length;
      if (tailBytes > tailBytesMax) return;
      continue;
    }
    for (const event of parser.push(chunk)) {
      if (!reader.ended) yield reader.read(event);
    }
    if (parser.overflowed && !reader.ended) throw new StreamBroken('the target sent an event that is too long');
  }
  const rest = reader.ended ? undefined : parser.end();
  if (rest !== undefined && rest.data !== null) yield reader.read(rest);
  if (!reader.ended) yield reader.end();
}
