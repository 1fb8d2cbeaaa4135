/**
 * Reads the operations out of an OpenAPI 3.0 or 3.1 document. What the gate can only read in more than one way is not
 * offered: an optional parameter in such a style is left out (and refused when sent), a required one is a fault of the
 * document. `servers` and `security` are not read: target and credential stand in the routing table.
 */
import { isJsonType } from '../../media.ts';
import { child } from '../../pointer.ts';
import type { Parameter, Place } from './parameters.ts';
import { type DocumentReader, objectIn } from './reader.ts';
import { type Schema, SchemaBundle, typesOf } from './schema.ts';
import { parseTemplate, shapeOf, type Template } from './template.ts';

/** A body that an operation takes. */
export interface BodyForm {
  /** Media type in lower case. */
  readonly type: string;
  readonly kind: 'json' | 'form' | 'text';
  /** Of forms: how each field is read. */
  readonly fields: readonly Parameter[];
  /** The schema of the arguments with this body. */
  readonly inputSchema: Schema;
}

/** An operation as the document has it. */
export interface OperationDraft {
  /** `operationId`, or `{method}_{path}` with all but letters and digits as `_` where there is none. */
  readonly id: string;
  readonly pointer: string;
  /** Upper case. */
  readonly method: string;
  readonly template: Template;
  readonly summary: string;
  readonly parameters: readonly Parameter[];
  /** Null if it takes no body. `forms` is empty if it takes only bodies that the gate does not read. */
  readonly body: { readonly required: boolean; readonly forms: readonly BodyForm[] } | null;
  /** The schema of the arguments: with the body the document names first, JSON before others. */
  readonly inputSchema: Schema;
  /** What the target is asked to answer with. */
  readonly accept: string;
}

const methods = ['get', 'head', 'options', 'post', 'put', 'patch', 'delete'];
const operationsMax = 2000;
const summaryCharsMax = 300;
const acceptTypesMax = 8;

/** Headers that are the gate's or the connection's; a document that declares them does not make them the agent's. */
const gateHeaders = new Set([
  ...[
    'accept',
    'content-type',
    'content-length',
    'authorization',
    'proxy-authorization',
    'cookie',
    'host',
    'connection',
  ],
  ...['transfer-encoding', 'te', 'trailer', 'upgrade', 'keep-alive', 'expect', 'forwarded', 'via', 'x-real-ip', 'dpop'],
  ...['x-api-key', 'api-key', 'txn-token', 'traceparent', 'tracestate', 'baggage', 'content-encoding', 'range'],
]);
const gateHeaderPrefixes = ['x-tollgate-', 'x-forwarded-', 'proxy-', 'sec-'];

/** All operations of `reader`'s document; what is wrong with them is among the reader's faults. */
export function readOperations(reader: DocumentReader): readonly OperationDraft[] {
  const drafts: OperationDraft[] = [];
  const shapes = new Map<string, string>();
  for (const [path, item] of Object.entries(objectIn(reader.root.paths) ?? {})) {
    if (path.startsWith('x-')) continue;
    const pointer = child('/paths', path);
    const template = parseTemplate(path);
    if (typeof template === 'string') {
      reader.fault(pointer, template);
      continue;
    }
    if (shapes.has(shapeOf(template))) reader.fault(pointer, 'another path of the document matches the same requests');
    shapes.set(shapeOf(template), path);
    const pathItem = objectIn(reader.follow(item)) ?? {};
    for (const method of methods) {
      const operation = objectIn(pathItem[method]);
      if (operation === undefined) continue;
      const shared = Array.isArray(pathItem.parameters) ? pathItem.parameters : [];
      drafts.push(readOperation(reader, `${pointer}/${method}`, method, template, operation, shared));
    }
  }
  if (drafts.length > operationsMax) reader.fault('/paths', `holds more than ${operationsMax} operations`);
  const ids = new Set<string>();
  for (const { id, pointer } of drafts) {
    if (ids.has(id)) reader.fault(pointer, `two operations have the name ${id}`);
    ids.add(id);
  }
  return drafts;
}

