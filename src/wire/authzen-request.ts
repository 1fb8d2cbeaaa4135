/**
 * Reads requests of the AuthZEN Authorization API 1.0 (§6.1, §7.1): who (an agent), does what (an operation), to what
 * (that operation, or its route, with the arguments), in which task. What a reader would get wrong: a member that is not
 * known is no fault (§10.1.1 has it ignored), though a misspelt one asks another question; so what was ignored is told.
 * A request that has the shape of the standard and yet names nothing that is here is a question with the answer no.
 */
import { Ajv2020 } from 'ajv/dist/2020.js';
import Type from 'typebox';
import type { Json, JsonObject } from '../call.ts';
import { type Denial, deny, type Reason } from '../denial.ts';
import { parseJson } from './json.ts';
import { child, pointerTokens } from './pointer.ts';
import { isPlainName } from './segments.ts';

/** The most evaluations of one request. */
const evaluationsMax = 50;
const reasonsMax = 20;

const text = Type.String({ pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]{1,255}$' });
const object = Type.Record(Type.String(), Type.Unknown());

/** The information model of the standard (§5); all else in it is open. */
const tuple = Type.Object({
  subject: Type.Object({ type: text, id: text, properties: Type.Optional(object) }),
  action: Type.Object({ name: text, properties: Type.Optional(object) }),
  resource: Type.Object({ type: text, id: text, properties: Type.Optional(object) }),
  context: Type.Optional(object),
});

/** What this gate reads of a subject's properties. */
const properties = Type.Object({
  issuer: Type.Optional(text),
  tenant: Type.Optional(text),
  cloud: Type.Optional(text),
  claims: Type.Optional(object),
  actors: Type.Optional(Type.Array(text, { maxItems: 14 })),
});

const batch = Type.Object({
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
});

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
  /** JSON pointers to members that were not looked at; the first twenty. */
  readonly ignored: readonly string[];
}

/** A question of the standard's shape about what is not here: the answer is no, and why. */
export interface Unanswerable {
  readonly unanswerable: Denial;
}

/** A question, one whose answer is no whatever the policy says, or what is none. */
export type Asked = Evaluation | Unanswerable | Denial;

export type EvaluationsSemantic = 'execute_all' | 'deny_on_first_deny' | 'permit_on_first_permit';

export interface Evaluations {
  /** In their order; what is wrong with one is said of that one alone (§7.2.1). */
  readonly evaluations: readonly Asked[];
  readonly semantic: EvaluationsSemantic;
}

/** The readers of both requests; the schemas are compiled once. All deny `request_invalid`, 400 as §10.1.2 has it. */
export class AuthzenRequests {
  readonly #ajv = new Ajv2020({ allErrors: true, strict: false });
  readonly #tuple = this.#ajv.compile<Type.Static<typeof tuple>>(tuple);
  readonly #properties = this.#ajv.compile<Type.Static<typeof properties>>(properties);
  readonly #batch = this.#ajv.compile<Type.Static<typeof batch>>(batch);

  /** An Access Evaluation Request. */
  evaluation(bytes: Buffer): Asked {
    const read = parseJson(bytes);
    return 'fault' in read ? invalid(read.fault.message) : this.#evaluationOf(read.value);
  }

  /** An Access Evaluations Request; without evaluations it is one of the other kind (§7.1). */
  evaluations(bytes: Buffer): Evaluations | Asked {
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

  #evaluationOf(document: Json): Asked {
    const value: unknown = document;
    if (!this.#tuple(value)) return invalid('it does not fit', (this.#tuple.errors ?? []).map(reasonOf));
    const { subject, action, resource, context = {} } = value;
    if (subject.type !== 'agent') return unanswerable('subjects are agents', '/subject/type', 'must be agent');
    if (resource.type !== 'operation' && resource.type !== 'route') {
      return unanswerable('the resource is not known', '/resource/type', 'must be operation or route');
    }
    const said: unknown = subject.properties ?? {};
    if (!this.#properties(said)) {
      const reasons = (this.#properties.errors ?? []).map(reasonOf);
      const below = reasons.map((reason) => ({ ...reason, path: `/subject/properties${reason.path ?? ''}` }));
      return { unanswerable: invalid('the agent is not described as agents are', below) };
    }
    const { issuer = null, tenant = null, cloud = null, claims = {}, actors = [] } = said;
    return {
      agent: { ...{ id: subject.id, issuer, tenant, cloud, actors }, claims: claims as JsonObject },
      operation: action.name,
      resource: { type: resource.type, id: resource.id },
      args: (resource.properties ?? null) as JsonObject | null,
      context: context as JsonObject,
      ignored: ignoredIn(value as unknown as JsonObject),
    };
  }
}

/** What is read, by the pointer to what holds it. */
const readMembers: Readonly<Record<string, readonly string[]>> = {
  '': ['subject', 'action', 'resource', 'context'],
  '/subject': ['type', 'id', 'properties'],
  '/subject/properties': ['issuer', 'tenant', 'cloud', 'claims', 'actors'],
  '/action': ['name'],
  '/resource': ['type', 'id', 'properties'],
  '/context': ['task_id', 'purpose', 'subject', 'tools', 'plan', 'budget', 'ttl_seconds', 'labels'],
};

/** The members of `context` that say something here. */
export function readContext(context: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(context).filter(([name]) => readMembers['/context']?.includes(name)));
}

function ignoredIn(document: JsonObject): string[] {
  const ignored: string[] = [];
  for (const [pointer, known] of Object.entries(readMembers)) {
    let holder: Json | undefined = document;
    for (const token of pointerTokens(pointer) ?? []) holder = (holder as JsonObject | undefined)?.[token];
    for (const name of Object.keys((holder ?? {}) as JsonObject)) {
      if (!known.includes(name)) ignored.push(child(pointer, isPlainName(name) ? name : '{}'));
    }
  }
  return ignored.slice(0, reasonsMax);
}

function unanswerable(why: string, path: string, message: string): Unanswerable {
  return { unanswerable: invalid(why, [wrong(path, message)]) };
}

/** What another reader denied of the part of the request at the pointer `under`, as this API says it. */
export function asBadRequest(denial: Denial, under = ''): Denial {
  if (denial.code !== 'args_invalid') return denial;
  const { message, reasons } = denial;
  return invalid(
    message,
    reasons.map((reason) => (reason.path === undefined ? reason : { ...reason, path: `${under}${reason.path}` })),
  );
}

function reasonOf(error: { instancePath: string; message?: string; params: Record<string, unknown> }): Reason {
  const shown = (path: string, name: string) => child(path, isPlainName(name) ? name : '{}');
  const path = (pointerTokens(error.instancePath) ?? []).reduce(shown, '');
  const { missingProperty: missing } = error.params;
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
