/**
 * The `retry` section of tollgate.yaml: what is repeated when a target refuses or cannot be reached, how often, and how
 * long keys rest that are used up or not accepted. Never anything that may have taken effect, and nothing once an answer
 * is on its way to the agent.
 */
import Type from 'typebox';

export const retrySection = Type.Object(
  {
    attempts: Type.Integer({
      default: 3,
      minimum: 1,
      maximum: 10,
      description:
        'How often one call may be sent, over all its targets; 1: never again. A target that cannot be reached is passed over for the next one in any case.',
    }),
    base_ms: Type.Integer({
      default: 250,
      minimum: 1,
      maximum: 60_000,
      description:
        'Once all targets were tried they are tried again after a random time up to this, the next time up to twice as much, and so on, in milliseconds.',
    }),
    max_ms: Type.Integer({
      default: 8_000,
      minimum: 1,
      maximum: 60_000,
      description:
        'The longest such wait, in milliseconds. What a target asks for (retry-after) is waited for up to here; when it asks for more, its answer goes to the agent.',
    }),
    budget_ratio: Type.Number({
      default: 0.2,
      minimum: 0,
      maximum: 10,
      description: 'Calls of a route that may be sent again, for each call of it in the last ten seconds.',
    }),
    budget_floor: Type.Integer({
      default: 10,
      minimum: 0,
      maximum: 10_000,
      description: 'How many may be sent again in ten seconds however few calls there are.',
    }),
    rest_max_ms: Type.Integer({
      default: 60_000,
      minimum: 0,
      maximum: 3_600_000,
      description:
        'The longest that a key of a model rests because its provider says that it is used up, in milliseconds; 0: not at all.',
    }),
    refused_rest_ms: Type.Integer({
      default: 60_000,
      minimum: 0,
      maximum: 3_600_000,
      description:
        'How long a key rests that is not accepted (401, 403) while its target has another, in milliseconds.',
    }),
  },
  { additionalProperties: false, default: {}, description: 'What is repeated, and how often.' },
);

export type RetryConfig = Type.Static<typeof retrySection>;

/** What the schema cannot say. Pointers are into tollgate.yaml. */
export function checkRetry({ base_ms: baseMs, max_ms: maxMs }: RetryConfig): { pointer: string; message: string }[] {
  if (baseMs <= maxMs) return [];
  return [{ pointer: '/retry/base_ms', message: `expected at most retry.max_ms (${maxMs}), found ${baseMs}` }];
}
