/**
 * Answers of HTTP tools that flow: bytes as they are, texts cut between characters, and lines or events of JSON each as a
 * document of its own, whose strings are read as they mean and not as they are escaped. What a reader would get wrong:
 * what claims to be bytes is read as text for as long as it is one; JSON never flows, because the policy decides on its
 * body.
 */
import { isUtf8 } from 'node:buffer';
import type { AnswerFlow, AnswerHead, AnswerStream, Frame, Segment } from '../../../call.ts';
import { type EventReading, eventFrames, StreamBroken } from '../../event-frames.ts';
import { brokenCharacterBytes, silentFrame } from '../../frame.ts';
import { parseAnswerText } from '../../json.ts';
import { isJsonType, isTextType, parseMediaType } from '../../media.ts';
import { EditableJson } from '../../segments.ts';
import { type SseEvent, withData } from '../../sse.ts';

/** The longest line of JSON; what is longer is no line that could be looked through. */
const lineBytesMax = 1_048_576;

const lineTypes: ReadonlySet<string> = new Set([
  ...['application/x-ndjson', 'application/ndjson', 'application/jsonl', 'application/x-jsonlines'],
  ...['application/json-lines', 'application/x-json-stream', 'application/json-seq'],
]);

function typeOf(head: AnswerHead): string {
  return parseMediaType(head.headers['content-type'] ?? '')?.type ?? 'text/plain';
}

/** Whether inspection reads answers of this media type, or parts of one that say of themselves what they are. */
export function mayHoldText(type: string): boolean {
  return isTextType(type) || isJsonType(type) || lineTypes.has(type) || type.startsWith('multipart/');
}

/** Whether an answer of a tool may pass while it flows. */
export function answerFlowOf(head: AnswerHead): AnswerFlow {
  const type = typeOf(head);
  // A problem of the target is told whole, so that the gate can say the same.
  if (head.status < 200 || head.status > 299 || isJsonType(type)) return 'never';
  // Of what may not pass in parts, nothing goes out before that is seen.
  if (head.status === 206 && mayHoldText(type)) return 'never';
  if (type === 'text/event-stream' || lineTypes.has(type)) return 'always';
  return isTextType(type) ? 'beyond' : 'always';
}

/** The frames of an answer that flows. What `body` throws is passed on; throws `StreamBroken` for endless lines. */
export function flowingAnswer(head: AnswerHead, body: AsyncIterable<Uint8Array>): AnswerStream {
  return { [Symbol.asyncIterator]: () => framesOf(typeOf(head), body), cut: () => Buffer.alloc(0) };
}

async function* framesOf(type: string, body: AsyncIterable<Uint8Array>): AsyncGenerator<Frame> {
  if (type === 'text/event-stream') yield* eventFrames(body, new ToolEvents());
  else if (lineTypes.has(type)) yield* lineFrames(body);
  else if (isTextType(type)) yield* textFrames(body);
  else yield* byteFrames(body);
  yield silentFrame(Buffer.alloc(0), [{ type: 'end', reason: 'stop' }]);
}

/** Bytes: from the first that no text has on, nobody reads them as one. */
async function* byteFrames(body: AsyncIterable<Uint8Array>): AsyncGenerator<Frame> {
  let rest: Buffer | null = Buffer.alloc(0);
  for await (const chunk of body) {
    if (rest === null) {
      yield silentFrame(chunk);
      continue;
    }
    const bytes: Buffer = Buffer.concat([rest, chunk]);
    const whole: Buffer = bytes.subarray(0, bytes.length - brokenCharacterBytes(bytes));
    const isText: boolean = !whole.includes(0) && isUtf8(whole);
    rest = isText ? bytes.subarray(whole.length) : null;
    if (!isText) yield silentFrame(bytes);
    else if (whole.length > 0) yield plainFrame(whole);
  }
  if (rest !== null && rest.length > 0) yield silentFrame(rest);
}

async function* textFrames(body: AsyncIterable<Uint8Array>): AsyncGenerator<Frame> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of body) {
    const bytes: Buffer = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    if (bytes.includes(0)) throw new StreamBroken('the target sent a text with NUL characters');
    const whole = bytes.length - brokenCharacterBytes(bytes);
    rest = bytes.subarray(whole);
    if (whole > 0) yield plainFrame(bytes.subarray(0, whole));
  }
  if (rest.length > 0) yield plainFrame(rest);
}

/** Text that goes on in the next frame. It is data of a tool, and nothing that somebody said: there are no events. */
function plainFrame(bytes: Buffer): Frame {
  const text = bytes.toString('utf8');
  const frame: Frame = {
    bytes,
    events: [],
    pieces: () => [{ where: '', text, reading: 'flow' }],
    rewrite: ([changed = text]) => (changed === text ? frame : plainFrame(Buffer.from(changed))),
  };
  return frame;
}

async function* lineFrames(body: AsyncIterable<Uint8Array>): AsyncGenerator<Frame> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of body) {
    const bytes: Buffer = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    const end = bytes.lastIndexOf(0x0a) + 1;
    for (let from = 0; from < end; ) {
      const to = bytes.indexOf(0x0a, from) + 1;
      yield documentFrame(bytes.subarray(from, to));
      from = to;
    }
    rest = bytes.subarray(end);
    if (rest.length > lineBytesMax) throw new StreamBroken('the target sent a line that is too long');
  }
  if (rest.length > 0) yield documentFrame(rest);
}

/** A line (or a record of RFC 7464) as a document of its own; a line that is none as text. */
function documentFrame(line: Buffer): Frame {
  const text = line.toString('utf8');
  return jsonFrame(line, text, (said) => Buffer.from(text.replace(trimmed(text), () => said)));
}

/** Events of a tool: data that is JSON by its strings, other data as text. */
class ToolEvents implements EventReading {
  readonly ended = false;

  read(event: SseEvent): Frame {
    const { data, raw } = event;
    // Comments and other fields reach nobody who reads events, but somebody who reads bytes.
    if (data === null) return plainFrame(raw);
    const aside = raw.toString('utf8').replace(/^data:.*$/gm, '');
    if (/[^\s]/.test(aside.replaceAll(/^(?:event|id|retry):[ \w.-]{0,64}$/gm, ''))) return plainFrame(raw);
    return jsonFrame(raw, data, (said) => withData(event, said));
  }

  end(): Frame {
    return silentFrame(Buffer.alloc(0));
  }
}

function trimmed(text: string): string {
  const from = text.startsWith('\u001e') ? 1 : 0;
  return text.slice(from).trim();
}

/** `bytes` that say `text`, a JSON document; what is none is text that goes on in the next frame. */
function jsonFrame(bytes: Buffer, text: string, rewritten: (said: string) => Buffer): Frame {
  const parsed = isUtf8(bytes) ? parseAnswerText(trimmed(text)) : undefined;
  if (parsed === undefined) return plainFrame(bytes);
  const document = new EditableJson(parsed.exact);
  const segments: readonly Segment[] = document.segments();
  const pieces = segments.map(({ where, text: said }) => ({ where, text: said, reading: 'whole' }) as const);
  const frame: Frame = {
    bytes,
    events: [],
    pieces: () => pieces,
    rewrite: (texts) => {
      for (const [index, said] of texts.entries()) {
        if (said !== pieces[index]?.text) segments[index]?.write(said);
      }
      return document.changed ? silentFrame(rewritten(JSON.stringify(document.value))) : frame;
    },
  };
  return frame;
}
