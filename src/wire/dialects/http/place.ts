/**
 * One place of a request (path, query, headers, the fields of a form) as pairs of text on one side and typed values on
 * the other. Everything that was sent is either a value or a fault; members stand in the order of the document, so that
 * equal calls have equal arguments.
 */
import type { Json, JsonObject } from '../../../call.ts';
import type { Reason } from '../../../denial.ts';
import { reasonsMax } from '../../arguments-denial.ts';
import { child } from '../../pointer.ts';
import { type Pair, writePairs } from './form.ts';
import { isSameText, isWritable, type Parameter, pairsOf, takeParameter, writeParameter } from './parameters.ts';
import { unknownName } from './validator.ts';

/** The pairs of one place as typed values; what is not declared is a fault. */
export function readPlace(
  parameters: readonly Parameter[],
  pairs: readonly Pair[],
  pointer: string,
  faults: Reason[],
  code = 'unknown_parameter',
): JsonObject {
  const texts = new Map<string, string[]>();
  for (const { name, value } of pairs) {
    const known = texts.get(name);
    if (known === undefined) texts.set(name, [value]);
    else known.push(value);
  }
  const read = new Map<string, Json>();
  // Those that take several names, or any, come last.
  const turns = { tree: 1, members: 2 } as Readonly<Record<string, number>>;
  const inTurn = parameters.toSorted((one, other) => (turns[one.shape] ?? 0) - (turns[other.shape] ?? 0));
  for (const parameter of inTurn) {
    const reading = takeParameter(parameter, texts);
    if (reading === undefined) continue;
    if ('value' in reading) read.set(parameter.name, reading.value);
    else {
      const { code: faultCode, message } = reading.fault;
      faults.push({ code: faultCode, message: `${parameter.name} ${message}`, path: child(pointer, parameter.name) });
    }
  }
  const known = parameters.flatMap(({ name, shape, value }) => (shape === 'members' ? (value?.names ?? []) : [name]));
  for (const name of texts.keys())
    faults.push(unknownName(code, name, faults.length < reasonsMax ? known : null, pointer));
  const ordered = parameters.filter(({ name }) => read.has(name));
  return Object.fromEntries(ordered.map(({ name }) => [name, read.get(name) as Json]));
}

/** A query, or the body of a form, from its values; empty if there are none. */
export function writePlace(parameters: readonly Parameter[], values: JsonObject): string {
  const pairs: Pair[] = [];
  for (const parameter of parameters) {
    const value = givenIn(values, parameter.name);
    if (value === undefined) continue;
    pairs.push(...pairsOf(parameter, value));
  }
  return writePairs(pairs);
}

const headerValue = /^[\x20-\x7e]*$/;

/** Whether a text can be the value of a header here. */
export function isHeaderText(text: string): boolean {
  return headerValue.test(text);
}

/** Headers from their values, and the names of those that cannot be written. */
export function writeHeaders(
  parameters: readonly Parameter[],
  values: JsonObject,
): { readonly headers: Record<string, string>; readonly bad: readonly string[] } {
  const headers: Record<string, string> = {};
  const bad: string[] = [];
  for (const parameter of parameters) {
    const value = givenIn(values, parameter.name);
    if (value === undefined) continue;
    const text = writeParameter(parameter, value).join(',');
    if (isHeaderText(text)) headers[parameter.name] = text;
    else bad.push(parameter.name);
  }
  return { headers, bad };
}

/** What stands under `name` itself: a parameter may be called `constructor`. */
export function givenIn(values: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(values, name) ? values[name] : undefined;
}

/** The names of the values that would not be read back as what they are. */
export function unwritable(parameters: readonly Parameter[], values: JsonObject): readonly string[] {
  const given = parameters.filter(({ name }) => givenIn(values, name) !== undefined);
  const wrong = given.filter((parameter) => !isWritable(parameter, values[parameter.name] as Json));
  const pairs = given.flatMap((one) => (one.place === 'query' ? pairsOf(one, values[one.name] as Json) : []));
  if (wrong.length > 0 || pairs.length === 0) return wrong.map(({ name }) => name);
  // Each by itself is what it is; but the names that one writes may be those that another one takes.
  const faults: Reason[] = [];
  const read = readPlace(parameters, pairs, '', faults);
  const names = new Set([...Object.keys(read), ...given.map(({ name }) => name)]);
  const others = [...names].filter((name) => !isRead(givenIn(read, name), givenIn(values, name)));
  return others.length === 0 && faults.length > 0 ? [...names] : others;
}

function isRead(read: Json | undefined, meant: Json | undefined): boolean {
  return read !== undefined && meant !== undefined && isSameText(read, meant);
}
