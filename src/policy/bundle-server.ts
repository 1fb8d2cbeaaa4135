/**
 * A bundle behind OPA's bundle API: GET with `If-None-Match`, long polls where the server says that it knows them, else
 * looks at an interval. What a reader would get wrong: the ETag that is sent is always that of the bundle in force,
 * never of one that was refused, so a server that puts the good one back is understood at once.
 */
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { Clock } from '../clock.ts';
import { packedBytesMax } from './bundle-archive.ts';
import type { BundleOrigin, Candidate } from './bundle-origin.ts';
import { readAside } from './bundle-reader.ts';
import type { BundleRecord } from './bundle-record.ts';
import { type LintSettings, passDataLint } from './lint/linted.ts';
import type { SigningKey } from './signing-key.ts';
import { BundleError } from './sources.ts';

/** What a server answers with that knows long polls. */
const longPollType = 'application/vnd.openpolicyagent.bundles';
const connectMs = 10_000;
const firstRetryMs = 500;
const retryDoublings = 16;
/** A long poll that is answered sooner, with nothing new, was none. */
const heldMsMin = 1_000;
const pauseMsMin = 100;
const etagForm = /^(?:W\/)?"[\x21\x23-\x7e]{0,1000}"$/;

export interface BundleRequest {
  readonly url: string;
  readonly method: 'GET';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: null;
  readonly signal: AbortSignal;
  readonly timeoutMs: { readonly connect: number; readonly firstByte: number; readonly total: number };
}

export interface BundleAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: AsyncIterable<Uint8Array>;
  close(): void;
}

/** The way to the bundle server, handed in: it reaches no other host, and follows no redirect. */
export interface BundleDialer extends AsyncDisposable {
  send(request: BundleRequest): Promise<BundleAnswer>;
}

/** `policy.fetch` of the configuration. */
export interface FetchSettings {
  readonly token?: string;
  readonly long_poll_seconds?: number;
  readonly min_delay_seconds: number;
  readonly max_delay_seconds: number;
  readonly timeout_seconds: number;
}

export interface ServerOptions extends LintSettings {
  readonly url: string;
  readonly settings: FetchSettings;
  readonly keys: readonly SigningKey[];
  readonly dialer: BundleDialer;
  readonly record: BundleRecord;
  readonly clock: Clock;
}

export class BundleServer implements BundleOrigin {
  readonly name: string;
  readonly #options: ServerOptions;
  #etag: string | null = null;
  /** Taken for granted until a bundle comes with another type: a 304 says nothing of it. */
  #longPolls: boolean;
  #content: string | null = null;
  /** Whether the last look was held by the server, or brought something new. */
  #worthwhile = true;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#longPolls = options.settings.long_poll_seconds !== undefined;
    this.name = basename(new URL(options.url).pathname).replace(/\.tar\.gz$/, '') || 'bundle';
  }

  async first(signal: AbortSignal): Promise<Candidate> {
    const found = await this.#get(signal, 0);
    if (found === null) throw new BundleError('the bundle server answered 304 to a first request');
    return found;
  }

  async last(signal: AbortSignal): Promise<Candidate | null> {
    const kept = await this.#options.record.kept();
    if (kept === null) return null;
    const { packed, recorded } = kept;
    const bundle = await readAside(packed, { keys: this.#options.keys, signal });
    return { bundle, content: recorded.content, packed, etag: recorded.etag };
  }

  /** After a failure the server is not asked to wait: what is wanted then is to know that it is back. */
  async look(signal: AbortSignal, failures: number): Promise<Candidate | 'in_force'> {
    const { clock, settings } = this.#options;
    const startedMs = clock.monotonicMs();
    const mayWait = this.#longPolls && this.#etag !== null && failures === 0;
    const wait = mayWait ? (settings.long_poll_seconds ?? 0) : 0;
    const found = await this.#get(signal, wait);
    const held = clock.monotonicMs() - startedMs >= heldMsMin;
    this.#worthwhile = held || failures > 0 || (found !== null && found.content !== this.#content);
    return found ?? 'in_force';
  }

  inForce({ etag, content }: Candidate): void {
    this.#etag = etag;
    this.#content = content;
  }

  pauseMs(failures: number): number {
    const { min_delay_seconds: min, max_delay_seconds: max } = this.#options.settings;
    if (failures > 0) {
      const longestMs = Math.min(max * 1_000, firstRetryMs * 2 ** Math.min(failures - 1, retryDoublings));
      return longestMs * (0.5 + this.#random() / 2);
    }
    const goesOn = this.#longPolls && this.#etag !== null && this.#worthwhile;
    return goesOn ? pauseMsMin : (min + (max - min) * this.#random()) * 1_000;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#options.dialer[Symbol.asyncDispose]();
  }

  /** From 0 to below 1. */
  #random(): number {
    return this.#options.clock.randomBytes(4).readUInt32BE() / 2 ** 32;
  }

  /** The bundle as it is served; null where it is still the one in force. `waitSeconds` 0 asks for an answer at once. */
  async #get(signal: AbortSignal, waitSeconds: number): Promise<Candidate | null> {
    const { url, settings, keys, dialer } = this.#options;
    const etag = this.#etag;
    const totalMs = (settings.timeout_seconds + waitSeconds) * 1_000;
    const request: BundleRequest = {
      ...{ url, method: 'GET', body: null, signal },
      headers: {
        accept: `${longPollType}, application/gzip, application/octet-stream`,
        'accept-encoding': 'identity',
        'user-agent': 'tollgate',
        // OPA's own form; deltas are for data that OPA patches in place, and are not asked for.
        prefer: waitSeconds > 0 ? `modes=snapshot;wait=${waitSeconds}` : 'modes=snapshot',
        ...(etag === null ? {} : { 'if-none-match': etag }),
        ...(settings.token === undefined ? {} : { authorization: `Bearer ${settings.token}` }),
      },
      timeoutMs: { connect: Math.min(connectMs, totalMs), firstByte: totalMs, total: totalMs },
    };
    try {
      const answer = await dialer.send(request);
      if (answer.status === 304 && etag !== null) {
        answer.close();
        return null;
      }
      const packed = await readBody(answer);
      const { 'content-type': type = '', etag: tag = '' } = answer.headers;
      this.#longPolls = settings.long_poll_seconds !== undefined && type.split(';')[0]?.trim() === longPollType;
      const bundle = await readAside(packed, { keys, signal });
      passDataLint(bundle.purposes, this.#options);
      const content = createHash('sha256').update(packed).digest('hex');
      return { bundle, content, packed, etag: etagForm.test(tag) ? tag : null };
    } catch (fault) {
      if (fault instanceof BundleError) throw fault;
      // Such faults tell how a connection failed, and nothing of what was sent.
      throw new BundleError(`the bundle server cannot be asked: ${(fault as Error).message}`);
    }
  }
}

async function readBody({ status, body, close }: BundleAnswer): Promise<Buffer> {
  if (status !== 200) {
    close();
    const redirect = status >= 300 && status < 400 && status !== 304 ? ', and no redirect is followed' : '';
    throw new BundleError(`the bundle server answered ${status}${redirect}`);
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > packedBytesMax) throw new BundleError(`the bundle is larger than ${packedBytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