function readOperation(
  reader: DocumentReader,
  pointer: string,
  method: string,
  template: Template,
  operation: Record<string, unknown>,
  shared: readonly unknown[],
): OperationDraft {
  const bundle = new SchemaBundle(reader);
  const own = Array.isArray(operation.parameters) ? operation.parameters : [];
  const declared = new Map<string, { readonly parameter: Parameter; readonly schema: Schema | boolean }>();
  for (const [index, item] of [...shared, ...own].entries()) {
    const read = readDeclaration(reader, bundle, item, `${pointer}/parameters/${index}`);
    // What the operation declares replaces what its path declares (OpenAPI 3.1 §4.8.10.1).
    if (read !== undefined) declared.set(`${read.parameter.place} ${read.parameter.name}`, read);
  }
  for (const name of template.names) {
    if (!declared.has(`path ${name}`)) reader.fault(pointer, `the path parameter ${name} is not declared`);
  }
  for (const [key, { parameter }] of declared) {
    if (parameter.place === 'path' && !template.names.includes(parameter.name)) declared.delete(key);
  }
  const properties: Schema = {};
  for (const place of ['path', 'query', 'headers'] as const) {
    properties[place] = placeSchema([...declared.values()].filter(({ parameter }) => parameter.place === place));
  }
  const argumentsSchema = (body: Schema | boolean | undefined, required: boolean): Schema => ({
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    properties: body === undefined ? properties : { ...properties, body },
    required: ['path', 'query', 'headers', ...(required ? ['body'] : [])],
    additionalProperties: false,
    $defs: bundle.definitions,
  });
  const requestBody = objectIn(reader.follow(operation.requestBody));
  const required = requestBody?.required === true;
  const forms = readBodyForms(reader, bundle, requestBody, pointer).map(
    ({ schema, ...form }): BodyForm => ({ ...form, inputSchema: argumentsSchema(schema, required) }),
  );
  const summary = String(operation.summary ?? operation.description ?? `${method.toUpperCase()} ${template.source}`);
  return {
    id: nameOf(operation, method, template),
    pointer,
    method: method.toUpperCase(),
    template,
    summary: summary.slice(0, summaryCharsMax),
    parameters: [...declared.values()].map(({ parameter }) => parameter),
    body: requestBody === undefined ? null : { required, forms },
    inputSchema: forms[0]?.inputSchema ?? argumentsSchema(undefined, false),
    accept: acceptOf(reader, operation),
  };
}

/** Names hold letters, digits and `_ . / : -`; anything else becomes `_`. */
function nameOf(operation: Record<string, unknown>, method: string, template: Template): string {
  const id = operation.operationId;
  if (typeof id === 'string' && id !== '') return id.replaceAll(/[^A-Za-z0-9_./:-]+/g, '_').slice(0, 128);
  return `${method}_${template.source.replaceAll(/[^A-Za-z0-9]+/g, '_').replaceAll(/^_|_$/g, '')}`;
}

function placeSchema(
  declared: readonly { readonly parameter: Parameter; readonly schema: Schema | boolean }[],
): Schema {
  return {
    type: 'object',
    properties: Object.fromEntries(declared.map(({ parameter, schema }) => [parameter.name, schema])),
    required: declared.filter(({ parameter }) => parameter.required).map(({ parameter }) => parameter.name),
    additionalProperties: false,
  };
}

const places: Readonly<Record<string, Place>> = { path: 'path', query: 'query', header: 'headers' };
const delimiters: Readonly<Record<string, Parameter['delimiter']>> = {
  form: ',',
  simple: ',',
  spaceDelimited: ' ',
  pipeDelimited: '|',
};

