/**
 * Conditional requests and ranges (RFC 9110 §13, §14): headers that every operation understands though no document
 * declares them. They are arguments like those that are declared, so that the policy sees them and inspection reads
 * them; a shape that two readers could take differently is a fault. What a reader would get wrong: a condition also
 * passes with a write, which without it would overwrite what its agent has not seen; a range only with a GET that reads.
 */
import type { JsonObject } from '../../../call.ts';
import type { Reason } from '../../../denial.ts';
import type { RawRequest } from '../../dialect.ts';
import { child } from '../../pointer.ts';
import type { HttpOperation } from './operation.ts';
import type { Parameter } from './parameters.ts';

const entityTag = '(?:W/)?"[\\x21\\x23-\\x7e]{0,128}"';
const date = '[A-Z][a-z]{2}, \\d{2} [A-Z][a-z]{2} \\d{4} \\d{2}:\\d{2}:\\d{2} GMT';
const tags = new RegExp(`^(?:\\*|${entityTag}(?:, ?${entityTag}){0,15})$`);
const oneDate = new RegExp(`^${date}$`);

const forms: Readonly<Record<string, RegExp>> = {
  'if-match': tags,
  'if-none-match': tags,
  'if-modified-since': oneDate,
  'if-unmodified-since': oneDate,
  'if-range': new RegExp(`^(?:${entityTag}|${date})$`),
  // One range: an answer of several says of each part by itself what it is.
  range: /^bytes=(?:\d{1,15}-\d{0,15}|-\d{1,15})$/,
};
const ofReads = new Set(['range', 'if-range']);

/** The conditions that an operation takes beside its own headers, as parameters. */
export function conditionsOf({ draft, effect }: Pick<HttpOperation, 'draft' | 'effect'>): readonly Parameter[] {
  const declared = new Set(draft.parameters.filter(({ place }) => place === 'headers').map(({ name }) => name));
  const reads = draft.method === 'GET' && effect === 'read';
  return Object.keys(forms)
    .filter((name) => !declared.has(name) && (reads || !ofReads.has(name)))
    .map((name) => ({
      ...{ place: 'headers', name, required: false, shape: 'single', exploded: false, delimiter: ',' },
      types: new Set(['string']),
    }));
}

/** The conditions that a request holds; what cannot be read in one way, or is not taken here, is a fault. */
export function readConditions(request: RawRequest, operation: HttpOperation, faults: Reason[]): JsonObject {
  const taken = new Set(conditionsOf(operation).map(({ name }) => name));
  const declared = new Set(operation.draft.parameters.map(({ place, name }) => `${place} ${name}`));
  const read: Record<string, string> = {};
  for (const [name, form] of Object.entries(forms)) {
    const value = request.headers[name];
    if (value === undefined || declared.has(`headers ${name}`)) continue;
    const path = child('/headers', name);
    if (!taken.has(name))
      faults.push({ code: 'unknown_parameter', message: `${name} is taken where something is read by GET`, path });
    else if (typeof value !== 'string' || !form.test(value)) {
      faults.push({ code: 'format', message: `${name} is not one that is taken here`, path });
    } else read[name] = value;
  }
  if (read['if-range'] !== undefined && read.range === undefined) delete read['if-range'];
  return read;
}

/** `args` without the conditions, as the schema of the operation knows them. */
export function withoutConditions(args: JsonObject, operation: Pick<HttpOperation, 'draft' | 'effect'>): JsonObject {
  const headers = args.headers as JsonObject | undefined;
  if (headers === undefined) return args;
  const conditions = conditionsOf(operation).filter(({ name }) => Object.hasOwn(headers, name));
  if (conditions.length === 0) return args;
  const names = new Set(conditions.map(({ name }) => name));
  const own = Object.entries(headers).filter(([name]) => !names.has(name));
  return { ...args, headers: Object.fromEntries(own) };
}
