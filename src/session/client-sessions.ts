/**
 * The sessions of clients that speak a version of MCP with sessions (2025-11-25 and before). They lie in the store, so
 * that any gateway serves the next request of one. What a reader would get wrong: the id of a session opens nothing.
 * Whoever shows it shows a task token besides, and a session is found under its own task alone, on its own route.
 */
import type { JsonObject } from '../call.ts';
import type { Clock } from '../clock.ts';
import { type Denial, isDenial } from '../denial.ts';
import type { Store } from '../store/store.ts';
import { updateRecord } from '../store/update.ts';
import { keyOf, lifeMs, type Owner } from './owner.ts';

/** How many sessions a task may have; one more, and the oldest goes. */
export const sessionsMax = 32;

const idBytes = 24;
const idForm = /^[A-Za-z0-9_-]{32}$/;

/** What a client has said when it began. */
export interface ClientSession {
  readonly id: string;
  /** The route it is on; null where it is on all of them. */
  readonly route: string | null;
  readonly version: string;
  /** What the token that began it reached; absent where that was all that its task may. */
  readonly scope?: readonly string[];
  readonly capabilities: JsonObject;
  readonly info?: JsonObject;
  /** The least severe log messages that it wants; absent where it has not said. */
  readonly logLevel?: string;
}

interface Stored extends ClientSession {
  readonly v: 1;
}

export interface ClientSessionsParts {
  readonly store: Pick<Store, 'get' | 'compareAndSet' | 'delete'>;
  readonly clock: Clock;
}

export class ClientSessions {
  readonly #parts: ClientSessionsParts;

  constructor(parts: ClientSessionsParts) {
    this.#parts = parts;
  }

  /** Begins a session. Of more than `sessionsMax` the oldest end. Denies `task_conflict`. Rejects with `StoreUnavailable`. */
  async begin(owner: Owner, said: Omit<ClientSession, 'id'>): Promise<ClientSession | Denial> {
    const { store, clock } = this.#parts;
    const session: Stored = { v: 1, ...said, id: clock.randomBytes(idBytes).toString('base64url') };
    const forMs = lifeMs(owner, clock.nowMs());
    // Before it is listed: of what is listed, nothing is missing.
    await store.compareAndSet(recordKey(owner, session.id), 0, { ...session } as unknown as JsonObject, forMs);
    let gone: readonly string[] = [];
    const listed = await updateRecord<readonly string[]>(store, keyOf(owner, 'sessions'), forMs, (current = []) => {
      const all = [...current, session.id];
      gone = all.slice(0, Math.max(0, all.length - sessionsMax));
      return all.slice(-sessionsMax);
    });
    if (isDenial(listed)) {
      await store.delete(recordKey(owner, session.id));
      return listed;
    }
    for (const id of gone) await store.delete(recordKey(owner, id));
    return session;
  }

  /** The session `id` of this task on this route; undefined where there is none, or no more. */
  async find(owner: Owner, route: string | null, id: string): Promise<ClientSession | undefined> {
    if (!idForm.test(id)) return undefined;
    const found = await this.#parts.store.get(recordKey(owner, id));
    const session = found?.value as unknown as Stored | undefined;
    return session?.v === 1 && session.id === id && session.route === route ? session : undefined;
  }

  /** Keeps the least severe log messages that the client wants. Denies `task_conflict`. */
  async wantLog(owner: Owner, { id }: ClientSession, logLevel: string): Promise<Denial | undefined> {
    const { store, clock } = this.#parts;
    const key = recordKey(owner, id);
    const found = await store.get(key);
    if (found === undefined) return undefined;
    const forMs = lifeMs(owner, clock.nowMs());
    const updated = await updateRecord<Stored>(store, key, forMs, (current) => ({
      ...(current ?? (found.value as unknown as Stored)),
      logLevel,
    }));
    return isDenial(updated) ? updated : undefined;
  }

  /** Ends a session: from now on it is not there. */
  async end(owner: Owner, { id }: ClientSession): Promise<void> {
    const { store, clock } = this.#parts;
    await store.delete(recordKey(owner, id));
    await updateRecord<readonly string[]>(
      store,
      keyOf(owner, 'sessions'),
      lifeMs(owner, clock.nowMs()),
      (current = []) => current.filter((one) => one !== id),
    );
  }
}

function recordKey(owner: Owner, id: string): string {
  return keyOf(owner, 'session', id);
}
