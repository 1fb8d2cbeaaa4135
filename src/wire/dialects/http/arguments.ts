/**
 * From a request to its arguments: `{path, query, headers, body}`, typed as the operation declares. Everything that was
 * sent is either an argument or a fault; only headers that are not declared are left behind, as every client sends
 * some. Members stand in the order of the document, so that equal calls have equal arguments.
 */
import type { Json, JsonObject } from '../../../call.ts';
import { type Denial, deny, isDenial, type Reason } from '../../../denial.ts';
import type { RawRequest } from '../../dialect.ts';
import { parseJson } from '../../json.ts';
import { requestMediaType } from '../../media.ts';
import { child } from '../../pointer.ts';
import type { BodyForm } from './document.ts';
import { type Pair, readPairs, writePairs } from './form.ts';
import type { Match } from './operation.ts';
import { type Parameter, readParameter, writeParameter } from './parameters.ts';
import { unknownName } from './validator.ts';

export interface Arguments {
  readonly args: JsonObject;
  /** In which form the body came; null if there was none. */
  readonly form: BodyForm | null;
  readonly faults: readonly Reason[];
}

/** Reads the arguments of a call. Denies 400 for what cannot be read at all, and 415. */
export function readArguments(request: RawRequest, { operation, values }: Match): Arguments | Denial {
  const { parameters } = operation.draft;
  const faults: Reason[] = [];
  const of = (place: Parameter['place']): readonly Parameter[] => parameters.filter((one) => one.place === place);
  const path = readPlace(
    of('path'),
    Object.entries(values).map(([name, value]) => ({ name, value })),
    '/path',
    faults,
  );
  const pairs = readPairs(request.query);
  if (typeof pairs === 'string') return deny('request_invalid', `the query ${pairs}`);
  const query = readPlace(of('query'), pairs, '/query', faults);
  const headers = readPlace(of('headers'), headerPairs(request, of('headers'), faults), '/headers', faults);
  const body = readBody(request, operation.draft.body, faults);
  if (isDenial(body)) return body;
  return {
    args: { path, query, headers, ...(body === null ? {} : { body: body.value }) },
    form: body?.form ?? null,
    faults,
  };
}

/** The pairs of one place as typed values; what is not declared is a fault. */
function readPlace(
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
  const read: Record<string, Json> = {};
  for (const parameter of parameters) {
    const given = texts.get(parameter.name);
    texts.delete(parameter.name);
    if (given === undefined) continue;
    const reading = readParameter(parameter, given);
    if ('value' in reading) read[parameter.name] = reading.value;
    else {
      const { code: faultCode, message } = reading.fault;
      faults.push({ code: faultCode, message: `${parameter.name} ${message}`, path: child(pointer, parameter.name) });
    }
  }
  const known = parameters.map(({ name }) => name);
  for (const name of texts.keys()) faults.push(unknownName(code, name, known, pointer));
  return read;
}

const headerValue = /^[\x20-\x7e]*$/;

function headerPairs(request: RawRequest, parameters: readonly Parameter[], faults: Reason[]): Pair[] {
  const pairs: Pair[] = [];
  for (const { name } of parameters) {
    const value = request.headers[name];
    if (value === undefined) continue;
    for (const text of typeof value === 'string' ? [value] : value) {
      if (headerValue.test(text)) pairs.push({ name, value: text.trim() });
      else faults.push({ code: 'format', message: `${name} must be ASCII text`, path: child('/headers', name) });
    }
  }
  return pairs;
}

function readBody(
  request: RawRequest,
  declared: { readonly required: boolean; readonly forms: readonly BodyForm[] } | null,
  faults: Reason[],
): { readonly value: Json; readonly form: BodyForm } | null | Denial {
  if (request.body.length === 0) return null;
  if (declared === null) {
    faults.push({ code: 'unknown_member', message: 'the operation takes no body', path: '/body' });
    return null;
  }
  const media = requestMediaType(request);
  if (isDenial(media)) return media;
  const form = declared.forms.find(({ type }) => type === media?.type);
  if (form === undefined) {
    const types = declared.forms.map(({ type }) => type);
    const hint = types.length === 0 ? 'the gate reads no body of this operation' : `send ${types.join(' or ')}`;
    return deny('media_type_unsupported', `the body is of a media type the operation does not take: ${hint}`);
  }
  if (form.kind === 'json') {
    const parsed = parseJson(request.body);
    if ('value' in parsed) return { value: parsed.value, form };
    const { message, offset, pointer } = parsed.fault;
    const at = offset === null ? '' : ` (byte ${offset})`;
    const reason = { code: 'json', message: `${message}${at}`, path: `/body${pointer ?? ''}` };
    return deny('request_invalid', `the body cannot be read: ${message}${at}`, { reasons: [reason] });
  }
  const text = textOfBody(request.body);
  if (text === undefined) return deny('request_invalid', 'the body is not UTF-8 text');
  if (form.kind === 'text') return { value: text, form };
  const pairs = readPairs(text);
  if (typeof pairs === 'string') return deny('request_invalid', `the body ${pairs}`);
  return { value: readPlace(form.fields, pairs, '/body', faults, 'unknown_member'), form };
}

function textOfBody(body: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    return undefined;
  }
}

/** A query, or the body of a form, from its values; empty if there are none. */
export function writePlace(parameters: readonly Parameter[], values: JsonObject): string {
  const pairs: Pair[] = [];
  for (const parameter of parameters) {
    const value = values[parameter.name];
    if (value === undefined) continue;
    for (const text of writeParameter(parameter, value)) pairs.push({ name: parameter.name, value: text });
  }
  return writePairs(pairs);
}

/** Headers from their values, and the names of those that cannot be written. */
export function writeHeaders(
  parameters: readonly Parameter[],
  values: JsonObject,
): { readonly headers: Record<string, string>; readonly bad: readonly string[] } {
  const headers: Record<string, string> = {};
  const bad: string[] = [];
  for (const parameter of parameters) {
    const value = values[parameter.name];
    if (value === undefined) continue;
    const text = writeParameter(parameter, value).join(',');
    if (headerValue.test(text)) headers[parameter.name] = text;
    else bad.push(parameter.name);
  }
  return { headers, bad };
}
