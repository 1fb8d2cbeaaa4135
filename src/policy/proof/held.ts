/**
 * What a term of Rego stands for while an input is being solved: something that can be read now and, where it comes from
 * the input, be changed there. So `lower(input.agent.id)` can be put to `desk`, and the agent's id becomes that.
 */
import type { Json } from '../../call.ts';
import { type Draft, isContainer, memberOf, type Step } from './draft.ts';

export interface Held {
  /** What it is now; undefined where there is nothing, or where only an evaluation would tell. */
  readonly get: () => Json | undefined;
  /** Changes the input so that it is `value`; false where that cannot be done. */
  readonly put: (value: Json) => boolean;
  /** Changes the input so that it is undefined. */
  readonly drop: () => boolean;
  /** What is below it. */
  readonly member: (step: Step) => Held;
  /** One of what it holds, or one more that is made; undefined where there is none. */
  readonly element: () => Element | undefined;
  /** Makes it hold nothing. */
  readonly clear: () => boolean;
  /** Makes its elements so many, and the numbers among them so much together, where it can. */
  readonly resize?: (count: number) => boolean;
  readonly amount?: (sum: number) => boolean;
  /** It is the same whatever the input. */
  readonly fixed?: boolean;
}

export interface Element {
  readonly key: Held;
  readonly value: Held;
}

const never = () => false;

/** A value that is as it is. */
export function constant(value: Json, pick: (below: number) => number): Held {
  return {
    fixed: true,
    get: () => value,
    put: (wanted) => same(wanted, value),
    drop: never,
    member: (step) => {
      const found = memberOf(value, step);
      return found === undefined ? nothing : constant(found, pick);
    },
    element: () => {
      if (!isContainer(value)) return undefined;
      const keys = Object.keys(value);
      const key = keys[pick(keys.length)];
      if (key === undefined) return undefined;
      const step = Array.isArray(value) ? Number(key) : key;
      return { key: constant(step, pick), value: constant(memberOf(value, step) as Json, pick) };
    },
    clear: () => isContainer(value) && Object.keys(value).length === 0,
  };
}

/** Nothing is known of it, and nothing can be done. */
export const nothing: Held = {
  get: () => undefined,
  put: never,
  drop: () => true,
  member: () => nothing,
  element: () => undefined,
  clear: never,
};

/** What is read from others, by `get`, and put by `put`. */
export function derived(get: () => Json | undefined, put: (value: Json) => boolean, of: readonly Held[] = []): Held {
  return {
    get,
    put,
    drop: () => of.some((each) => each.drop()),
    member: (step) => derived(() => memberOf(get(), step), never, of),
    element: () => {
      const value = get();
      if (!isContainer(value)) return undefined;
      const [key] = Object.keys(value);
      if (key === undefined) return undefined;
      const step = Array.isArray(value) ? Number(key) : key;
      return { key: derived(() => step, never), value: derived(() => memberOf(value, step), never) };
    },
    clear: never,
  };
}

/** A list that is written out. */
export function composite(items: readonly Held[], pick: (below: number) => number): Held {
  const get = (): Json | undefined => {
    const values = items.map((item) => item.get());
    return values.includes(undefined) ? undefined : (values as Json[]);
  };
  const put = (value: Json): boolean =>
    Array.isArray(value) &&
    value.length === items.length &&
    items.every((item, index) => item.put(value[index] as Json));
  return {
    ...derived(get, put, items),
    member: (step) => (typeof step === 'number' ? (items[step] ?? nothing) : nothing),
    element: () => {
      if (items.length === 0) return undefined;
      const index = pick(items.length);
      return {
        key: derived(() => index, never),
        value: items[index] as Held,
      };
    },
    amount: (sum) =>
      items.some((item) => {
        const rest = items.reduce((total, other) => {
          const value = other === item ? 0 : other.get();
          return total + (typeof value === 'number' ? value : 0);
        }, 0);
        return item.put(sum - rest);
      }),
  };
}

/** Elements of a new list or map are made with names from `name`. */
export interface Growth {
  readonly pick: (below: number) => number;
  readonly name: (path: readonly Step[]) => string;
}

const grownMax = 24;

/** A step of a path that may be renamed: the name of a member of a map. */
interface Name {
  at: Step;
}

/** A place of the input. */
export function placed(draft: Draft, way: readonly (Step | Name)[], growth: Growth): Held {
  const path = (): Step[] => way.map((step) => (typeof step === 'object' ? step.at : step));
  const here = (step: Step | Name): Held => placed(draft, [...way, step], growth);
  const isList = (): boolean => {
    const value = draft.get(path());
    if (isContainer(value)) return Array.isArray(value);
    const schema = draft.schemaAt(path());
    return schema?.type === 'array' || (schema?.anyOf?.some(({ type }) => type === 'array') ?? false);
  };
  const elementAt = (step: Step): Element => {
    if (typeof step === 'number') return { key: constant(step, growth.pick), value: here(step) };
    const name: Name = { at: step };
    const rename = (to: Json): boolean => {
      if (typeof to !== 'string') return false;
      const [from, next] = [path(), [...path(), to]];
      const value = draft.get([...from, name.at]);
      if (draft.get(next) === undefined && (value === undefined || !draft.put(next, value))) return false;
      if (name.at !== to && draft.get([...from, name.at]) !== undefined) draft.drop([...from, name.at]);
      name.at = to;
      return true;
    };
    return { key: derived(() => name.at, rename), value: here(name) };
  };
  const grow = (): Element | undefined => {
    const value = draft.get(path());
    const step = isList() ? (Array.isArray(value) ? value.length : 0) : growth.name(path());
    const made = draft.made([...path(), step]);
    if (made === undefined || !draft.put([...path(), step], made)) return undefined;
    return elementAt(step);
  };
  return {
    get: () => draft.get(path()),
    put: (value) => draft.put(path(), value),
    drop: () => draft.drop(path()),
    member: here,
    element: () => {
      const value = draft.get(path());
      const keys = isContainer(value) ? Object.keys(value) : [];
      if (keys.length === 0 || (keys.length < grownMax && growth.pick(3) === 0)) return grow();
      const key = keys[growth.pick(keys.length)] as string;
      return elementAt(Array.isArray(value) ? Number(key) : key);
    },
    clear: () => draft.put(path(), isList() ? [] : {}) || draft.drop(path()),
    resize: (count) => {
      const value = draft.get(path());
      if (typeof value === 'string') return draft.put(path(), value.slice(0, count).padEnd(count, 'x'));
      const kept = isContainer(value) ? Object.keys(value) : [];
      for (const key of kept.slice(count).reverse()) {
        if (!draft.drop([...path(), Array.isArray(value) ? Number(key) : key])) return false;
      }
      for (let left = count - kept.length; left > 0; left--) if (grow() === undefined) return false;
      return true;
    },
    amount: (sum) => {
      const value = draft.get(path());
      const [first] = isContainer(value) ? Object.keys(value) : [];
      if (!isContainer(value) || first === undefined) return draft.put(path(), [sum]);
      const rest = Object.values(value)
        .slice(1)
        .reduce<number>((total, each) => total + (typeof each === 'number' ? each : 0), 0);
      return draft.put([...path(), Array.isArray(value) ? 0 : first], sum - rest);
    },
  };
}

export function same(left: Json | undefined, right: Json | undefined): boolean {
  return left === right || JSON.stringify(left) === JSON.stringify(right);
}
