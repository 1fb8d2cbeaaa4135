/** The `task` section of tollgate.yaml: what a task gets where nobody says otherwise, and the most it can get. */
import Type from 'typebox';
import { microUsdFromUsd } from '../wire/money.ts';
import type { AgentLimits } from './agent-loops.ts';
import type { LoopLimits } from './loops.ts';

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
    taint_seconds: Type.Integer({
      default: 60,
      minimum: 0,
      maximum: 86_400,
      description:
        'How long at least, after a task of an agent last called something or ended, the next task of that agent begins with its taint; it may be half as long again. 0 for not at all.',
    }),
    checkpoint_seconds: Type.Integer({
      default: 3600,
      minimum: 0,
      maximum: 86_400,
      description:
        'How long after the end of its life (`expires_at`) the checkpoint of a task can still be read, so that another takes up where it was left.',
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
    on_spent: Type.Enum(['kill', 'pause'], {
      default: 'kill',
      description:
        'What becomes of a task whose budget is spent: `kill` ends it, `pause` lets it wait until an operator raises its budget (tollgate task raise). Its calls are answered 402 either way. A policy may say otherwise of single tasks.',
    }),
    loop: Type.Object(
      {
        repeats: Type.Integer({
          default: 5,
          minimum: 1,
          maximum: 49,
          description: 'How often one equal call may be made within the remembered history; the next is task_looping.',
        }),
        window_seconds: Type.Integer({
          default: 300,
          minimum: 1,
          maximum: 86_400,
          description:
            'How long an equal read counts, so that one may wait for something; a model call or a write counts as long as it is remembered.',
        }),
        same_prompt: Type.Integer({
          default: 8,
          minimum: 1,
          maximum: 49,
          description:
            'How often models may be asked one prompt, whatever the sampling, the bounds and the model; the next is task_looping.',
        }),
        ping_pong: Type.Integer({
          default: 4,
          minimum: 2,
          maximum: 25,
          description:
            'How often the same two or three calls may be made in turn; each of them is then task_looping until something else was called.',
        }),
        denials: Type.Integer({
          default: 10,
          minimum: 1,
          maximum: 10_000,
          description:
            'How many calls may be refused that no answered call has made up for, one each; then every call is task_looping for the cool-down.',
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
          description: 'How long after the last failure, or refusal, it may be tried again.',
        }),
        agent: Type.Object(
          {
            by: Type.Enum(['subject', 'agent'], {
              default: 'subject',
              description:
                'Whose tasks count together: those of one agent for one subject, or all of one agent. An agent that asserts its subjects can make them up.',
            }),
            repeats: Type.Integer({
              default: 20,
              minimum: 1,
              maximum: 1_000_000,
              description:
                'How often an equal model call, write or delete may be made over all tasks of one purpose within the window; the next is task_looping.',
            }),
            reads: Type.Optional(
              Type.Integer({
                minimum: 1,
                maximum: 1_000_000,
                description: 'The same for reads; not limited if absent, for many tasks read the same.',
              }),
            ),
            failures_in_a_row: Type.Integer({
              default: 20,
              minimum: 1,
              maximum: 1_000_000,
              description:
                'Failures over all tasks on one route without a success between; then the route is circuit_open for the cool-down.',
            }),
            denials: Type.Integer({
              default: 50,
              minimum: 1,
              maximum: 1_000_000,
              description:
                'How many calls may be refused over all tasks that no answered call has made up for; then every call is task_looping for the cool-down.',
            }),
            window_seconds: Type.Integer({
              default: 600,
              minimum: 1,
              maximum: 86_400,
              description:
                'The window of equal calls, and how long failures and refusals are remembered after the last of them.',
            }),
            tasks_per_minute: Type.Integer({
              default: 600,
              minimum: 1,
              maximum: 1_000_000,
              description: 'Tasks that one agent may ask for in a minute, for whomever; more are rate_limited.',
            }),
          },
          {
            default: {},
            additionalProperties: false,
            description: 'The same over the tasks of one agent, so that a new task is no way out of a circle.',
          },
        ),
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
  if (2 * task.loop.ping_pong > history) {
    const message = `expected at most half of limits.history (${history}): older calls are not remembered one by one`;
    faults.push({ pointer: '/task/loop/ping_pong', message });
  }
  if (task.loop.same_prompt >= history) {
    const message = `expected less than limits.history (${history}): older calls are not remembered one by one`;
    faults.push({ pointer: '/task/loop/same_prompt', message });
  }
  return faults;
}

/** `task.loop` as the stages take it. */
export function loopLimitsOf({ loop }: TaskConfig): LoopLimits & { readonly agent: AgentLimits } {
  const coolDownMs = loop.cool_down_seconds * 1000;
  const { agent } = loop;
  return {
    repeats: loop.repeats,
    windowMs: loop.window_seconds * 1000,
    samePrompt: loop.same_prompt,
    pingPong: loop.ping_pong,
    denials: loop.denials,
    coolDownMs,
    agent: {
      bySubject: agent.by === 'subject',
      repeats: agent.repeats,
      reads: agent.reads ?? null,
      failuresInARow: agent.failures_in_a_row,
      denials: agent.denials,
      windowMs: agent.window_seconds * 1000,
      tasksPerMinute: agent.tasks_per_minute,
      coolDownMs,
    },
  };
}
