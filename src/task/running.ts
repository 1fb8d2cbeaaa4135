/**
 * The calls that run on this gateway, by task: so that a kill, on any gateway of the store, aborts them within a
 * second. Each call has one AbortController, and it is found here.
 */
import { type Denial, type DenialCode, deny } from '../denial.ts';
import type { Store, Subscription } from '../store/store.ts';
import { endedChannel } from './tasks.ts';

export class RunningCalls implements AsyncDisposable {
  readonly #store: Store;
  readonly #byTask = new Map<string, Set<AbortController>>();
  #subscription: Subscription | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  async open(): Promise<void> {
    this.#subscription = await this.#store.subscribe(endedChannel, (message) => {
      if (typeof message !== 'object' || message === null || Array.isArray(message)) return;
      const { task, state } = message as { task?: unknown; state?: unknown };
      if (typeof task === 'string' && (state === 'killed' || state === 'completed')) this.abort(task, `task_${state}`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#subscription?.close();
  }

  /** How many calls run, over all tasks. */
  get count(): number {
    let count = 0;
    for (const calls of this.#byTask.values()) count += calls.size;
    return count;
  }

  /** Registers a call until the returned function is called. */
  enter(taskId: string, abort: AbortController): () => void {
    const calls = this.#byTask.get(taskId) ?? new Set();
    this.#byTask.set(taskId, calls.add(abort));
    return () => {
      calls.delete(abort);
      if (calls.size === 0) this.#byTask.delete(taskId);
    };
  }

  /** Aborts every call of this gateway, when it stops. */
  abortAll(reason: Denial): void {
    for (const calls of this.#byTask.values()) for (const abort of calls) abort.abort(reason);
  }

  /** Aborts what runs of a task; the reason is the denial that the agent is told. */
  abort(taskId: string, code: DenialCode): void {
    for (const abort of this.#byTask.get(taskId) ?? []) {
      abort.abort(deny(code, 'The task was ended while this call ran.'));
    }
  }
}
