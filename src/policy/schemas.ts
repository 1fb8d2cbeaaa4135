/**
 * The contract with policy authors as JSON Schemas: what a policy sees and what it may answer. One source for three
 * uses: the gate's own checks at run time, `opa check --schema` on Rego, and the files in `policies/schema/`.
 * OPA reads a subset of JSON Schema: open maps are `additionalProperties`, never `patternProperties` (whose `.*`
 * would also let keys with line breaks through unchecked), and what may be null is an `anyOf`.
 */
import Type, { type TSchema } from 'typebox';
import type { JsonObject } from '../call.ts';
import { purposesSchema } from './purposes-schema.ts';

/** An object of exactly these members. */
function closed<Members extends Record<string, TSchema>>(members: Members, description?: string) {
  return Type.Object(members, { additionalProperties: false, ...(description === undefined ? {} : { description }) });
}
/** An object of any members, each of which fits `value`. */
function mapOf(value: TSchema | true, description?: string) {
  return Type.Object({}, { additionalProperties: value, ...(description === undefined ? {} : { description }) });
}
function oneOf(values: readonly string[], description?: string) {
  return Type.String({ enum: [...values], ...(description === undefined ? {} : { description }) });
}
function orNull(schema: TSchema, description?: string) {
  return Type.Union([schema, Type.Null()], description === undefined ? {} : { description });
}
const text = (description?: string) => Type.String(description === undefined ? {} : { description });
const filled = (description: string) => Type.String({ minLength: 1, description });
const count = (description?: string) =>
  Type.Integer({ minimum: 0, ...(description === undefined ? {} : { description }) });
const texts = (description?: string) => Type.Array(Type.String(), description === undefined ? {} : { description });

const agent = closed(
  {
    id: filled('Who calls; stable, as its issuer names it'),
    issuer: filled('Name of the issuer in tollgate.yaml'),
    tenant: filled('Who pays'),
    cloud: text('Cloud of the issuer'),
    claims: mapOf(true, 'The claims of the workload token'),
    actors: texts('Agents it acts for, nearest first'),
    verified_at_ms: count('When its token was verified'),
  },
  'The workload; verified',
);

const subject = orNull(
  closed({
    id: filled('The customer or employee'),
    type: filled('For example customer'),
    claims: mapOf(true),
    issuer: Type.Optional(filled('Issuer of the token that proves the subject')),
    assurance: oneOf(['verified', 'asserted'], 'verified by a token of theirs, or only said by the agent'),
  }),
  'On whose behalf the task runs; null for nobody',
);

const gateway = closed({ id: text(), cloud: text(), region: text() }, 'Which gate decides; attested');
const time = closed(
  {
    rfc3339: text('2026-11-21T08:00:00.000Z'),
    unix_ms: count(),
    weekday: oneOf(['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday']),
    hour: Type.Integer({ minimum: 0, maximum: 23 }),
    minute: Type.Integer({ minimum: 0, maximum: 59 }),
  },
  'UTC; the time built-ins are not there',
);

const money = 'Integer micro-dollars';
const amounts = closed({
  tokens: Type.Integer(),
  cost_micro_usd: Type.Integer({ description: money }),
  calls: Type.Integer(),
});

const historyEntry = closed({
  call_id: filled('Id of the earlier call'),
  kind: oneOf(['model', 'tool', 'agent']),
  operation: filled('Name of the operation'),
  effect: oneOf(['read', 'write', 'delete']),
  state: oneOf(['pending', 'done', 'failed', 'denied'], 'pending: in flight now'),
  code: Type.Optional(text('Code of the denial')),
  status: Type.Optional(Type.Integer()),
  at_ms: count(),
  cost_micro_usd: count(money),
  target: orNull(text()),
  facts: mapOf(true, 'Argument values that the operation says to remember'),
});

const operationCount = closed({
  calls: count('Without denied ones, with pending ones'),
  denied: count(),
  failed: count(),
  cost_micro_usd: count(money),
  sums: mapOf(Type.Number(), 'Sum of each remembered number, without denied calls'),
});

const parent = closed({
  id: filled('Id of the parent task'),
  agent: filled('Agent of the parent task'),
  issuer: filled('Issuer of that agent'),
  purpose: filled('Purpose of the parent task'),
});

