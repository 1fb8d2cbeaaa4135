/**
 * Which keys of which targets rest, and for how long: because the provider said that their quota is used up, or because
 * it did not accept them. What one gateway learns it tells the others by a message of the store, at most once; whoever
 * does not hear of it learns it by an answer of its own.
 */
import type { Json } from '../../call.ts';
import type { Clock } from '../../clock.ts';
import type { Store, Subscription } from '../../store/store.ts';

export interface KeyRestsParts {
  readonly store: Pick<Store, 'publish' | 'subscribe'>;
  readonly clock: Clock;
}

/** A key of a target; `key` is the name of a credential, or null where there is none. */
export interface KeyAt {
  readonly route: string;
  readonly target: string;
  readonly key: string | null;
}

const channel = 'key-rests';
/** Keys that rest at once; a message of another gateway might name any. */
const restsMax = 10_000;
const longestMs = 60 * 60 * 1000;
/** A rest that is longer by less than this is not told again. */
const tellFromMs = 250;

export class KeyRests implements AsyncDisposable {
  readonly #parts: KeyRestsParts;
  /** When each may be used again, on the monotonic clock. */
  readonly #untilMs = new Map<string, number>();
  #subscription: Subscription | undefined;

  constructor(parts: KeyRestsParts) {
    this.#parts = parts;
  }

  async open(): Promise<void> {
    this.#subscription = await this.#parts.store.subscribe(channel, (message) => {
      const heard = restIn(message);
      if (heard !== undefined) this.#set(heard.at, heard.restMs);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#subscription?.close();
  }

  /** Milliseconds until the key may be used; 0 where it may be now. */
  restMs(at: KeyAt): number {
    if (this.#untilMs.size === 0) return 0;
    const name = nameOf(at);
    const untilMs = this.#untilMs.get(name);
    if (untilMs === undefined) return 0;
    const restMs = untilMs - this.#parts.clock.monotonicMs();
    if (restMs > 0) return restMs;
    this.#untilMs.delete(name);
    return 0;
  }

  /** Lets a key rest for `restMs`, here and at the other gateways; a longer rest stands. */
  rest(at: KeyAt, restMs: number): void {
    const longer = restMs - this.restMs(at);
    if (longer <= 0) return;
    this.#set(at, restMs);
    if (longer < tellFromMs) return;
    const message: Json = { ...at, rest_ms: Math.ceil(restMs) };
    // Not worth waiting for: without it the others find out for themselves.
    this.#parts.store.publish(channel, message).catch(() => undefined);
  }

  /** It was not the key's fault after all: on this gateway it may be used again. */
  wake(at: KeyAt): void {
    this.#untilMs.delete(nameOf(at));
  }

  #set(at: KeyAt, restMs: number): void {
    const nowMs = this.#parts.clock.monotonicMs();
    const name = nameOf(at);
    const untilMs = nowMs + Math.min(restMs, longestMs);
    if (untilMs <= (this.#untilMs.get(name) ?? 0)) return;
    if (this.#untilMs.size >= restsMax && !this.#untilMs.has(name)) {
      for (const [other, otherMs] of this.#untilMs) if (otherMs <= nowMs) this.#untilMs.delete(other);
      if (this.#untilMs.size >= restsMax) return;
    }
    this.#untilMs.set(name, untilMs);
  }
}

function nameOf({ route, target, key }: KeyAt): string {
  return JSON.stringify([route, target, key]);
}

function restIn(message: Json): { readonly at: KeyAt; readonly restMs: number } | undefined {
  if (typeof message !== 'object' || message === null || Array.isArray(message)) return undefined;
  const { route, target, key, rest_ms: restMs } = message as { readonly [member: string]: Json };
  if (typeof route !== 'string' || typeof target !== 'string' || typeof restMs !== 'number') return undefined;
  if (key !== null && typeof key !== 'string') return undefined;
  return Number.isFinite(restMs) && restMs > 0 ? { at: { route, target, key }, restMs } : undefined;
}
