/**
 * Reads the operations out of an OpenAPI 3.0 or 3.1 document. What the gate can only read in more than one way is not
 * offered: an optional parameter in such a style is left out (and refused when sent), a required one is a fault of the
 * document, and a path with a query or a fragment, which cannot be told from the one without, is left out. `servers` and
 * `security` are not read: target and credential stand in the routing table. Webhooks and callbacks are no operations.
 */
import { child } from '../../pointer.ts';
import { SchemaCompiler } from './compiler.ts';
import { type BodyKind, type Content, type ResponseForm, readContents, readResponses } from './content.ts';
import { type Declaration, readDeclaration } from './declaration.ts';
import type { Parameter } from './parameters.ts';
import { DocumentReader, objectIn } from './reader.ts';
import { type Schema, SchemaBundle } from './schema.ts';
import { parseTemplate, shapeOf, type Template } from './template.ts';

/** A body that an operation takes. */
export interface BodyForm {
  /** Media type in lower case. */
  readonly type: string;
  readonly kind: BodyKind;
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
  /** What the document says of answers, in its order. */
  readonly responses: readonly ResponseForm[];
}

/** The operations of a document, and what their schemas are compiled by. */
export interface ReadDocument {
  readonly drafts: readonly OperationDraft[];
  readonly compiler: SchemaCompiler;
  readonly faults: DocumentReader['faults'];
}

const methods = ['get', 'head', 'options', 'post', 'put', 'patch', 'delete'];
const operationsMax = 5000;
const summaryCharsMax = 300;
const acceptTypesMax = 8;

interface Reading {
  readonly reader: DocumentReader;
  readonly compiler: SchemaCompiler;
  readonly input: SchemaBundle;
  readonly answers: SchemaBundle;
}

/**
 * All operations of a parsed document, or of an OpenApiDocuments, and all that is wrong with it. Every schema is looked
 * at, none is compiled. Yields every few milliseconds of work, so that whoever drives it can let others go first.
 */
