/**
 * Reads the bodies of the gate's own task routes: unknown in, typed out. A field that is not known is refused: to ignore
 * it could give an agent more than it asked for. A subject's own token is taken out of the body here, and belongs in no
 * record of it.
 */
import { Ajv2020 } from 'ajv/dist/2020.js';
import Type from 'typebox';
import type { Json, JsonObject, PlanStep, ProposedCall, Spending } from '../call.ts';
import { type Denial, deny, isDenial, type Reason } from '../denial.ts';
import { parseJson } from './json.ts';
import { microUsdFromUsd } from './money.ts';
import { type PlanStepDocument, planCharsMax, planOf, planStepSchema, planStepsMax } from './plan.ts';
import { child, pointerTokens } from './pointer.ts';
import { isPlainName } from './segments.ts';

/** How many faults one denial lists. */
const reasonsMax = 20;

/** The longest id that tokens carry, in UTF-16 units; a pattern counts characters, and some have two. */
const idUnitsMax = 255;
/** What tokens carry as an id: 1 to 255 characters, none of them a control character. */
const plainText = '^[^\\u0000-\\u001f\\u007f-\\u009f]{1,255}$';

const budget = Type.Object(
  {
    tokens: Type.Optional(Type.Integer({ minimum: 0 })),
    cost_usd: Type.Optional(Type.Number({ minimum: 0 })),
    calls: Type.Optional(Type.Integer({ minimum: 0 })),
    seconds: Type.Optional(Type.Integer({ minimum: 1 })),
  },
  { additionalProperties: false },
);

const tools = Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { maxItems: 1000 }));
const ttlSeconds = Type.Optional(Type.Integer({ minimum: 1 }));

const taskBody = Type.Object(
  {
    purpose: Type.String({ pattern: '^[A-Za-z0-9_.:-]{1,128}$' }),
    subject: Type.Optional(
      Type.Object(
        {
          token: Type.Optional(Type.String({ minLength: 1, maxLength: 16_384 })),
          id: Type.Optional(Type.String({ pattern: plainText })),
          type: Type.Optional(Type.String({ pattern: '^[a-z0-9_]{1,64}$' })),
        },
        { additionalProperties: false },
      ),
    ),
    tools,
    plan: Type.Optional(Type.Array(planStepSchema, { minItems: 1, maxItems: planStepsMax })),
    budget: Type.Optional(budget),
    ttl_seconds: ttlSeconds,
    labels: Type.Optional(
      Type.Record(Type.String({ pattern: '^[A-Za-z0-9_.-]{1,64}$' }), Type.String({ maxLength: 256 }), {
        maxProperties: 32,
        additionalProperties: false,
      }),
    ),
  },
  { additionalProperties: false },
);

