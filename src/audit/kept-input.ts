/**
 * What is kept of the documents that policies decide on: redacted, each text once, and with what it takes to decide
 * them again with rules that ask for more. What a reader would get wrong: `left_out` and `remembered` were never seen by
 * a policy; who decides a kept document again takes them off. `remembered` comes first, so that it can be read of a
 * document that was cut.
 */
import type { Arrival, Decision, EntryFact, Json, JsonObject, OperationFact, TaskRecord, Underway } from '../call.ts';
import { planDocument } from '../wire/plan.ts';
import type { PayloadKind } from './task-key.ts';

type Redact = (value: Json) => Json;

/** A payload before it is a text. */
export interface Kept {
  readonly kind: PayloadKind;
  readonly value: Json;
}

/** As many entries of a history as a policy sees. */
const historySeenMax = 50;
/** Of how many argument values, and how deep, a policy sees where they come from. */
const placesMax = 256;
const placesDepthMax = 16;
const ofArguments: readonly string[] = ['call.arguments', 'call.provenance'];

/** Members of a policy input, by part, that somebody else than the gate wrote. */
const fromOutside: Readonly<Record<string, readonly string[]>> = {
  agent: ['claims'],
  subject: ['id', 'claims'],
  task: ['labels', 'plan'],
  call: ['arguments', 'path', 'provenance', 'tools'],
};

/**
 * A policy input as it is kept: what agents, subjects and payloads put into it is redacted. The rest is the gate's own
 * (ids, times, counts), and looking through a whole history for personal data would cost more than the decision.
 * `args`, where given, are its arguments redacted already.
 */
export function redactedInput(input: JsonObject, redact: Redact, args?: Json): JsonObject {
  const kept: Record<string, Json> = { ...input };
  const within = (of: Json | undefined, names: readonly string[]): Json => {
    // A mask of the decision log may have put anything in its place.
    if (typeof of !== 'object' || of === null || Array.isArray(of)) return redact(of ?? null);
    const object = { ...of } as Record<string, Json>;
    for (const name of names) {
      if (object[name] === undefined) continue;
      object[name] = name === 'arguments' && args !== undefined ? args : redact(object[name]);
    }
    return object;
  };
  for (const [part, names] of Object.entries(fromOutside)) {
    if (kept[part] !== undefined && kept[part] !== null) kept[part] = within(kept[part], names);
  }
  const task = kept.task as JsonObject | undefined;
  if (Array.isArray(task?.history)) {
    kept.task = { ...task, history: task.history.map((entry: Json) => within(entry, ['facts'])) };
  }
  if (typeof task?.counts === 'object' && task.counts !== null) {
    kept.task = { ...(kept.task as JsonObject), counts: redactedCounts(task.counts as JsonObject, redact) };
  }
  return kept;
}

/** The sum over one call is the very number that it was given. */
function redactedCounts(counts: JsonObject, redact: Redact): JsonObject {
  const kept = Object.entries(counts).map(([operation, count]): [string, Json] => {
    const { sums } = count as JsonObject;
    const hasSome = typeof sums === 'object' && sums !== null && Object.keys(sums).length > 0;
    return [operation, hasSome ? { ...(count as JsonObject), sums: redact(sums) } : count];
  });
  return Object.fromEntries(kept);
}

/** Of what a decision was made without, the parts of an answer, or all others. */
function leftOutOf({ leftOut = [] }: Pick<Decision, 'leftOut'>, ofAnswer: boolean): JsonObject {
  const parts = leftOut.filter((part) => part.startsWith('response.') === ofAnswer);
  return parts.length === 0 ? {} : { left_out: parts };
}

/**
 * Payloads of a call: what it was decided on, and its arguments as they stand. A call that entered its task's history
 * without having been decided on leaves an `entry`, for the histories of the calls after it.
 */
export function keptCall(call: Underway, redact: Redact): Kept[] {
  const { decision, entry, resolved, proposed } = call;
  if (resolved === undefined) return [];
  const { args } = resolved.payload;
  const value = redact(args);
  const asArguments: Kept = { kind: 'arguments', value };
  const isChanged = proposed?.args !== undefined && !sameMembers(proposed.args, args);
  const before = { args: proposed?.args ?? args, redacted: value, isChanged };
  const entered = entry === undefined ? undefined : { ...call, entry, resolved };
  const remembered =
    entered === undefined ? {} : { remembered: rememberedOf(entered, decision?.leftOut ?? [], before, redact) };
  if (decision === undefined) {
    return entered === undefined ? [asArguments] : [{ kind: 'entry', value: remembered }, asArguments];
  }
  const decidedOn = (decision.input.call as JsonObject | undefined)?.arguments as JsonObject | undefined;
  const once = decidedOn !== undefined && sameMembers(decidedOn, args) ? value : undefined;
  const document = { ...remembered, ...leftOutOf(decision, false), ...redactedInput(decision.input, redact, once) };
  const also = decision.alsoBy === undefined ? {} : { also_by: decision.alsoBy };
  return [{ kind: 'policy_input', value: { ...document, ...also } }, asArguments];
}

/** Documents are changed by copying, so that members which are the same have not been changed. */
function sameMembers(one: JsonObject, other: JsonObject): boolean {
  if (one === other) return true;
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}

