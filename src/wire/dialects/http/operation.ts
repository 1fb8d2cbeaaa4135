/**
 * The operations of one http route, made from its OpenAPI document at start: the facts that every stage sees
 * (`Operation`), and what only this dialect needs to find, read and rebuild a call. The registry must give back these
 * very objects.
 */
import type { Effect, JsonObject, Operation } from '../../../call.ts';
import { labelsOf, type RouteSettings } from '../../dialect.ts';
import { pathNames } from '../../paths.ts';
import { child } from '../../pointer.ts';
import { type BodyForm, type OperationDraft, readOperations } from './document.ts';
import { type DocumentFault, DocumentReader } from './reader.ts';
import { schemaHasPath } from './schema.ts';
import { byLiteralsFirst, matchTemplate } from './template.ts';
import { SchemaCompiler, type Validate } from './validator.ts';

const effects: Readonly<Record<string, Effect>> = { GET: 'read', HEAD: 'read', OPTIONS: 'read', DELETE: 'delete' };

export class HttpOperation implements Operation {
  readonly name: string;
  readonly route: string;
  readonly kind = 'tool';
  readonly effect: Effect;
  readonly summary: string;
  readonly inputSchema: JsonObject;
  readonly remember: readonly string[];
  readonly reads: Operation['reads'];
  readonly sends: Operation['sends'];
  readonly callMicroUsd?: number;
  readonly draft: OperationDraft;
  readonly table: OperationTable;
  readonly #validate: Validate;
  readonly #validateForm = new Map<BodyForm, Validate>();

  constructor(
    route: string,
    draft: OperationDraft,
    table: OperationTable,
    compiler: SchemaCompiler,
    override: RouteSettings['operations'][string] | undefined,
  ) {
    this.name = `${route}.${draft.id}`;
    this.route = route;
    this.effect = override?.effect ?? effects[draft.method] ?? 'write';
    this.summary = draft.summary;
    this.inputSchema = draft.inputSchema as JsonObject;
    this.remember = override?.remember ?? [];
    const { reads, sends } = labelsOf(override);
    this.reads = reads;
    this.sends = sends;
    if (override?.callMicroUsd !== undefined) this.callMicroUsd = override.callMicroUsd;
    this.draft = draft;
    this.table = table;
    this.#validate = compiler.compile(draft.inputSchema);
    for (const form of draft.body?.forms ?? []) {
      const same = form.inputSchema === draft.inputSchema;
      this.#validateForm.set(form, same ? this.#validate : compiler.compile(form.inputSchema));
    }
  }

  /** What is wrong with `args`, sent with a body in `form` (null: none); empty if nothing is. */
  faults(args: JsonObject, form: BodyForm | null): ReturnType<Validate> {
    const validate = (form === null ? undefined : this.#validateForm.get(form)) ?? this.#validate;
    return validate(args);
  }
}

export interface Match {
  readonly operation: HttpOperation;
  /** Values of the path's parameters, decoded, not typed. */
  readonly values: Readonly<Record<string, string>>;
}

/** Which operation a method and a path mean. */
export class OperationTable {
  operations: readonly HttpOperation[] = [];

  /** The one operation; undefined if there is none, or if two paths of the document would do equally well. */
  match(method: string, path: readonly string[]): Match | undefined {
    let found:
      | { readonly source: string; readonly operation: HttpOperation; readonly values: Record<string, string> }
      | undefined;
    let ambiguous = false;
    for (const operation of this.operations) {
      const { template } = operation.draft;
      if (found !== undefined && found.source === template.source) continue;
      const values = matchTemplate(template, path);
      if (values === undefined) continue;
      const order = found === undefined ? -1 : byLiteralsFirst(template, found.operation.draft.template);
      if (order < 0) {
        found = { source: template.source, operation, values };
        ambiguous = false;
      } else if (order === 0) ambiguous = true;
    }
    if (found === undefined || ambiguous) return undefined;
    const { source, values } = found;
    const operation = this.operations.find(({ draft }) => draft.template.source === source && draft.method === method);
    return operation === undefined ? undefined : { operation, values };
  }
}

/** The operations of a route and what is wrong with its document and settings; pointers as in `RouteSettings`. */
export function httpOperations(
  route: string,
  settings: RouteSettings,
): { readonly operations: readonly HttpOperation[]; readonly faults: readonly DocumentFault[] } {
  const reader = new DocumentReader(settings.openapi);
  const drafts = readOperations(reader);
  const faults = reader.faults.map(({ pointer, message }) => ({ pointer: `/openapi${pointer}`, message }));
  if (faults.length > 0) return { operations: [], faults };
  const table = new OperationTable();
  const compiler = new SchemaCompiler();
  const operations: HttpOperation[] = [];
  for (const draft of drafts) {
    const override = Object.hasOwn(settings.operations, draft.id) ? settings.operations[draft.id] : undefined;
    try {
      operations.push(new HttpOperation(route, draft, table, compiler, override));
    } catch (error) {
      faults.push({ pointer: `/openapi${draft.pointer}`, message: `a schema is wrong: ${(error as Error).message}` });
    }
    for (const [index, path] of (override?.remember ?? []).entries()) {
      if (schemaHasPath(draft.inputSchema, pathNames(path) ?? [])) continue;
      const pointer = `${child('/operations', draft.id)}/remember/${index}`;
      faults.push({ pointer, message: `${path} names no argument of ${draft.id}` });
    }
  }
  table.operations = operations;
  return { operations, faults };
}