const planStep = closed({
  operation: Type.String({ minLength: 1, maxLength: 256, description: 'An operation, or `{route}.*`' }),
  at_most: Type.Optional(
    Type.Integer({ minimum: 1, description: 'Calls of it in the whole task, whatever their arguments' }),
  ),
  after: Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: 256 }), {
      maxItems: 16,
      description: 'Operations of each of which a call must have been answered well before',
    }),
  ),
  where: Type.Optional(
    mapOf(
      Type.Union([Type.String(), Type.Number(), Type.Boolean()]),
      'What arguments must be, by JSON pointer or dotted path',
    ),
  ),
});
const plan = (description: string) => Type.Array(planStep, { maxItems: 32, description });

const task = closed(
  {
    id: filled('Id of the task'),
    parent: Type.Optional(parent),
    purpose: filled('What the task is for'),
    tools: orNull(texts(), 'Operations or `{route}.*`; null for every operation of the table'),
    plan: Type.Optional(plan('The route it keeps to, which the gate has seen to; absent where it has none')),
    labels: mapOf(true, 'Asserted by the agent'),
    started_at_ms: count(),
    expires_at_ms: count(),
    spent: amounts,
    remaining: amounts,
    taint: texts(),
    failures_in_a_row: count(),
    history: Type.Array(historyEntry, { maxItems: 50, description: 'The last calls, oldest first' }),
    counts: mapOf(operationCount, 'By operation, over the whole task'),
  },
  'The task; attested',
);

const call = closed({
  id: filled('Id of this call'),
  kind: oneOf(['model', 'tool', 'agent']),
  route: filled('Name of the route'),
  operation: filled('Name of the operation'),
  effect: oneOf(['read', 'write', 'delete']),
  reads: Type.Array(oneOf(['untrusted', 'private']), { description: 'Taint that this call adds to the task' }),
  sends: oneOf(['inside', 'outside'], 'Whether what is sent leaves the trust domain'),
  drifted: Type.Optional(
    Type.Boolean({
      description: 'True where the definition of the MCP tool is not the accepted one; absent where it is',
    }),
  ),
  method: filled('HTTP method the target gets'),
  path: text('Path the target gets, without the query'),
  arguments: mapOf(true, 'http: path, query, headers, body; agent: the arguments; model: the body without its texts'),
  model: orNull(text(), 'The route asked for as model; null for tools and agents'),
  stream: Type.Boolean(),
  max_tokens: orNull(Type.Integer({ minimum: 0 })),
  tools: Type.Array(closed({ name: text(), kind: text('What is not `function` acts at the provider') })),
  repeats: count('Earlier equal calls of this task'),
  provenance: mapOf(Type.String(), 'JSON pointer into arguments → subject, tool:<operation>, model, unknown'),
});

const thought = orNull(
  closed({
    id: filled('Id of the thought'),
    source: oneOf(['observed', 'reported']),
    match: oneOf(['exact', 'changed', 'name', 'none']),
  }),
  'The thought that proposed this call; null for none',
);

const findings = Type.Array(
  closed({ type: filled('For example email'), count: count(), where: text('JSON pointer'), confidence: Type.Number() }),
  { description: 'What inspection saw; attested' },
);

const callMembers = { agent, subject, task, call, thought, findings, gateway, time };

/** Input of `tollgate.call`. */
export const callInputSchema = closed({ phase: Type.Literal('call'), ...callMembers });

/** Input of `tollgate.response`: the call's input and what came back. */
export const responseInputSchema = closed({
  phase: Type.Literal('response'),
  ...callMembers,
  response: closed({
    status: Type.Integer({ minimum: 100, maximum: 599 }),
    headers: mapOf(Type.String()),
    body: Type.Optional(Type.Unknown({ description: 'Where the answer is buffered and is JSON' })),
    findings,
  }),
});

const budget = closed({
  tokens: Type.Optional(count()),
  cost_micro_usd: Type.Optional(count(money)),
  calls: Type.Optional(count()),
  seconds: Type.Optional(count()),
});

/** Input of `tollgate.task`; `task` is what was asked for, and members not asked for are not there. */
export const taskInputSchema = closed({
  phase: Type.Literal('task'),
  agent,
  subject,
  task: closed({
    purpose: filled('What the task is for'),
    tools: Type.Optional(texts()),
    plan: Type.Optional(plan('The route that the agent declares')),
    budget: Type.Optional(budget),
    ttl_seconds: Type.Optional(Type.Integer({ minimum: 1 })),
    labels: Type.Optional(mapOf(true)),
    taint: Type.Optional(texts('What it begins with, from the task above or from the last one of its agent; attested')),
    parent: Type.Optional(parent),
  }),
  gateway,
  time,
});

