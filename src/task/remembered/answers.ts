/**
 * Answers of models that clients take for kept at the provider, as the gate remembers them: for one task, sealed in the
 * store like its checkpoint, until the task's time is over. An index says which there are, and a record for each what was
 * said. What a reader would get wrong: nothing here must be there. What fell off, has expired, cannot be opened or was
 * never written is not remembered, and then its id stays in the request, where it is refused as any other unknown one.
 */
import type { Json, JsonObject, Recalled, TaskRecord, Told, Wanted } from '../../call.ts';
import type { CallId, Clock } from '../../clock.ts';
import { isDenial } from '../../denial.ts';
import { type Store, storeKey } from '../../store/store.ts';
import { updateRecord } from '../../store/update.ts';
import { canonical } from '../../wire/canonical.ts';
import { listOf, objectOf } from '../../wire/json-value.ts';
import type { SealOf } from '../checkpoint.ts';
import type { Room } from './room.ts';
import { type Before, chainOf, continued, type Row, rememberedMax, withRow } from './rows.ts';

export interface RememberedAnswersParts {
  readonly store: Pick<Store, 'get' | 'compareAndSet' | 'delete'>;
  readonly clock: Clock;
  readonly sealOf: SealOf;
  readonly room: Pick<Room, 'take' | 'give'>;
}

type Whose = Pick<TaskRecord, 'id' | 'tenant' | 'expiresAtMs'>;

/** What lies in one record: the end of what was said before an answer, and the answer. */
interface Said {
  readonly before: readonly Json[];
  readonly items: readonly JsonObject[];
}

export class RememberedAnswers {
  readonly #parts: RememberedAnswersParts;

  constructor(parts: RememberedAnswersParts) {
    this.#parts = parts;
  }

  /** What is remembered for the task of what is `wanted`. Rejects with `StoreUnavailable`. */
  async find(task: Whose, wanted: Wanted): Promise<Recalled> {
    const found = await this.#parts.store.get(indexKey(task));
    const rows = this.#opened(task, found?.value);
    const byItem = new Map(rows.flatMap((row) => row.items.map((id) => [id, row])));
    const last = rows.findLast(({ answer }) => answer === wanted.answer);
    const chain = last === undefined ? null : chainOf(rows, last);
    const said = new Map<string, Said>();
    const owners = wanted.items.flatMap((id) => byItem.get(id) ?? []);
    await this.#read(task, [...(chain ?? []), ...owners], said);

    const before = chain?.map(({ at }) => said.get(at)) ?? [undefined];
    const whole = before.every((one) => one !== undefined) ? before : null;
    const spoken = whole === null ? null : [...whole.flatMap((one) => one.before), ...(whole.at(-1)?.items ?? [])];
    const referred = (spoken ?? []).flatMap((item) => byItem.get(referenceOf(item) ?? '') ?? []);
    await this.#read(task, referred, said);

    // In the order they were given: of two with one id the later one counts.
    const items = new Map(rows.flatMap(({ at }) => (said.get(at)?.items ?? []).flatMap((item) => withId(item))));
    return { conversation: spoken?.map((item) => items.get(referenceOf(item) ?? '') ?? item) ?? null, items };
  }

  /**
   * Remembers an answer with what was said before it (null: that is not known). What is too long is left out: first what
   * was said before, then all. Rejects with `StoreUnavailable`.
   */
  async keep(task: Whose, callId: CallId, { id: answer, items }: Told, said: readonly Json[] | null): Promise<void> {
    const { store, clock, room, sealOf } = this.#parts;
    const ids = [...new Set(items.flatMap((item) => withId(item).map(([id]) => id)))];
    const ttlMs = task.expiresAtMs - clock.nowMs();
    if (ttlMs <= 0 || ids.length > rememberedMax.itemIds || bytesOf([], items) > rememberedMax.answerBytes) return;
    let written: { readonly rest: readonly Json[]; readonly gone: readonly Row[] } | undefined;
    const seal = sealOf(task.id);
    const index = indexKey(task);
    const add = (current: Json | undefined) => {
      const rows = this.#opened(task, current);
      const told = said === null ? untold : continued(rows, said);
      const { before, rest } = bytesOf(told.rest, items) > rememberedMax.answerBytes ? untold : told;
      const after = withRow(rows, { at: callId, answer, items: ids, before, bytes: bytesOf(rest, items) });
      written = { rest, gone: after.gone };
      return { v: 1, sealed: seal.close(labelOf(task, 'index'), after.rows as unknown as Json) };
    };
    const updated = await updateRecord<Json>(store, index, ttlMs, add);
    if (isDenial(updated) || written === undefined) return;
    if (!(await room.take(index, JSON.stringify(updated.value).length, ttlMs))) {
      await store.delete(index);
      return;
    }
    const key = recordKey(task, callId);
    const sealed = seal.close(labelOf(task, callId), { before: written.rest, items });
    if (await room.take(key, sealed.length, ttlMs)) await store.compareAndSet(key, 0, { v: 1, sealed }, ttlMs);
    for (const { at } of written.gone) {
      await store.delete(recordKey(task, at));
      room.give(recordKey(task, at));
    }
  }

  /** Adds what is in the records of `rows` to `said`; one that is not there any more is left out. */
  async #read(task: Whose, rows: readonly Row[], said: Map<string, Said>): Promise<void> {
    const missing = new Set(rows.map(({ at }) => at).filter((at) => !said.has(at)));
    await Promise.all(
      [...missing].map(async (at) => {
        const found = await this.#parts.store.get(recordKey(task, at));
        const { before, items } = objectOf(this.#open(task, at, found?.value));
        if (Array.isArray(before) && Array.isArray(items)) said.set(at, { before, items: listOf(items).map(objectOf) });
      }),
    );
  }

  /** The rows of an index; none where it cannot be opened. What the seal covers, this gate has written. */
  #opened(task: Whose, value: Json | undefined): readonly Row[] {
    return listOf(this.#open(task, 'index', value)) as unknown as readonly Row[];
  }

  #open(task: Whose, name: string, value: Json | undefined): Json | undefined {
    const { sealed } = objectOf(value);
    return typeof sealed === 'string' ? this.#parts.sealOf(task.id).open(labelOf(task, name), sealed) : undefined;
  }
}

const untold: { readonly before: Before | null; readonly rest: readonly Json[] } = { before: null, rest: [] };

function indexKey({ tenant, id }: Whose): string {
  return storeKey(tenant, 'remembered', id);
}

function recordKey({ tenant, id }: Whose, name: string): string {
  return storeKey(tenant, 'remembered', id, name);
}

function labelOf({ tenant, id }: Whose, name: string): string {
  return canonical(['tollgate remembered answer', tenant, id, name]);
}

function bytesOf(before: readonly Json[], items: readonly JsonObject[]): number {
  return Buffer.byteLength(JSON.stringify({ before, items }));
}

/** The longest id of an item that is taken for one. */
const idCharsMax = 128;

function withId(item: JsonObject): readonly (readonly [id: string, item: JsonObject])[] {
  const { id } = item;
  return typeof id === 'string' && id !== '' && id.length <= idCharsMax ? [[id, item]] : [];
}

function referenceOf(item: Json): string | undefined {
  const { type, id } = objectOf(item);
  return type === 'item_reference' && typeof id === 'string' ? id : undefined;
}
