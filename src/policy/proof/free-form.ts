/**
 * The parts of an input that no schema describes (arguments, claims, labels, bodies): members by the paths that rules
 * name, by the dotted paths that data speaks of (`body.amount_cents`), and by any other word.
 */
import type { Json, JsonObject } from '../../call.ts';
import type { Chooser } from './chooser.ts';
import type { Literals } from './literals.ts';
import type { Filling, Scalars } from './scalars.ts';

const depthMax = 3;
const nameCharsMax = 64;
const word = /^[\w.-]+$/;
/** The place of what has no place of its own. */
const nowhere: readonly string[] = [];

export class FreeForm {
  readonly #literals: Literals;
  readonly #choose: Chooser;
  readonly #scalars: Scalars;

  constructor(literals: Literals, choose: Chooser, scalars: Scalars) {
    this.#literals = literals;
    this.#choose = choose;
    this.#scalars = scalars;
  }

  /** Any JSON. */
  value(filling: Filling, path: readonly string[], depth: number): Json {
    const choose = this.#choose;
    const way = choose.integer(depth < depthMax ? 16 : 13);
    // What an argument says is often what another member says: the id of the subject.
    if (way < 5 && filling.near.length > 0) return choose.of(filling.near);
    if (way < 7) return this.#scalars.text({}, filling, path);
    if (way < 11) return this.#scalars.number(choose.oneIn(6) ? {} : { type: 'integer' }, filling, path);
    if (way === 11) return choose.oneIn(2);
    if (way === 12) return null;
    if (way === 13) return Array.from({ length: choose.integer(3) }, () => this.value(filling, nowhere, depth + 1));
    const object: JsonObject = {};
    for (let left = choose.integer(3); left > 0; left--) {
      const name = choose.oneIn(3) ? `k${left}` : this.#scalars.text({}, filling, nowhere).slice(0, nameCharsMax);
      define(object, name.toWellFormed(), this.value(filling, nowhere, depth + 1));
    }
    return object;
  }

  /** Puts a member into `map`, or below it: `body.amount_cents` is mostly a member of the member `body`. */
  addMember(map: JsonObject, filling: Filling, path: readonly string[]): void {
    const below = this.#places(path);
    let names: readonly string[] = [];
    if (below.length > 0 && this.#choose.oneIn(3)) names = this.#choose.of(below);
    else {
      const name = this.name(filling, nowhere);
      names = this.#choose.oneIn(4) ? [name] : name.split('.').filter((step) => step !== '');
    }
    if (names.length === 0) return;
    let holder = map;
    for (const name of names.slice(0, -1)) {
      const found = Object.hasOwn(holder, name) ? holder[name] : undefined;
      const next: JsonObject = isMap(found) ? found : {};
      define(holder, name, next);
      holder = next;
    }
    define(holder, names.at(-1) as string, this.value(filling, [...path, ...names], 1));
  }

  /** A name for a member of the map at `path`. */
  name(filling: Filling, path: readonly string[]): string {
    const choose = this.#choose;
    const below = path.length === 0 ? [] : this.#places(path);
    if (below.length > 0 && choose.oneIn(3)) return choose.of(below)[0] as string;
    // Counts are kept by operation: what rules look for there is what another member says.
    if (path.length > 0 && filling.near.length > 0 && choose.oneIn(2)) {
      const text = choose.of(filling.near);
      if (word.test(text)) return text;
    }
    const [everything] = this.#literals.groups;
    const { strings, paths } = choose.oneIn(3) ? everything : filling.group;
    const known = paths.length > 0 ? paths : everything.paths;
    if (known.length > 0 && !choose.oneIn(3)) return choose.of(known);
    const words = strings.filter((text) => word.test(text));
    return words.length > 0 && !choose.oneIn(6) ? choose.of(words) : `k${choose.integer(4)}`;
  }

  /** What rules name below `path`. */
  #places(path: readonly string[]): readonly (readonly string[])[] {
    return this.#literals.places
      .filter((place) => place.length > path.length && path.every((name, index) => place[index] === name))
      .map((place) => place.slice(path.length));
  }
}

function isMap(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function define(holder: JsonObject, name: string, value: Json): void {
  Object.defineProperty(holder, name, { value, writable: true, enumerable: true, configurable: true });
}