function readDeclaration(
  reader: DocumentReader,
  bundle: SchemaBundle,
  item: unknown,
  pointer: string,
): { readonly parameter: Parameter; readonly schema: Schema | boolean } | undefined {
  const source = objectIn(reader.follow(item));
  const { in: where, name: declaredName } = source ?? {};
  if (source === undefined || typeof where !== 'string' || typeof declaredName !== 'string') {
    reader.fault(pointer, 'is not a parameter');
    return undefined;
  }
  const place = Object.hasOwn(places, where) ? places[where] : undefined;
  const name = place === 'headers' ? declaredName.toLowerCase() : declaredName;
  const gates = gateHeaders.has(name) || gateHeaderPrefixes.some((prefix) => name.startsWith(prefix));
  if (place === 'headers' && gates) return undefined;
  const required = place === 'path' || source.required === true;
  const content = Object.entries(objectIn(source.content) ?? {})[0];
  const schemaSource = content === undefined ? (source.schema ?? true) : (objectIn(content[1])?.schema ?? true);
  const style = String(source.style ?? (place === 'query' ? 'form' : 'simple'));
  const types = typesOf(reader, schemaSource);
  const good =
    content === undefined
      ? Object.hasOwn(delimiters, style) && (place === 'query') === (style !== 'simple') && !types.has('object')
      : isJsonType(content[0].toLowerCase());
  if (place === undefined || !good) {
    if (required) reader.fault(pointer, `the required parameter ${name} is written in a way that is not supported`);
    return undefined;
  }
  const list = content === undefined && types.has('array');
  const parameter: Parameter = {
    place,
    name,
    required,
    shape: content !== undefined ? 'json' : list ? 'list' : 'single',
    exploded: list && place === 'query' && (source.explode ?? style === 'form') === true,
    delimiter: delimiters[style] ?? ',',
    types: list ? elementTypes(reader, schemaSource) : types,
  };
  return { parameter, schema: bundle.value(schemaSource, `${pointer}/schema`) };
}

/** The types of the elements of a list, whichever of several schemas describes it. */
function elementTypes(reader: DocumentReader, schema: unknown, depth = 0): Set<string> {
  const source = objectIn(reader.follow(schema));
  if (source === undefined || depth > 8) return new Set();
  if (source.items !== undefined) return typesOf(reader, source.items);
  const types = new Set<string>();
  for (const word of ['allOf', 'anyOf', 'oneOf']) {
    const list = source[word];
    for (const item of Array.isArray(list) ? list : [])
      for (const type of elementTypes(reader, item, depth + 1)) types.add(type);
  }
  return types;
}

function readBodyForms(
  reader: DocumentReader,
  bundle: SchemaBundle,
  requestBody: Record<string, unknown> | undefined,
  pointer: string,
): (Omit<BodyForm, 'inputSchema'> & { readonly schema: Schema | boolean })[] {
  const forms: (Omit<BodyForm, 'inputSchema'> & { readonly schema: Schema | boolean })[] = [];
  for (const [declared, content] of Object.entries(objectIn(requestBody?.content) ?? {})) {
    const written = (declared.split(';')[0] as string).trim().toLowerCase();
    // A range takes JSON, among others; JSON is what the gate reads best.
    const type = written === '*/*' || written === 'application/*' ? 'application/json' : written;
    const kind = isJsonType(type)
      ? 'json'
      : type === 'application/x-www-form-urlencoded'
        ? 'form'
        : type.startsWith('text/') && type !== 'text/*'
          ? 'text'
          : undefined;
    if (kind === undefined || forms.some((known) => known.type === type)) continue;
    const source = objectIn(content)?.schema ?? true;
    const schema = bundle.value(source, `${pointer}/requestBody/content/${declared.replaceAll('/', '~1')}/schema`);
    forms.push({ type, kind, fields: kind === 'form' ? formFields(reader, source) : [], schema });
  }
  return forms.sort((one, other) => Number(other.kind === 'json') - Number(one.kind === 'json'));
}

function formFields(reader: DocumentReader, schema: unknown, depth = 0): Parameter[] {
  const source = objectIn(reader.follow(schema));
  if (source === undefined || depth > 8) return [];
  const inner = Array.isArray(source.allOf) ? source.allOf : [];
  const fields = inner.flatMap((item) => formFields(reader, item, depth + 1));
  for (const [name, property] of Object.entries(objectIn(source.properties) ?? {})) {
    const types = typesOf(reader, property);
    if (types.has('object')) continue;
    const list = types.has('array');
    fields.push({
      place: 'query',
      name,
      required: false,
      shape: list ? 'list' : 'single',
      exploded: list,
      delimiter: ',',
      types: list ? elementTypes(reader, property) : types,
    });
  }
  return fields;
}

function acceptOf(reader: DocumentReader, operation: Record<string, unknown>): string {
  const types = new Set<string>();
  for (const response of Object.values(objectIn(operation.responses) ?? {})) {
    for (const type of Object.keys(objectIn(objectIn(reader.follow(response))?.content) ?? {})) {
      if (/^[\w.+*-]+\/[\w.+*-]+$/.test(type)) types.add(type.toLowerCase());
    }
  }
  return types.size === 0 || types.size > acceptTypesMax ? '*/*' : [...types].join(', ');
}
