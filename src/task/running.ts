/**
 * The calls that run on this gateway, by task: so that a kill or a suspension, on any gateway of the store, aborts them
 * within a second. Each call has one AbortController, and it is found here. What a reader would get wrong: messages of
 * the store may be lost, so the record of each task that runs, and the list of suspensions, are also looked at every
 * second; and a gateway that has not reached the store for longer than a bound cannot know of either, and ends what runs.
 */
import type { TaskRecord } from '../call.ts';
import type { Clock, Timer } from '../clock.ts';
import { type Denial, type DenialCode, deny } from '../denial.ts';
import { within } from '../stage.ts';
import type { Store, Subscription } from '../store/store.ts';
import { denyRevoked } from './revoked.ts';
import { type Acting, actingOf, type SuspensionList } from './suspended.ts';
import type { Suspensions } from './suspensions.ts';
import { endedChannel, type Tasks } from './tasks.ts';

const lookEveryMs = 1000;
const paused = 'The task was paused while this call ran: its budget is spent.';

type Running = Pick<TaskRecord, 'id' | 'ancestors' | 'tenant' | 'agent'>;

/** A call that runs: whose it is, and how it is ended. */
interface Entered {
  readonly abort: AbortController;
  readonly acting: Acting;
  readonly tokenId: string;
}

interface OfTask {
  readonly tenant: string;
  readonly calls: Set<Entered>;
}

export interface RunningCallsOptions {
  readonly store: Store;
  readonly tasks: Pick<Tasks, 'load'>;
  readonly suspensions: Pick<Suspensions, 'look' | 'onChange'>;
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
    this.#options.suspensions.onChange((list) => this.#suspended(list));
    this.#subscription = await this.#options.store.subscribe(endedChannel, (message) => {
      if (typeof message !== 'object' || message === null || Array.isArray(message)) return;
      const { task, state, spent } = message as { task?: unknown; state?: unknown; spent?: unknown };
      if (typeof task === 'string') this.#ended(task, state, spent === true);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.cancel();
    await this.#subscription?.close();
  }

  /** How many calls run, over all tasks. */
  get count(): number {
    return this.#all().size;
  }

  /**
   * Registers a call of `route` until the returned function is called, under its task and every task that it is part of.
   * `tokenId` is the `jti` of the task token it was made with.
   */
  enter(record: Running, route: string, tokenId: string, abort: AbortController): () => void {
    const { id, ancestors, tenant } = record;
    const ids = [id, ...ancestors.map((ancestor) => ancestor.id)];
    const call: Entered = { abort, acting: { ...actingOf(record), route }, tokenId };
    for (const taskId of ids) {
      const task = this.#byTask.get(taskId) ?? { tenant, calls: new Set() };
      this.#byTask.set(taskId, task);
      task.calls.add(call);
    }
    // The call was admitted by the store just now.
    if (this.#timer === undefined) {
      this.#heardMs = this.#options.clock.monotonicMs();
      this.#schedule();
    }
    return () => {
      for (const taskId of ids) {
        const task = this.#byTask.get(taskId);
        task?.calls.delete(call);
        if (task?.calls.size === 0) this.#byTask.delete(taskId);
      }
    };
  }

  /** Aborts every call of this gateway, when it stops. */
  abortAll(reason: Denial): void {
    for (const { abort } of this.#all()) abort.abort(reason);
  }

  /** Aborts what runs of a task; the reason is the denial that the agent is told. */
  abort(taskId: string, code: DenialCode): void {
    for (const { abort } of this.#byTask.get(taskId)?.calls ?? []) {
      abort.abort(deny(code, code === 'task_paused' ? paused : 'The task was ended while this call ran.'));
    }
  }

  #all(): Set<Entered> {
    return new Set([...this.#byTask.values()].flatMap(({ calls }) => [...calls]));
  }

  /** Aborts the calls of whom, or to where, is suspended. */
  #suspended(list: SuspensionList): void {
    const nowMs = this.#options.clock.nowMs();
    for (const { abort, acting } of this.#all()) {
      const denial = list.denialOf(acting, nowMs);
      if (denial !== undefined) abort.abort(denial);
    }
  }

  /** A task that was killed because its budget is spent says so, as it does to every later call. */
  #ended(taskId: string, state: unknown, isSpent: boolean): void {
    if (state === 'killed' && isSpent) this.abort(taskId, 'task_budget_exhausted');
    else if (state === 'killed' || state === 'completed' || state === 'paused') this.abort(taskId, `task_${state}`);
  }

  #schedule(): void {
    this.#timer = this.#options.clock.after(lookEveryMs, () => {
      this.#timer = undefined;
      if (this.#byTask.size === 0) return;
      this.#look();
      this.#schedule();
    });
  }

  /** Asks the store about every task that runs here, those above included, and who is suspended; ends everything once the store has been silent too long. */
  #look(): void {
    const { clock, tasks, suspensions, lostMs } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#heardMs >= lostMs) {
      this.abortAll(deny('store_unavailable', 'The shared state was lost while this call ran.'));
      // What comes after got past admission, so the store must have answered since.
      this.#heardMs = nowMs;
    }
    if (this.#asking) return;
    this.#asking = true;
    const asked = [...this.#byTask].map(async ([taskId, { tenant, calls }]) => {
      const record = await tasks.load(tenant, taskId as TaskRecord['id']);
      // Nobody could kill a task whose record is gone.
      if (record === undefined) return this.abort(taskId, 'task_unknown');
      this.#ended(taskId, record.state, record.spent !== undefined);
      for (const { abort, tokenId } of calls) {
        const revoked = denyRevoked(record, tokenId);
        if (revoked !== undefined) abort.abort(revoked);
      }
    });
    within(clock, lookEveryMs, Promise.all([...asked, suspensions.look()]))
      .then(() => {
        this.#heardMs = nowMs;
      })
      .catch(() => undefined)
      .finally(() => {
        this.#asking = false;
      });
  }
}
