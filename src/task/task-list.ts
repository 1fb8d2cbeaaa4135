/**
 * The list of tasks for operators: newest first, in pages. It follows an ordered index of ids, which begin with the time
 * a task was made; so pages neither skip nor repeat a task that was there throughout. What a reader would get wrong: one
 * page looks at a bounded number of tasks, so with a filter it may hold few or none, and still have a next one.
 */
import type { TaskRecord, TaskState } from '../call.ts';
import { type Denial, deny } from '../denial.ts';
import { type Store, storeKey } from '../store/store.ts';

export interface TaskQuery {
  readonly tenant?: string;
  /** The state as it is now: an active task past its expiry has expired. */
  readonly state?: TaskState;
  /** Id of the agent, of whatever issuer. */
  readonly agent?: string;
  /** 1 to 200. */
  readonly limit: number;
  /** `next` of the page before. */
  readonly cursor?: string;
}

export interface TaskPage {
  /** Newest first; those that fit the query. */
  readonly tasks: readonly TaskRecord[];
  /** Cursor of the page that follows; null where there is none. */
  readonly next: string | null;
}

/** `tg:{%40}:tasks`, one index over all tenants: operators ask for the latest, whoever's they are. */
const indexKey = storeKey('@', 'tasks');
const limitMax = 200;
/** How many tasks one page looks at. */
const examinedMax = 1_000;
/** Records at once: one may be tens of kilobytes. */
const loadedAtOnce = 20;
const memberForm = /^(task_[0-9a-z]{26}) ([\x21-\x7e]+)$/;

function memberOf({ id, tenant }: Pick<TaskRecord, 'id' | 'tenant'>): string {
  return `${id} ${encodeURIComponent(tenant)}`;
}

/** Puts a new task into the list, for as long as its record lives. */
export function listTask(store: Pick<Store, 'indexAdd'>, record: TaskRecord, ttlMs: number): Promise<void> {
  return store.indexAdd(indexKey, memberOf(record), ttlMs);
}

/** Up to `max` of the newest tasks, of one tenant where it is named, without their records. */
export async function newestTasks(
  store: Pick<Store, 'indexRange'>,
  max: number,
  only?: string,
): Promise<readonly { readonly id: string; readonly tenant: string }[]> {
  const found: { id: string; tenant: string }[] = [];
  let below: string | undefined;
  for (let examined = 0; examined < examinedMax && found.length < max; examined += limitMax) {
    const members = await store.indexRange(
      indexKey,
      below === undefined ? { limit: limitMax } : { limit: limitMax, below },
    );
    for (const member of members) {
      const { id, tenant } = readMember(member);
      if (only === undefined || tenant === only) found.push({ id, tenant });
    }
    if (members.length < limitMax) break;
    below = members.at(-1);
  }
  return found.slice(0, max);
}

export interface TaskListParts {
  readonly store: Pick<Store, 'indexRange'>;
  readonly load: (tenant: string, id: string) => Promise<TaskRecord | undefined>;
  readonly stateOf: (record: TaskRecord) => TaskState;
}

/** One page. Denies `args_invalid` for a limit or a cursor that is none. Rejects with `StoreUnavailable`. */
export async function taskPage(parts: TaskListParts, query: TaskQuery): Promise<TaskPage | Denial> {
  const { limit, cursor, tenant } = query;
  if (!Number.isInteger(limit) || limit < 1 || limit > limitMax) {
    return deny('args_invalid', `limit is a whole number from 1 to ${limitMax}.`);
  }
  let below = cursor === undefined ? undefined : Buffer.from(cursor, 'base64url').toString('latin1');
  if (below !== undefined && !memberForm.test(below)) {
    return deny('args_invalid', 'cursor is none that a list of tasks has given.');
  }
  const tasks: TaskRecord[] = [];
  const page = (next: string | undefined): TaskPage => ({
    tasks,
    next: next === undefined ? null : Buffer.from(next, 'latin1').toString('base64url'),
  });
  for (let examined = 0; examined < examinedMax; ) {
    const members = await parts.store.indexRange(indexKey, below === undefined ? { limit } : { limit, below });
    for (let from = 0; from < members.length; from += loadedAtOnce) {
      const some = members.slice(from, from + loadedAtOnce);
      const records = await Promise.all(some.map((member) => loadMember(parts, member, tenant)));
      for (const [index, record] of records.entries()) {
        below = some[index] as string;
        examined++;
        if (record !== undefined && fits(parts, query, record)) tasks.push(record);
        if (tasks.length === limit) return page(below);
      }
    }
    if (members.length < limit) return page(undefined);
  }
  return page(below);
}

async function loadMember(parts: TaskListParts, member: string, only: string | undefined) {
  const { id, tenant } = readMember(member);
  return only === undefined || tenant === only ? parts.load(tenant, id) : undefined;
}

function readMember(member: string): { readonly id: string; readonly tenant: string } {
  const [, id = '', encoded = ''] = memberForm.exec(member) ?? [];
  return { id, tenant: decodeURIComponent(encoded) };
}

function fits(parts: TaskListParts, { state, agent }: TaskQuery, record: TaskRecord): boolean {
  return (agent === undefined || record.agent.id === agent) && (state === undefined || parts.stateOf(record) === state);
}
