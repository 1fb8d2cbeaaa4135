/**
 * What a program of the world received, request by request. The story reads it to tell what the gate let through; a
 * request is recorded before it is judged, so that a refused one shows too.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

export interface Received {
  readonly atMs: number;
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const receivedMax = 10_000;

/** The requests one program received, oldest first. */
export class Recorder {
  readonly all: Received[] = [];

  add(request: IncomingMessage, body: Buffer): Received {
    const received: Received = {
      atMs: Date.now(),
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: body.toString('utf8'),
    };
    if (this.all.length >= receivedMax) this.all.shift();
    this.all.push(received);
    return received;
  }
}
