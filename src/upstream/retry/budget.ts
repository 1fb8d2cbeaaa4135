/**
 * How much may be repeated: of each route, in the last ten seconds, a share of its calls. When a provider is down every
 * call would be sent several times; this keeps the repeats from becoming the load that holds it down.
 */
import type { Clock } from '../../clock.ts';

interface Slot {
  calls: number;
  repeats: number;
}

interface Window {
  readonly slots: Slot[];
  /** Which second the latest slot is for. */
  second: number;
}

const seconds = 10;

export class RetryBudget {
  readonly #clock: Clock;
  readonly #ratio: number;
  readonly #floor: number;
  /** By route: as many as the routing table has. */
  readonly #windows = new Map<string, Window>();

  constructor(parts: { readonly clock: Clock; readonly ratio: number; readonly floor: number }) {
    this.#clock = parts.clock;
    this.#ratio = parts.ratio;
    this.#floor = parts.floor;
  }

  /** Counts a call of `route`. */
  called(route: string): void {
    const slot = this.#window(route).slots[0];
    if (slot !== undefined) slot.calls++;
  }

  /** Counts a repeat, if there may be one now. */
  take(route: string): boolean {
    const { slots } = this.#window(route);
    const sum = (of: keyof Slot) => slots.reduce((total, slot) => total + slot[of], 0);
    if (sum('repeats') >= Math.max(this.#floor, sum('calls') * this.#ratio)) return false;
    const slot = slots[0];
    if (slot !== undefined) slot.repeats++;
    return true;
  }

  #window(route: string): Window {
    const second = Math.floor(this.#clock.monotonicMs() / 1000);
    const known = this.#windows.get(route);
    const window = known ?? { slots: [], second };
    if (known === undefined) this.#windows.set(route, window);
    const gone = known === undefined ? seconds : Math.min(seconds, second - window.second);
    for (let slot = 0; slot < gone; slot++) window.slots.unshift({ calls: 0, repeats: 0 });
    window.slots.length = seconds;
    window.second = second;
    return window;
  }
}
