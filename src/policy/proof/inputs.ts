/**
 * Makes inputs of a policy: new ones out of the schema and the bundle's literals, and others that differ from a given
 * one in a few places. What a reader would get wrong: nothing is spread evenly. A value comes mostly from what rules
 * compare its place with, from what stands under its name in the data, or from what was of use there before.
 */
import type { Json, JsonObject } from '../../call.ts';
import type { Chooser } from './chooser.ts';
import { FreeForm } from './free-form.ts';
import type { Group, Literals, Place } from './literals.ts';
import { type Filling, Scalars } from './scalars.ts';
import { anything, branchOf, openMembers, type Schema, type Spot, spotsOf } from './schema.ts';

const changesMax = 4;
const longListOneIn = 60;
const usefulMax = 64;

/** An input, and the group of literals that it was made of. */
export interface Made {
  readonly input: JsonObject;
  readonly group: Group;
  /** What was put where, if it is a changed copy of another input. */
  readonly changes: readonly Change[];
}

export interface Change {
  /** Words of the path, joined by `/`. */
  readonly place: string;
  readonly value: Json;
}

export class InputMaker {
  readonly #schema: Schema;
  readonly #literals: Literals;
  readonly #choose: Chooser;
  readonly #scalars: Scalars;
  readonly #free: FreeForm;
  readonly #useful = new Map<string, Json[]>();

  constructor(schema: Schema, literals: Literals, choose: Chooser) {
    this.#schema = schema;
    this.#literals = literals;
    this.#choose = choose;
    this.#scalars = new Scalars(literals, choose);
    this.#free = new FreeForm(literals, choose, this.#scalars);
  }

  /** A new input that fits the schema. */
  fresh(): Made {
    const group = this.#choose.of(this.#literals.groups);
    const input = this.#value(this.#schema, { group, texts: [], near: [], numbers: [] }, []) as JsonObject;
    return { input, group, changes: [] };
  }

