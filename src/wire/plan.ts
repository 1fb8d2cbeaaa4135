/**
 * Plans as documents: what an agent declares in `plan`, what a policy sees and grants, what a task shows. One shape for
 * all of them; inside, it is a list of `PlanStep`.
 */
import Type from 'typebox';
import type { Json, PlanStep } from '../call.ts';

/** How many steps a plan has. It is read with each call of its task, and by the policy. */
export const planStepsMax = 32;
/** How long a declared plan is, in characters of JSON. */
export const planCharsMax = 8_192;

const operationName = Type.String({ minLength: 1, maxLength: 256 });

export const planStepSchema = Type.Object(
  {
    operation: operationName,
    at_most: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
    after: Type.Optional(Type.Array(operationName, { minItems: 1, maxItems: 16 })),
    where: Type.Optional(
      Type.Record(
        Type.String({ pattern: '^[^\\u0000-\\u001f]{1,256}$' }),
        Type.Union([Type.String({ maxLength: 256 }), Type.Number(), Type.Boolean()]),
        { minProperties: 1, maxProperties: 16, additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);

/** A step as a document. */
export interface PlanStepDocument {
  readonly operation: string;
  readonly at_most?: number;
  readonly after?: readonly string[];
  readonly where?: NonNullable<PlanStep['where']>;
}

/** The steps that a document of the right shape holds. */
export function planOf(document: readonly PlanStepDocument[]): readonly PlanStep[] {
  return document.map(({ at_most: atMost, ...step }) => ({ ...step, ...(atMost === undefined ? {} : { atMost }) }));
}

/** The document of a plan: members that are not said are left out. */
export function planDocument(plan: readonly PlanStep[]): Json {
  return plan.map(({ operation, atMost, after, where }) => ({
    operation,
    ...(atMost === undefined ? {} : { at_most: atMost }),
    ...(after === undefined ? {} : { after }),
    ...(where === undefined ? {} : { where }),
  }));
}