export function* readDocument(source: unknown): Generator<void, ReadDocument> {
  const reader = yield* DocumentReader.read(source);
  const compiler = new SchemaCompiler();
  const input = new SchemaBundle(reader);
  const reading: Reading = { reader, compiler, input, answers: new SchemaBundle(reader, 'answer') };
  const drafts: OperationDraft[] = [];
  // Templates of one shape match the same requests: no two of them may take one method.
  const taken = new Set<string>();
  for (const [path, item] of Object.entries(objectIn(reader.root.paths) ?? {})) {
    if (path.startsWith('x-') || /[?#]/.test(path)) continue;
    const pointer = child('/paths', path);
    const template = parseTemplate(path);
    if (typeof template === 'string') {
      reader.fault(pointer, template);
      continue;
    }
    const pathItem = objectIn(reader.follow(item)) ?? {};
    for (const method of methods) {
      const operation = objectIn(pathItem[method]);
      if (operation === undefined) continue;
      const request = `${method} ${shapeOf(template)}`;
      if (taken.has(request)) reader.fault(pointer, 'another path of the document matches the same requests');
      taken.add(request);
      const shared = Array.isArray(pathItem.parameters) ? pathItem.parameters : [];
      drafts.push(readOperation(reading, `${pointer}/${method}`, method, template, operation, shared));
      yield;
    }
  }
  if (drafts.length > operationsMax) reader.fault('/paths', `holds more than ${operationsMax} operations`);
  const ids = new Set<string>();
  for (const { id, pointer } of drafts) {
    if (ids.has(id)) reader.fault(pointer, `two operations have the name ${id}`);
    ids.add(id);
  }
  yield* checkDefinitions(reading);
  return { drafts, compiler, faults: reader.faults };
}

/** Each schema that operations refer to is looked at once, however many do. */
function* checkDefinitions({ reader, compiler, input, answers }: Reading): Generator<void, void> {
  for (const bundle of [input, answers]) {
    for (const [name, schema] of Object.entries(bundle.definitions)) {
      const wrong = typeof schema === 'boolean' ? null : compiler.check(schema);
      if (wrong !== null) reader.fault(bundle.pointerOf(name), wrong);
      yield;
    }
  }
}

function readOperation(
  reading: Reading,
  pointer: string,
  method: string,
  template: Template,
  operation: Record<string, unknown>,
  shared: readonly unknown[],
): OperationDraft {
  const { reader, compiler, input, answers } = reading;
  const own = Array.isArray(operation.parameters) ? operation.parameters : [];
  const declared = new Map<string, Declaration>();
  for (const [index, item] of [...shared, ...own].entries()) {
    const read = readDeclaration(reader, input, item, `${pointer}/parameters/${index}`);
    // What the operation declares replaces what its path declares (OpenAPI 3.1 §4.8.10.1).
    if (read !== undefined) declared.set(`${read.parameter.place} ${read.parameter.name}`, read);
  }
  for (const name of template.names) {
    if (!declared.has(`path ${name}`)) reader.fault(pointer, `the path parameter ${name} is not declared`);
  }
  for (const [key, { parameter }] of declared) {
    if (parameter.place === 'path' && !template.names.includes(parameter.name)) declared.delete(key);
  }
  const check = (schema: Schema, at: string): void => {
    const wrong = compiler.check(schema);
    if (wrong !== null) reader.fault(at, wrong);
  };
  const properties: Schema = {};
  for (const place of ['path', 'query', 'headers'] as const) {
    properties[place] = placeSchema([...declared.values()].filter(({ parameter }) => parameter.place === place));
  }
  check({ properties }, pointer);
  const requestBody = objectIn(reader.follow(operation.requestBody));
  const required = requestBody?.required === true;
  const contents = readContents(reader, input, requestBody?.content, `${pointer}/requestBody/content`);
  for (const { schema } of contents) if (typeof schema !== 'boolean') check(schema, pointer);
  const forms = contents.map(
    (content) => new DeclaredBody(content, () => argumentsSchema(input, properties, content, required)),
  );
  const summary = String(operation.summary ?? operation.description ?? `${method.toUpperCase()} ${template.source}`);
  return new Draft(
    {
      id: nameOf(operation, method, template),
      pointer,
      method: method.toUpperCase(),
      template,
      summary: summary.slice(0, summaryCharsMax),
      parameters: [...declared.values()].map(({ parameter }) => parameter),
      body: requestBody === undefined ? null : { required, forms },
      accept: acceptOf(reader, operation),
      responses: readResponses(reader, answers, operation, pointer, check),
    },
    () => forms[0]?.inputSchema ?? argumentsSchema(input, properties, undefined, false),
  );
}

/** Schemas that stand by themselves are put together when they are asked for: most never are. */
class DeclaredBody implements BodyForm {
  readonly type: string;
  readonly kind: BodyKind;
  readonly fields: readonly Parameter[];
  readonly #make: () => Schema;
  #schema: Schema | undefined;

  constructor({ type, kind, fields }: Content, make: () => Schema) {
    this.type = type;
    this.kind = kind;
    this.fields = fields;
    this.#make = make;
  }

  get inputSchema(): Schema {
    this.#schema ??= this.#make();
    return this.#schema;
  }
}

class Draft implements OperationDraft {
  declare readonly id: string;
  declare readonly pointer: string;
  declare readonly method: string;
  declare readonly template: Template;
  declare readonly summary: string;
  declare readonly parameters: readonly Parameter[];
  declare readonly body: OperationDraft['body'];
  declare readonly accept: string;
  declare readonly responses: readonly ResponseForm[];
  readonly #make: () => Schema;
  #schema: Schema | undefined;

  constructor(facts: Omit<OperationDraft, 'inputSchema'>, make: () => Schema) {
    Object.assign(this, facts);
    this.#make = make;
  }

  get inputSchema(): Schema {
    this.#schema ??= this.#make();
    return this.#schema;
  }
}

function argumentsSchema(
  input: SchemaBundle,
  properties: Schema,
  body: Content | undefined,
  required: boolean,
): Schema {
  return input.standalone({
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    properties: body === undefined ? properties : { ...properties, body: body.schema },
    required: ['path', 'query', 'headers', ...(required ? ['body'] : [])],
    additionalProperties: false,
  });
}

/** Names hold letters, digits and `_ . / : -`; anything else becomes `_`. */
function nameOf(operation: Record<string, unknown>, method: string, template: Template): string {
  const id = operation.operationId;
  if (typeof id === 'string' && id !== '') return id.replaceAll(/[^A-Za-z0-9_./:-]+/g, '_').slice(0, 128);
  return `${method}_${template.source.replaceAll(/[^A-Za-z0-9]+/g, '_').replaceAll(/^_|_$/g, '')}`;
}

function placeSchema(declared: readonly Declaration[]): Schema {
  return {
    type: 'object',
    properties: Object.fromEntries(declared.map(({ parameter, schema }) => [parameter.name, schema])),
    required: declared.filter(({ parameter }) => parameter.required).map(({ parameter }) => parameter.name),
    additionalProperties: false,
  };
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
