/**
 * What built-in functions of Rego give for what they are given, and how their result is put: `count(xs)` put to 3 makes
 * `xs` three long, `a + b` put to 10 makes `a` what is missing. A function that is not here gives nothing, and what hangs
 * on it is left to chance.
 */
import type { Json } from '../../call.ts';
import { isContainer } from './draft.ts';
import { derived, type Held, nothing } from './held.ts';

type Builtin = (args: readonly Held[]) => Held;

/** The result of the built-in `name`, or undefined if it is not known here. */
export function called(name: string, args: readonly Held[]): Held | undefined {
  return Object.hasOwn(builtins, name) ? (builtins[name] as Builtin)(args) : undefined;
}

function numbers(args: readonly Held[]): number[] | undefined {
  const values = args.map((arg) => arg.get());
  return values.every((value) => typeof value === 'number') ? (values as number[]) : undefined;
}

/** A function of two numbers, and what each must be for a result. */
function arithmetic(
  of: (a: number, b: number) => number,
  left: (result: number, b: number) => number,
  right: (result: number, a: number) => number,
): Builtin {
  return ([a = nothing, b = nothing]) =>
    derived(
      () => {
        const both = numbers([a, b]);
        return both === undefined ? undefined : finite(of(both[0] as number, both[1] as number));
      },
      (value) => {
        if (typeof value !== 'number') return false;
        const [x, y] = [a.get(), b.get()];
        const wanted = typeof y === 'number' ? finite(left(value, y)) : undefined;
        if (wanted !== undefined && a.put(wanted)) return true;
        const other = typeof x === 'number' ? finite(right(value, x)) : undefined;
        if (other !== undefined && b.put(other)) return true;
        // Neither is there yet.
        return x === undefined && y === undefined && b.put(0) && a.put(value);
      },
      [a, b],
    );
}

function finite(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined;
}

/** A function of one text or number whose result, put to it, gives that result again. */
function plain<Of extends 'string' | 'number'>(
  type: Of,
  of: (value: Of extends 'string' ? string : number) => Json | undefined,
  back: (value: Json) => Json = (value) => value,
): Builtin {
  return ([arg = nothing]) =>
    derived(
      () => {
        const value = arg.get();
        // biome-ignore lint/suspicious/noExplicitAny: the type was looked at
        return typeof value === type ? of(value as any) : undefined;
      },
      (value) => arg.put(back(value)),
      [arg],
    );
}

/** A function of two texts. */
function texts(of: (a: string, b: string) => Json, back: (value: Json, b: string) => Json | undefined): Builtin {
  return ([a = nothing, b = nothing]) =>
    derived(
      () => {
        const [x, y] = [a.get(), b.get()];
        return typeof x === 'string' && typeof y === 'string' ? of(x, y) : undefined;
      },
      (value) => {
        const y = b.get();
        const put = typeof y === 'string' ? back(value, y) : undefined;
        return put !== undefined && a.put(put);
      },
      [a, b],
    );
}

const sized: Builtin = ([arg = nothing]) =>
  derived(
    () => {
      const value = arg.get();
      if (typeof value === 'string') return [...value].length;
      return isContainer(value) ? Object.keys(value).length : undefined;
    },
    (value) => typeof value === 'number' && value >= 0 && value <= 64 && (arg.resize?.(Math.ceil(value)) ?? false),
    [arg],
  );

function listed(value: Json | undefined): number[] | undefined {
  if (!isContainer(value)) return undefined;
  const all = Object.values(value);
  return all.every((each) => typeof each === 'number') ? all : undefined;
}

const summed: Builtin = ([arg = nothing]) =>
  derived(
    () => listed(arg.get())?.reduce((total, each) => total + each, 0),
    (value) => typeof value === 'number' && (arg.amount?.(value) ?? false),
    [arg],
  );

function outermost(of: (...values: number[]) => number): Builtin {
  return ([arg = nothing]) =>
    derived(
      () => {
        const all = listed(arg.get());
        return all === undefined || all.length === 0 ? undefined : of(...all);
      },
      (value) => arg.element()?.value.put(value) ?? false,
      [arg],
    );
}

function words(value: Json | undefined): string[] | undefined {
  return Array.isArray(value) && value.every((each) => typeof each === 'string') ? value : undefined;
}

const builtins: Readonly<Record<string, Builtin>> = {
  plus: arithmetic(
    (a, b) => a + b,
    (result, b) => result - b,
    (result, a) => result - a,
  ),
  minus: arithmetic(
    (a, b) => a - b,
    (result, b) => result + b,
    (result, a) => a - result,
  ),
  mul: arithmetic(
    (a, b) => a * b,
    (result, b) => result / b,
    (result, a) => result / a,
  ),
  div: arithmetic(
    (a, b) => a / b,
    (result, b) => result * b,
    (result, a) => a / result,
  ),
  rem: arithmetic(
    (a, b) => a % b,
    (result) => result,
    () => Number.NaN,
  ),
  abs: plain('number', Math.abs),
  round: plain('number', Math.round),
  floor: plain('number', Math.floor),
  ceil: plain('number', Math.ceil),
  lower: plain('string', (text) => text.toLowerCase()),
  upper: plain('string', (text) => text.toUpperCase()),
  trim_space: plain('string', (text) => text.trim()),
  to_number: plain('string', (text) => finite(Number(text)), String),
  trim_prefix: texts(
    (a, b) => (a.startsWith(b) ? a.slice(b.length) : a),
    (value, b) => `${b}${String(value)}`,
  ),
  trim_suffix: texts(
    (a, b) => (a.endsWith(b) ? a.slice(0, a.length - b.length) : a),
    (value, b) => `${String(value)}${b}`,
  ),
  split: texts(
    (a, b) => a.split(b),
    (value, b) => words(value)?.join(b),
  ),
  concat: ([glue = nothing, parts = nothing]) =>
    derived(
      () => {
        const [by, all] = [glue.get(), words(parts.get())];
        return typeof by === 'string' && all !== undefined ? all.join(by) : undefined;
      },
      (value) => {
        const by = glue.get();
        return typeof by === 'string' && by !== '' && parts.put(String(value).split(by));
      },
      [parts],
    ),
  count: sized,
  sum: summed,
  max: outermost(Math.max),
  min: outermost(Math.min),
  sort: ([arg = nothing]) => arg,
  'object.keys': ([arg = nothing]) => ({
    ...derived(
      () => (isContainer(arg.get()) ? Object.keys(arg.get() as object) : undefined),
      () => false,
      [arg],
    ),
    element: () => {
      const found = arg.element();
      return found === undefined ? undefined : { key: found.key, value: found.key };
    },
    clear: arg.clear,
    ...(arg.resize === undefined ? {} : { resize: arg.resize }),
  }),
  'object.get': ([map = nothing, name = nothing, otherwise = nothing]) => {
    const key = name.get();
    const steps = Array.isArray(key) ? (key as readonly Json[]) : [key];
    let below = map;
    for (const step of steps) {
      if (typeof step !== 'string' && typeof step !== 'number') return nothing;
      below = below.member(step);
    }
    return { ...below, get: () => below.get() ?? otherwise.get() };
  },
};