const selector = closed({
  type: Type.Optional(filled('Type of finding')),
  path: Type.Optional(text('JSON pointer prefix')),
});
const selectors = Type.Array(selector, { maxItems: 256 });
const boundedTexts = Type.Array(Type.String({ minLength: 1, maxLength: 1000 }), { maxItems: 256 });

const obligations = closed({
  redact: Type.Optional(selectors),
  mask: Type.Optional(selectors),
  hash: Type.Optional(selectors),
  block: Type.Optional(selectors),
  drop: Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: 1000 }), {
      maxItems: 256,
      description: 'JSON pointers; a token `*` is every element and member there, and `~2` a star in a name',
    }),
  ),
  approval: Type.Optional(
    closed({ role: filled('Who may approve'), ttl_seconds: Type.Integer({ minimum: 1 }), reason: text() }),
  ),
  regions: Type.Optional(boundedTexts),
  clouds: Type.Optional(boundedTexts),
  max_tokens: Type.Optional(
    closed({
      value: Type.Optional(Type.Integer({ minimum: 0, description: 'Without it, the rest of the budgets alone' })),
      on_excess: oneOf(['lower', 'deny'], 'Where more is asked for than `value`, or than the budgets have left'),
    }),
  ),
  wrap_up: Type.Optional(
    closed(
      { tokens: Type.Integer({ minimum: 1, maximum: 100_000, description: 'The longest answer it may have' }) },
      'One last model call once the budget of the task is spent or its answer was cut; it may go beyond that budget',
    ),
  ),
  taint: Type.Optional(boundedTexts),
  cache: Type.Optional(
    closed(
      { ttl_seconds: Type.Integer({ minimum: 1, description: 'How long its answer may be kept' }) },
      'Equal calls may be answered with the answer to this one, where it is a deterministic call of a model',
    ),
  ),
  mark: Type.Optional(mapOf(true)),
});

const grant = closed({
  tools: Type.Optional(boundedTexts),
  plan: Type.Optional(plan('Of a plan that was declared, what is within these steps; where none was, these')),
  budget: Type.Optional(budget),
  on_spent: Type.Optional(oneOf(['kill', 'pause'], 'What becomes of it once its budget is spent')),
  ttl_seconds: Type.Optional(Type.Integer({ minimum: 1 })),
  labels: Type.Optional(mapOf(true)),
  taint: Type.Optional(boundedTexts),
});

/** What every `decision` must be. `obligations` are those this gate can meet; `grant` is for `tollgate.task` alone. */
export const decisionSchema = closed({
  allow: Type.Boolean(),
  reasons: Type.Array(
    closed({
      code: Type.String({ pattern: '^[a-z][a-z0-9_]*$', maxLength: 64 }),
      message: Type.String({ maxLength: 2000 }),
      path: Type.Optional(Type.String({ maxLength: 1000 })),
    }),
    { maxItems: 64 },
  ),
  obligations: Type.Optional(obligations),
  grant: Type.Optional(grant),
});

/** What can be demanded of a call before it is sent: everything this gate knows. */
export const callObligations: readonly string[] = Object.keys(obligations.properties);
/** What can still be met when the answer is here: where it went and what it cost is past. */
export const responseObligations: readonly string[] = ['redact', 'mask', 'hash', 'block', 'drop', 'taint', 'mark'];

/** The schemas as files of `policies/schema/`, by file name. */
export function schemaFiles(): Record<string, JsonObject> {
  const files = {
    'input.call.json': { title: 'Input of tollgate.call', schema: callInputSchema },
    'input.task.json': { title: 'Input of tollgate.task', schema: taskInputSchema },
    'input.response.json': { title: 'Input of tollgate.response', schema: responseInputSchema },
    'decision.json': { title: 'What data.tollgate.{task,call,response}.decision must be', schema: decisionSchema },
  };
  const contract = Object.entries(files).map(([name, { title, schema }]) => [name, fileOf(draft07, title, schema)]);
  // No input, and so nothing that OPA checks with: what editors check data with reads the newer dialect.
  const purposes = fileOf(draft2020, 'data.tollgate.purposes', purposesSchema);
  return { ...(Object.fromEntries(contract) as Record<string, JsonObject>), 'purposes.json': purposes };
}

const draft07 = 'http://json-schema.org/draft-07/schema#';
const draft2020 = 'https://json-schema.org/draft/2020-12/schema';

/** Through text, so that nothing but JSON is left of the schema objects. */
function fileOf($schema: string, title: string, schema: TSchema): JsonObject {
  return JSON.parse(JSON.stringify({ $schema, title, ...schema })) as JsonObject;
}
