/**
 * The checkpoint of a task: what its agent wrote down to go on from, perhaps in another cloud. It lies sealed in the
 * store, one a task, and each write has an entity tag of its own. What a reader would get wrong: the seal covers what
 * stands beside the text as well, so that neither the taint can be taken off it nor the text be put under another task.
 */
import type { Json, TaskRecord } from '../call.ts';
import type { Clock } from '../clock.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { type Store, storeKey } from '../store/store.ts';
import { updateRecord } from '../store/update.ts';
import { canonical } from '../wire/canonical.ts';
import { mayChange, type Precondition } from '../wire/precondition.ts';
import { type Caught, mayBeIn } from './caught.ts';

/** What opens only with the same label, or not at all. */
export interface Seal {
  close(label: string, value: Json): string;
  /** Undefined for what was not sealed so. Never throws. */
  open(label: string, sealed: string): Json | undefined;
}

/** The seal of one task: each has a key of its own. */
export type SealOf = (taskId: string) => Seal;

/** The largest checkpoint, in bytes of JSON. */
export const checkpointBytesMax = 262_144;
const etagBytes = 16;

/** What is known of a checkpoint besides its text. */
export interface CheckpointHead {
  /** Strong, in its quotes (RFC 9110 §8.8.3). */
  readonly etag: string;
  readonly bytes: number;
  readonly writtenAtMs: number;
  /** Region of the gateway it was written at. */
  readonly region: string;
  /** What its task had caught when it was written: whoever reads it has read that. */
  readonly caught: Caught;
}

export interface Checkpoint extends CheckpointHead {
  /** JSON as its agent sent it, byte for byte. */
  readonly text: string;
}

export interface CheckpointsParts {
  readonly store: Pick<Store, 'get' | 'compareAndSet'>;
  readonly clock: Clock;
  /** Null where no secret is there that every gateway of the store has. */
  readonly sealOf: SealOf | null;
  /** Region of this gateway. */
  readonly region: string;
  /** How long a checkpoint can be read after its task's `expiresAtMs`, in milliseconds. */
  readonly keepMs: number;
}

type Stored = CheckpointHead & { readonly v: 1; readonly sealed: string };
type Whose = Pick<TaskRecord, 'id' | 'tenant' | 'expiresAtMs'>;

export class Checkpoints {
  readonly #parts: CheckpointsParts;

  constructor(parts: CheckpointsParts) {
    this.#parts = parts;
  }

  /**
   * The last moment at which the checkpoint of a task can be read, in milliseconds since 1970: some time after its life,
   * however it ended.
   */
  readableUntilMs({ expiresAtMs }: Pick<TaskRecord, 'expiresAtMs'>): number {
    return expiresAtMs + this.#parts.keepMs;
  }

  /**
   * Writes `text` as the checkpoint of a task, as one step: of two at once that name one tag, one wins. Denies
   * `precondition_failed`, `residency_violation`, and `store_unavailable` where nothing can be sealed. Rejects with
   * `StoreUnavailable`.
   */
  async write(
    record: Whose,
    text: string,
    caught: Caught,
    precondition: Precondition,
  ): Promise<{ readonly head: CheckpointHead; readonly first: boolean } | Denial> {
    const { store, clock, region } = this.#parts;
    const seal = this.#sealOf(record.id);
    if (isDenial(seal)) return seal;
    const { taint, regions } = caught;
    if (!mayBeIn(caught, region)) return denyRegion(region);
    const head: CheckpointHead = {
      etag: `"${clock.randomBytes(etagBytes).toString('base64url')}"`,
      bytes: Buffer.byteLength(text),
      writtenAtMs: clock.nowMs(),
      region,
      caught: { taint, ...(regions === undefined ? {} : { regions }) },
    };
    const stored: Stored = { v: 1, ...head, sealed: seal.close(labelOf(record, head), text) };
    const ttlMs = Math.max(1, this.readableUntilMs(record) - clock.nowMs());
    const written = await updateRecord<Stored>(store, keyOf(record), ttlMs, (current) => {
      // Said of what cannot be read, too: whoever may write it can put it right.
      const standing = current === undefined ? null : etagOf(current);
      return denyChange(precondition, standing) ?? stored;
    });
    return isDenial(written) ? written : { head, first: written.version === 1 };
  }