  /**
   * A copy of `made`, changed in one to four places, mostly at those of `places`; some values may come from `donor`,
   * another input.
   */
  changed(made: Made, donor: JsonObject, places: readonly Place[] = this.#literals.places): Made {
    const input = copyOf(made.input) as JsonObject;
    const group = this.#choose.oneIn(6) ? this.#choose.of(this.#literals.groups) : made.group;
    const changes: Change[] = [];
    for (let left = 1 + this.#choose.integer(changesMax); left > 0; left--) {
      const spots = spotsOf(input, this.#schema);
      if (spots.length === 0) break;
      this.#change(this.#pick(spots, places), fillingOf(spots, group, places), donor, changes);
    }
    return { input, group, changes };
  }

  /** A value for the place `path`, made of `group`; names of the path stand as words, positions as `*`. */
  value(schema: Schema, group: Group, path: readonly string[]): Json {
    return this.#value(schema, { group, texts: [], near: [], numbers: [] }, path);
  }

  /** A name for a further member of the map at `path`. */
  name(group: Group, path: readonly string[]): string {
    return this.#free.name({ group, texts: [], near: [], numbers: [] }, path);
  }

  /** What made an input do something new is tried again in others. */
  remember({ changes }: Made): void {
    for (const { place, value } of changes) {
      const held = this.#useful.get(place);
      if (held === undefined) this.#useful.set(place, [value]);
      else if (held.length < usefulMax) held.push(value);
      else held[this.#choose.integer(usefulMax)] = value;
    }
  }

  #change(spot: Spot, filling: Filling, donor: JsonObject, changes: Change[]): void {
    const choose = this.#choose;
    const { holder, key, schema, path, place, optional } = spot;
    const put = (value: Json): void => {
      define(holder, key, value);
      changes.push({ place, value });
    };
    const value = (holder as Record<string | number, Json>)[key] as Json;
    const useful = this.#useful.get(place);
    const way = choose.integer(12);
    if (way === 0 && optional) {
      if (Array.isArray(holder)) holder.splice(key as number, 1);
      else delete (holder as Record<string, Json>)[key];
    } else if (way <= 2) {
      const found = at(donor, path);
      if (found !== undefined) put(copyOf(found));
    } else if (way <= 4 && useful !== undefined) put(copyOf(choose.of(useful)));
    else if (way <= 8 && value !== null && typeof value === 'object') {
      this.#grow(value as JsonObject | Json[], schema, path, filling);
      changes.push({ place, value: copyOf(value) });
    } else put(this.#value(schema, filling, path));
  }

  /** Mostly what a rule reads: a change elsewhere shows nothing. */
  #pick(spots: readonly Spot[], places: readonly Place[]): Spot {
    if (places.length > 0 && !this.#choose.oneIn(4)) {
      const place = this.#choose.of(places);
      const near = spots.filter(({ path }) => path.every((name, index) => (place[index] ?? name) === name));
      // Where the place itself is not there, what is nearest above it can be made to hold it.
      const longest = Math.max(0, ...near.map(({ path }) => Math.min(path.length, place.length)));
      const nearest = near.filter(({ path }) => path.length >= longest);
      if (nearest.length > 0) return this.#choose.of(this.#choose.oneIn(3) ? nearest.slice(0, 1) : nearest);
    }
    return this.#choose.of(spots);
  }

  /** Adds a member or an item. */
  #grow(value: JsonObject | Json[], schema: Schema, path: readonly string[], filling: Filling): void {
    const own = branchOf(schema, value);
    if (Array.isArray(value)) {
      const { items = anything, maxItems = 64 } = own;
      if (value.length < maxItems) value.push(this.#value(items, filling, [...path, '*']));
      return;
    }
    const missing = Object.keys(own.properties ?? {}).filter((name) => !Object.hasOwn(value, name));
    const open = openMembers(own);
    if (open !== null && (missing.length === 0 || this.#choose.oneIn(2))) this.#addMember(value, open, path, filling);
    else if (missing.length > 0) {
      const name = this.#choose.of(missing);
      define(value, name, this.#value(own.properties?.[name] ?? anything, filling, [...path, name]));
    }
  }

  #value(schema: Schema, filling: Filling, path: readonly string[]): Json {
    const choose = this.#choose;
    if (schema.const !== undefined) return schema.const;
    if (schema.enum !== undefined) return choose.of(schema.enum);
    if (schema.anyOf !== undefined) {
      return this.#value(choose.oneIn(4) ? choose.of(schema.anyOf) : (schema.anyOf[0] as Schema), filling, path);
    }
    switch (schema.type) {
      case 'null':
        return null;
      case 'boolean':
        return choose.oneIn(2);
      case 'integer':
      case 'number':
        return this.#scalars.number(schema, filling, path);
      case 'string':
        return this.#scalars.text(schema, filling, path);
      case 'array':
        return this.#list(schema, filling, path);
      case 'object':
        return this.#object(schema, filling, path);
      default:
        return this.#free.value(filling, path, 0);
    }
  }

  #list({ items = anything, minItems = 0, maxItems = 64 }: Schema, filling: Filling, path: readonly string[]): Json[] {
    const usual = this.#choose.oneIn(longListOneIn) ? this.#choose.integer(maxItems + 1) : this.#choose.integer(4);
    const length = Math.min(Math.max(usual, minItems), maxItems);
    const below = [...path, '*'];
    return Array.from({ length }, () => this.#value(items, filling, below));
  }

  #object(schema: Schema, filling: Filling, path: readonly string[]): JsonObject {
    const { properties = {}, required = [] } = schema;
    const object: JsonObject = {};
    for (const [name, member] of Object.entries(properties)) {
      if (!required.includes(name) && !this.#choose.oneIn(2)) continue;
      define(object, name, this.#value(member, filling, [...path, name]));
    }
    const open = openMembers(schema);
    if (open !== null) {
      for (let left = this.#choose.integer(4); left > 0; left--) this.#addMember(object, open, path, filling);
    }
    return object;
  }

  #addMember(map: JsonObject, schema: Schema, path: readonly string[], filling: Filling): void {
    if (schema === anything) {
      this.#free.addMember(map, filling, path);
      return;
    }
    const name = this.#free.name(filling, path);
    define(map, name, this.#value(schema, filling, [...path, name]));
  }
}

/** JSON alone is in it, so that JSON can copy it; a good deal faster than structuredClone. */
export function copyOf(value: Json): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}

/** Also a member named `__proto__` is a member. */
function define(holder: JsonObject | readonly Json[], name: string | number, value: Json): void {
  if (name !== '__proto__') (holder as Record<string | number, Json>)[name] = value;
  else Object.defineProperty(holder, name, { value, writable: true, enumerable: true, configurable: true });
}

function at(document: JsonObject, path: readonly string[]): Json | undefined {
  let value: Json | undefined = document;
  for (const name of path) {
    if (value === null || typeof value !== 'object') return undefined;
    if (Array.isArray(value)) value = (value as readonly Json[])[0];
    else value = Object.hasOwn(value, name) ? (value as JsonObject)[name] : undefined;
  }
  return value;
}

function fillingOf(spots: readonly Spot[], group: Group, places: readonly Place[]): Filling {
  const read = new Set(places.map((place) => place.join('/')));
  const filling = { group, texts: [] as string[], near: [] as string[], numbers: [] as number[] };
  for (const { holder, key, schema, place } of spots) {
    const value = (holder as Record<string | number, Json>)[key];
    if (typeof value === 'string' && schema.enum === undefined) {
      filling.texts.push(value);
      if (read.has(place)) filling.near.push(value);
    } else if (typeof value === 'number') filling.numbers.push(value);
  }
  return filling;
}
