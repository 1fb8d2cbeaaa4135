/**
 * A stream of Bedrock (`application/vnd.amazon.eventstream`) as Anthropic's server-sent events. A message is taken whole
 * and with both its checksums or not at all: a damaged, endless or unfinished one breaks the stream. An exception in it
 * is Anthropic's error event, and its end.
 */
import { crc32 } from 'node:zlib';
import { EventStreamCodec, type Message } from '@smithy/eventstream-codec';
import type { Json, JsonObject } from '../../call.ts';
import { objectOf, textOf } from '../../wire/json-value.ts';
import { withMembers } from '../../wire/members.ts';
import { sseEvent } from '../../wire/sse.ts';
import { DialError } from '../exchange.ts';
import { errorIn } from './foreign-error.ts';

/** Longest message kept in memory: the longest event that is read of a stream, in base64 and a little more. */
const messageBytesMax = 8 * 1024 * 1024;
/** Total length, length of the headers, and the checksum of both. */
const preludeBytes = 12;
/** A prelude and the checksum of the message. */
const messageBytesMin = preludeBytes + 4;
/** What Bedrock measured, in the last event; the model's own counts are in its usage. */
const metrics = 'amazon-bedrock-invocationMetrics';

/** The statuses that Bedrock's reference gives its exceptions, by their names in lower case. */
const statuses: Readonly<Record<string, number>> = {
  accessdeniedexception: 403,
  internalserverexception: 500,
  modelerrorexception: 424,
  modelnotreadyexception: 429,
  modelstreamerrorexception: 424,
  modeltimeoutexception: 408,
  resourcenotfoundexception: 404,
  servicequotaexceededexception: 400,
  serviceunavailableexception: 503,
  throttlingexception: 429,
  validationexception: 400,
};

/** Undefined for a name that Bedrock does not have. */
export function statusOfException(name: string): number | undefined {
  const known = name.toLowerCase();
  return Object.hasOwn(statuses, known) ? statuses[known] : undefined;
}

/** One server-sent event for each of the model's. Throws DialError where the stream is damaged, or ends in a message. */
export async function* messageEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const codec = new EventStreamCodec(
    (bytes) => (typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8')),
    (text) => Buffer.from(text, 'utf8'),
  );
  for await (const bytes of messagesOf(body)) {
    const message = decoded(codec, bytes);
    if (header(message, ':message-type') !== 'event') {
      yield errorEvent(message);
      return;
    }
    const event = header(message, ':event-type') === 'chunk' ? eventOf(message) : null;
    if (event !== null) yield event;
  }
}

/** Whole messages, wherever the chunks end. */
async function* messagesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let chunks: Uint8Array[] = [];
  let heldBytes = 0;
  let wantedBytes = preludeBytes;
  for await (const chunk of body) {
    chunks.push(chunk);
    heldBytes += chunk.length;
    while (heldBytes >= wantedBytes) {
      // Of many messages in one chunk none is copied.
      const held = chunks.length === 1 ? viewOf(chunks[0] as Uint8Array) : Buffer.concat(chunks);
      wantedBytes = lengthIn(held);
      if (heldBytes < wantedBytes) {
        chunks = [held];
        break;
      }
      yield held.subarray(0, wantedBytes);
      const rest = held.subarray(wantedBytes);
      chunks = [rest];
      heldBytes = rest.length;
      wantedBytes = preludeBytes;
    }
  }
  if (heldBytes > 0)
    throw new DialError('reset', 'the event stream of the answer ends in the middle of a message', true);
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** The length of the message that `held` begins with. Its checksum is looked at before it is waited for. */
function lengthIn(held: Buffer): number {
  if (crc32(held.subarray(0, preludeBytes - 4)) !== held.readUInt32BE(preludeBytes - 4)) throw damaged();
  const length = held.readUInt32BE(0);
  if (length < messageBytesMin) throw damaged();
  if (length > messageBytesMax) {
    throw new DialError('protocol', `a message of the answer is larger than ${messageBytesMax} bytes`, true);
  }
  return length;
}

function decoded(codec: EventStreamCodec, bytes: Buffer): Message {
  try {
    return codec.decode(bytes);
  } catch (error) {
    throw damaged(error);
  }
}

function damaged(cause?: unknown): DialError {
  return new DialError('protocol', 'the event stream of the answer is damaged', true, cause);
}

function header({ headers }: Message, name: string): string {
  const value = headers[name]?.value;
  return typeof value === 'string' ? value : '';
}

function jsonOf(bytes: Uint8Array): Json {
  try {
    return JSON.parse(viewOf(bytes).toString('utf8')) as Json;
  } catch (error) {
    throw damaged(error);
  }
}

/** An event of the model with its bytes as they are; null for one without a type, which no event stream could name. */
function eventOf({ body }: Message): Buffer | null {
  const bytes = Buffer.from(textOf(objectOf(jsonOf(body)).bytes), 'base64');
  const event: JsonObject = objectOf(jsonOf(bytes));
  const type = textOf(event.type);
  if (!/^\w{1,64}$/.test(type)) return null;
  // In JSON a line break stands between values only, and as good as a space there.
  const text = bytes.toString('utf8').replaceAll(/[\r\n]/g, ' ');
  return sseEvent(Object.hasOwn(event, metrics) ? withMembers(text, { [metrics]: null }) : text, type);
}

/** Of an exception, which says its words in a document, or of an error, which says them in headers. */
function errorEvent(message: Message): Buffer {
  const name = header(message, ':exception-type') || header(message, ':error-code');
  const document = message.body.length === 0 ? {} : objectOf(jsonOf(message.body));
  const words = textOf(document.message) || textOf(document.Message) || header(message, ':error-message');
  const said = { message: words || name || 'the stream of the model failed', code: null };
  return sseEvent(JSON.stringify(errorIn('anthropic', statusOfException(name) ?? 500, said)), 'error');
}