  /**
   * The checkpoint of a task; undefined where it has none. Denies `residency_violation` in a region that its data was
   * not to go to, `store_unavailable` for what was not sealed so. Rejects with `StoreUnavailable`.
   */
  async read(record: TaskRecord): Promise<Checkpoint | undefined | Denial> {
    const { store, region } = this.#parts;
    const seal = this.#sealOf(record.id);
    if (isDenial(seal)) return seal;
    const found = await store.get(keyOf(record));
    if (found === undefined) return undefined;
    const stored = found.value as Partial<Stored> | null;
    const head = headOf(stored);
    const text = head === undefined ? undefined : seal.open(labelOf(record, head), stored?.sealed ?? '');
    if (head === undefined || typeof text !== 'string') return unreadable();
    // What its task has caught since is not in it; but where the task may not be now, its state need not be either.
    if (!mayBeIn(head.caught, region) || !mayBeIn(record, region)) return denyRegion(region);
    return { ...head, text };
  }

  #sealOf(taskId: string): Seal | Denial {
    const { sealOf } = this.#parts;
    if (sealOf !== null) return sealOf(taskId);
    return deny('store_unavailable', 'This gate keeps no checkpoints: an operator must configure keys.secret.', {
      retryable: false,
      reasons: [
        {
          code: 'checkpoint_secret_missing',
          message: 'Checkpoints in a shared store are sealed with a secret of all gateways on it.',
        },
      ],
    });
  }
}

function keyOf({ tenant, id }: Whose): string {
  return storeKey(tenant, 'checkpoint', id);
}

/** All that the seal covers besides the text. */
function labelOf({ tenant, id }: Whose, { etag, bytes, writtenAtMs, region, caught }: CheckpointHead): string {
  const { taint, regions = [] } = caught;
  return canonical(['tollgate checkpoint', tenant, id, etag, bytes, writtenAtMs, region, taint, regions]);
}

function etagOf(stored: unknown): string {
  const { etag } = (stored ?? {}) as { etag?: unknown };
  return typeof etag === 'string' ? etag : '';
}

/** The head of what stands in the store, if it has the shape of one; whether it is true the seal says. */
function headOf(stored: Partial<Stored> | null): CheckpointHead | undefined {
  if (typeof stored !== 'object' || stored === null || stored.v !== 1 || typeof stored.sealed !== 'string') {
    return undefined;
  }
  const { etag, bytes, writtenAtMs, region, caught } = stored;
  const texts = (list: unknown) => Array.isArray(list) && list.every((text) => typeof text === 'string');
  if (typeof etag !== 'string' || typeof region !== 'string') return undefined;
  if (!Number.isSafeInteger(bytes) || !Number.isSafeInteger(writtenAtMs)) return undefined;
  const { taint, regions = [] } = (caught ?? {}) as Partial<Caught>;
  if (caught === undefined || !texts(taint) || !Array.isArray(regions) || !regions.every(texts)) return undefined;
  return { etag, bytes: bytes as number, writtenAtMs: writtenAtMs as number, region, caught };
}

function denyChange(precondition: Precondition, etag: string | null): Denial | undefined {
  const silent = precondition.match === null && precondition.noneMatch === null;
  if (silent && etag !== null) {
    return deny(
      'precondition_failed',
      'There is a checkpoint already. Send If-Match with the ETag that you have read.',
      {
        reasons: [{ code: 'precondition_missing', message: 'If-Match: the ETag of the last read or write.' }],
      },
    );
  }
  if (mayChange(precondition, etag)) return undefined;
  const message =
    etag === null ? 'There is no checkpoint yet.' : 'The checkpoint is another one by now. Read it again.';
  return deny('precondition_failed', message, {
    reasons: [{ code: etag === null ? 'checkpoint_absent' : 'etag_differs', message }],
  });
}

function denyRegion(region: string): Denial {
  return deny('residency_violation', `What this task has read may not be in ${region}, where this gateway stands.`, {
    reasons: [
      { code: 'checkpoint_region', message: 'Ask a gateway in a region that the policy allows for this task.' },
    ],
  });
}

function unreadable(): Denial {
  return deny('store_unavailable', 'The checkpoint cannot be opened: it was changed, or sealed with another secret.', {
    retryable: false,
    reasons: [{ code: 'checkpoint_unreadable', message: 'Begin anew; If-Match: * writes over it.' }],
  });
}
