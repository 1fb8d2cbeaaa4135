/**
 * The `breaker` section of tollgate.yaml: when a target counts as ill, for every task. The breaker of one task on one
 * route is part of the task (`task.loop`).
 */
import Type from 'typebox';

export const breakerSection = Type.Object(
  {
    error_percent: Type.Integer({
      default: 50,
      minimum: 0,
      maximum: 99,
      description: 'A target is no longer called when more than this share of its calls in the window failed.',
    }),
    volume: Type.Integer({
      default: 5,
      minimum: 1,
      description: 'The fewest calls within the window from which a share is taken.',
    }),
    window_ms: Type.Integer({
      default: 10_000,
      minimum: 100,
      maximum: 3_600_000,
      description: 'How far back calls count, in milliseconds.',
    }),
    reset_ms: Type.Integer({
      default: 30_000,
      minimum: 100,
      maximum: 3_600_000,
      description: 'How long an ill target rests before one call tries it, in milliseconds.',
    }),
  },
  {
    default: {},
    additionalProperties: false,
    description: 'Failures of a target: no connection, a time-out, a status from 500, a stream that broke off.',
  },
);

export type BreakerConfig = Type.Static<typeof breakerSection>;
