/** An answer that is read to its end before any of it goes out, for whoever reads answers as they flow. */
import type { Answer, AnswerStream, Frame, StreamEvent } from '../../../call.ts';

/** One frame with all of the answer; its pieces are the segments of it. */
export function wholeAnswer(body: AsyncIterable<Uint8Array>, read: (bytes: Buffer) => Answer): AnswerStream {
  return { [Symbol.asyncIterator]: () => frames(body, read), cut: () => Buffer.alloc(0) };
}

async function* frames(body: AsyncIterable<Uint8Array>, read: (bytes: Buffer) => Answer): AsyncGenerator<Frame> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  yield frameOf(read(Buffer.concat(chunks)));
}

function frameOf(answer: Answer): Frame {
  const segments = answer.segments();
  const events: readonly StreamEvent[] = [{ type: 'end', reason: 'stop' }];
  return {
    bytes: answer.encode().body,
    events,
    pieces: () => segments.map(({ where, text }) => ({ where, text, reading: 'whole' })),
    rewrite: (texts) => {
      for (const [index, text] of texts.entries()) {
        const segment = segments[index];
        if (segment !== undefined && segment.text !== text) segment.write(text);
      }
      return frameOf(answer);
    },
  };
}
