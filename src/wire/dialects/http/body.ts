/**
 * The body of a request to a tool, in whichever form its operation takes it. What is no text stands in the arguments as
 * `{filename, content_type, size, sha256}` (a bare body without the name): the policy decides on that, the decision
 * commits to its digest, and the bytes are kept beside the arguments. What a reader would get wrong: only JSON, text and
 * bare bytes go on as they came; forms are written anew.
 */
import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { Json, JsonObject } from '../../../call.ts';
import { type Denial, deny, isDenial, type Reason } from '../../../denial.ts';
import type { RawRequest } from '../../dialect.ts';
import { parseJson, parseJsonText } from '../../json.ts';
import { requestMediaType } from '../../media.ts';
import { child } from '../../pointer.ts';
import type { BodyForm } from './document.ts';
import { readPairs } from './form.ts';
import { boundaryOf, isPartName, type Part, readMultipart, writeMultipart } from './multipart.ts';
import { type Parameter, readParameter, writeParameter } from './parameters.ts';
import { givenIn, readPlace, unwritable, writePlace } from './place.ts';
import { unknownName } from './validator.ts';

/** Bytes of a body or of a file in it. */
export interface Bytes {
  /** JSON pointer to the description of it in the arguments. */
  readonly where: string;
  readonly content: Buffer;
  readonly contentType: string;
  /** Null where it has no name; undefined where it can have none. */
  readonly filename?: string | null;
}

export interface ReadBody {
  readonly value: Json;
  readonly form: BodyForm;
  readonly bytes: readonly Bytes[];
}

/** What stands in the arguments for bytes. */
export function describe({ content, contentType, filename }: Omit<Bytes, 'where'>): JsonObject {
  return {
    ...(typeof filename === 'string' ? { filename } : {}),
    content_type: contentType,
    size: content.length,
    sha256: createHash('sha256').update(content).digest('hex'),
  };
}

/** The text in bytes that are one, whatever they are said to be; undefined for others. */
export function textIn({ content }: Pick<Bytes, 'content'>): string | undefined {
  return content.length > 0 && !content.includes(0) && isUtf8(content) ? content.toString('utf8') : undefined;
}

/** Reads a body; null where there is none. Denies 400 for what cannot be read in one way, and 415. */
export function readBody(
  request: RawRequest,
  declared: { readonly forms: readonly BodyForm[] } | null,
  faults: Reason[],
): ReadBody | null | Denial {
  if (request.body.length === 0) return null;
  if (declared === null) {
    faults.push({ code: 'unknown_member', message: 'the operation takes no body', path: '/body' });
    return null;
  }
  const media = requestMediaType(request);
  if (isDenial(media)) return media;
  const form = formOf(declared.forms, media?.type ?? '');
  if (form === undefined || media === null) {
    const types = declared.forms.map(({ type }) => type);
    const hint = types.length === 0 ? 'the gate reads no body of this operation' : `send ${types.join(' or ')}`;
    return deny('media_type_unsupported', `the body is of a media type the operation does not take: ${hint}`);
  }
  const { body } = request;
  switch (form.kind) {
    case 'json': {
      const parsed = parseJson(body);
      if ('value' in parsed) return { value: parsed.value, form, bytes: [] };
      const { message, offset, pointer } = parsed.fault;
      const at = offset === null ? '' : ` (byte ${offset})`;
      const reason = { code: 'json', message: `${message}${at}`, path: `/body${pointer ?? ''}` };
      return deny('request_invalid', `the body cannot be read: ${message}${at}`, { reasons: [reason] });
    }
    case 'multipart':
      return readForm(request, form, faults);
    case 'bytes': {
      const bytes = { where: '/body', content: body, contentType: media.type };
      return { value: describe(bytes), form, bytes: [bytes] };
    }
    case 'text':
    case 'form': {
      if (!isUtf8(body)) return deny('request_invalid', 'the body is not UTF-8 text');
      const text = body.toString('utf8');
      if (form.kind === 'text') {
        const marked = text.startsWith('\ufeff');
        return marked
          ? deny('request_invalid', 'the body begins with a byte order mark')
          : { value: text, form, bytes: [] };
      }
      const pairs = readPairs(text);
      if (typeof pairs === 'string') return deny('request_invalid', `the body ${pairs}`);
      return { value: readPlace(form.fields, pairs, '/body', faults, 'unknown_member'), form, bytes: [] };
    }
  }
}

/** The form that is declared for a media type: the type itself, else the narrowest range that holds it. */
function formOf(forms: readonly BodyForm[], type: string): BodyForm | undefined {
  const range = `${type.slice(0, type.indexOf('/'))}/*`;
  return [type, range, '*/*'].flatMap((name) => forms.find((form) => form.type === name) ?? [])[0];
}

