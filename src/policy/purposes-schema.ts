/**
 * What may stand in `data.tollgate.purposes`, as a JSON Schema (2020-12): one source for editors, by the file
 * `policies/schema/purposes.json`, and for the gate, which refuses data that does not fit. Only what the shipped rules
 * read is in it; keys for rules of a team's own begin with `x_`.
 */
import Type, { type TSchema } from 'typebox';

const own = { '^x_': Type.Unknown({ description: 'For rules of your own; the shipped ones do not look at it' }) };

/** An object of exactly these members, and of what begins with `x_`. */
function closed<Members extends Record<string, TSchema>>(members: Members, description: string) {
  return Type.Object(members, { additionalProperties: false, patternProperties: own, description });
}

const text = Type.String({ minLength: 1, maxLength: 1_000 });
const texts = (description: string) => Type.Array(text, { maxItems: 10_000, description });
const some = (description: string) => Type.Array(text, { minItems: 1, maxItems: 10_000, description });
const amount = (description: string) => Type.Number({ minimum: 0, description });
const whole = (description: string, minimum = 0) => Type.Integer({ minimum, description });

const subject = closed(
  {
    types: some('Types of subjects that such a task is for'),
    issuers: Type.Optional(
      some('Whose tokens prove the subject, by the names of subject_issuers; without it, all of them'),
    ),
    asserted_by: Type.Optional(
      texts('Agents that need not prove the subject with a token of theirs; one `*` stands for any text'),
    ),
  },
  'Whom the task may be for',
);

const task = closed(
  {
    ttl_seconds: Type.Optional(whole('Seconds until it ends', 1)),
    budget: Type.Optional(
      Type.Object(
        {
          tokens: Type.Optional(whole('Tokens of models')),
          cost_micro_usd: Type.Optional(whole('Integer micro-dollars')),
          calls: Type.Optional(whole('Calls of any kind')),
          seconds: Type.Optional(whole('Seconds the task may live')),
        },
        { additionalProperties: false, description: 'What it may spend' },
      ),
    ),
    on_spent: Type.Optional(
      Type.Enum(['kill', 'pause'], { description: 'What becomes of it once its budget is spent' }),
    ),
  },
  'The most such a task gets; it may ask for less',
);

const loops = closed(
  {
    repeats: Type.Optional(whole('How often one equal call may be made, as far as the gate remembers calls', 1)),
    failures_in_a_row: Type.Optional(
      whole('After so many failed calls, one after the other, the task calls nothing more', 1),
    ),
    denials: Type.Optional(whole('After so many refused calls in all the task calls nothing more', 1)),
  },
  'When such a task is stopped for running in circles; the limits of the gate itself hold beside these',
);

const limit = closed(
  {
    name: Type.String({
      pattern: '^[a-z][a-z0-9_]{0,39}$',
      description: 'The reasons of refusals begin with it: `refund` makes `refund_over_limit`',
    }),
    argument: Type.String({
      pattern: '^[^.]+(?:\\.[^.]+)*$',
      maxLength: 1_000,
      description: 'The argument that is limited, as a dotted path; the routing table must `remember` it',
    }),
    unit: Type.String({ minLength: 1, maxLength: 100, description: 'What it counts, for the texts of refusals' }),
    each: amount('The most in one call'),
    task_sum: amount('The most in all calls of the task together'),
  },
  'A limit on an argument that is a number',
);

const operation = closed(
  {
    effects: Type.Array(Type.Enum(['read', 'write', 'delete']), {
      minItems: 1,
      description: 'What the operation may do; delete is never allowed unless it is named here',
    }),
    subject_at: Type.Optional(
      some('Arguments, as dotted paths: one of these must be there, and be the id of the task’s subject'),
    ),
    sends: Type.Optional(
      Type.Enum(['inside', 'outside'], {
        description:
          'outside: as if the routing table said so; personal data is redacted in what leaves the trust domain',
      }),
    ),
    limits: Type.Optional(
      Type.Array(limit, {
        maxItems: 100,
        description: 'Every write of a tool has them, if only `[]`',
      }),
    ),
    max_tokens: Type.Optional(whole('The longest answer of a model')),
    on_excess: Type.Optional(
      Type.Enum(['lower', 'deny'], {
        description: 'Where more is asked for, or more than the budgets have left; without it, lower',
      }),
    ),
    exact_thought: Type.Optional(
      Type.Boolean({
        description: 'Over what the purpose says: whether it must carry out what a model has proposed, and only once',
      }),
    ),
    wrap_up: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 100_000,
        description: 'The longest answer of the one last turn of a task whose budget is spent; without it, none',
      }),
    ),
    cache_seconds: Type.Optional(
      whole('How long equal calls that are deterministic may get one answer of a model; left out: not at all', 1),
    ),
    tool_kinds: Type.Optional(
      texts('Tools that a model request may bring along; what is not `function` acts at the provider'),
    ),
  },
  'What may be done with the operation',
);

const purpose = closed(
  {
    issuers: some('Whose agents they are, by the names of tollgate.yaml; equal ids of two issuers are two agents'),
    agents: some('Who may open such a task; one `*` stands for any text'),
    part_of: Type.Optional(
      some('It is opened only as part of a task for one of these purposes, on behalf of that task’s subject'),
    ),
    subject,
    task: Type.Optional(task),
    loops: Type.Optional(loops),
    exact_thought: Type.Optional(
      Type.Boolean({
        description:
          'Whether each write and delete of a tool must carry out what a model of the task has proposed: with its arguments, and only once; without it, not',
      }),
    ),
    regions: Type.Optional(texts('Where its data may go; one `*` stands for any text. Without it, nowhere')),
    same_subject: texts('Arguments of these names, at any depth, must be the id of the task’s subject'),
    operations: Type.Object({}, { additionalProperties: operation, description: 'What may be called, by name' }),
  },
  'A purpose of tasks',
);

/** The schema of `data.tollgate.purposes`. */
export const purposesSchema = Type.Object(
  {},
  {
    additionalProperties: purpose,
    description: 'What a task may do, by purpose. This is the whole permission: what is not named here is denied.',
  },
);
