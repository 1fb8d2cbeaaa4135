/**
 * Reads requests of the AuthZEN Authorization API 1.0 (§6.1, §7.1): who (an agent), does what (an operation), to what
 * (that operation, or its route, with the arguments), in which task. Members of these that are not known are refused,
 * since a misspelt one would ask another question.
 */
import { Ajv2020 } from 'ajv/dist/2020.js';
import Type from 'typebox';
import type { Json, JsonObject } from '../call.ts';
import { type Denial, deny, type Reason } from '../denial.ts';
import { parseJson } from './json.ts';
import { child, pointerTokens } from './pointer.ts';
import { isPlainName } from './segments.ts';

/** The most evaluations of one request. */
export const evaluationsMax = 50;
const reasonsMax = 20;

const text = Type.String({ pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]{1,255}$' });
const object = Type.Record(Type.String(), Type.Unknown());
const closed = { additionalProperties: false };

const tuple = Type.Object(
  {
    subject: Type.Object(
      {
        type: text,
        id: text,
        properties: Type.Optional(
          Type.Object(
            {
              issuer: Type.Optional(text),
              tenant: Type.Optional(text),
              cloud: Type.Optional(text),
              claims: Type.Optional(object),
              actors: Type.Optional(Type.Array(text, { maxItems: 14 })),
            },
            closed,
          ),
        ),
      },
      closed,
    ),
    action: Type.Object({ name: text, properties: Type.Optional(Type.Object({}, closed)) }, closed),
    resource: Type.Object({ type: text, id: text, properties: Type.Optional(object) }, closed),
    context: Type.Optional(object),
  },
  closed,
);

const batch = Type.Object(
  {
    subject: Type.Optional(Type.Unknown()),
    action: Type.Optional(Type.Unknown()),
    resource: Type.Optional(Type.Unknown()),
    context: Type.Optional(Type.Unknown()),
    evaluations: Type.Optional(Type.Array(object, { maxItems: evaluationsMax })),
    options: Type.Optional(
      Type.Object({
        evaluations_semantic: Type.Optional(Type.Enum(['execute_all', 'deny_on_first_deny', 'permit_on_first_permit'])),
      }),
    ),
  },
  closed,
);

/** One question. `context` is read by whoever knows tasks. */
export interface Evaluation {
  readonly agent: {
    readonly id: string;
    readonly issuer: string | null;
    readonly tenant: string | null;
    readonly cloud: string | null;
    readonly claims: JsonObject;
    readonly actors: readonly string[];
  };
  readonly operation: string;
  readonly resource: { readonly type: string; readonly id: string };
  /** Null where none are given. */
  readonly args: JsonObject | null;
  readonly context: JsonObject;
}

export type EvaluationsSemantic = 'execute_all' | 'deny_on_first_deny' | 'permit_on_first_permit';

export interface Evaluations {
  /** In their order; what is wrong with one is said of that one alone (§7.2.1). */
  readonly evaluations: readonly (Evaluation | Denial)[];
  readonly semantic: EvaluationsSemantic;
}

/** The readers of both requests; the schemas are compiled once. All deny `request_invalid`, 400 as §10.1 has it. */
export class AuthzenRequests {
  readonly #ajv = new Ajv2020({ allErrors: true, strict: false });
  readonly #tuple = this.#ajv.compile<Type.Static<typeof tuple>>(tuple);
  readonly #batch = this.#ajv.compile<Type.Static<typeof batch>>(batch);

  /** An Access Evaluation Request. */
  evaluation(bytes: Buffer): Evaluation | Denial {
    const read = parseJson(bytes);
    return 'fault' in read ? invalid(read.fault.message) : this.#evaluationOf(read.value);
  }

  /** An Access Evaluations Request; without evaluations it is one of the other kind (§7.1). */
  evaluations(bytes: Buffer): Evaluations | Evaluation | Denial {
    const read = parseJson(bytes);
    if ('fault' in read) return invalid(read.fault.message);
    const body: unknown = read.value;
    if (!this.#batch(body)) return invalid('it does not fit', (this.#batch.errors ?? []).map(reasonOf));
    const { evaluations = [], options, ...defaults } = body;
    if (evaluations.length === 0) return this.#evaluationOf(defaults as Json);
    const semantic = (options?.evaluations_semantic ?? 'execute_all') as EvaluationsSemantic;
    // A member of an evaluation takes the place of the default as a whole (§7.1.1).
    return { evaluations: evaluations.map((one) => this.#evaluationOf({ ...defaults, ...one } as Json)), semantic };
  }

  #evaluationOf(document: Json): Evaluation | Denial {
    const value: unknown = document;
    if (!this.#tuple(value)) return invalid('it does not fit', (this.#tuple.errors ?? []).map(reasonOf));
    const { subject, action, resource, context = {} } = value;
    if (subject.type !== 'agent') return invalid('subjects are agents', [wrong('/subject/type', 'must be agent')]);
    if (resource.type !== 'operation' && resource.type !== 'route') {
      return invalid('the resource is not known', [wrong('/resource/type', 'must be operation or route')]);
    }
    const { issuer = null, tenant = null, cloud = null, claims = {}, actors = [] } = subject.properties ?? {};
    return {
      agent: { ...{ id: subject.id, issuer, tenant, cloud, actors }, claims: claims as JsonObject },
      operation: action.name,
      resource: { type: resource.type, id: resource.id },
      args: (resource.properties ?? null) as JsonObject | null,
      context: context as JsonObject,
    };
  }
}

/** What another reader denied of a part of the request, as this API says it. */
export function asBadRequest(denial: Denial): Denial {
  return denial.code === 'args_invalid' ? invalid(denial.message, denial.reasons) : denial;
}

function reasonOf(error: { instancePath: string; message?: string; params: Record<string, unknown> }): Reason {
  const shown = (path: string, name: string) => child(path, isPlainName(name) ? name : '{}');
  const path = (pointerTokens(error.instancePath) ?? []).reduce(shown, '');
  const { additionalProperty: extra, missingProperty: missing } = error.params;
  if (typeof extra === 'string') return wrong(shown(path, extra), 'there is no such field', 'unknown_field');
  if (typeof missing === 'string') return wrong(shown(path, missing), 'is needed', 'missing');
  return wrong(path, error.message ?? 'not valid');
}

function wrong(path: string, message: string, code = 'invalid'): Reason {
  return { code, message, path };
}

function invalid(why: string, reasons: readonly Reason[] = []): Denial {
  const message = `The request is no evaluation: ${why}.`;
  return deny('request_invalid', message, { reasons: reasons.slice(0, reasonsMax) });
}
