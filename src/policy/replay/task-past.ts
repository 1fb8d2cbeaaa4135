/**
 * A task as the trail tells of it: its calls in the order in which they entered its history, and how each ended. What a
 * reader would get wrong: the trail writes calls down in another order than they entered, and outcomes come later than
 * the calls that saw them pending; so each call tells its own place, and what was running when it came. Where one call
 * is not known, what rests on it is not told.
 */
import type { Effect, Json, JsonObject } from '../../call.ts';
import { endState, hadNoEffect } from '../../outcome.ts';
import { historyMax } from '../input.ts';
import { isObject, type RecordedInput, rememberedIn, textsIn } from './kept.ts';
import type { ReplayedEvent } from './recorded.ts';

/** Calls of one task that are looked at; the past of a longer one is not told. */
const callsMax = 200_000;

/** An event of a task; the audit room's events fit. */
export interface PastEvent extends ReplayedEvent {
  readonly seq: number;
  readonly effect: Effect | null;
  readonly attempts: readonly {
    readonly status: number | null;
    readonly sent: boolean;
    readonly error?: string | null;
  }[];
  readonly cost_usd: number | null;
  readonly target: { readonly name: string | null } | null;
}

/** Where a call stood when it entered the history of its task. */
export interface Moment {
  /** Calls that had entered before. */
  readonly entered: number;
  /** Those that had not ended. */
  readonly pending: ReadonlySet<string>;
  /** How many entries the history held, where it was fewer than a policy sees. */
  readonly known: number;
}

interface Ended {
  readonly state: 'done' | 'failed' | 'denied';
  /** Members of a history entry. */
  readonly members: JsonObject;
  readonly costMicroUsd: number;
  readonly noEffect: boolean;
}

interface PastCall {
  readonly id: string;
  readonly kind: Json;
  readonly operation: string;
  readonly effect: Json;
  readonly atMs: number;
  readonly facts: JsonObject;
  /** Whether numbers of its facts were redacted. */
  readonly hidden: boolean;
  ended: Ended | null;
}

interface Total {
  calls: number;
  denied: number;
  failed: number;
  costMicroUsd: number;
  readonly sums: Record<string, number>;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** The moment that is remembered of a call; null where it is not. */
export function momentOf(remembered: JsonObject | null): Moment | null {
  if (remembered === null || !isCount(remembered.entered)) return null;
  const { entered, pending, known } = remembered;
  return { entered, pending: new Set(textsIn(pending)), known: isCount(known) ? known : historyMax };
}

function endedOf(event: PastEvent): Ended {
  const { decision, attempts, cost_usd: costUsd, target } = event;
  const denial = decision !== null && !decision.allow ? (decision.reasons[0]?.code ?? '') : null;
  const status = attempts.at(-1)?.status ?? null;
  const members = {
    ...(denial === null ? {} : { code: denial }),
    ...(status === null ? {} : { status }),
    target: target?.name ?? null,
  };
  const costMicroUsd = Math.round((costUsd ?? 0) * 1_000_000);
  return { state: endState({ denial, attempts }), members, costMicroUsd, noEffect: hadNoEffect(attempts) };
}

export class TaskPast {
  readonly #calls = new Map<number, PastCall>();
  readonly #places = new Map<string, number>();
  /** Totals of the calls before `through`, all of which have ended. */
  #folded = { through: 0, totals: new Map<string, Total>() };
  /** What the task was decided on, and what it got. */
  readonly opened: RecordedInput;

  /** `events` of one task, oldest first. */
  constructor(events: Iterable<{ readonly event: PastEvent; readonly input: RecordedInput }>) {
    let opened: RecordedInput = { state: 'none' };
    for (const { event, input } of events) {
      if (event.type === 'task') {
        if (event.operation === 'task.create') opened = input;
      } else if (event.call !== null && this.#calls.size < callsMax) {
        if (event.type !== 'outcome' && event.type !== 'interrupted') this.#enter(event, event.call, input);
        if (event.type === 'outcome' || event.type === 'denial') this.#end(event, event.call);
      }
    }
    this.opened = opened;
  }

