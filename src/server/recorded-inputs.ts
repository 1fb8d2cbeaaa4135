/**
 * The recorded policy inputs of the trail, for people: which decisions have one, and one as the policy saw it, redacted.
 * What a reader would get wrong: an answer is recorded apart from the call it answers, so its input is put together of
 * the two; and what the recorder adds for itself (`remembered`, `left_out`) was never seen by a policy.
 */
import type { AuditEvent, EventType } from '../audit/event.ts';
import type { EventFilter } from '../audit/sinks/sink.ts';
import type { PayloadKind } from '../audit/task-key.ts';
import { type AuditTrail, type PageOptions, QueryInvalid } from '../audit/trail.ts';
import type { Json, JsonObject } from '../call.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import type { Phase } from '../policy/instance.ts';
import { isRedacted } from '../policy/replay/recorded.ts';
import type { Query } from './admin-routes.ts';
import { readFilter } from './audit-queries.ts';

export interface RecordedInputs {
  /** A page of decisions whose input is kept whole, newest first. Denies `args_invalid` for filters that are none. */
  readonly list: (query: Query) => Promise<Json | Denial>;
  /** One input with what was decided on it. Denies `route_unknown` with the reason why there is none. */
  readonly find: (eventId: string) => Promise<{ readonly task: string; readonly document: Json } | Denial>;
}

const kinds: Readonly<Record<Phase, { readonly types: readonly EventType[]; readonly kind: PayloadKind }>> = {
  task: { types: ['task'], kind: 'policy_input' },
  call: { types: ['intent', 'denial'], kind: 'policy_input' },
  response: { types: ['outcome'], kind: 'answer_input' },
};
const phases = Object.keys(kinds) as readonly Phase[];
const eventIdForm = /^evt_[0-9a-hjkmnp-tv-z]{26}$/;

/** Over `trail`, which must be open. */
export function recordedInputs(trail: Pick<AuditTrail, 'events' | 'payloads'>): RecordedInputs {
  return { list: (query) => list(trail, query), find: (eventId) => find(trail, eventId) };
}

type Reader = Pick<AuditTrail, 'events' | 'payloads'>;

async function list(trail: Reader, query: Query): Promise<Json | Denial> {
  const { limit, cursor, phase, ...rest } = query;
  if (phase !== undefined && !(phases as readonly string[]).includes(phase)) {
    return deny('args_invalid', `phase is one of: ${phases.join(', ')}.`);
  }
  const filter = readFilter(rest, []);
  if (isDenial(filter)) return filter;
  const asked = phases.filter((one) => phase === undefined || one === phase).map((one) => kinds[one]);
  const whole: EventFilter = {
    ...filter,
    types: asked.flatMap(({ types }) => types),
    kept: [...new Set(asked.map(({ kind }) => kind))],
  };
  const options: PageOptions = {
    order: 'newest_first',
    limit: limit === undefined ? 50 : Number(limit),
    ...(cursor === undefined ? {} : { cursor }),
  };
  try {
    const { events, next_cursor } = await trail.events(whole, options);
    return { inputs: events.map(rowOf), next_cursor };
  } catch (fault) {
    if (fault instanceof QueryInvalid) return deny('args_invalid', `The query is not valid: ${fault.message}.`);
    throw fault;
  }
}

function phaseOf({ type }: AuditEvent): Phase | undefined {
  return phases.find((phase) => kinds[phase].types.includes(type));
}

function rowOf(event: AuditEvent): JsonObject {
  const { id, time, type, task, call, agent, operation, decision } = event;
  return {
    ...{ event: id, time, type, phase: phaseOf(event) ?? null, task, call, agent, operation },
    allow: decision?.allow ?? null,
    codes: (decision?.reasons ?? []).map(({ code }) => code),
    ...{ bundle: decision?.bundle ?? null, revision: decision?.revision ?? null },
  };
}

async function find(
  trail: Reader,
  eventId: string,
): Promise<{ readonly task: string; readonly document: Json } | Denial> {
  const [event] = eventIdForm.test(eventId) ? (await trail.events({ id: eventId }, { limit: 1 })).events : [];
  const phase = event === undefined ? undefined : phaseOf(event);
  if (event === undefined || phase === undefined || event.task === null) {
    return none('event_unknown', 'no decision of the trail has this id');
  }
  const own = await payloadOf(trail, event, kinds[phase].kind);
  if (typeof own === 'string') return missing(own);
  const { document, recorded } =
    phase === 'response' ? await answered(trail, event, own) : { document: own, recorded: null };
  if (document === null) return none('input_missing', 'what its call was decided on is not kept any more');
  const { remembered: _remembered, left_out: leftOut = [], also_by: alsoBy, ...input } = document;
  const { allow, reasons, obligations, bundle, revision } = event.decision ?? {};
  const said = { allow, reasons, obligations, bundle, revision } as unknown as JsonObject;
  return {
    task: event.task,
    document: {
      ...rowOf(event),
      ...{ input, redacted: isRedacted(input), left_out: leftOut },
      recorded: recorded ?? (alsoBy === undefined ? said : { ...said, also_by: alsoBy }),
    },
  };
}

/** The input of an answer: that of the call, and the answer. `own` is what was recorded of the answer. */
async function answered(
  trail: Reader,
  { call }: AuditEvent,
  { response = null, decision = null, left_out: ownLeftOut = [], cut = [] }: JsonObject,
): Promise<{ readonly document: JsonObject | null; readonly recorded: Json }> {
  const [intent] = call === null ? [] : (await trail.events({ call, type: 'intent' }, { limit: 1 })).events;
  const ofCall = intent === undefined ? 'none' : await payloadOf(trail, intent, 'policy_input');
  if (typeof ofCall === 'string') return { document: null, recorded: null };
  const leftOut = [ofCall.left_out ?? [], ownLeftOut, cut].flat() as readonly string[];
  const { also_by: _alsoBy, ...rest } = ofCall;
  return { document: { ...rest, phase: 'response', response, left_out: [...new Set(leftOut)] }, recorded: decision };
}

/** A payload of an event as it was kept, or why there is none. */
async function payloadOf(trail: Reader, event: AuditEvent, kind: PayloadKind): Promise<JsonObject | 'none' | 'cut'> {
  const { task, seq } = event;
  if (task === null) return 'none';
  const before = seq > 1 ? { cursor: String(seq - 1) } : {};
  const { payloads } = await trail.payloads({ task, kind, limit: 1, ...before });
  const own = payloads.find((payload) => payload.seq === seq);
  if (own === undefined) return 'none';
  return own.truncated ? 'cut' : (JSON.parse(own.text) as JsonObject);
}

function missing(why: 'none' | 'cut'): Denial {
  return why === 'cut'
    ? none('input_cut', 'it was longer than audit.payload_bytes, and only its beginning is kept')
    : none('input_missing', 'none was kept, or it has been erased');
}

function none(code: string, message: string): Denial {
  return deny('route_unknown', `There is no such recorded input: ${message}.`, {
    reasons: [{ code, message: `${message[0]?.toUpperCase()}${message.slice(1)}.` }],
  });
}
