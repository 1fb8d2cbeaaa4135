/**
 * How the client of a running call gets its response: as one JSON document where nothing comes before it, else as the last
 * event of a stream, which also shows that a long call lives. What was cut off is gone on with from the event log.
 */
import type { JsonObject } from '../../call.ts';
import type { Clock } from '../../clock.ts';
import type { Reply } from '../../pipeline.ts';
import type { LoggedEvent } from '../../session/event-log.ts';
import { eventId, keepAlive, keepAliveMs, messageEvent, primingEvent, streamHeaders } from './event-frames.ts';
import type { Outgoing } from './outbox.ts';
import type { RunningCall } from './running-call.ts';

/** A call that has said nothing for so long is answered by a stream, in milliseconds. */
const quietMs = 5_000;
/** From this version on a stream begins with the id that a client can come back with (2025-11-25). */
const primingVersion = '2025-11-25';

/** Whether a message ends the request it answers. */
export function isResponse(message: JsonObject): boolean {
  return !('method' in message);
}

/**
 * The reply to the client of a call that has begun. `headers` are those of a stream: what is known before the call has
 * ended. `version` is the client's, `sessions` whether it has one.
 */
export async function replyOf(
  call: RunningCall,
  version: string,
  sessions: boolean,
  headers: Readonly<Record<string, string>>,
): Promise<Reply> {
  const first = await call.outbox.take(quietMs);
  const reply = call.reply;
  if (first === undefined && reply !== undefined) return reply;
  // Questions to a stateless client are a response like any other.
  if (first !== null && first !== undefined && !sessions && isResponse(first.message))
    return jsonOf(first.message, headers);
  if (!call.stream() && call.reply !== undefined) return call.reply;
  const priming = sessions && version >= primingVersion;
  return { status: 200, headers: { ...headers, ...streamHeaders }, body: events(call, first, sessions, priming) };
}

async function* events(
  call: RunningCall,
  first: Outgoing | null | undefined,
  sessions: boolean,
  priming: boolean,
): AsyncIterable<Uint8Array> {
  const { outbox } = call;
  const stream = outbox.stream.id;
  let answered = false;
  try {
    if (priming) yield primingEvent(eventId(stream, 0));
    for (let next = first; next !== undefined; next = await outbox.take(keepAliveMs)) {
      if (next === null) {
        yield keepAlive;
        continue;
      }
      answered = isResponse(next.message);
      yield messageEvent(next.message, sessions && next.logged ? eventId(stream, next.number) : undefined);
      if (answered) return;
    }
  } finally {
    if (!answered) call.left();
  }
}

/** One message as a document. */
export function jsonOf(message: JsonObject, headers: Readonly<Record<string, string>> = {}): Reply {
  return {
    status: 200,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers },
    body: Buffer.from(JSON.stringify(message)),
  };
}

/** Events of the log as they come, null where none has come for a while. Closes `source` when it is left. */
export async function* withPauses<T>(source: AsyncIterable<T>, clock: Clock, pauseMs: number): AsyncIterable<T | null> {
  const iterator = source[Symbol.asyncIterator]();
  let next: Promise<IteratorResult<T>> | undefined;
  try {
    for (;;) {
      next ??= iterator.next();
      const pause = Promise.withResolvers<null>();
      const timer = clock.after(pauseMs, () => pause.resolve(null));
      const result = await Promise.race([next, pause.promise]);
      timer.cancel();
      if (result === null) {
        yield null;
        continue;
      }
      next = undefined;
      if (result.done === true) return;
      yield result.value;
    }
  } finally {
    await iterator.return?.();
  }
}

/** What a client of an older version missed of a stream, and what comes yet. */
export async function* eventsAgain(
  stream: string,
  source: AsyncIterable<LoggedEvent>,
  clock: Clock,
  end: () => void,
): AsyncIterable<Uint8Array> {
  try {
    // What shows the client at once that it is heard.
    yield keepAlive;
    for await (const event of withPauses(source, clock, keepAliveMs)) {
      yield event === null ? keepAlive : messageEvent(event.message, eventId(stream, event.number));
    }
  } finally {
    end();
  }
}