  /** How many calls it holds. */
  get size(): number {
    return this.#calls.size;
  }

  #enter({ operation, effect }: PastEvent, id: string, input: RecordedInput): void {
    const remembered = rememberedIn(input);
    if (remembered === null || operation === null || this.#places.has(id)) return;
    const { entered, kind = null, at_ms: atMs, facts, hidden } = remembered;
    if (!isCount(entered) || !isCount(atMs) || !isObject(facts)) return;
    this.#places.set(id, entered);
    this.#calls.set(entered, { id, kind, operation, effect, atMs, facts, hidden: hidden !== undefined, ended: null });
  }

  #end(event: PastEvent, id: string): void {
    const call = this.#callAt(this.#places.get(id));
    // What was given up on too late may be told twice: the first counts, as in the task.
    if (call !== undefined) call.ended ??= endedOf(event);
  }

  #callAt(place: number | undefined): PastCall | undefined {
    return place === undefined ? undefined : this.#calls.get(place);
  }

  /** `task.history` of the input of a call that entered at `moment`; null where a call of it is not known. */
  history({ entered, pending, known }: Moment): Json[] | null {
    const entries: Json[] = [];
    for (let place = Math.max(0, entered - Math.min(historyMax, known)); place < entered; place++) {
      const call = this.#calls.get(place);
      if (call === undefined) return null;
      const ended = pending.has(call.id) ? null : call.ended;
      if (ended === null && !pending.has(call.id)) return null;
      entries.push({
        ...{ call_id: call.id, kind: call.kind, operation: call.operation, effect: call.effect },
        state: ended?.state ?? 'pending',
        at_ms: call.atMs,
        cost_micro_usd: ended?.costMicroUsd ?? 0,
        ...(ended?.members ?? { target: null }),
        facts: call.facts,
      });
    }
    return entries;
  }

  /** `task.counts` of the input of a call that entered at `moment`; null where a call before it is not known. */
  counts({ entered, pending }: Moment): JsonObject | null {
    let sure = entered;
    for (const id of pending) sure = Math.min(sure, this.#places.get(id) ?? 0);
    if (sure < this.#folded.through) this.#folded = { through: 0, totals: new Map() };
    const folded = this.#folded;
    for (; folded.through < sure; folded.through++) {
      const call = this.#calls.get(folded.through);
      if (call === undefined || call.ended === null || call.hidden) return null;
      count(folded.totals, call, call.ended);
    }
    const totals = new Map([...folded.totals].map(([name, total]) => [name, { ...total, sums: { ...total.sums } }]));
    for (let place = sure; place < entered; place++) {
      const call = this.#calls.get(place);
      if (call === undefined || call.hidden) return null;
      const isPending = pending.has(call.id);
      if (call.ended === null && !isPending) return null;
      count(totals, call, isPending ? null : call.ended);
    }
    return Object.fromEntries(
      [...totals].map(([name, { costMicroUsd, ...total }]) => [name, { ...total, cost_micro_usd: costMicroUsd }]),
    );
  }
}

/** Adds a call; `ended` null where it still runs. As the task does when it enters and when it ends. */
function count(totals: Map<string, Total>, call: PastCall, ended: Ended | null): void {
  let total = totals.get(call.operation);
  if (total === undefined) {
    total = { calls: 0, denied: 0, failed: 0, costMicroUsd: 0, sums: {} };
    totals.set(call.operation, total);
  }
  if (ended?.state === 'denied') total.denied += 1;
  else total.calls += 1;
  if (ended?.state === 'failed') total.failed += 1;
  total.costMicroUsd += ended?.costMicroUsd ?? 0;
  for (const [path, value] of Object.entries(call.facts)) {
    if (typeof value !== 'number') continue;
    total.sums[path] = (total.sums[path] ?? 0) + (ended?.noEffect === true ? 0 : value);
  }
}
