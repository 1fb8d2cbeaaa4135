/**
 * The rest of results that were too long for one answer: for one task, sealed in the store, for some minutes. What a
 * reader would get wrong: it is what was decided on and changed by its obligations, page by page as it would have gone
 * out; reading on is no new call, and the taint of it stands in the task already.
 */
import type { TaskRecord } from '../call.ts';
import type { CallId, Clock } from '../clock.ts';
import { type Store, storeKey } from '../store/store.ts';
import { canonical } from '../wire/canonical.ts';
import { objectOf } from '../wire/json-value.ts';
import type { SealOf } from './checkpoint.ts';
import type { Room } from './remembered/room.ts';

/** How long a rest is kept, and how much of one. */
const restMax = { ms: 900_000, bytes: 4 * 1_048_576 } as const;

/** One page as it goes out. */
export interface KeptPage {
  readonly contentType: string;
  readonly text: string;
  /** What it is of the whole, as headers tell it. */
  readonly part: string;
}

export interface ResultRestsParts {
  readonly store: Pick<Store, 'get' | 'compareAndSet' | 'delete'>;
  readonly clock: Clock;
  /** Null where nothing may lie in the store, for want of a secret: then nothing is kept. */
  readonly sealOf: SealOf | null;
  readonly room: Pick<Room, 'take'>;
}

/** The call whose result it is. */
export interface Whence {
  readonly callId: CallId;
  /** Name of the operation. */
  readonly operation: string;
}

export interface FoundPage extends Whence {
  readonly page: KeptPage;
  /** The cursor of the page behind it; null where there is none. */
  readonly next: string | null;
}

type Whose = Pick<TaskRecord, 'id' | 'tenant' | 'expiresAtMs'>;

const cursorForm = /^([A-Za-z0-9_-]{22})\.([1-9]\d{0,2})$/;

export class ResultRests {
  readonly #parts: ResultRestsParts;

  constructor(parts: ResultRestsParts) {
    this.#parts = parts;
  }

  /**
   * Keeps the pages of a result from the second on, as many as there is room for. Gives the cursor of the first of them;
   * null where none is kept. Rejects with `StoreUnavailable`.
   */
  async keep(task: Whose, { callId, operation }: Whence, pages: readonly KeptPage[]): Promise<string | null> {
    const { store, clock, sealOf, room } = this.#parts;
    const ttlMs = Math.min(restMax.ms, task.expiresAtMs - clock.nowMs());
    const kept: KeptPage[] = [];
    let bytes = 0;
    for (const page of pages) {
      bytes += Buffer.byteLength(page.text);
      if (bytes > restMax.bytes) break;
      kept.push(page);
    }
    if (sealOf === null || ttlMs <= 0 || kept.length === 0) return null;
    const id = clock.randomBytes(16).toString('base64url');
    const key = keyOf(task, id);
    const document = { callId, operation, pages: kept.map((page) => ({ ...page })) };
    const sealed = sealOf(task.id).close(labelOf(task, id), document);
    if (!(await room.take(key, sealed.length, ttlMs))) return null;
    const written = await store.compareAndSet(key, 0, { v: 1, sealed }, ttlMs);
    return written.ok ? `${id}.1` : null;
  }

  /** The page of a cursor; undefined for what is not there. Rejects with `StoreUnavailable`. */
  async read(task: Whose, cursor: string): Promise<FoundPage | undefined> {
    const [, id, number] = cursorForm.exec(cursor) ?? [];
    const { store, sealOf } = this.#parts;
    if (id === undefined || sealOf === null) return undefined;
    const { sealed } = objectOf((await store.get(keyOf(task, id)))?.value);
    if (typeof sealed !== 'string') return undefined;
    const { callId, operation, pages } = objectOf(sealOf(task.id).open(labelOf(task, id), sealed));
    // What the seal covers, this gate has written.
    const all = (Array.isArray(pages) ? pages : []) as unknown as readonly KeptPage[];
    const page = all[Number(number) - 1];
    if (page === undefined) return undefined;
    const next = Number(number) < all.length ? `${id}.${Number(number) + 1}` : null;
    return { callId: callId as CallId, operation: String(operation), page, next };
  }
}

function keyOf({ tenant, id }: Whose, rest: string): string {
  return storeKey(tenant, 'result', id, rest);
}

function labelOf({ tenant, id }: Whose, rest: string): string {
  return canonical(['tollgate rest of a result', tenant, id, rest]);
}
