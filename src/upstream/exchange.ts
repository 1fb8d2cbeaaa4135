/**
 * One HTTP exchange on a dispatcher of undici: phases with a time-out each, one abort that works before the headers
 * too, and a body read with backpressure and a bound. Not for use outside the dialer, which judges the host first.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { type Dispatcher, errors } from 'undici';
import type { Clock, Timer } from '../clock.ts';

export type DialErrorKind = 'refused_host' | 'connect' | 'timeout' | 'reset' | 'protocol' | 'aborted';

/** How an exchange failed. The message names no header and no body; it may be logged, not shown to an agent. */
export class DialError extends Error {
  override readonly name = 'DialError';
  readonly kind: DialErrorKind;
  /** Whether a byte of the request may have gone out; if not, sending it again is safe. */
  readonly sent: boolean;

  constructor(kind: DialErrorKind, message: string, sent: boolean, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
    this.sent = sent;
  }
}

export interface Timeouts {
  /** Until a connection is there: name look-up, TCP, TLS, and waiting for a free one. */
  readonly connect: number;
  /** From the request's start on the connection until the head of the answer. */
  readonly firstByte: number;
  /** For everything, the body included. */
  readonly total: number;
}

export interface DialAnswer {
  readonly status: number;
  /** Lower-case names; a header that came more than once is joined with commas (RFC 9110 §5.3). */
  readonly headers: Record<string, string>;
  /** Read once, to the end; leaving the loop early closes the connection. Throws DialError. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Closes the connection of an answer that nobody will read. */
  close(): void;
}

export interface ExchangeRequest {
  readonly origin: string;
  readonly path: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | null;
  readonly signal: AbortSignal;
  readonly timeoutMs: Timeouts;
  readonly bodyBytesMax: number;
  /** Unread bytes of the body at which the connection is told to wait. */
  readonly bufferedBytesMax: number;
}

const protocolCodes = /^UND_ERR_(HEADERS_OVERFLOW|RES_|RESPONSE|INVALID|REQ_)/;

/** Joins repeated headers; `set-cookie` cannot be joined and never passes the gate anyway. */
function flatten(headers: IncomingHttpHeaders): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value;
  }
  return flat;
}

class Exchange implements Dispatcher.DispatchHandler {
  readonly answer: Promise<DialAnswer>;
  readonly #request: ExchangeRequest;
  readonly #clock: Clock;
  readonly #timers = new Set<Timer>();
  readonly #onAbort = () => this.#fail('aborted', 'the call was given up');
  #done: (() => void) | undefined;
  #resolve: (answer: DialAnswer) => void = () => undefined;
  #reject: (error: DialError) => void = () => undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #started = false;
  #phase: 'head' | 'body' | 'ended' = 'head';
  #phaseTimer: Timer | undefined;
  #error: DialError | undefined;
  #chunks: Uint8Array[] = [];
  #bufferedBytes = 0;
  #bodyBytes = 0;
  #wake: (() => void) | undefined;

  /** `done` is called once, when the dispatcher has let go of the request; that may be after it was given up. */
  constructor(request: ExchangeRequest, clock: Clock, done: () => void) {
    this.#request = request;
    this.#clock = clock;
    this.#done = done;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const { connect, total } = request.timeoutMs;
    this.#timer(total, () => this.#fail('timeout', `not over within ${total} ms`));
    this.#phaseTimer = this.#timer(connect, () => this.#fail('connect', `no connection within ${connect} ms`));
    if (request.signal.aborted) this.#onAbort();
    else request.signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  #timer(delayMs: number, task: () => void): Timer {
    const timer = this.#clock.after(delayMs, task);
    this.#timers.add(timer);
    return timer;
  }

  #fail(kind: DialErrorKind, message: string, cause?: unknown): void {
    if (this.#phase === 'ended') return;
    const error = new DialError(kind, message, this.#started, cause);
    this.#end(error);
    this.#controller?.abort(error);
  }

  #end(error?: DialError): void {
    this.#phase = 'ended';
    this.#error = error;
    for (const timer of this.#timers) timer.cancel();
    this.#request.signal.removeEventListener('abort', this.#onAbort);
    if (error !== undefined) this.#reject(error);
    this.#wake?.();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#phase === 'ended') {
      // Given up while it waited for a connection: nothing is written.
      controller.abort(this.#error ?? new DialError('aborted', 'the call was given up', false));
      return;
    }
    this.#started = true;
    this.#phaseTimer?.cancel();
    const { firstByte } = this.#request.timeoutMs;
    this.#phaseTimer = this.#timer(firstByte, () => this.#fail('timeout', `no answer within ${firstByte} ms`));
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200 || this.#phase !== 'head') return; // 103 and the like announce; the head is still to come.
    this.#phase = 'body';
    this.#phaseTimer?.cancel();
    const close = () => this.#fail('aborted', 'the answer was not read');
    this.#resolve({ status, headers: flatten(headers), body: this.#read(), close });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#phase !== 'body') return;
    this.#bodyBytes += chunk.length;
    if (this.#bodyBytes > this.#request.bodyBytesMax) {
      this.#fail('protocol', `the answer is larger than ${this.#request.bodyBytesMax} bytes`);
      return;
    }
    this.#chunks.push(chunk);
    this.#bufferedBytes += chunk.length;
    if (this.#bufferedBytes > this.#request.bufferedBytesMax) controller.pause();
    this.#wake?.();
  }

  onResponseEnd(): void {
    this.release();
    if (this.#phase === 'head') this.#fail('protocol', 'the answer has no head');
    else if (this.#phase === 'body') this.#end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.release();
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof DialError) this.#fail(error.kind, error.message, error);
    else if (error instanceof errors.HTTPParserError || protocolCodes.test(code ?? '')) {
      this.#fail('protocol', `not proper HTTP: ${code ?? error.name}`, error);
    } else if (!this.#started) this.#fail('connect', `no connection: ${code ?? error.message}`, error);
    else this.#fail('reset', `the connection broke off: ${code ?? error.message}`, error);
  }

  release(): void {
    this.#done?.();
    this.#done = undefined;
  }

  async *#read(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const chunk = this.#chunks.shift();
        if (chunk !== undefined) {
          this.#bufferedBytes -= chunk.length;
          yield chunk;
          continue;
        }
        if (this.#error !== undefined) throw this.#error;
        if (this.#phase === 'ended') return;
        this.#controller?.resume();
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
    } finally {
      this.#fail('aborted', 'the answer was not read to its end');
    }
  }
}

/**
 * Sends a request and gives the answer once its head is there. `done` runs once, when the dispatcher holds nothing of
 * the request any more.
 */
export function exchange(
  dispatcher: Dispatcher,
  request: ExchangeRequest,
  clock: Clock,
  done: () => void,
): Promise<DialAnswer> {
  const { origin, path, method, headers, body } = request;
  const run = new Exchange(request, clock, done);
  if (request.signal.aborted) {
    run.release();
    return run.answer;
  }
  dispatcher.dispatch(
    // Time-outs are the exchange's own, by the clock it was handed.
    { origin, path, method: method as Dispatcher.HttpMethod, headers, body, headersTimeout: 0, bodyTimeout: 0 },
    run,
  );
  return run.answer;
}
