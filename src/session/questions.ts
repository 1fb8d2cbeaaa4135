/**
 * What servers have asked clients and wait for: one record a question, so that the client may answer at any gateway. A
 * question is answered once. What a reader would get wrong: the answer itself is not judged here; it has come up the
 * ladder as a call of its own before it is handed over.
 */
import type { Json, JsonObject, McpReply } from '../call.ts';
import type { Clock } from '../clock.ts';
import type { Store } from '../store/store.ts';
import { canonical } from '../wire/canonical.ts';
import { keyOf, lifeMs, type Owner, type SealOf } from './owner.ts';
import type { Wakes } from './wakes.ts';

/** How long a client has to answer, in milliseconds. */
export const answerMs = 10 * 60_000;
const lookEveryMs = 1_000;
const idForm = /^question-[A-Za-z0-9_-]{24}$/;

/** A question under way. */
export interface OpenQuestion {
  /** What the client answers to. */
  readonly id: string;
  /** The session it was asked in; null for a stateless client. */
  readonly session: string | null;
  readonly method: string;
  /** Who asks. */
  readonly route: string;
  readonly target: string;
}

interface Stored extends OpenQuestion {
  readonly v: 1;
  /** The answer; absent while there is none. */
  readonly sealed?: string;
}

export interface QuestionsParts {
  readonly store: Pick<Store, 'get' | 'compareAndSet' | 'delete'>;
  readonly clock: Clock;
  readonly wakes: Wakes;
  readonly sealOf: SealOf;
}

export class Questions {
  readonly #parts: QuestionsParts;

  constructor(parts: QuestionsParts) {
    this.#parts = parts;
  }

  /** Notes a question, so that its answer finds it. Rejects with `StoreUnavailable`. */
  async open(owner: Owner, asked: Omit<OpenQuestion, 'id'>): Promise<OpenQuestion> {
    const { store, clock } = this.#parts;
    const question: Stored = { v: 1, ...asked, id: `question-${clock.randomBytes(18).toString('base64url')}` };
    const forMs = lifeMs(owner, clock.nowMs(), answerMs);
    await store.compareAndSet(recordKey(owner, question.id), 0, { ...question } as unknown as Json, forMs);
    return question;
  }

  /** The question `id` of this task and session, if it waits for its answer. */
  async find(owner: Owner, session: string | null, id: Json): Promise<OpenQuestion | undefined> {
    if (typeof id !== 'string' || !idForm.test(id)) return undefined;
    const stored = await this.#stored(owner, id);
    return stored === undefined || stored.value.session !== session || stored.value.sealed !== undefined
      ? undefined
      : stored.value;
  }

  /** Hands an answer to whoever waits for it; false where nobody does, or it had one already. */
  async answer(owner: Owner, { id }: OpenQuestion, reply: McpReply): Promise<boolean> {
    const { store, clock, wakes, sealOf } = this.#parts;
    const stored = await this.#stored(owner, id);
    if (stored === undefined || stored.value.sealed !== undefined) return false;
    const sealed = sealOf(owner.taskId).close(labelOf(owner, id), reply as unknown as JsonObject);
    const value = { ...stored.value, sealed } as unknown as Json;
    const written = await store.compareAndSet(
      recordKey(owner, id),
      stored.version,
      value,
      lifeMs(owner, clock.nowMs(), answerMs),
    );
    if (!written.ok) return false;
    await wakes.wake(wakeOf(id));
    return true;
  }

  /** The answer, once there is one; undefined where none came in time, or `signal` aborted. The question is closed then. */
  async wait(owner: Owner, { id }: OpenQuestion, forMs: number, signal: AbortSignal): Promise<McpReply | undefined> {
    const { store, clock, wakes, sealOf } = this.#parts;
    const untilMs = clock.monotonicMs() + Math.min(forMs, answerMs);
    try {
      while (!signal.aborted) {
        const leftMs = untilMs - clock.monotonicMs();
        if (leftMs <= 0) return undefined;
        const news = wakes.next(wakeOf(id), Math.min(lookEveryMs, leftMs), signal);
        const stored = await this.#stored(owner, id);
        if (stored === undefined) return undefined;
        if (stored.value.sealed !== undefined) {
          const reply = sealOf(owner.taskId).open(labelOf(owner, id), stored.value.sealed);
          return isReply(reply) ? reply : undefined;
        }
        await news;
      }
      return undefined;
    } finally {
      await store.delete(recordKey(owner, id));
    }
  }

  async #stored(owner: Owner, id: string): Promise<{ readonly value: Stored; readonly version: number } | undefined> {
    const found = await this.#parts.store.get(recordKey(owner, id));
    const value = found?.value as unknown as Stored | undefined;
    return found === undefined || value?.v !== 1 || value.id !== id ? undefined : { value, version: found.version };
  }
}

function isReply(value: Json | undefined): value is McpReply & JsonObject {
  return typeof value === 'object' && value !== null && ('result' in value || 'error' in value);
}

function recordKey(owner: Owner, id: string): string {
  return keyOf(owner, 'question', id);
}

function wakeOf(id: string): string {
  return `question ${id}`;
}

function labelOf({ tenant, taskId }: Owner, id: string): string {
  return canonical(['mcp answer', tenant, taskId, id]);
}
