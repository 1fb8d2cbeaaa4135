/**
 * Messages as server-sent events. What a reader would get wrong: only what lies in the event log has an id, because an id
 * promises that a client can go on from there.
 */
import type { JsonObject } from '../../call.ts';

/** A line that clients skip: it shows everybody on the way that the stream lives. */
export const keepAlive: Buffer = Buffer.from(': \n\n');
/** So often, in milliseconds, where nothing else is sent. */
export const keepAliveMs = 15_000;
/** After which a client comes again whose stream was cut, in milliseconds. */
const retryMs = 1_000;

export const streamHeaders: Readonly<Record<string, string>> = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
};

/** A message; `id` where it can be gone on from. */
export function messageEvent(message: JsonObject, id?: string): Buffer {
  const named = id === undefined ? '' : `id: ${id}\n`;
  return Buffer.from(`event: message\n${named}data: ${JSON.stringify(message)}\n\n`);
}

/** What begins a stream that can be gone on from (2025-11-25, Sending Messages §6): an id, and no message. */
export function primingEvent(id: string): Buffer {
  return Buffer.from(`id: ${id}\nretry: ${retryMs}\ndata: \n\n`);
}

/** A place in a stream, as the id of an event says it. */
export function eventId(stream: string, number: number): string {
  return `${stream}.${number}`;
}

/** Reads what `eventId` wrote; undefined for anything else. */
export function readEventId(text: string): { readonly stream: string; readonly number: number } | undefined {
  const [, stream, number] = /^([A-Za-z0-9_-]{1,64})\.(0|[1-9][0-9]{0,8})$/.exec(text) ?? [];
  return stream === undefined || number === undefined ? undefined : { stream, number: Number(number) };
}