/** Arguments as they were proposed; `redacted` are those that stand now, which is the same where nothing was changed. */
interface Before {
  readonly args: JsonObject;
  readonly redacted: Json;
  readonly isChanged: boolean;
}

/** Where the call stands in its task's history, which calls were running then, and what is left out and cannot be told. */
function rememberedOf(
  call: Arrival & EntryFact & OperationFact,
  leftOut: readonly string[],
  { args, redacted, isChanged }: Before,
  redact: Redact,
): JsonObject {
  const { entry, resolved, receivedAtMs } = call;
  const { history, counts, subject, pendingBeyond = [] } = entry.task.record;
  let entered = 0;
  for (const { calls, denied } of Object.values(counts)) entered += calls + denied;
  const running = history.filter(({ state }) => state === 'pending').map(({ callId }) => callId);
  const pending = [...pendingBeyond, ...running];
  const tools = leftOut.includes('call.tools') ? (resolved.payload.model?.tools ?? []) : [];
  const proposed = isChanged && leftOut.some((part) => ofArguments.includes(part)) ? redact(args) : null;
  const own = leftOut.includes('call.provenance') ? hiddenPlaces(args, proposed ?? redacted, subject?.id) : [];
  const facts = (Object.keys(entry.facts).length === 0 ? {} : redact(entry.facts)) as JsonObject;
  // A number that is redacted is a text: whoever adds up must know that something is missing.
  const hidden = Object.keys(entry.facts).filter(
    (path) => typeof entry.facts[path] === 'number' && facts[path] !== entry.facts[path],
  );
  return {
    kind: resolved.operation.kind,
    at_ms: receivedAtMs,
    entered,
    ...(pending.length === 0 ? {} : { pending }),
    ...(history.length < Math.min(historySeenMax, entered) ? { known: history.length } : {}),
    facts,
    ...(hidden.length === 0 ? {} : { hidden }),
    ...(proposed === null ? {} : { arguments: proposed }),
    ...(own.length === 0 ? {} : { own }),
    ...(tools.length === 0 ? {} : { tools: redact(tools.map(({ name, kind }) => ({ name, kind }))) }),
  };
}

/** JSON pointers to texts that were redacted and are `id`: whose they are cannot be told from the copy. */
function hiddenPlaces(args: Json, copy: Json, id: string | undefined): string[] {
  const places: string[] = [];
  const visit = (value: Json, kept: Json, pointer: string, depth: number): void => {
    if (value === id && kept !== value && places.length < placesMax) places.push(pointer);
    if (value === null || typeof value !== 'object' || depth === placesDepthMax) return;
    // A copy has the members of what it was made of, in their order; their names may be redacted, too.
    const copies = Object.entries(kept ?? {});
    for (const [index, member] of Object.values(value).entries()) {
      const [name = '', copied = null] = copies[index] ?? [];
      visit(member, copied, `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`, depth + 1);
    }
  };
  if (id !== undefined) visit(args, copy, '', 0);
  return places;
}

/** What a task was decided on, and what it got of what may be left out of the inputs of its calls. */
export function keptTask(record: TaskRecord, decision: Decision, redact: Redact): Kept {
  const { labels, plan } = record;
  const remembered = {
    labels: redact(labels),
    ...(plan === undefined ? {} : { plan: redact(planDocument(plan)) }),
  };
  const also = decision.alsoBy === undefined ? {} : { also_by: decision.alsoBy };
  return { kind: 'policy_input', value: { remembered, ...redactedInput(decision.input, redact), ...also } };
}

/**
 * What an answer was decided on, beside what its call was, and what was decided. A body whose text is longer than
 * `bytesMax` is not kept, and named in `cut`. `anew`: policies that came meanwhile saw the call as it was sent.
 */
export function keptAnswer(decision: Decision, call: Underway, redact: Redact, bytesMax: number): Kept {
  const { id, allow, reasons, obligations, bundle, revision, alsoBy } = decision;
  const { body, ...head } = decision.input.response as JsonObject;
  const isCut = body !== undefined && isLonger(body, bytesMax);
  const value = {
    ...leftOutOf(decision, true),
    ...(isCut ? { cut: ['response.body'] } : {}),
    ...(call.decision === undefined || call.decision.input.call === decision.input.call ? {} : { anew: true }),
    decision: {
      ...{ id, allow, reasons: reasons.map((reason) => ({ ...reason })) },
      ...{ obligations: { ...obligations } as unknown as JsonObject, bundle, revision },
      ...(alsoBy === undefined ? {} : { also_by: alsoBy }),
    },
    response: redact(body === undefined || isCut ? head : { ...head, body }),
  };
  return { kind: 'answer_input', value };
}

/** Whether the JSON text of `value` certainly has more than `max` characters; looks no further than that. */
function isLonger(value: Json, max: number): boolean {
  let left = max;
  const visit = (of: Json): boolean => {
    left -= typeof of === 'string' ? of.length + 2 : 1;
    if (left < 0) return true;
    if (of === null || typeof of !== 'object') return false;
    if (Array.isArray(of)) return of.some(visit);
    return Object.entries(of).some(([name, member]) => {
      left -= name.length + 3;
      return visit(member);
    });
  };
  return visit(value);
}
