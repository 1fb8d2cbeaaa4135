/**
 * The calls that run on this gateway, by task: so that a kill, on any gateway of the store, aborts them within a
 * second. Each call has one AbortController, and it is found here. What a reader would get wrong: messages of the store
 * may be lost, so the record of each task that runs is also looked at every second; and a gateway that has not reached
 * the store for longer than a bound cannot know of a kill, and ends what runs.
 */
import type { TaskRecord } from '../call.ts';
import type { Clock, Timer } from '../clock.ts';
import { type Denial, type DenialCode, deny } from '../denial.ts';
import { within } from '../stage.ts';
import type { Store, Subscription } from '../store/store.ts';
import { endedChannel, type Tasks } from './tasks.ts';

const lookEveryMs = 1000;

type Running = Pick<TaskRecord, 'id' | 'ancestors' | 'tenant'>;

interface OfTask {
  readonly tenant: string;
  readonly calls: Set<AbortController>;
}

export interface RunningCallsOptions {
  readonly store: Store;
  readonly tasks: Pick<Tasks, 'load'>;
  readonly clock: Clock;
  /** How long the store may be silent, in milliseconds. */
  readonly lostMs: number;
}

export class RunningCalls implements AsyncDisposable {
  readonly #options: RunningCallsOptions;
  readonly #byTask = new Map<string, OfTask>();
  #subscription: Subscription | undefined;
  #timer: Timer | undefined;
  /** On the monotonic clock: when the store was last asked something that it then answered. */
  #heardMs = 0;
  #asking = false;

  constructor(options: RunningCallsOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    this.#subscription = await this.#options.store.subscribe(endedChannel, (message) => {
      if (typeof message !== 'object' || message === null || Array.isArray(message)) return;
      const { task, state } = message as { task?: unknown; state?: unknown };
      if (typeof task === 'string') this.#ended(task, state);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.cancel();
    await this.#subscription?.close();
  }

  /** How many calls run, over all tasks. */
  get count(): number {
    return new Set([...this.#byTask.values()].flatMap(({ calls }) => [...calls])).size;
  }

  /** Registers a call until the returned function is called, under its task and every task that it is part of. */
  enter({ id, ancestors, tenant }: Running, abort: AbortController): () => void {
    const ids = [id, ...ancestors.map((ancestor) => ancestor.id)];
    for (const taskId of ids) {
      const task = this.#byTask.get(taskId) ?? { tenant, calls: new Set() };
      this.#byTask.set(taskId, task);
      task.calls.add(abort);
    }
    // The call was admitted by the store just now.
    if (this.#timer === undefined) {
      this.#heardMs = this.#options.clock.monotonicMs();
      this.#schedule();
    }
    return () => {
      for (const taskId of ids) {
        const task = this.#byTask.get(taskId);
        task?.calls.delete(abort);
        if (task?.calls.size === 0) this.#byTask.delete(taskId);
      }
    };
  }

  /** Aborts every call of this gateway, when it stops. */
  abortAll(reason: Denial): void {
    for (const { calls } of this.#byTask.values()) for (const abort of calls) abort.abort(reason);
  }

  /** Aborts what runs of a task; the reason is the denial that the agent is told. */
  abort(taskId: string, code: DenialCode): void {
    for (const abort of this.#byTask.get(taskId)?.calls ?? []) {
      abort.abort(deny(code, 'The task was ended while this call ran.'));
    }
  }

  #ended(taskId: string, state: unknown): void {
    if (state === 'killed' || state === 'completed') this.abort(taskId, `task_${state}`);
  }

  #schedule(): void {
    this.#timer = this.#options.clock.after(lookEveryMs, () => {
      this.#timer = undefined;
      if (this.#byTask.size === 0) return;
      this.#look();
      this.#schedule();
    });
  }

  /** Asks the store about every task that runs here; and ends everything once the store has been silent too long. */
  #look(): void {
    const { clock, tasks, lostMs } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#heardMs >= lostMs) {
      this.abortAll(deny('store_unavailable', 'The shared state was lost while this call ran.'));
      // What comes after got past admission, so the store must have answered since.
      this.#heardMs = nowMs;
    }
    if (this.#asking) return;
    this.#asking = true;
    const asked = [...this.#byTask].map(async ([taskId, { tenant }]) => {
      const record = await tasks.load(tenant, taskId as TaskRecord['id']);
      this.#ended(taskId, record?.state);
    });
    within(clock, lookEveryMs, Promise.all(asked))
      .then(() => {
        this.#heardMs = nowMs;
      })
      .catch(() => undefined)
      .finally(() => {
        this.#asking = false;
      });
  }
}
