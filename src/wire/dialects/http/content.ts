/**
 * Bodies of requests and answers as a document declares them: which media types there are, how each is read, and by
 * which schema. A body that is bytes stands in the arguments as a description of it, and its schema is that of the
 * description, whatever the document says of the bytes.
 */
import { isJsonType, isTextType } from '../../media.ts';
import { child } from '../../pointer.ts';
import { byStyle } from './declaration.ts';
import type { Parameter } from './parameters.ts';
import { type DocumentReader, objectIn } from './reader.ts';
import type { Schema, SchemaBundle } from './schema.ts';
import { valueShape } from './shape.ts';

export type BodyKind = 'json' | 'form' | 'text' | 'multipart' | 'bytes';

/** A body that is declared: of requests as the gate takes it, of answers as the document describes it. */
export interface Content {
  /** Media type or range in lower case. */
  readonly type: string;
  readonly kind: BodyKind;
  /** Of forms: how each field is read. */
  readonly fields: readonly Parameter[];
  readonly schema: Schema | boolean;
}

/** What stands in the arguments for bytes. */
const described: Schema = {
  type: 'object',
  description: 'A file. Its bytes are in the request.',
  properties: {
    filename: { type: 'string' },
    content_type: { type: 'string' },
    size: { type: 'integer', minimum: 0 },
    sha256: { type: 'string', pattern: '^[0-9a-f]{64}$' },
  },
  required: ['content_type', 'size', 'sha256'],
  additionalProperties: false,
};
const mediaRange = /^[\w.!#$&^+*-]+\/[\w.!#$&^+*-]+$/;

function kindOf(type: string): BodyKind {
  if (isJsonType(type)) return 'json';
  if (type === 'application/x-www-form-urlencoded') return 'form';
  if (type === 'multipart/form-data') return 'multipart';
  return isTextType(type) && type !== 'text/*' ? 'text' : 'bytes';
}

/** The bodies that `content` declares for requests, JSON first. */
export function readContents(
  reader: DocumentReader,
  bundle: SchemaBundle,
  content: unknown,
  pointer: string,
): readonly Content[] {
  const contents: Content[] = [];
  for (const [declared, media] of Object.entries(objectIn(content) ?? {})) {
    const written = (declared.split(';')[0] as string).trim().toLowerCase();
    // A range takes JSON, among others; JSON is what the gate reads best.
    const type = written === '*/*' || written === 'application/*' ? 'application/json' : written;
    if (!mediaRange.test(type) || contents.some((known) => known.type === type)) continue;
    const kind = kindOf(type);
    const source = objectIn(media)?.schema ?? true;
    const at = `${child(pointer, declared)}/schema`;
    if (kind === 'bytes') contents.push({ type, kind, fields: [], schema: described });
    else if (kind !== 'form' && kind !== 'multipart')
      contents.push({ type, kind, fields: [], schema: bundle.value(source, at) });
    else {
      const fields = readFields(reader, source, objectIn(objectIn(media)?.encoding) ?? {}, kind);
      const schema = bundle.value(source, at);
      contents.push({
        type,
        kind,
        fields,
        schema: kind === 'form' ? schema : withFiles(reader, bundle, source, at, fields),
      });
    }
  }
  return contents.sort((one, other) => Number(other.kind === 'json') - Number(one.kind === 'json'));
}

/**
 * How the fields of a form are written: by their encoding; without one a list as a field for each element, an object as
 * JSON (OpenAPI 3.1 §4.8.15).
 */
function readFields(
  reader: DocumentReader,
  schema: unknown,
  encodings: Record<string, unknown>,
  kind: 'form' | 'multipart',
): Parameter[] {
  const whole = valueShape(reader, schema);
  return whole.names.flatMap((name): Parameter[] => {
    const encoding = objectIn(encodings[name]) ?? {};
    const source = whole.schemaOf(name);
    const value = whole.member(name);
    const { types } = value;
    const base = { place: 'query', name, required: false, delimiter: ',' } as const;
    const list = types.has('array');
    const elements = list ? value.element().types : types;
    if (kind === 'multipart' && isFile(reader, list ? value.elementSchemas() : source)) {
      return [{ ...base, shape: list ? 'list' : 'single', exploded: list, types: elements, file: true }];
    }
    const isJson = isJsonType(String(encoding.contentType ?? '').toLowerCase());
    const styled = 'style' in encoding || 'explode' in encoding;
    if (styled && !isJson && kind === 'form') {
      const written = byStyle(reader, 'query', encoding, { anyOf: source });
      return written === undefined ? [] : [{ ...base, ...written }];
    }
    if (!list && (isJson || (types.has('object') && !types.has('string')))) {
      return [{ ...base, shape: 'json', exploded: false, types }];
    }
    return [{ ...base, shape: list ? 'list' : 'single', exploded: list, types: elements }];
  });
}

function isFile(reader: DocumentReader, schemas: readonly unknown[]): boolean {
  return schemas.some((schema) => {
    const { format, contentMediaType, contentEncoding } = objectIn(reader.follow(schema)) ?? {};
    return format === 'binary' || (contentMediaType !== undefined && contentEncoding === undefined);
  });
}

/** The schema of a multipart form, with descriptions in the place of files. */
function withFiles(
  reader: DocumentReader,
  bundle: SchemaBundle,
  source: unknown,
  pointer: string,
  fields: readonly Parameter[],
): Schema | boolean {
  const files = fields.filter(({ file }) => file === true);
  if (files.length === 0) return bundle.value(source, pointer);
  const own = objectIn(reader.follow(source));
  const properties = files.map(({ name, shape }) => [
    name,
    shape === 'list' ? { type: 'array', items: described } : described,
  ]);
  const all = { ...objectIn(own?.properties), ...Object.fromEntries(properties) };
  return bundle.value({ ...own, properties: all }, pointer);
}

/** What a response of an operation is said to be. */
export interface ResponseForm {
  /** `200`, `2XX` or `default`. */
  readonly status: string;
  /** Media type or range in lower case; null where no body is declared. */
  readonly type: string | null;
  /** The schema of its body, standing by itself; null where the document gives none. Made when it is asked for. */
  readonly schema: () => Schema | null;
}

/** The responses of an operation. `answers` collects their schemas, which are checked as `made`. */
export function readResponses(
  reader: DocumentReader,
  answers: SchemaBundle,
  operation: Record<string, unknown>,
  pointer: string,
  made: (schema: Schema, pointer: string) => void,
): readonly ResponseForm[] {
  const forms: ResponseForm[] = [];
  for (const [status, item] of Object.entries(objectIn(operation.responses) ?? {})) {
    if (!/^(?:[1-5](?:\d\d|XX)|default)$/i.test(status)) continue;
    const contents = Object.entries(objectIn(objectIn(reader.follow(item))?.content) ?? {});
    if (contents.length === 0) forms.push({ status: status.toUpperCase(), type: null, schema: () => null });
    for (const [declared, media] of contents) {
      const type = (declared.split(';')[0] as string).trim().toLowerCase();
      const source = objectIn(media)?.schema;
      const at = `${pointer}/responses/${status}/content/${declared.replaceAll('/', '~1')}/schema`;
      const form = { status: status === 'default' ? status : status.toUpperCase(), type };
      if (source === undefined || !isJsonType(type)) {
        forms.push({ ...form, schema: () => null });
        continue;
      }
      const value = answers.value(source, at);
      const schema = typeof value === 'boolean' ? (value ? {} : { not: {} }) : value;
      made(schema, at);
      let whole: Schema | undefined;
      forms.push({ ...form, schema: () => (whole ??= answers.standalone(schema)) });
    }
  }
  return forms;
}
