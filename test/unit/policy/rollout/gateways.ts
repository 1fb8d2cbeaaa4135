/** Gateways on one memory store, each with a way to the store that can be cut, delayed and counted. */
import { RolloutDesk, type RolloutDeskParts } from '../../../../src/policy/rollout/rollout-desk.ts';
import type { RolledOut } from '../../../../src/policy/rollout/rollout-state.ts';
import { MemoryStore } from '../../../../src/store/backends/memory.ts';
import { type Store, StoreUnavailable } from '../../../../src/store/store.ts';
import { ManualClock } from '../../../fakes/clock.ts';

export const recordKey = 'tg:{}:policy-rollout';
export const one: RolledOut = { content: 'a'.repeat(64), revision: 'r1' };
export const two: RolledOut = { content: 'b'.repeat(64), revision: 'r2' };
export const ann = { by: 'ann', candidate: one };

type Part = RolloutDeskParts['store'];

export interface Line {
  readonly level: string;
  readonly message: string;
}

/** A gateway's own way to the store. */
export class Way {
  /** Every call of the store fails while it is true. */
  away = false;
  readonly lines: Line[] = [];
  readonly faults: unknown[] = [];
  readonly #store: Store;
  readonly #over: Partial<Part>;

  constructor(store: Store, over: Partial<Part> = {}) {
    this.#store = store;
    this.#over = over;
  }

  get store(): Part {
    const whole: Part = {
      get: (key) => this.#store.get(key),
      compareAndSet: (...write) => this.#store.compareAndSet(...write),
      publish: (...message) => this.#store.publish(...message),
      subscribe: (...listening) => this.#store.subscribe(...listening),
      ...this.#over,
    };
    const through = <T>(ask: () => Promise<T>) => (this.away ? Promise.reject(new StoreUnavailable('away')) : ask());
    return {
      get: (key) => through(() => whole.get(key)),
      compareAndSet: (...write) => through(() => whole.compareAndSet(...write)),
      publish: (...message) => through(() => whole.publish(...message)),
      subscribe: (...listening) => through(() => whole.subscribe(...listening)),
    };
  }

  readonly log = (level: string, message: string): void => {
    this.lines.push({ level, message });
  };

  readonly faulted = (_where: string, fault: unknown): void => {
    this.faults.push(fault);
  };
}

export class Gateways {
  readonly clock = new ManualClock();
  readonly store = new MemoryStore({ clock: this.clock });

  static async open(): Promise<Gateways> {
    const gateways = new Gateways();
    await gateways.store.open();
    return gateways;
  }

  /** A gateway that has begun; `away` from the start if wanted. */
  async gateway(over: Partial<Part> = {}, away = false): Promise<{ readonly desk: RolloutDesk; readonly way: Way }> {
    const way = new Way(this.store, over);
    way.away = away;
    const { store, log, faulted } = way;
    const desk = new RolloutDesk({ store, log, faulted, clock: this.clock });
    await desk.open();
    return { desk, way };
  }
}

/** A store of which no message arrives. */
export const deaf: Partial<Part> = { subscribe: async () => ({ close: async () => undefined }) };
