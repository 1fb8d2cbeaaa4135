/**
 * The trail in a SQLite database, written in one worker thread and read in another. An fsynced commit takes
 * milliseconds and the worst one a hundred: neither belongs on the event loop that carries the calls.
 */
import type { AuditEvent } from '../event.ts';
import type { SinkSettings } from './index.ts';
import {
  AuditTampered,
  type Draft,
  type EventQuery,
  type OpenIntent,
  type PayloadQuery,
  type RecordedPayload,
  type Sink,
  type Written,
} from './sink.ts';
import { WorkerFault, WorkerLink } from './worker-link.ts';

const writesMax = 64;
const questionsMax = 64;

// Emitted JavaScript has other file names than its source, and the compiler leaves strings alone.
function workerFile(): URL {
  return new URL(`./sqlite-worker${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`, import.meta.url);
}

export type StartWorker = (role: 'writer' | 'reader', settings: unknown) => WorkerLink;

const startThread: StartWorker = (role, settings) =>
  new WorkerLink(workerFile(), { role, settings }, role === 'writer' ? writesMax : questionsMax);

export class SqliteSink implements Sink {
  readonly #settings: SinkSettings;
  readonly #start: StartWorker;
  #writer: WorkerLink | undefined;
  #reader: WorkerLink | undefined;

  constructor(settings: SinkSettings, start: StartWorker = startThread) {
    this.#settings = settings;
    this.#start = start;
  }

  async open(): Promise<{ readonly openIntents: readonly OpenIntent[] }> {
    await this.#writer?.stop();
    const writer = this.#start('writer', this.#settings);
    this.#writer = writer;
    try {
      return (await writer.request('open')) as { openIntents: OpenIntent[] };
    } catch (error) {
      await writer.stop();
      if (error instanceof WorkerFault && error.name === 'AuditTampered') throw new AuditTampered(error.message);
      throw error;
    }
  }

  #write(method: string, ...args: readonly unknown[]): Promise<unknown> {
    if (this.#writer === undefined) return Promise.reject(new Error('the audit store is not open'));
    return this.#writer.request(method, ...args);
  }

  async write(batch: readonly Draft[]): Promise<readonly Written[]> {
    return (await this.#write('write', batch)) as Written[];
  }

  async probe(): Promise<void> {
    if (this.#writer?.alive === false) await this.open();
    await this.#write('probe');
  }

  async erase(taskId: string, atMs: number): Promise<boolean> {
    return (await this.#write('erase', taskId, atMs)) as boolean;
  }

  async head(): Promise<string> {
    return (await this.#write('head')) as string;
  }

  async events(query: EventQuery): Promise<readonly AuditEvent[]> {
    return (await this.#ask('events', query)) as AuditEvent[];
  }

  async payloads(query: PayloadQuery): Promise<readonly RecordedPayload[]> {
    return (await this.#ask('payloads', query)) as RecordedPayload[];
  }

  async checkpoints(query: { readonly limit: number; readonly afterSeq: number | null }): Promise<readonly string[]> {
    return (await this.#ask('checkpoints', query)) as string[];
  }

  /** The reader starts with the first question, and again after it died; most gates are asked rarely. */
  #ask(method: string, query: unknown): Promise<unknown> {
    if (this.#reader?.alive !== true) {
      this.#reader = this.#start('reader', { dataDir: this.#settings.dataDir });
    }
    return this.#reader.request(method, query);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const links = [this.#reader, this.#writer];
    this.#reader = undefined;
    this.#writer = undefined;
    for (const link of links) {
      if (link?.alive === true) await link.request('close').catch(() => undefined);
      await link?.stop();
    }
  }
}
