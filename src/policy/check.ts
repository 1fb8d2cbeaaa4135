/**
 * The shape of what goes into a policy and of what comes out. Both matter for safety: on `null`, `{}` or a truncated
 * input Rego finds fields undefined, and a rule like `allow if count(deny) == 0` then allows; and only a decision
 * that is exactly a decision may let a call through. Size and depth are bounded, for a deep document overflows the
 * stack of the WASM module.
 */
import { Ajv, type ValidateFunction } from 'ajv';
import type { Ruling } from './decision.ts';
import { inputParts, type LeftOut, wholeInput } from './input-parts.ts';
import type { Phase } from './instance.ts';
import {
  callInputSchema,
  callObligations,
  decisionSchema,
  responseInputSchema,
  responseObligations,
  taskInputSchema,
} from './schemas.ts';

export const inputBytesMax = 1_048_576;
export const inputDepthMax = 64;
const inputValuesMax = 200_000;
const inputChecksMax = 64;

/** Why an input is not given to a policy, or its bytes. */
export type CheckedInput = { readonly bytes: ArrayBuffer } | { readonly problem: string };

/** A decision that this gate can act on, or what is wrong with it. */
export type CheckedDecision =
  | { readonly ruling: Ruling }
  | { readonly code: 'policy_undefined' | 'decision_invalid' | 'obligation_unknown'; readonly message: string };

const known: Readonly<Record<Phase, ReadonlySet<string>>> = {
  task: new Set(),
  call: new Set(callObligations),
  response: new Set(responseObligations),
};

/** What JSON cannot say, or OPA's WASM would read otherwise than OPA does. */
function valueProblem(root: unknown): string | undefined {
  let values = 0;
  const visit = (value: unknown, depth: number): string | undefined => {
    values += 1;
    if (values > inputValuesMax) return `it holds more than ${inputValuesMax} values`;
    switch (typeof value) {
      case 'string':
      case 'boolean':
        return undefined;
      case 'number':
        if (!Number.isFinite(value)) return 'it holds a number that JSON has no text for';
        return Number.isInteger(value) && !Number.isSafeInteger(value) ? 'it holds an integer beyond 2^53' : undefined;
      case 'object': {
        if (value === null) return undefined;
        if (depth >= inputDepthMax) return `it is nested deeper than ${inputDepthMax}`;
        for (const member of Array.isArray(value) ? value : Object.values(value)) {
          const problem = visit(member, depth + 1);
          if (problem !== undefined) return problem;
        }
        return undefined;
      }
      default:
        return 'it holds what is no JSON';
    }
  };
  return visit(root, 0);
}

type InputChecks = Readonly<Record<Phase, ValidateFunction>>;

export class ShapeCheck {
  readonly #ajv = new Ajv({ allErrors: false, strict: true, strictTuples: false });
  /** What is left out changes with the bundles in force, so there are few of these. */
  readonly #inputs = new Map<string, InputChecks>();
  readonly #known = new WeakMap<LeftOut, InputChecks>();
  readonly #decision: ValidateFunction;

  constructor() {
    this.#decision = this.#ajv.compile(decisionSchema);
    this.prepare(wholeInput);
  }

  /** Compiles what checks inputs without the parts in `leftOut`; some milliseconds of work, best done before a call. */
  prepare(leftOut: LeftOut): InputChecks {
    const ready = this.#known.get(leftOut);
    if (ready !== undefined) return ready;
    const name = [...leftOut].sort().join(' ');
    let checks = this.#inputs.get(name);
    if (checks === undefined) {
      const compile = (schema: object) => this.#ajv.compile(withoutParts(schema, leftOut));
      // The ask of a task is whole in any case: there is one a task, and it is small.
      const task = this.#inputs.get('')?.task ?? this.#ajv.compile(taskInputSchema);
      checks = { task, call: compile(callInputSchema), response: compile(responseInputSchema) };
      if (this.#inputs.size >= inputChecksMax) this.#inputs.clear();
      this.#inputs.set(name, checks);
    }
    this.#known.set(leftOut, checks);
    return checks;
  }

  /**
   * The JSON bytes of `input`, or what keeps it from a policy; the parts in `leftOut` may be missing, and no others.
   * Names places and bounds, never values.
   */
  input(phase: Phase, input: unknown, leftOut: LeftOut = wholeInput): CheckedInput {
    const problem = valueProblem(input);
    if (problem !== undefined) return { problem };
    const validate = this.prepare(leftOut)[phase];
    if (!validate(input)) return { problem: firstError(validate) };
    const text = new TextEncoder().encode(JSON.stringify(input));
    if (text.byteLength > inputBytesMax) return { problem: `it is larger than ${inputBytesMax} bytes` };
    return { bytes: text.buffer };
  }

  /** The decision, checked. A denial loses its obligations: there is nothing left to demand of what does not happen. */
  decision(phase: Phase, given: unknown): CheckedDecision {
    if (given === undefined) return { code: 'policy_undefined', message: 'The policy gives no decision.' };
    const decision =
      (given as { allow?: unknown } | null)?.allow === false ? { ...(given as object), obligations: {} } : given;
    const unknown = unknownObligations(phase, decision);
    if (unknown.length > 0) {
      const names = unknown.slice(0, 8).join(', ').slice(0, 200);
      return { code: 'obligation_unknown', message: `The policy demands what the gate cannot do here: ${names}.` };
    }
    if (!this.#decision(decision)) {
      return { code: 'decision_invalid', message: `The decision is not one: ${firstError(this.#decision)}.` };
    }
    return { ruling: decision as Ruling };
  }
}

/** A schema of which nothing needs the members in `leftOut`. */
function withoutParts(schema: object, leftOut: LeftOut): object {
  const copy = JSON.parse(JSON.stringify(schema)) as SchemaNode;
  for (const part of inputParts) {
    if (!leftOut.has(part)) continue;
    const [parent, member] = part.split('.') as [string, string];
    for (const node of variantsOf(copy.properties?.[parent])) {
      if (node.required !== undefined) node.required = node.required.filter((name) => name !== member);
    }
  }
  return copy;
}

interface SchemaNode {
  properties?: Record<string, SchemaNode>;
  anyOf?: SchemaNode[];
  required?: string[];
}

/** The node itself, or what it may be. */
function variantsOf(node: SchemaNode | undefined): SchemaNode[] {
  return node === undefined ? [] : (node.anyOf ?? [node]);
}

function unknownObligations(phase: Phase, decision: unknown): string[] {
  const obligations = (decision as { obligations?: unknown } | null)?.obligations;
  if (typeof obligations !== 'object' || obligations === null || Array.isArray(obligations)) return [];
  return Object.keys(obligations).filter((name) => !known[phase].has(name));
}

function firstError(validate: ValidateFunction): string {
  const error = validate.errors?.[0];
  return error === undefined
    ? 'it has no shape'
    : `${error.instancePath === '' ? '/' : error.instancePath} ${error.message}`;
}
