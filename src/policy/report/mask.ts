/**
 * What `data.system.log.mask` of a bundle takes out of a decision before it is reported. The rules are OPA's; where
 * OPA would let something through that the author meant to hide, the gate does not: pointers into arrays all mean the
 * event as it was before the first removal, and a segment means every member that it is the name of as written,
 * unescaped (RFC 6901 §4) or percent-decoded: who is masked may have put a decoy beside what is meant. A rule that cannot be read is a fault, and the caller withholds the whole content.
 */
import type { Json, JsonObject } from '../../call.ts';

const rulesMax = 1_000;
const pathCharsMax = 4_096;

export type MaskRule =
  | { readonly op: 'remove'; readonly path: string; readonly segments: readonly string[] }
  | { readonly op: 'upsert'; readonly path: string; readonly segments: readonly string[]; readonly value: Json };

/** The mask is not one. The message names no value. */
export class MaskFault extends Error {
  override readonly name = 'MaskFault';
}

/** The rules in what a bundle gave; undefined gives none. Throws MaskFault for anything that is not wholly understood. */
export function maskRules(given: unknown): MaskRule[] {
  if (given === undefined) return [];
  if (!Array.isArray(given)) throw new MaskFault('the mask is not a set or an array');
  if (given.length > rulesMax) throw new MaskFault(`the mask has more than ${rulesMax} rules`);
  return given.map(ruleOf);
}

function ruleOf(given: unknown): MaskRule {
  if (typeof given === 'string') return { op: 'remove', path: given, segments: segmentsOf(given) };
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new MaskFault('a rule of the mask is neither a pointer nor an object');
  }
  const { op, path, value = null } = given as { op?: unknown; path?: unknown; value?: Json };
  if (typeof path !== 'string') throw new MaskFault('a rule of the mask has no path');
  const segments = segmentsOf(path);
  if (op === 'remove') return { op, path, segments };
  if (op === 'upsert') return { op, path, segments, value };
  throw new MaskFault('the op of a mask is remove or upsert');
}

function segmentsOf(path: string): readonly string[] {
  if (path.length > pathCharsMax)
    throw new MaskFault(`a pointer of the mask is longer than ${pathCharsMax} characters`);
  const [before, ...segments] = path.split('/');
  if (before !== '' || segments.length === 0) throw new MaskFault('a pointer of the mask does not begin with a slash');
  const root = segments[0] as string;
  if (root !== 'input' && root !== 'result' && root !== 'nd_builtin_cache') {
    throw new MaskFault('a pointer of the mask begins neither with /input nor with /result');
  }
  return segments;
}

type Container = Record<string, unknown> | unknown[];
/** Stands in arrays for what was removed, until all rules have found their place. */
const removed = Symbol('removed');

/**
 * The event after `rules`, in their order; `event` itself is left as it is. `erased` and `masked` name the pointers
 * that were there, as OPA does.
 */
export function masked(event: JsonObject, rules: readonly MaskRule[]): JsonObject {
  if (rules.length === 0) return event;
  const copy: Record<string, unknown> = { ...event };
  for (const part of ['input', 'result']) if (copy[part] !== undefined) copy[part] = structuredClone(copy[part]);
  const erased: string[] = [];
  const changed: string[] = [];
  const shortened = new Set<unknown[]>();
  for (const rule of rules) {
    if (!Object.hasOwn(copy, rule.segments[0] as string)) continue;
    if (rule.op === 'remove') {
      if (remove(copy, rule.segments, shortened)) erased.push(rule.path);
    } else if (upsert(copy, rule.segments, structuredClone(rule.value))) changed.push(rule.path);
  }
  for (const array of shortened) {
    const rest = array.filter((member) => member !== removed);
    array.splice(0, array.length, ...rest);
  }
  if (erased.length > 0) copy.erased = erased;
  if (changed.length > 0) copy.masked = changed;
  return copy as JsonObject;
}

function isContainer(value: unknown): value is Container {
  return typeof value === 'object' && value !== null;
}

/** The names under which `segment` stands in `container`. */
function membersOf(container: Container, segment: string): readonly string[] {
  if (Array.isArray(container)) {
    if (!/^\d{1,9}$/.test(segment)) return [];
    const index = Number(segment);
    return index < container.length && container[index] !== removed ? [String(index)] : [];
  }
  return readingsOf(segment).filter((name) => Object.hasOwn(container, name));
}

/** What a segment may mean. */
function readingsOf(segment: string): string[] {
  const readings = new Set([segment]);
  if (segment.includes('~')) readings.add(segment.replaceAll('~1', '/').replaceAll('~0', '~'));
  if (segment.includes('%')) {
    try {
      readings.add(decodeURIComponent(segment));
    } catch {
      // Not percent-encoded after all: the plain reading stands.
    }
  }
  return [...readings];
}

function get(container: Container, name: string): unknown {
  return Array.isArray(container) ? container[Number(name)] : container[name];
}

function set(container: Container, name: string, value: unknown): void {
  // Defined, not assigned: a member may be called __proto__.
  Object.defineProperty(container, name, { value, writable: true, enumerable: true, configurable: true });
}

function remove(container: unknown, segments: readonly string[], shortened: Set<unknown[]>): boolean {
  if (!isContainer(container)) return false;
  const [segment = '', ...rest] = segments;
  let found = false;
  for (const name of membersOf(container, segment)) {
    if (rest.length > 0) found = remove(get(container, name), rest, shortened) || found;
    else {
      found = true;
      if (Array.isArray(container)) {
        container[Number(name)] = removed;
        shortened.add(container);
      } else delete container[name];
    }
  }
  return found;
}

function upsert(container: unknown, segments: readonly string[], value: unknown): boolean {
  if (!isContainer(container)) return false;
  const [segment = '', ...rest] = segments;
  const there = membersOf(container, segment);
  let done = false;
  for (const name of there.length > 0 || Array.isArray(container) ? there : [segment]) {
    if (rest.length === 0) {
      set(container, name, value);
      done = true;
    } else {
      if (!Object.hasOwn(container, name)) set(container, name, {});
      done = upsert(get(container, name), rest, value) || done;
    }
  }
  return done;
}
