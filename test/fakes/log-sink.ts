/**
 * A server of OPA's decision-log and status APIs on loopback: unpacks and keeps what it was sent, and refuses what
 * OPA's own would not understand. `answer` can make it refuse or hang.
 */
import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { FakeUpstream, type Reply } from './upstream.ts';

/** An event or a status, as it came. */
export type Document = Readonly<Record<string, unknown>>;

export interface Upload {
  readonly headers: IncomingHttpHeaders;
  /** Compressed. */
  readonly bytes: number;
  readonly events: readonly Document[];
}

const taken: Reply = (_request, response) => void response.writeHead(200).end();

export class LogSink implements AsyncDisposable {
  readonly #server: FakeUpstream;
  /** Uploads that were answered with 200. */
  readonly uploads: Upload[] = [];
  readonly statuses: Document[] = [];
  /** Answers in place of 200 while it is set. */
  answer: Reply | null = null;
  /** Requests of both kinds, refused ones included. */
  asked = 0;

  private constructor(server: FakeUpstream) {
    this.#server = server;
    server.reply = (request, response, body) => {
      this.asked += 1;
      if (this.answer !== null) return this.answer(request, response, body);
      assert.equal(request.method, 'POST');
      assert.equal(request.headers['content-type'], 'application/json');
      if (request.url?.startsWith('/logs')) {
        assert.equal(request.headers['content-encoding'], 'gzip');
        const events = JSON.parse(gunzipSync(body).toString()) as Document[];
        this.uploads.push({ headers: request.headers, bytes: body.length, events });
      } else {
        assert.match(request.url ?? '', /^\/status/);
        this.statuses.push(JSON.parse(body.toString()) as Document);
      }
      return taken(request, response, body);
    };
  }

  static async open(): Promise<LogSink> {
    return new LogSink(await FakeUpstream.open(taken));
  }

  get url(): string {
    return this.#server.url;
  }

  get logs(): string {
    return `${this.url}/logs`;
  }

  get status(): string {
    return `${this.url}/status`;
  }

  get events(): readonly Document[] {
    return this.uploads.flatMap(({ events }) => events);
  }

  /** Resolves when `enough` holds; rejects after `ms`, with what there is. */
  async until(enough: () => boolean, what: string, ms = 10_000): Promise<void> {
    for (let waitedMs = 0; waitedMs < ms; waitedMs += 20) {
      if (enough()) return;
      await setTimeout(20);
    }
    assert.fail(`${what}: ${JSON.stringify({ events: this.events, statuses: this.statuses }).slice(0, 4_000)}`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server[Symbol.asyncDispose]();
  }
}
