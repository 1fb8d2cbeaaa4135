/**
 * Wakes whoever waits for something, on any gateway of the store. A message only says that there is news, never what: it
 * may be lost or come twice, so whoever waits looks for himself, also when nobody has woken him for a while.
 */
import type { Clock } from '../clock.ts';
import type { Store, Subscription } from '../store/store.ts';

const wakeChannel = 'tg:mcp-wake';

/** How many may wait at one gateway. */
const waitingMax = 20_000;

export interface WakesParts {
  readonly store: Pick<Store, 'publish' | 'subscribe'>;
  readonly clock: Clock;
  readonly faulted: (where: string, fault: unknown) => void;
}

export class Wakes implements AsyncDisposable {
  readonly #parts: WakesParts;
  readonly #waiting = new Map<string, Set<() => void>>();
  #count = 0;
  #subscription: Subscription | undefined;

  constructor(parts: WakesParts) {
    this.#parts = parts;
  }

  async open(): Promise<void> {
    this.#subscription = await this.#parts.store.subscribe(wakeChannel, (message) => {
      if (typeof message === 'string') this.#wakeHere(message);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#subscription?.close();
    this.#subscription = undefined;
    this.#waiting.clear();
    this.#count = 0;
  }

  /** Wakes everybody who waits for `what`, here at once, elsewhere when the message gets there. Never rejects. */
  async wake(what: string): Promise<void> {
    this.#wakeHere(what);
    try {
      await this.#parts.store.publish(wakeChannel, what);
    } catch (fault) {
      // Elsewhere they look for themselves before long.
      this.#parts.faulted('session', fault);
    }
  }

  /** Calls `woken` whenever there is news of `what`, until the returned function is called. */
  on(what: string, woken: () => void): () => void {
    if (this.#count >= waitingMax) return () => undefined;
    const those = this.#waiting.get(what) ?? new Set();
    this.#waiting.set(what, those.add(woken));
    this.#count++;
    return () => {
      if (!those.delete(woken)) return;
      this.#count--;
      if (those.size === 0 && this.#waiting.get(what) === those) this.#waiting.delete(what);
    };
  }

  /** Resolves when there is news of `what`, when `signal` aborts, and after `afterMs` in any case. */
  next(what: string, afterMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      const end = () => {
        timer.cancel();
        leave();
        signal?.removeEventListener('abort', end);
        resolve();
      };
      const timer = this.#parts.clock.after(afterMs, end);
      const leave = this.on(what, end);
      signal?.addEventListener('abort', end, { once: true });
    });
  }

  #wakeHere(what: string): void {
    for (const woken of [...(this.#waiting.get(what) ?? [])]) woken();
  }
}
