/**
 * Kept answers in the store, where every gateway on it finds them: sealed, each under the digest of the call it answers.
 * What a reader would get wrong: the store also holds tasks and budgets, and forgets nothing to make room. So what this
 * gateway has put there is counted, and its oldest answers are taken out before a new one goes in.
 */
import { createHmac } from 'node:crypto';
import type { AnswerHead, Json } from '../call.ts';
import type { CallId, Clock } from '../clock.ts';
import { within } from '../stage.ts';
import { type Store, StoreUnavailable, storeKey } from '../store/store.ts';

/** How many answers of this gateway may lie in the store at once, however short they are. */
const answersMax = 20_000;
/** How many are taken out for one that goes in; what does not fit then is not kept. */
const takenOutMax = 64;
/** What opens only with the same label, or not at all. */
export interface Seal {
  close(label: string, value: Json): string;
  /** Undefined for what was not sealed so. Never throws. */
  open(label: string, sealed: string): Json | undefined;
}

/** What kept answers are sealed with, and what the digests of their calls are keyed by. */
export interface AnswerSecret {
  readonly seal: Seal;
  readonly key: Buffer;
}

/** One answer, with what it takes to give it again. */
export interface KeptAnswer {
  readonly callId: CallId;
  /** Name of the target within its route. */
  readonly target: string;
  readonly head: AnswerHead;
  readonly body: Buffer;
  readonly storedAtMs: number;
  readonly costMicroUsd: number;
}

export interface KeptAnswersParts {
  readonly store: Pick<Store, 'get' | 'compareAndSet' | 'delete'>;
  readonly clock: Clock;
  readonly secret: AnswerSecret;
  /** Told of what is not a store that is away. */
  readonly faulted: (where: string, fault: unknown) => void;
}

interface Row {
  readonly bytes: number;
  /** On the monotonic clock. */
  readonly dueMs: number;
}

export class KeptAnswers {
  readonly #parts: KeptAnswersParts;
  /** What this gateway has put into the store, the oldest first. */
  readonly #rows = new Map<string, Row>();
  #bytes = 0;

  constructor(parts: KeptAnswersParts) {
    this.#parts = parts;
  }

  /** Bytes of sealed answers that this gateway has in the store, as far as it has looked. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Where the answer to a call of `tenant` lies that `texts` tell from all others; nobody finds the texts in it. */
  keyOf(tenant: string, ...texts: readonly string[]): string {
    const hmac = createHmac('sha256', this.#parts.secret.key);
    // With their lengths, so that nothing can be shifted from one to the next.
    for (const text of texts) hmac.update(`${text.length}:${text}`);
    return storeKey(tenant, 'answer', hmac.digest('base64url'));
  }

  /** What is kept under `key`; undefined where nothing is, or it cannot be had within `limitMs`, or read. Never rejects. */
  async find(key: string, limitMs: number): Promise<KeptAnswer | undefined> {
    const { store, clock, secret, faulted } = this.#parts;
    try {
      const found = await within(clock, limitMs, store.get(key));
      const sealed = (found?.value as { sealed?: unknown } | null | undefined)?.sealed;
      return typeof sealed === 'string' ? readAnswer(secret.seal.open(key, sealed)) : undefined;
    } catch (fault) {
      if (!(fault instanceof StoreUnavailable)) faulted('cache', fault);
      return undefined;
    }
  }

  /**
   * Keeps `answer` for `ttlMs`, in place of what is there; false where it does not fit into `bytesMax` together with what
   * else this gateway keeps. Rejects with `StoreUnavailable`.
   */
  async put(key: string, answer: KeptAnswer, ttlMs: number, bytesMax: number): Promise<boolean> {
    const { store, clock, secret } = this.#parts;
    const sealed = secret.seal.close(key, documentOf(answer));
    const row: Row = { bytes: sealed.length + key.length, dueMs: clock.monotonicMs() + ttlMs };
    // Counted before it is written: so must the next one do, and of a write that nobody answered for it is not known
    // whether it is there.
    this.#forget(key);
    this.#rows.set(key, row);
    this.#bytes += row.bytes;
    if (!(await this.#makeRoomFor(key, row, bytesMax))) return false;
    const value = { v: 1, sealed };
    const written = await store.compareAndSet(key, 0, value, ttlMs);
    if (written.ok || written.current === undefined) return written.ok;
    return (await store.compareAndSet(key, written.current.version, value, ttlMs)).ok;
  }

  /** Takes out what is over, and then the oldest; `key` itself where that does not do. */
  async #makeRoomFor(key: string, { bytes }: Row, bytesMax: number): Promise<boolean> {
    const fits = () => this.#bytes <= bytesMax && this.#rows.size <= answersMax;
    if (bytes <= bytesMax && !fits()) {
      const nowMs = this.#parts.clock.monotonicMs();
      for (const [other, { dueMs }] of this.#rows) if (dueMs <= nowMs) this.#forget(other);
      const oldest = [...this.#rows.keys()].slice(0, takenOutMax).filter((other) => other !== key);
      for (const other of oldest) {
        if (fits()) break;
        await this.#parts.store.delete(other);
        this.#forget(other);
      }
    }
    if (fits()) return true;
    this.#forget(key);
    return false;
  }

  #forget(key: string): void {
    const row = this.#rows.get(key);
    if (row === undefined) return;
    this.#rows.delete(key);
    this.#bytes -= row.bytes;
  }
}

/** Text as it is, which most answers are; of what is none its bytes. */
function documentOf({ callId, target, head, body, storedAtMs, costMicroUsd }: KeptAnswer): Json {
  const text = body.toString('utf8');
  const content = Buffer.from(text, 'utf8').equals(body) ? { text } : { base64: body.toString('base64') };
  const { status, headers } = head;
  return { callId, target, status, headers: { ...headers }, storedAtMs, costMicroUsd, ...content };
}

/** Undefined for what has not the shape of one. */
function readAnswer(document: Json | undefined): KeptAnswer | undefined {
  if (typeof document !== 'object' || document === null) return undefined;
  const { callId, target, status, headers, storedAtMs, costMicroUsd, text, base64 } = document as Record<string, Json>;
  const encoded = typeof text === 'string' || typeof base64 === 'string';
  if (typeof callId !== 'string' || typeof target !== 'string' || !encoded) return undefined;
  if (status !== 200 || !Number.isSafeInteger(storedAtMs) || !Number.isSafeInteger(costMicroUsd)) return undefined;
  const named = Object.entries((headers ?? {}) as Record<string, Json>);
  if (!named.every(([, value]) => typeof value === 'string')) return undefined;
  return {
    callId: callId as CallId,
    target,
    head: { status, headers: Object.fromEntries(named) as Record<string, string> },
    body: typeof text === 'string' ? Buffer.from(text, 'utf8') : Buffer.from(base64 as string, 'base64'),
    storedAtMs: storedAtMs as number,
    costMicroUsd: costMicroUsd as number,
  };
}