function readForm(request: RawRequest, form: BodyForm, faults: Reason[]): ReadBody | Denial {
  const boundary = boundaryOf(String(request.headers['content-type']));
  if (boundary === undefined) return deny('request_invalid', 'the content-type of a form must name its boundary alone');
  const parts = readMultipart(request.body, boundary);
  if (typeof parts === 'string') return deny('request_invalid', `the form ${parts}`);
  const given = new Map<string, Part[]>();
  for (const part of parts) {
    const before = given.get(part.name);
    if (before === undefined) given.set(part.name, [part]);
    else before.push(part);
  }
  const bytes: Bytes[] = [];
  const value: Record<string, Json> = {};
  for (const field of form.fields) {
    const own = given.get(field.name);
    given.delete(field.name);
    if (own === undefined) continue;
    const read = readField(field, own, bytes);
    if ('fault' in read) faults.push({ ...read.fault, path: child('/body', field.name) });
    else value[field.name] = read.value;
  }
  const known = form.fields.map(({ name }) => name);
  for (const name of given.keys()) faults.push(unknownName('unknown_member', name, known, '/body'));
  return { value, form, bytes };
}

/** One field from the parts of its name. A part with a file name is a file, whatever the document says of its field. */
function readField(
  field: Parameter,
  parts: readonly Part[],
  bytes: Bytes[],
): { readonly value: Json } | { readonly fault: Pick<Reason, 'code' | 'message'> } {
  const list = field.shape === 'list';
  if (!list && parts.length > 1)
    return { fault: { code: 'duplicate', message: `${field.name} was given more than once` } };
  const values: Json[] = [];
  for (const [index, { content, contentType, filename }] of parts.entries()) {
    if (filename !== null || field.file === true) {
      const where = list ? child(child('/body', field.name), index) : child('/body', field.name);
      const file = { where, content, contentType: contentType ?? 'application/octet-stream', filename };
      bytes.push(file);
      values.push(describe(file));
      continue;
    }
    const text = textIn({ content }) ?? (content.length === 0 ? '' : undefined);
    if (text === undefined) return { fault: { code: 'type', message: `${field.name} is neither text nor a file` } };
    if (field.shape !== 'json' && contentType === 'application/json') {
      const parsed = parseJsonText(text);
      if ('fault' in parsed) return { fault: { code: 'json', message: `${field.name} is not JSON` } };
      values.push(parsed.value);
      continue;
    }
    const read = readParameter(list ? { ...field, shape: 'single' } : field, [text]);
    if ('fault' in read) return { fault: { ...read.fault, message: `${field.name} ${read.fault.message}` } };
    values.push(read.value);
  }
  return { value: list ? values : (values[0] as Json) };
}

/** A form as it goes to the target: its fields in the order of the document, `bytes` in the place of what describes them. */
export function writeForm(
  form: BodyForm,
  value: JsonObject,
  bytes: readonly Bytes[],
): { readonly contentType: string; readonly body: Buffer } {
  if (form.kind === 'form') return { contentType: form.type, body: Buffer.from(writePlace(form.fields, value)) };
  const parts: Part[] = [];
  for (const field of form.fields) {
    const given = givenIn(value, field.name);
    if (given === undefined) continue;
    const pointer = child('/body', field.name);
    const list = field.shape === 'list' && Array.isArray(given);
    for (const [index, one] of (list ? (given as readonly Json[]) : [given]).entries()) {
      const where = list ? child(pointer, index) : pointer;
      parts.push(
        partOf(
          field,
          one,
          bytes.find((file) => file.where === where),
        ),
      );
    }
  }
  return writeMultipart(parts);
}

function partOf(field: Parameter, value: Json, file: Bytes | undefined): Part {
  const { name } = field;
  if (file !== undefined) {
    // The name as it stands now: it may have been redacted.
    const filename = (value as { readonly filename?: Json }).filename;
    const { content, contentType } = file;
    return { name, content, contentType, filename: typeof filename === 'string' ? filename : null };
  }
  const json = typeof value === 'object' && value !== null;
  const text = json ? JSON.stringify(value) : writeParameter({ ...field, exploded: true }, value).join(',');
  return { name, content: Buffer.from(text), contentType: json ? 'application/json' : null, filename: null };
}

/** The pointers of what cannot be written: names that do not fit into a part, and bytes that are only described. */
export function unwritableBody(form: BodyForm, value: Json, bytes: readonly Bytes[]): readonly string[] {
  if (form.kind === 'bytes') return bytes.length === 0 ? ['/body'] : [];
  if (typeof value !== 'object' || value === null) return [];
  if (form.kind === 'form') return unwritable(form.fields, value as JsonObject).map((name) => child('/body', name));
  if (form.kind !== 'multipart') return [];
  const names = form.fields.filter(({ name }) => Object.hasOwn(value, name) && !isPartName(name));
  const files = bytes.filter(({ filename }) => typeof filename === 'string' && !isPartName(filename));
  const said = value as JsonObject;
  const places = form.fields.flatMap(({ name, file }) => {
    const given = givenIn(said, name);
    const pointer = child('/body', name);
    if (file !== true || given === undefined) return [];
    return Array.isArray(given) ? given.map((_one: Json, index) => child(pointer, index)) : [pointer];
  });
  return [
    ...names.map(({ name }) => child('/body', name)),
    ...files.map(({ where }) => child(where, 'filename')),
    ...places.filter((place) => !bytes.some(({ where }) => where === place)),
  ];
}
