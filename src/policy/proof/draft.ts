/**
 * An input that is being written to: places of it can be read and set by path, and what is missing on the way is made
 * as the schema has it. What a reader would get wrong: a value that the schema does not take is refused here and now,
 * so that whoever solves a condition learns that it cannot be met that way.
 */
import type { Json, JsonObject } from '../../call.ts';
import type { Change, InputMaker } from './inputs.ts';
import type { Group } from './literals.ts';
import { anything, branchOf, fits, memberSchema, type Schema } from './schema.ts';

export type Step = string | number;

const listMax = 64;

export class Draft {
  readonly input: JsonObject;
  readonly changes: Change[] = [];
  readonly #schema: Schema;
  readonly #maker: InputMaker;
  readonly #group: Group;

  /** Writes to `input` itself. What has to be made is made of `group`. */
  constructor(input: JsonObject, schema: Schema, maker: InputMaker, group: Group) {
    this.input = input;
    this.#schema = schema;
    this.#maker = maker;
    this.#group = group;
  }

  get(path: readonly Step[]): Json | undefined {
    let value: Json | undefined = this.input;
    for (const step of path) value = memberOf(value, step);
    return value;
  }

  /** Sets what is at `path`; false where the schema has no such place, or does not take `value` there. */
  put(path: readonly Step[], value: Json): boolean {
    const last = path.at(-1);
    if (last === undefined) return false;
    const found = this.#holder(path);
    if (found === null) return false;
    const { holder, schema } = found;
    if (Array.isArray(holder)) {
      if (typeof last !== 'number' || last > Math.min(holder.length, (schema.maxItems ?? listMax) - 1)) return false;
    } else if (typeof last !== 'string') return false;
    const own = schemaBelow(schema, last);
    if (own === null || !takes(own, value)) return false;
    define(holder, last, value);
    this.changes.push({ place: path.map((step) => (typeof step === 'number' ? '*' : step)).join('/'), value });
    return true;
  }

  /** Takes away what is at `path`; false where it is needed. */
  drop(path: readonly Step[]): boolean {
    const last = path.at(-1);
    if (last === undefined) return false;
    const holder = this.get(path.slice(0, -1));
    if (Array.isArray(holder)) {
      if (typeof last !== 'number' || last >= holder.length) return false;
      holder.splice(last, 1);
      return true;
    }
    if (holder === undefined || holder === null || typeof holder !== 'object') return true;
    const { required = [], properties = {} } = branchOf(this.schemaAt(path.slice(0, -1)) ?? anything, holder);
    if (required.includes(last as string)) {
      const own = properties[last as string];
      return own !== undefined && takes(own, null) && this.put(path, null);
    }
    delete (holder as Record<string, Json>)[last as string];
    return true;
  }

  /** A new value for `path`, as the schema has it there. */
  made(path: readonly Step[]): Json | undefined {
    const schema = this.schemaAt(path);
    if (schema === null) return undefined;
    const words = path.map((step) => (typeof step === 'number' ? '*' : step));
    return this.#maker.value(schema, this.#group, words);
  }

  /** The schema of what is or could be at `path`; null where nothing can be. */
  schemaAt(path: readonly Step[]): Schema | null {
    let schema: Schema | null = this.#schema;
    let value: Json | undefined = this.input;
    for (const step of path) {
      if (schema === null) return null;
      schema = schemaBelow(value === undefined ? containerOf(schema, step) : containing(schema, value, step), step);
      value = memberOf(value, step);
    }
    return schema;
  }

  /** What holds the last of `path`, made where it is not there. */
  #holder(path: readonly Step[]): { holder: JsonObject | Json[]; schema: Schema } | null {
    let holder: JsonObject | Json[] = this.input;
    let schema: Schema = this.#schema;
    for (const [index, step] of path.slice(0, -1).entries()) {
      const below = schemaBelow(schema, step);
      if (below === null || (Array.isArray(holder) && (typeof step !== 'number' || step > holder.length))) return null;
      const next = path[index + 1] as Step;
      let member: Json | undefined = memberOf(holder, step);
      const needed = containing(below, member, next);
      const isList = typeof next === 'number';
      if (!isContainer(member) || Array.isArray(member) !== isList) {
        if (needed.type !== undefined && needed.type !== (isList ? 'array' : 'object')) return null;
        const words = path.slice(0, index + 1).map((each) => (typeof each === 'number' ? '*' : each));
        member = needed.type === undefined ? (isList ? [] : {}) : this.#maker.value(needed, this.#group, words);
        define(holder, step, member);
      }
      holder = member as JsonObject | Json[];
      schema = needed;
    }
    return { holder, schema };
  }
}

export function memberOf(value: Json | undefined, step: Step): Json | undefined {
  if (!isContainer(value)) return undefined;
  if (Array.isArray(value)) return typeof step === 'number' ? (value as readonly Json[])[step] : undefined;
  return Object.hasOwn(value, step) ? (value as JsonObject)[step] : undefined;
}

export function isContainer(value: Json | undefined): value is JsonObject | Json[] {
  return typeof value === 'object' && value !== null;
}

function define(holder: JsonObject | Json[], step: Step, value: Json): void {
  if (step === '__proto__')
    Object.defineProperty(holder, step, { value, writable: true, enumerable: true, configurable: true });
  else (holder as Record<Step, Json>)[step] = value;
}

function schemaBelow(schema: Schema, step: Step): Schema | null {
  if (schema.type === undefined && schema.anyOf === undefined) return anything;
  if (typeof step === 'number') return schema.type === 'array' ? (schema.items ?? anything) : null;
  return schema.type === 'object' ? memberSchema(schema, step) : null;
}

/** The alternative of `schema` that could hold `step`. */
function containerOf(schema: Schema, step: Step): Schema {
  const type = typeof step === 'number' ? 'array' : 'object';
  return schema.anyOf?.find((branch) => branch.type === type) ?? schema;
}

function containing(schema: Schema, value: Json | undefined, step: Step): Schema {
  return isContainer(value) && Array.isArray(value) === (typeof step === 'number')
    ? branchOf(schema, value)
    : containerOf(schema, step);
}

/** Whether `schema` takes `value`, as far as its uppermost level says. */
function takes(schema: Schema, value: Json): boolean {
  if (schema.anyOf !== undefined) return schema.anyOf.some((branch) => takes(branch, value));
  if (schema.const !== undefined && schema.const !== value) return false;
  if (schema.enum !== undefined && !schema.enum.includes(value)) return false;
  if (!fits(schema, value)) return false;
  if (typeof value === 'number') {
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) return false;
    return value >= (schema.minimum ?? value) && value <= (schema.maximum ?? value);
  }
  if (typeof value === 'string') {
    return value.length >= (schema.minLength ?? 0) && value.length <= (schema.maxLength ?? 10_000);
  }
  return true;
}
