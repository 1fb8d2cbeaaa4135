/**
 * What an mcp route can be called for: the methods that every server may have, and the tools that this one defines. What
 * a reader would get wrong: nothing here is believed of the server but names and schemas. What a tool does, reads and
 * sends is what the routing table says, and where that is silent the worst (its annotations are never looked at).
 */
import type { JsonObject, Operation, Route, ToolDefinition } from '../../../call.ts';
import type { Reason } from '../../../denial.ts';
import type { OperationSource, RouteSettings } from '../../dialect.ts';
import { type ParamHeader, paramHeaders } from '../../mcp/headers.ts';
import { type OperationSettings, ToolOperation } from '../../tool-operation.ts';
import { SchemaCompiler, type Validate } from '../http/compiler.ts';
import { type McpMethod, mcpMethods } from './methods.ts';
import { judgedSchema } from './schema.ts';

const summaryCharsMax = 300;
/** As names of operations are; no star, which in a toolset stands for all of a route. */
const toolName = /^[A-Za-z0-9_.:/-]{1,128}$/;

/** A method, or an answer, of an mcp route. */
export class McpMethodOperation extends ToolOperation {
  readonly inputSchema: JsonObject;
  readonly method: McpMethod;
  readonly #validate: Validate;

  constructor(route: string, method: McpMethod, compiler: SchemaCompiler, settings: OperationSettings | undefined) {
    const { name: id, summary, effect } = method;
    super(route, { id, summary, effect }, settings);
    this.inputSchema = method.inputSchema;
    this.method = method;
    this.#validate = compiler.compile(method.inputSchema);
  }

  faults(args: JsonObject): readonly Reason[] {
    return this.#validate(args);
  }
}

/**
 * How a target stands to a tool: it offers it as it is known here (`offered`), does not (`missing`), or offers another
 * one by that name, which nobody has accepted (`drifted`); `away` is one that could not be asked since the gate is up.
 */
export type ToolStanding = 'offered' | 'missing' | 'drifted' | 'away';

export interface McpToolOptions {
  /** What the routing table says of it. */
  readonly settings?: OperationSettings | undefined;
  /** By the name of the target, asked anew for each call. Left out: each target of the route offers it. */
  readonly standing?: (target: string) => ToolStanding;
  /** Its definition is not the accepted one. Left out: it is. */
  readonly drift?: Operation['drift'];
  /** One may compile the schemas of many tools. */
  readonly compiler?: SchemaCompiler;
}

/** A tool of an mcp route. */
export class McpToolOperation extends ToolOperation {
  /** As its server wrote it. */
  readonly inputSchema: JsonObject;
  readonly drift?: NonNullable<Operation['drift']>;
  readonly definition: ToolDefinition;
  /** The arguments that are repeated in headers. */
  readonly headers: readonly ParamHeader[];
  readonly standing: (target: string) => ToolStanding;
  readonly #validate: Validate;

  constructor(
    route: string,
    definition: ToolDefinition,
    { settings, standing = () => 'offered', drift }: McpToolOptions,
    { validate, headers }: { readonly validate: Validate; readonly headers: readonly ParamHeader[] },
  ) {
    const { name, title, description, inputSchema } = definition;
    const summary = (description || title || name).slice(0, summaryCharsMax);
    super(route, { id: name, summary, effect: 'delete' }, settings);
    this.inputSchema = inputSchema;
    if (drift !== undefined) this.drift = drift;
    this.definition = definition;
    this.standing = standing;
    this.headers = headers;
    this.#validate = validate;
  }

  /** What is wrong with the arguments; empty if nothing is. */
  faults(args: JsonObject): readonly Reason[] {
    return this.#validate(args);
  }
}

/**
 * The operation that a definition makes; a fault, for operators, where the gate cannot judge its arguments or say its
 * name: then the tool is not offered.
 */
export function mcpToolOperation(
  route: string,
  definition: ToolDefinition,
  options: McpToolOptions = {},
): { readonly operation: McpToolOperation } | { readonly fault: string } {
  const { name, inputSchema } = definition;
  if (!toolName.test(name)) return { fault: 'its name must have 1 to 128 letters, digits and _ . : / -' };
  if (mcpMethods.some((method) => method.name === name)) return { fault: 'it has the name of a method' };
  const headers = paramHeaders(inputSchema);
  if (typeof headers === 'string') return { fault: headers };
  const schema = judgedSchema(inputSchema);
  if (typeof schema === 'string') return { fault: `its input schema cannot be used: ${schema}` };
  const compiler = options.compiler ?? new SchemaCompiler();
  const wrong = compiler.check(schema);
  if (wrong !== null) return { fault: `its input schema cannot be used: ${wrong}` };
  const validate = compiler.compile(schema);
  return { operation: new McpToolOperation(route, definition, options, { validate, headers }) };
}

/** The methods of mcp routes. Their tools come and go, and are made one by one. */
export const mcpTools: OperationSource = {
  kind: 'mcp',
  operations: ({ name }: Route, { operations }: RouteSettings) => {
    const compiler = new SchemaCompiler();
    const settingsOf = (id: string) => (Object.hasOwn(operations, id) ? operations[id] : undefined);
    return {
      operations: mcpMethods.map((method) => new McpMethodOperation(name, method, compiler, settingsOf(method.name))),
      faults: [],
    };
  },
};
