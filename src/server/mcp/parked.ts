/**
 * How a stateless client gets on with a call that waited for its answers: it reads the log of that call, at whichever
 * gateway it has come to, until the call has ended or asks again. To close that stream is to cancel the call.
 */
import type { JsonObject } from '../../call.ts';
import type { Reply } from '../../pipeline.ts';
import type { StreamName } from '../../session/event-log.ts';
import { rpcCodes } from '../../wire/mcp/fault.ts';
import type { RpcRequest } from '../../wire/mcp/message.ts';
import { requestMeta } from '../../wire/mcp/meta.ts';
import { noticeFor } from '../../wire/mcp/outbound.ts';
import { isResponse, jsonOf, withPauses } from './answering.ts';
import { keepAlive, keepAliveMs, messageEvent, streamHeaders } from './event-frames.ts';
import type { McpEndpointPorts } from './ports.ts';
import { cancelOfStream } from './running-call.ts';

/** A call that says nothing for so long is given up, in milliseconds. */
const patienceMs = 15 * 60_000;
/** After which a stream is opened for a call that says nothing, in milliseconds. */
const quietMs = 5_000;

export interface Parked {
  readonly stream: StreamName;
  /** Up to where the client knows it. */
  readonly after: number;
  /** The request that the client came again with. */
  readonly request: RpcRequest;
  /** Aborts when the client leaves. */
  readonly signal: AbortSignal;
}

/** The rest of a call that waited, for the request that brought the answers. */
export async function parkedReply(
  { clock, log, wakes }: Pick<McpEndpointPorts, 'clock' | 'log' | 'wakes'>,
  parked: Parked,
  headers: Readonly<Record<string, string>>,
): Promise<Reply> {
  const { stream, after, request, signal } = parked;
  const left = () => void wakes.wake(cancelOfStream(stream.id));
  signal.addEventListener('abort', left, { once: true });
  const stop = new AbortController();
  const source = withPauses(messages(), clock, quietMs)[Symbol.asyncIterator]();
  const first = await source.next();
  const message = first.value ?? null;
  if (message === null || !isResponse(message)) {
    return { status: 200, headers: { ...headers, ...streamHeaders }, body: events() };
  }
  signal.removeEventListener('abort', left);
  await source.return?.(undefined);
  return jsonOf(message, headers);

  async function* messages(): AsyncGenerator<JsonObject> {
    for await (const event of log.follow(stream, after, patienceMs, AbortSignal.any([signal, stop.signal]))) {
      const told = forRequest(event.message, request);
      if (told !== undefined) yield told;
      if (isResponse(event.message)) return;
    }
    const error = { code: rpcCodes.internalError, message: 'The call that waited for this answer is gone' };
    yield { jsonrpc: '2.0', id: request.id, error };
  }

  async function* events(): AsyncGenerator<Uint8Array> {
    let answered = false;
    let sentMs = clock.monotonicMs();
    try {
      let next: JsonObject | null = message;
      for (;;) {
        if (next !== null) {
          answered = isResponse(next);
          yield messageEvent(next);
          sentMs = clock.monotonicMs();
          if (answered) return;
        } else if (clock.monotonicMs() - sentMs >= keepAliveMs) {
          yield keepAlive;
          sentMs = clock.monotonicMs();
        }
        const step: IteratorResult<JsonObject | null> = await source.next();
        if (step.done === true) return;
        next = step.value;
      }
    } finally {
      signal.removeEventListener('abort', left);
      stop.abort();
      await source.return?.(undefined);
      if (!answered) left();
    }
  }
}

/** A message of the first request, for the one that came later; undefined for what is not for it. */
function forRequest(message: JsonObject, { id, params }: RpcRequest): JsonObject | undefined {
  if (isResponse(message)) return { ...message, id };
  const { progressToken } = requestMeta(params);
  const notice = { method: String(message.method), params: (message.params ?? {}) as JsonObject };
  const told = noticeFor(notice, progressToken === undefined ? {} : { progressToken });
  return told === undefined ? undefined : { ...message, ...told };
}
