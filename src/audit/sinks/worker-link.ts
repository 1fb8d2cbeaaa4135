/**
 * Requests to a worker thread and their answers. When the worker is gone, everything asked of it rejects at once, and
 * so does everything asked later: whoever holds the link starts a new one.
 */
import { Worker } from 'node:worker_threads';

export interface WorkerRequest {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

export type WorkerReply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: { readonly name: string; readonly message: string } };

/** An error that was thrown in the worker; `name` is that of its class there. */
export class WorkerFault extends Error {
  override readonly name: string;

  constructor(name: string, message: string) {
    super(message);
    this.name = name;
  }
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class WorkerLink {
  readonly #worker: Worker;
  readonly #requestsMax: number;
  readonly #pending = new Map<number, Pending>();
  readonly #exited: Promise<void>;
  #alive = true;
  #lastId = 0;

  /** Starts the thread. `requestsMax` bounds what may be asked before it is answered. */
  constructor(file: URL, data: unknown, requestsMax: number) {
    this.#requestsMax = requestsMax;
    this.#worker = new Worker(file, { workerData: data, execArgv: [], env: {} });
    // An idle thread must not keep the process alive; one that owes an answer must.
    this.#worker.unref();
    this.#worker.on('message', (reply: WorkerReply) => this.#answer(reply));
    this.#worker.on('error', (error) => this.#die(error instanceof Error ? error : new Error(String(error))));
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#die(new Error('the audit worker has ended'));
        resolve();
      });
    });
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** The thread's own id, for logs. */
  get threadId(): number {
    return this.#worker.threadId;
  }

  /** Runs `method` in the worker. Rejects with WorkerFault if it throws, with Error if the worker is gone or swamped. */
  request(method: string, ...args: readonly unknown[]): Promise<unknown> {
    if (!this.#alive) return Promise.reject(new Error('the audit worker has ended'));
    if (this.#pending.size >= this.#requestsMax)
      return Promise.reject(new Error('too many requests to the audit worker'));
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      if (this.#pending.size === 0) this.#worker.ref();
      this.#pending.set(id, { resolve, reject });
      this.#worker.postMessage({ id, method, args } satisfies WorkerRequest);
    });
  }

  #answer(reply: WorkerReply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#worker.unref();
    if ('error' in reply) pending?.reject(new WorkerFault(reply.error.name, reply.error.message));
    else pending?.resolve(reply.value);
  }

  #die(error: Error): void {
    this.#alive = false;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }

  /** Ends the thread and waits until it is gone, with the locks it held. */
  async stop(): Promise<void> {
    this.#worker.ref();
    await this.#worker.terminate();
    await this.#exited;
  }
}