const tokenBody = Type.Object(
  {
    tools,
    ttl_seconds: ttlSeconds,
    for: Type.Optional(
      Type.Object(
        { agent: Type.String({ pattern: plainText }), issuer: Type.String({ pattern: '^[a-z0-9_-]{1,64}$' }) },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);

const thoughtsBody = Type.Object(
  {
    text: Type.Optional(Type.String({ maxLength: 65_536 })),
    tool_calls: Type.Optional(
      Type.Array(
        Type.Object(
          {
            id: Type.String({ minLength: 1, maxLength: 256 }),
            name: Type.String({ minLength: 1, maxLength: 256 }),
            arguments: Type.Union([Type.String({ maxLength: 262_144 }), Type.Record(Type.String(), Type.Unknown())]),
          },
          { additionalProperties: false },
        ),
        { maxItems: 32 },
      ),
    ),
  },
  { additionalProperties: false },
);

/** On whose behalf: by a token of theirs, to be verified, or as the agent says. */
export type NamedSubject = { readonly token: string } | { readonly id: string; readonly type: string };

/** What an agent asks for when it opens a task; null or absent is "not said". */
export interface TaskRequestBody {
  readonly purpose: string;
  readonly subject: NamedSubject | null;
  readonly tools: readonly string[] | null;
  /** The route the task keeps to; never an empty one. */
  readonly plan?: readonly PlanStep[];
  readonly budget: Partial<Spending>;
  readonly ttlSeconds: number | null;
  readonly labels: JsonObject;
}

/** What an agent asks for with another token of a task. */
export interface TokenRequestBody {
  /** What the token is to be narrowed to; null for all that there is. */
  readonly tools: readonly string[] | null;
  readonly ttlSeconds: number | null;
  /** The agent that the token is handed to: then it is a delegation token. `issuer` is a name in tollgate.yaml. */
  readonly delegate: { readonly agent: string; readonly issuer: string } | null;
}

export interface ThoughtsBody {
  readonly text: string;
  readonly proposals: readonly ProposedCall[];
}

/** The readers of the task routes; the schemas are compiled once, when the server is built. */
export class TaskRequests {
  readonly #ajv = new Ajv2020({ allErrors: true, strict: false });
  readonly #task = this.#ajv.compile<Type.Static<typeof taskBody>>(taskBody);
  readonly #token = this.#ajv.compile<Type.Static<typeof tokenBody>>(tokenBody);
  readonly #thoughts = this.#ajv.compile<Type.Static<typeof thoughtsBody>>(thoughtsBody);

  /** The body of `POST /tasks`. Denies 400 where it is not JSON, 422 where it is not this document. */
  task(bytes: Buffer): TaskRequestBody | Denial {
    const read = parseJson(bytes);
    return 'fault' in read ? notJson(read.fault.message) : this.taskOf(read.value);
  }

  /** The same document, parsed already (`authorization_details` of a token exchange). */
  taskOf(document: Json): TaskRequestBody | Denial {
    const body: unknown = document;
    if (!this.#task(body)) return invalid(this.#task.errors ?? []);
    const { purpose, subject, tools, plan, budget: asked = {}, ttl_seconds, labels } = body;
    if (plan !== undefined && JSON.stringify(plan).length > planCharsMax) {
      return invalidAt('/plan', `must be at most ${planCharsMax} characters of JSON`);
    }
    const costMicroUsd = asked.cost_usd === undefined ? undefined : microUsdFromUsd(asked.cost_usd);
    if (asked.cost_usd !== undefined && costMicroUsd === undefined) {
      return invalidAt('/budget/cost_usd', 'expected US dollars with at most six decimals');
    }
    const named = subject === undefined ? null : namedSubject(subject);
    if (isDenial(named)) return named;
    return {
      purpose,
      subject: named,
      tools: tools ?? null,
      ...(plan === undefined ? {} : { plan: planOf(plan as readonly PlanStepDocument[]) }),
      budget: {
        ...(asked.tokens === undefined ? {} : { tokens: asked.tokens }),
        ...(costMicroUsd === undefined ? {} : { costMicroUsd }),
        ...(asked.calls === undefined ? {} : { calls: asked.calls }),
        ...(asked.seconds === undefined ? {} : { seconds: asked.seconds }),
      },
      ttlSeconds: ttl_seconds ?? null,
      labels: labels ?? {},
    };
  }

  /** The body of `POST /tasks/{id}/token`; none at all asks for a token like the last one. Denies as `task` does. */
  token(bytes: Buffer): TokenRequestBody | Denial {
    const read = bytes.length === 0 ? { value: {} } : parseJson(bytes);
    if ('fault' in read) return notJson(read.fault.message);
    const body: unknown = read.value;
    if (!this.#token(body)) return invalid(this.#token.errors ?? []);
    if ((body.for?.agent.length ?? 0) > idUnitsMax) return tooLong('/for/agent');
    return { tools: body.tools ?? null, ttlSeconds: body.ttl_seconds ?? null, delegate: body.for ?? null };
  }

  /** The body of `POST /tasks/{id}/thoughts`. Denies as `task` does. */
  thoughts(bytes: Buffer): ThoughtsBody | Denial {
    const read = parseJson(bytes);
    if ('fault' in read) return notJson(read.fault.message);
    if (!this.#thoughts(read.value)) return invalid(this.#thoughts.errors ?? []);
    const { text, tool_calls } = read.value;
    const proposals = (tool_calls ?? []).map((call) => ({
      id: call.id,
      name: call.name,
      arguments: typeof call.arguments === 'string' ? call.arguments : JSON.stringify(call.arguments),
    }));
    return { text: text ?? '', proposals };
  }
}

function namedSubject(subject: { token?: string; id?: string; type?: string }): NamedSubject | Denial {
  const { token, id, type } = subject;
  if (token === undefined) {
    if (id === undefined) return invalidAt('/subject', 'expected a token, or an id');
    return id.length > idUnitsMax ? tooLong('/subject/id') : { id, type: type ?? 'customer' };
  }
  // Which of the two was meant is not for the gate to guess.
  if (id !== undefined || type !== undefined) return invalidAt('/subject', 'expected a token or an id, not both');
  return { token };
}

function tooLong(path: string): Denial {
  return invalidAt(path, `must be at most ${idUnitsMax} UTF-16 units`);
}

function invalidAt(path: string, message: string): Denial {
  return deny('args_invalid', 'The task request is not valid.', { reasons: [{ code: 'invalid', message, path }] });
}

/** Names that could be data do not stand in pointers (see segments.ts): reasons are recorded for ever. */
function shownChild(path: string, name: string): string {
  return child(path, isPlainName(name) ? name : '{}');
}

function notJson(message: string): Denial {
  return deny('request_invalid', `Expected a JSON document: ${message}.`);
}

function invalid(
  errors: readonly { instancePath: string; message?: string; params: Record<string, unknown> }[],
): Denial {
  const reasons = errors.slice(0, reasonsMax).map(({ instancePath, message, params }): Reason => {
    const place = (pointerTokens(instancePath) ?? []).reduce(shownChild, '');
    const extra = params.additionalProperty;
    if (typeof extra !== 'string') return { code: 'invalid', message: message ?? 'not valid', path: place };
    const path = shownChild(place, extra);
    return { code: 'unknown_field', message: 'there is no such field', path };
  });
  return deny('args_invalid', 'The task request is not valid.', { reasons });
}
