/**
 * The tasks there are: made, found, ended. One record a task in the store, written only by compare-and-set, so that
 * every gateway on the store sees the same. Knowing an id is no right: who may see or end a task is for the caller
 * of these methods to check against the record.
 */
import type {
  Agent,
  Ancestor,
  JsonObject,
  OnSpent,
  PlanStep,
  Spending,
  Subject,
  TaskRecord,
  TaskState,
} from '../call.ts';
import { type Clock, newId } from '../clock.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { type Store, storeKey } from '../store/store.ts';
import { updateRecord } from '../store/update.ts';
import type { CarriedTaint } from './carried.ts';
import { type Caught, withCaught } from './caught.ts';
import { type Raise, raised } from './raise.ts';
import {
  denyPaused,
  denySpentTask,
  fateOf,
  type SpentFate,
  type SpentNews,
  spentRecord,
  wrappedUpRecord,
} from './spent.ts';
import { listTask, type TaskPage, type TaskQuery, taskPage } from './task-list.ts';

export type { TaskPage, TaskQuery } from './task-list.ts';

/** How long a record outlives its task, so that its agent is told `task_expired` and not `task_unknown`. */
const afterlifeMs = 24 * 3600_000;

/** Channel on which every gateway of a store hears that a task was ended; see `running.ts`. */
export const endedChannel = 'tg:task-ended';

export interface NewTask {
  readonly agent: Agent;
  readonly subject: Subject | null;
  readonly purpose: string;
  readonly tools: readonly string[] | null;
  readonly plan?: readonly PlanStep[];
  readonly labels: JsonObject;
  readonly parent: TaskRecord | null;
  readonly ttlMs: number;
  readonly budget: Spending;
  /** As in the record. */
  readonly onSpent?: OnSpent | undefined;
  readonly taint: readonly string[];
  /** As in the record. */
  readonly regions?: TaskRecord['regions'];
  /** Its first token belongs to a key. */
  readonly bound?: true | undefined;
  /** Digest of the policies that allowed it. */
  readonly policy?: string | undefined;
}

/** The state a task is in now: an active task past its expiry has expired, whoever looks. */
export function stateOf(record: TaskRecord, nowMs: number): TaskState {
  return record.state === 'active' && nowMs >= record.expiresAtMs ? 'expired' : record.state;
}

/** The denial of a call of a task that is not active, or undefined if it is. */
export function denyUnlessActive(record: TaskRecord, nowMs: number): Denial | undefined {
  const state = stateOf(record, nowMs);
  switch (state) {
    case 'active':
      return undefined;
    case 'paused':
      return denyPaused(record);
    case 'completed':
      return deny('task_completed', 'The task is completed. Open a new task for new work.');
    case 'killed':
      if (record.spent !== undefined) return denySpentTask(record.spent);
      return deny('task_killed', 'The task was killed. Nothing more is called in its name.');
    case 'expired':
      return deny('task_expired', 'The task has expired. Open a new task.');
  }
}

/** A task as one that another is part of. */
export function ancestorOf({ id, agent, purpose, budget, expiresAtMs }: TaskRecord): Ancestor {
  return { id, agent: agent.id, issuer: agent.issuer, purpose, budget, expiresAtMs };
}

function isSameBudget(one: Spending, other: Spending): boolean {
  return (['tokens', 'costMicroUsd', 'calls', 'seconds'] as const).every((name) => one[name] === other[name]);
}

function caughtBy(above: readonly TaskRecord[]): Caught {
  return above.reduce<Caught>(
    (caught, { taint, regions }) => withCaught(caught, { taint, ...(regions === undefined ? {} : { regions }) }),
    { taint: [] },
  );
}

/** The very same record where the limits and ends of the tasks above are those it knows. */
function withLimitsOf(record: TaskRecord, above: readonly TaskRecord[]): TaskRecord {
  let changed = false;
  const ancestors = record.ancestors.map((known): Ancestor => {
    const now = above.find(({ id }) => id === known.id);
    if (now === undefined || (isSameBudget(known.budget, now.budget) && known.expiresAtMs === now.expiresAtMs))
      return known;
    changed = true;
    return { ...known, budget: now.budget, expiresAtMs: now.expiresAtMs };
  });
  return changed ? { ...record, ancestors } : record;
}

export class Tasks {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #carried: Pick<CarriedTaint, 'keep'> | undefined;
  readonly #turns = new Map<string, Promise<void>>();

  /** `carried` is told what an agent knows when a task of its ends. */
  constructor(options: { store: Store; clock: Clock; carried?: Pick<CarriedTaint, 'keep'> }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#carried = options.carried;
  }

