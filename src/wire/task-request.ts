/**
 * Reads the bodies of the gate's own task routes: unknown in, typed out. A field that is not known is refused, and so
 * is one whose meaning is not there yet (`plan`, a subject's own token): to ignore it would give an agent more than
 * it asked for.
 */
import { Ajv2020 } from 'ajv/dist/2020.js';
import Type from 'typebox';
import type { Json, JsonObject, ProposedCall, Spending } from '../call.ts';
import { type Denial, deny, type Reason } from '../denial.ts';
import { parseJson } from './json.ts';
import { microUsdFromUsd } from './money.ts';
import { child, pointerTokens } from './pointer.ts';
import { isPlainName } from './segments.ts';

/** How many faults one denial lists. */
const reasonsMax = 20;

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

const taskBody = Type.Object(
  {
    purpose: Type.String({ pattern: '^[A-Za-z0-9_.:-]{1,128}$' }),
    subject: Type.Optional(
      Type.Object(
        {
          id: Type.String({ pattern: plainText }),
          type: Type.Optional(Type.String({ pattern: '^[a-z0-9_]{1,64}$' })),
        },
        { additionalProperties: false },
      ),
    ),
    tools: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { maxItems: 1000 })),
    budget: Type.Optional(budget),
    ttl_seconds: Type.Optional(Type.Integer({ minimum: 1 })),
    labels: Type.Optional(
      Type.Record(Type.String({ pattern: '^[A-Za-z0-9_.-]{1,64}$' }), Type.String({ maxLength: 256 }), {
        maxProperties: 32,
        additionalProperties: false,
      }),
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

/** What an agent asks for when it opens a task; null or absent is "not said". */
export interface TaskRequestBody {
  readonly purpose: string;
  readonly subject: { readonly id: string; readonly type: string } | null;
  readonly tools: readonly string[] | null;
  readonly budget: Partial<Spending>;
  readonly ttlSeconds: number | null;
  readonly labels: JsonObject;
}

export interface ThoughtsBody {
  readonly text: string;
  readonly proposals: readonly ProposedCall[];
}

const notYet: Readonly<Record<string, string>> = {
  '/plan': 'plans are not supported; leave it out, and name the tools the task needs',
  '/subject/token': 'no issuer of subjects is configured; name the subject by id and type',
};

/** The readers of the task routes; the schemas are compiled once, when the server is built. */
export class TaskRequests {
  readonly #ajv = new Ajv2020({ allErrors: true, strict: false });
  readonly #task = this.#ajv.compile<Type.Static<typeof taskBody>>(taskBody);
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
    const { purpose, subject, tools, budget: asked = {}, ttl_seconds, labels } = body;
    const costMicroUsd = asked.cost_usd === undefined ? undefined : microUsdFromUsd(asked.cost_usd);
    if (asked.cost_usd !== undefined && costMicroUsd === undefined) {
      const message = 'expected US dollars with at most six decimals';
      return deny('args_invalid', 'The task request is not valid.', {
        reasons: [{ code: 'invalid', message, path: '/budget/cost_usd' }],
      });
    }
    return {
      purpose,
      subject: subject === undefined ? null : { id: subject.id, type: subject.type ?? 'customer' },
      tools: tools ?? null,
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
    return { code: 'unknown_field', message: notYet[path] ?? 'there is no such field', path };
  });
  return deny('args_invalid', 'The task request is not valid.', { reasons });
}
