/**
 * Messages between gateways, on a connection of their own. Channels are subscribed again on every new connection; what
 * was published in between is gone. An idle connection to a dead server looks alive, so it is asked every second: a
 * gateway that cannot hear a kill must know it.
 */
import type { Redis } from 'ioredis';
import type { Json } from '../../call.ts';
import type { Clock, Timer } from '../../clock.ts';
import { StoreUnavailable, type Subscription } from '../store.ts';
import { reconnectDelayMs } from './redis-connection.ts';
import type { Deadline } from './redis-deadline.ts';

export const subscriptionsMax = 10_000;
const heartbeatMs = 1_000;
/** Channels lie under the prefix of the keys, so that one ACL rule covers them. */
const prefix = 'tg:';

type Listener = (message: Json) => void;

export interface RedisMessagesParts {
  readonly clock: Clock;
  readonly deadline: Deadline;
  /** A connection that is not yet made; called again after each one ended. */
  readonly connection: (attempt: number) => Redis;
  readonly onListenerFault: (error: unknown) => void;
  readonly onConnectionFault: (error: unknown) => void;
}

export class RedisMessages implements AsyncDisposable {
  readonly #parts: RedisMessagesParts;
  readonly #channels = new Map<string, Set<{ readonly listener: Listener }>>();
  #subscriptions = 0;
  #open = false;
  /** The connection, once every channel is subscribed on it. */
  #ready: Redis | undefined;
  #current: Redis | undefined;
  #attempts = 0;
  #timer: Timer | undefined;

  constructor(parts: RedisMessagesParts) {
    this.#parts = parts;
  }

  /** Resolves when the first connection stands; it may take for ever, and goes on being tried until disposal. */
  open(): Promise<void> {
    this.#open = true;
    return new Promise((resolve) => this.#connect(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#open = false;
    this.#ready = undefined;
    this.#channels.clear();
    this.#subscriptions = 0;
    this.#timer?.cancel();
    this.#current?.disconnect();
  }

  async ping(): Promise<void> {
    const connection = this.#connected();
    await this.#parts.deadline.run(() => connection.ping());
  }

  /** The name of `channel` at the server. */
  static channelName(channel: string): string {
    return prefix + channel;
  }

  async subscribe(channel: string, listener: Listener): Promise<Subscription> {
    const connection = this.#connected();
    if (this.#subscriptions >= subscriptionsMax) {
      throw new StoreUnavailable('The store has as many subscriptions as it may');
    }
    const name = RedisMessages.channelName(channel);
    const subscription = { listener };
    const subscriptions = this.#channels.get(name) ?? new Set();
    this.#channels.set(name, subscriptions.add(subscription));
    this.#subscriptions++;
    try {
      await this.#parts.deadline.run(() => connection.subscribe(name));
    } catch (error) {
      // Not awaited: the caller has waited its time-out already, and this would take another.
      void this.#unsubscribe(name, subscription);
      throw error;
    }
    return { close: () => this.#unsubscribe(name, subscription) };
  }

  #connected(): Redis {
    if (this.#ready === undefined) throw new StoreUnavailable('The store cannot hear messages: it is not connected');
    return this.#ready;
  }

  #connect(onReady: () => void): void {
    const connection = this.#parts.connection(this.#attempts++);
    this.#current = connection;
    connection.on('error', this.#parts.onConnectionFault);
    connection.on('message', (name: string, text: string) => this.#deliver(name, text));
    connection.on('ready', () => {
      void this.#resubscribe(connection).then((done) => done && onReady());
    });
    connection.on('end', () => {
      this.#ready = undefined;
      this.#timer?.cancel();
      if (!this.#open) return;
      this.#timer = this.#parts.clock.after(reconnectDelayMs(this.#attempts), () => this.#connect(onReady));
    });
    // Its failure comes as `error` and `end`.
    connection.connect().catch(() => undefined);
  }

  async #resubscribe(connection: Redis): Promise<boolean> {
    try {
      const names = [...this.#channels.keys()];
      if (names.length > 0) await this.#parts.deadline.run(() => connection.subscribe(...names));
    } catch (error) {
      this.#parts.onConnectionFault(error);
      connection.disconnect();
      return false;
    }
    if (!this.#open || connection.status !== 'ready') return false;
    this.#attempts = 0;
    this.#ready = connection;
    this.#beat(connection);
    return true;
  }

  /** The socket's own time-out ends a connection on which the answer stays away. */
  #beat(connection: Redis): void {
    this.#timer = this.#parts.clock.after(heartbeatMs, () => {
      connection.ping().then(
        () => this.#ready === connection && this.#beat(connection),
        () => connection.disconnect(),
      );
    });
  }

  #deliver(name: string, text: string): void {
    for (const { listener } of [...(this.#channels.get(name) ?? [])]) {
      try {
        // Parsed for each: a listener that changes its message must not change another's.
        listener(JSON.parse(text) as Json);
      } catch (error) {
        this.#parts.onListenerFault(error);
      }
    }
  }

  async #unsubscribe(name: string, subscription: { readonly listener: Listener }): Promise<void> {
    const subscriptions = this.#channels.get(name);
    if (!subscriptions?.delete(subscription)) return;
    this.#subscriptions--;
    if (subscriptions.size > 0) return;
    this.#channels.delete(name);
    const connection = this.#ready;
    if (connection === undefined) return;
    // If it is lost the server still sends, to nobody; a new connection will not ask for the channel.
    await this.#parts.deadline.run(() => connection.unsubscribe(name)).catch(() => undefined);
  }
}
