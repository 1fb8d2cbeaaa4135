/** The `task` section of tollgate.yaml: what a task gets where nobody says otherwise, and the most it can get. */
import Type from 'typebox';
import { microUsdFromUsd } from '../wire/money.ts';

const binding = Type.Optional(
  Type.Enum(['none', 'any', 'mtls', 'dpop'], {
    description: 'For operations of this effect; a model call counts as `write`.',
  }),
);

export const taskSection = Type.Object(
  {
    ttl_seconds: Type.Integer({
      default: 3600,
      minimum: 1,
      maximum: 30 * 24 * 3600,
      description: 'How long a task lives: the default, and the most that may be asked for.',
    }),
    token_ttl_seconds: Type.Integer({
      default: 300,
      minimum: 5,
      maximum: 3600,
      description:
        'How long one task token is valid. It is renewed with the workload token, up to the end of the task.',
    }),
    binding: Type.Object(
      { read: binding, write: binding, delete: binding },
      {
        default: {},
        additionalProperties: false,
        description:
          'Which effects take only task tokens that belong to a key: by client certificate (`mtls`), by DPoP proof (`dpop`), or by `any` of them.',
      },
    ),
    budget: Type.Object(
      {
        tokens: Type.Integer({ default: 1_000_000, minimum: 0, description: 'Model tokens, in and out.' }),
        cost_usd: Type.Number({ default: 5, minimum: 0, description: 'Money, in US dollars; up to six decimals.' }),
        calls: Type.Integer({ default: 500, minimum: 0, description: 'Calls that were sent.' }),
        seconds: Type.Integer({ default: 3600, minimum: 1, description: 'Wall time since the task was opened.' }),
      },
      {
        default: {},
        additionalProperties: false,
        description: 'The budget of a task that asks for none, and the ceiling for one that does.',
      },
    ),
    loop: Type.Object(
      {
        repeats: Type.Integer({
          default: 5,
          minimum: 1,
          maximum: 49,
          description: 'How often one equal call may be made within the remembered history; the next is task_looping.',
        }),
        failures_in_a_row: Type.Integer({
          default: 5,
          minimum: 1,
          maximum: 1000,
          description: 'Failures of this task on one route without a success between; the next call is circuit_open.',
        }),
        cool_down_seconds: Type.Integer({
          default: 60,
          minimum: 1,
          description: 'How long after the last failure the task may try that route again.',
        }),
      },
      { default: {}, additionalProperties: false, description: 'When a task is stopped for running in circles.' },
    ),
  },
  { default: {}, additionalProperties: false, description: 'Tasks: life, budget, loops.' },
);

export type TaskConfig = Type.Static<typeof taskSection>;

/** Faults that the schema cannot say. */
export function checkTask(task: TaskConfig, history: number): { pointer: string; message: string }[] {
  const faults: { pointer: string; message: string }[] = [];
  if (microUsdFromUsd(task.budget.cost_usd) === undefined) {
    faults.push({ pointer: '/task/budget/cost_usd', message: 'expected US dollars with at most six decimals' });
  }
  if (task.loop.repeats >= history) {
    const message = `expected less than limits.history (${history}): older calls are not remembered one by one`;
    faults.push({ pointer: '/task/loop/repeats', message });
  }
  return faults;
}