  static key(tenant: string, id: string): string {
    return storeKey(tenant, 'task', id);
  }

  /** Where the tenant of a task is found by its id alone, for operators. */
  static #indexKey(id: string): string {
    return storeKey('', 'task-tenant', id);
  }

  /** Makes a task. A sub-task lies in its parent's tenant and never outlives it. */
  async create(task: NewTask): Promise<TaskRecord> {
    const nowMs = this.#clock.nowMs();
    const id = newId(this.#clock, 'task');
    const expiresAtMs = Math.min(nowMs + task.ttlMs, task.parent?.expiresAtMs ?? Number.MAX_SAFE_INTEGER);
    const record: TaskRecord = {
      id,
      tenant: task.agent.tenant,
      agent: task.agent,
      subject: task.subject,
      purpose: task.purpose,
      tools: task.tools,
      ...(task.plan === undefined ? {} : { plan: task.plan }),
      labels: task.labels,
      ancestors: task.parent === null ? [] : [ancestorOf(task.parent), ...task.parent.ancestors],
      state: 'active',
      createdAtMs: nowMs,
      expiresAtMs,
      budget: task.budget,
      ...(task.onSpent === undefined ? {} : { onSpent: task.onSpent }),
      taint: task.taint,
      ...(task.regions === undefined ? {} : { regions: task.regions }),
      ...(task.bound === undefined ? {} : { bound: task.bound }),
      ...(task.policy === undefined ? {} : { policy: task.policy }),
      digestKey: this.#clock.randomBytes(32).toString('base64url'),
      history: [],
      counts: {},
      thoughts: [],
      failuresInARow: 0,
      failuresByRoute: {},
    };
    const made = await this.update(record.tenant, id, (current) => {
      if (current !== undefined) throw new Error(`the id ${id} is taken`);
      return record;
    });
    if (isDenial(made)) throw new Error(`a new task could not be written: ${made.code}`);
    const ttlMs = this.#ttlMs(record);
    await Promise.all([
      this.#store.compareAndSet(Tasks.#indexKey(id), 0, record.tenant, ttlMs),
      listTask(this.#store, record, ttlMs),
    ]);
    return made;
  }

  /** For operators: the tasks of all tenants that fit, newest first, in pages. Denies `args_invalid`. */
  async list(query: TaskQuery): Promise<TaskPage | Denial> {
    const load = (tenant: string, id: string) => this.load(tenant, id);
    return taskPage({ store: this.#store, load, stateOf: (record) => stateOf(record, this.#clock.nowMs()) }, query);
  }

  async load(tenant: string, id: string): Promise<TaskRecord | undefined> {
    const found = await this.#store.get(Tasks.key(tenant, id));
    return found === undefined ? undefined : (found.value as unknown as TaskRecord);
  }

  /** For operators, who know a task by its id alone. */
  async find(id: string): Promise<TaskRecord | undefined> {
    const tenant = await this.#store.get(Tasks.#indexKey(id));
    return tenant === undefined ? undefined : this.load(tenant.value as string, id);
  }

  /** The denial of a call whose task is part of one that has ended, or undefined: who kills a task kills its parts. */
  async denyUnlessLineageActive(record: TaskRecord): Promise<Denial | undefined> {
    const above = await this.#above(record);
    return isDenial(above) ? above : undefined;
  }

  /**
   * The record with what the tasks above have taken on since, which is written into it first: their taint and regions,
   * for whoever holds a token of the whole may hold one of its part as well; and their budgets, where an operator has
   * raised one. Denies as `denyUnlessLineageActive` does.
   */
  async inherit(record: TaskRecord): Promise<TaskRecord | Denial> {
    const above = await this.#above(record);
    if (isDenial(above)) return above;
    const inherited = (current: TaskRecord) => withLimitsOf(withCaught(current, caughtBy(above)), above);
    if (inherited(record) === record) return record;
    return this.update(record.tenant, record.id, (current) =>
      current === undefined ? deny('task_unknown', 'There is no such task.') : inherited(current),
    );
  }

  /** The tasks above as they are now, the parent first. */
  async #above(record: TaskRecord): Promise<readonly TaskRecord[] | Denial> {
    const found: TaskRecord[] = [];
    for (const { id } of record.ancestors) {
      const above = await this.load(record.tenant, id);
      if (above === undefined) return deny('task_expired', 'A task above this one has expired.');
      const denial = denyUnlessActive(above, this.#clock.nowMs());
      if (denial !== undefined) {
        return deny(denial.code, 'A task above this one has ended. Nothing more is called here.');
      }
      found.push(above);
    }
    return found;
  }

  /** Changes a record by compare-and-set; `change` may run several times and must have no effects. */
  async update(
    tenant: string,
    id: string,
    change: (current: TaskRecord | undefined) => TaskRecord | Denial,
  ): Promise<TaskRecord | Denial> {
    const key = Tasks.key(tenant, id);
    const changed = await this.#inTurn(key, () =>
      updateRecord<TaskRecord>(this.#store, key, (record) => this.#ttlMs(record), change),
    );
    return isDenial(changed) ? changed : changed.value;
  }

  /** Completes or kills a task; every gateway of the store aborts what runs of it. Ending an ended task changes nothing. */
  async end(record: TaskRecord, state: 'completed' | 'killed'): Promise<TaskRecord | Denial> {
    // Before it ends, so that there is no moment in which its agent would begin anew without it.
    if (['active', 'paused'].includes(record.state)) await this.#carried?.keep(record.agent, record);
    const ended = await this.update(record.tenant, record.id, (current) => {
      if (current === undefined) return deny('task_unknown', 'There is no such task.');
      return stateOf(current, this.#clock.nowMs()) === 'active' || current.state === 'paused'
        ? { ...current, state }
        : current;
    });
    if (!isDenial(ended)) await this.#tellEnded(ended);
    return ended;
  }

  /**
   * What becomes of an active task whose budget is spent: it has its last turn, or is killed or paused, and then every
   * gateway aborts what runs of it. `after` it has made that turn it ends, whatever is left. Rejects with
   * `StoreUnavailable`.
   */
  async spend(news: SpentNews, after: 'shortage' | 'wrap_up'): Promise<{ fate: SpentFate; record?: TaskRecord }> {
    const change = after === 'wrap_up' ? wrappedUpRecord : spentRecord;
    let before: TaskRecord | undefined;
    const record = await this.update(news.tenant, news.id, (current) => {
      if (current === undefined) return deny('task_unknown', 'There is no such task.');
      before = current;
      return change(current, news, this.#clock.nowMs());
    });
    if (isDenial(record)) return { fate: 'unchanged' };
    const fate = fateOf(before, record);
    if (fate === 'killed') await this.#carried?.keep(record.agent, record);
    if (fate === 'killed' || fate === 'paused') await this.#tellEnded(record);
    return { fate, record };
  }

  /** Raises what an operator raises, and lets a paused task go on. Denies as `raised` does, and `task_unknown`. */
  async raise(record: TaskRecord, raise: Raise): Promise<{ before: TaskRecord; after: TaskRecord } | Denial> {
    const { tenant, id } = record;
    const above = await this.#above(record);
    if (isDenial(above)) return above;
    const endsMs = Math.min(...above.map(({ expiresAtMs }) => expiresAtMs), Number.MAX_SAFE_INTEGER);
    let before = record;
    const after = await this.update(tenant, id, (current) => {
      if (current === undefined) return deny('task_unknown', 'There is no such task.');
      before = current;
      return raised(current, raise, endsMs, this.#clock.nowMs());
    });
    if (isDenial(after)) return after;
    if (after.expiresAtMs > before.expiresAtMs) await this.#renewIndexes(after);
    return { before, after };
  }

  /** A task that lives longer is found longer. */
  async #renewIndexes(record: TaskRecord): Promise<void> {
    const { id, tenant } = record;
    const [key, ttlMs] = [Tasks.#indexKey(id), this.#ttlMs(record)];
    const found = await this.#store.get(key);
    await Promise.all([
      this.#store.compareAndSet(key, found?.version ?? 0, tenant, ttlMs),
      listTask(this.#store, record, ttlMs),
    ]);
  }

  #tellEnded({ id, state, spent }: TaskRecord): Promise<void> {
    return this.#store.publish(endedChannel, { task: id, state, spent: spent !== undefined });
  }

  /** One writer of a record at a time on this gateway: only other gateways are left to lose a compare-and-set to. */
  async #inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(key) ?? Promise.resolve();
    const mine = before.then(work);
    const turn = mine.then(
      () => undefined,
      () => undefined,
    );
    this.#turns.set(key, turn);
    try {
      return await mine;
    } finally {
      if (this.#turns.get(key) === turn) this.#turns.delete(key);
    }
  }

  #ttlMs(record: TaskRecord): number {
    return Math.max(1, record.expiresAtMs - this.#clock.nowMs()) + afterlifeMs;
  }
}
