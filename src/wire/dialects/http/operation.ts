/**
 * The operations of one http route, made from its OpenAPI document at start: the facts that every stage sees
 * (`Operation`), and what only this dialect needs to find, read and rebuild a call. The registry must give back these
 * very objects.
 */
import type { Effect, Json, JsonObject } from '../../../call.ts';
import type { RouteSettings } from '../../dialect.ts';
import { pathNames } from '../../paths.ts';
import { child } from '../../pointer.ts';
import { type OperationSettings, ToolOperation } from '../../tool-operation.ts';
import type { SchemaCompiler, Validate } from './compiler.ts';
import type { ResponseForm } from './content.ts';
import { type BodyForm, type OperationDraft, type ReadDocument, readDocument } from './document.ts';
import type { DocumentFault } from './reader.ts';
import { schemaHasPath } from './schema.ts';
import { byLiteralsFirst, matchTemplate, shapeOf } from './template.ts';

const effects: Readonly<Record<string, Effect>> = { GET: 'read', HEAD: 'read', OPTIONS: 'read', DELETE: 'delete' };

export class HttpOperation extends ToolOperation {
  readonly draft: OperationDraft;
  readonly table: OperationTable;
  readonly #compiler: SchemaCompiler;

  constructor(
    route: string,
    draft: OperationDraft,
    table: OperationTable,
    compiler: SchemaCompiler,
    override: OperationSettings | undefined,
  ) {
    const { id, summary, method } = draft;
    super(route, { id, summary, effect: effects[method] ?? 'write' }, override);
    this.draft = draft;
    this.table = table;
    this.#compiler = compiler;
  }

  get inputSchema(): JsonObject {
    return this.draft.inputSchema as JsonObject;
  }

  /** The schema of what the operation answers with where it succeeds; null where the document gives none. */
  get outputSchema(): JsonObject | null {
    const good = this.draft.responses.filter(({ status }) => status.startsWith('2'));
    return (good.map(({ schema }) => schema()).find((schema) => schema !== null) ?? null) as JsonObject | null;
  }

  /** What is wrong with `args`, sent with a body in `form` (null: none); empty if nothing is. */
  faults(args: JsonObject, form: BodyForm | null): ReturnType<Validate> {
    return this.#compiler.compile(form?.inputSchema ?? this.draft.inputSchema)(args);
  }

  /** What the document says of an answer with this status and media type: the exact status goes before its range. */
  responseForm(status: number, type: string): ResponseForm | undefined {
    const { responses } = this.draft;
    for (const name of [String(status), `${Math.trunc(status / 100)}XX`, 'default']) {
      const declared = responses.filter((form) => form.status === name);
      if (declared.length === 0) continue;
      const types = [type, `${type.slice(0, type.indexOf('/'))}/*`, '*/*'];
      return types.flatMap((one) => declared.find((form) => form.type === one) ?? [])[0];
    }
    return undefined;
  }

  /**
   * What is wrong with a JSON answer; empty if nothing is or its schema is not given, undefined where the document knows
   * no answer with this status and media type. The first look at a schema compiles it.
   */
  answerFaults(status: number, type: string, body: Json): ReturnType<Validate> | undefined {
    const form = this.responseForm(status, type);
    if (form === undefined) return undefined;
    const schema = form.schema();
    return schema === null ? [] : this.#compiler.compile(schema)(body);
  }
}

export interface Match {
  readonly operation: HttpOperation;
  /** Values of the path's parameters, decoded, not typed. */
  readonly values: Readonly<Record<string, string>>;
}

/** Which operation a method and a path mean. */
export class OperationTable {
  #operations: readonly HttpOperation[] = [];
  /** By the number of segments of their paths. */
  #byLength = new Map<number, HttpOperation[]>();

  get operations(): readonly HttpOperation[] {
    return this.#operations;
  }

  set operations(operations: readonly HttpOperation[]) {
    this.#operations = operations;
    this.#byLength = Map.groupBy(operations, ({ draft }) => draft.template.segments.length);
  }

  /** The one operation; undefined if there is none, or if two paths of the document would do equally well. */
  match(method: string, path: readonly string[]): Match | undefined {
    let found: { readonly shape: string; readonly operation: HttpOperation } | undefined;
    let ambiguous = false;
    const candidates = this.#byLength.get(path.length) ?? [];
    for (const operation of candidates) {
      const { template } = operation.draft;
      if (matchTemplate(template, path) === undefined) continue;
      const shape = shapeOf(template);
      if (found?.shape === shape) continue;
      const order = found === undefined ? -1 : byLiteralsFirst(template, found.operation.draft.template);
      if (order < 0) {
        found = { shape, operation };
        ambiguous = false;
      } else if (order === 0) ambiguous = true;
    }
    if (found === undefined || ambiguous) return undefined;
    const { shape } = found;
    const operation = candidates.find(({ draft }) => draft.method === method && shapeOf(draft.template) === shape);
    const values = operation === undefined ? undefined : matchTemplate(operation.draft.template, path);
    return operation === undefined || values === undefined ? undefined : { operation, values };
  }
}

/** A document that has been read already, for whoever cannot wait while that is done in one piece. */
export class ReadOpenApi {
  readonly read: ReadDocument;

  private constructor(read: ReadDocument) {
    this.read = read;
  }

  /** Reads `source` in pieces; `breathe` is awaited between them whenever one has taken `pieceMs`. */
  static async of(
    source: unknown,
    breathe: () => Promise<void>,
    clock: { monotonicMs(): number },
  ): Promise<ReadOpenApi> {
    const pieces = readDocument(source);
    let since = clock.monotonicMs();
    for (;;) {
      const piece = pieces.next();
      if (piece.done === true) return new ReadOpenApi(piece.value);
      if (clock.monotonicMs() - since < pieceMs) continue;
      await breathe();
      since = clock.monotonicMs();
    }
  }
}

const pieceMs = 10;

function inOnePiece(source: unknown): ReadDocument {
  const pieces = readDocument(source);
  for (;;) {
    const piece = pieces.next();
    if (piece.done === true) return piece.value;
  }
}

/**
 * The operations of a route and what is wrong with its document and settings; pointers as in `RouteSettings`. The
 * document is a parsed one, an OpenApiDocuments, or a ReadOpenApi.
 */
export function httpOperations(
  route: string,
  settings: RouteSettings,
): { readonly operations: readonly HttpOperation[]; readonly faults: readonly DocumentFault[] } {
  const { openapi } = settings;
  const { drafts, compiler, faults: found } = openapi instanceof ReadOpenApi ? openapi.read : inOnePiece(openapi);
  const faults = found.map(({ pointer, message }) => ({ pointer: `/openapi${pointer}`, message }));
  if (faults.length > 0) return { operations: [], faults };
  const table = new OperationTable();
  const operations: HttpOperation[] = [];
  for (const draft of drafts) {
    const override = Object.hasOwn(settings.operations, draft.id) ? settings.operations[draft.id] : undefined;
    operations.push(new HttpOperation(route, draft, table, compiler, override));
    for (const [index, path] of (override?.remember ?? []).entries()) {
      if (schemaHasPath(draft.inputSchema, pathNames(path) ?? [])) continue;
      const pointer = `${child('/operations', draft.id)}/remember/${index}`;
      faults.push({ pointer, message: `${path} names no argument of ${draft.id}` });
    }
  }
  table.operations = operations;
  return { operations, faults };
}
