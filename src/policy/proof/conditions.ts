/**
 * Makes comparisons come out as wanted: `a < b` is met by putting `a` next to what `b` is, or `b` next to `a`. Values
 * are taken at the border and close to it, which is where two evaluators part and where limits are off by one.
 */
import type { Json } from '../../call.ts';
import type { Chooser } from './chooser.ts';
import { isContainer } from './draft.ts';
import { type Held, same } from './held.ts';

/** The opposite of each comparison. */
export const opposite: Readonly<Record<string, string>> = {
  equal: 'neq',
  eq: 'neq',
  neq: 'equal',
  lt: 'gte',
  gte: 'lt',
  gt: 'lte',
  lte: 'gt',
};

/** `a op b` as `b op a`. */
const mirrored: Readonly<Record<string, string>> = {
  lt: 'gt',
  gt: 'lt',
  lte: 'gte',
  gte: 'lte',
  equal: 'equal',
  neq: 'neq',
  eq: 'eq',
};

const samples: Readonly<Record<string, readonly Json[]>> = {
  is_number: [0, 1, 7, 100],
  is_string: ['v1', 'x'],
  is_boolean: [true, false],
  is_null: [null],
  is_array: [[]],
  is_object: [{}],
};

/** Functions of one argument that are true of a type. */
export function isTypeTest(name: string): boolean {
  return Object.hasOwn(samples, name);
}

export class Conditions {
  readonly #choose: Chooser;
  /** Another value for what is `value`. */
  readonly #other: (value: Json | undefined) => Json;

  constructor(choose: Chooser, other: (value: Json | undefined) => Json) {
    this.#choose = choose;
    this.#other = other;
  }

  /** Makes `left op right` true. */
  compare(op: string, left: Held, right: Held): boolean {
    const choose = this.#choose;
    if (holds(op, left.get(), right.get()) && !choose.oneIn(4)) return true;
    const sides = [
      () => this.#putNextTo(left, op, right.get()),
      () => this.#putNextTo(right, mirrored[op] ?? op, left.get()),
    ];
    if (choose.oneIn(4)) sides.reverse();
    return sides.some((side) => side());
  }

  /** Makes `value` one of what `collection` holds, or none of it. */
  member(value: Held, collection: Held, wanted: boolean): boolean {
    if (wanted) {
      const all = collection.get();
      const now = value.get();
      if (isContainer(all) && now !== undefined && Object.values(all).some((each) => same(each, now))) {
        if (!this.#choose.oneIn(4)) return true;
      }
      const element = collection.element();
      if (element === undefined) return false;
      return this.compare('equal', value, element.value);
    }
    for (let tries = 0; tries < 4; tries++) {
      const all = collection.get();
      const now = value.get();
      if (!isContainer(all) || !Object.values(all).some((each) => same(each, now))) return true;
      if (!value.put(this.#other(now)) && !collection.clear()) return false;
    }
    return false;
  }

  /** Makes `startswith`, `endswith` or `contains` of `whole` and `part` come out as wanted. */
  text(name: string, whole: Held, part: Held, wanted: boolean): boolean {
    const [long, short] = [whole.get(), part.get()];
    if (typeof long === 'string' && typeof short === 'string' && !this.#choose.oneIn(4)) {
      const now =
        name === 'startswith'
          ? long.startsWith(short)
          : name === 'endswith'
            ? long.endsWith(short)
            : long.includes(short);
      if (now === wanted) return true;
    }
    if (!wanted) return whole.put(this.#other(long));
    const more = this.#choose.of(['', 'x', '-1', '.a']);
    if (typeof short === 'string') {
      const [before, behind] = name === 'startswith' ? ['', more] : name === 'endswith' ? [more, ''] : [more, more];
      if (whole.put(`${before}${short}${behind}`)) return true;
    }
    return typeof long === 'string' && part.put(name === 'endswith' ? long.slice(-1) : long.slice(0, 1));
  }

  /** Makes a test of a type come out as wanted. */
  type(name: string, value: Held, wanted: boolean): boolean {
    const fitting = samples[name] ?? [];
    const now = value.get();
    if (wanted) {
      if (now !== undefined && `is_${typeOf(now)}` === name) return true;
      return value.put(this.#choose.of(fitting));
    }
    if (now === undefined || `is_${typeOf(now)}` !== name) return true;
    const others = Object.keys(samples).filter((other) => other !== name);
    return value.put(this.#choose.of(samples[this.#choose.of(others)] as readonly Json[])) || value.drop();
  }

  #putNextTo(held: Held, op: string, to: Json | undefined): boolean {
    const choose = this.#choose;
    if (op === 'equal' || op === 'eq') return to !== undefined && held.put(to);
    if (op === 'neq') return held.put(this.#other(to)) || held.put(this.#other(to));
    if (typeof to === 'string') return held.put(op === 'gt' || op === 'gte' ? `${to}a` : to.slice(0, -1));
    if (typeof to !== 'number') return false;
    const step = choose.of([1, 1, 1, 2, 10, 1_000]);
    const near: Readonly<Record<string, readonly number[]>> = {
      gt: [to + step, to + 1],
      gte: [choose.oneIn(2) ? to : to + step, to],
      lt: [choose.oneIn(4) ? Math.floor(to / 2) : to - step, to - 1, to - 0.5],
      lte: [choose.oneIn(2) ? to : to - step, to],
    };
    return (near[op] ?? []).some((value) => holds(op, value, to) && held.put(value));
  }
}

/** Whether `left op right`, as far as both are of a kind. */
export function holds(op: string, left: Json | undefined, right: Json | undefined): boolean {
  if (left === undefined || right === undefined) return false;
  if (op === 'equal' || op === 'eq') return same(left, right);
  if (op === 'neq') return !same(left, right);
  if (typeof left !== typeof right || isContainer(left) || left === null || right === null) return false;
  if (op === 'lt') return left < right;
  if (op === 'lte') return left <= right;
  return op === 'gt' ? left > right : left >= right;
}

function typeOf(value: Json): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
