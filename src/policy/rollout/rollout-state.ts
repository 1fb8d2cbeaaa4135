/**
 * Where a rollout stands, and what may come after what. The state is about one content (the digest of a bundle's
 * module and data), never about a revision, which is only what somebody calls it. What a reader would get wrong: no
 * record at all is a rollout in shadow, and a record that cannot be read is one that was rolled back.
 */
import type { Json, JsonObject } from '../../call.ts';
import { type Denial, deny } from '../../denial.ts';

const rolloutStages = ['shadow', 'canary', 'full', 'rolled_back'] as const;
export type RolloutStage = (typeof rolloutStages)[number];

/** Why somebody, or the gate itself, went this step. */
export interface RolloutReason {
  readonly code: string;
  readonly message: string;
}

export interface RolloutStep {
  readonly stage: RolloutStage;
  readonly percent: number;
  readonly by: string;
  readonly atMs: number;
  readonly reason?: RolloutReason;
}

/** The candidate that a rollout is about. */
export interface RolledOut {
  /** 64 hex digits. */
  readonly content: string;
  readonly revision: string;
}

export interface RolloutState extends RolloutStep, RolledOut {
  readonly id: string;
  /** The last 20 steps, the latest last; it is the one the state stands at. */
  readonly history: readonly RolloutStep[];
}

/** What stands in the store: the one rollout there is, and what was taken back and not begun anew since. */
export interface ReadRecord {
  readonly kind: 'read';
  readonly state: RolloutState | null;
  /** The last 20 contents, the latest last. */
  readonly takenBack: readonly string[];
  readonly atMs: number;
}

export type RolloutRecord = ReadRecord | { readonly kind: 'unreadable'; readonly fault: string };

export const noRecord: ReadRecord = { kind: 'read', state: null, takenBack: [], atMs: 0 };

export interface Transition {
  readonly stage: RolloutStage;
  /** 0 to 100, up to two decimals; of `canary` alone, which needs it. */
  readonly percent?: number;
  /** Only if the rollout is, or will be, about this content, this revision, this rollout. */
  readonly content?: string;
  readonly revision?: string;
  readonly id?: string;
  readonly reason?: RolloutReason;
  /** Of `shadow`: also with a candidate that was rolled back, or in place of one that is rolled out to everybody. */
  readonly force?: boolean;
}

/** What a transition is made on. */
export interface TransitionGround {
  /** The candidate this gateway has loaded. */
  readonly candidate: RolledOut | null;
  readonly by: string;
  readonly atMs: number;
  /** An id for a rollout that begins. */
  readonly freshId: string;
}

export const historyMax = 20;
const takenBackMax = 20;
const digestForm = /^[0-9a-f]{64}$/;

/** Whether a percentage is 0 to 100 with at most two decimals. */
export function isPercent(value: number): boolean {
  return value >= 0 && value <= 100 && Math.abs(value * 100 - Math.round(value * 100)) < 1e-6;
}

/**
 * The record after a transition; the very record it was given where it stands there already. Denies `args_invalid` for
 * a percent that is none, and `precondition_failed` for what may not come after what, or is about another candidate.
 */
export function stepped(record: RolloutRecord, asked: Transition, ground: TransitionGround): ReadRecord | Denial {
  const { stage, percent, reason } = asked;
  const unfit = denyPercent(asked);
  if (unfit !== undefined) return unfit;
  const { state, takenBack } = record.kind === 'read' ? record : noRecord;
  // The stop switch is about what stands, whatever this gateway has loaded.
  const about = stage === 'rolled_back' ? (state ?? ground.candidate) : ground.candidate;
  if (about === null) return refused('candidate_missing', 'This gateway has no candidate loaded (policy.shadow).');
  const other = otherThan(asked, about, state);
  if (other !== undefined) return other;
  const { content, revision } = about;
  const standing = state?.content === content ? state : null;
  const closed = record.kind === 'unreadable' || standing?.stage === 'rolled_back' || takenBack.includes(content);
  const begins = stage === 'shadow' && asked.force === true;
  const anew = closed && begins;
  if (closed && stage !== 'rolled_back' && !anew) {
    const why = record.kind === 'unreadable' ? 'The state of the rollout cannot be read' : 'It was rolled back';
    return refused('rolled_back', `${why}: begin again with the stage shadow and force, or publish another candidate.`);
  }
  const acts = stage === 'canary' || stage === 'full';
  const named = asked.content !== undefined || asked.revision !== undefined;
  if (state !== null && state.stage !== 'rolled_back' && state.content !== content && acts && !named) {
    return refused(
      'candidate_other',
      `The rollout under way is about ${state.revision}, and the candidate here is ${revision} by now: name it, or begin with shadow.`,
    );
  }
  if (state?.stage === 'full' && state.content !== content && !begins) {
    return refused(
      'rollout_unfinished',
      `${state.revision} was rolled out to everybody, and is not the bundle in force at every gateway yet: publish it as such or roll it back, or begin with the stage shadow and force, and the bundle before it decides again.`,
    );
  }
  if (
    !anew &&
    record.kind === 'read' &&
    standing?.stage === stage &&
    (percent ?? standing.percent) === standing.percent
  ) {
    return record;
  }
  const { by, atMs } = ground;
  const step = { stage, percent: percentOf(stage, percent), by, atMs, ...(reason === undefined ? {} : { reason }) };
  const id = standing === null || anew ? ground.freshId : standing.id;
  const history = [...(standing?.history ?? []), step].slice(-historyMax);
  const others = takenBack.filter((one) => one !== content);
  return {
    ...{ kind: 'read', atMs, state: { id, content, revision, ...step, history } },
    takenBack: (stage === 'rolled_back' ? [...others, content] : others).slice(-takenBackMax),
  };
}

/** The record once `content` is in force everywhere; the very record it was given where it is about another one. */
export function finished(record: RolloutRecord, content: string, atMs: number): RolloutRecord {
  if (record.kind !== 'read' || record.state?.content !== content) return record;
  return { kind: 'read', state: null, takenBack: record.takenBack.filter((one) => one !== content), atMs };
}

function denyPercent({ stage, percent }: Transition): Denial | undefined {
  if (stage === 'canary' ? percent !== undefined && isPercent(percent) : percent === undefined) return undefined;
  const message = 'A canary takes a percent from 0 to 100 with two decimals at most; no other stage does.';
  return deny('args_invalid', message, {
    reasons: [{ code: 'percent_invalid', message: 'of canary: 0 to 100', path: '/percent' }],
  });
}

function percentOf(stage: RolloutStage, percent: number | undefined): number {
  return stage === 'full' ? 100 : (percent ?? 0);
}

function otherThan(asked: Transition, about: RolledOut, state: RolloutState | null): Denial | undefined {
  const is = { content: about.content, revision: about.revision, id: state?.id };
  for (const member of ['content', 'revision', 'id'] as const) {
    if (asked[member] === undefined || asked[member] === is[member]) continue;
    return refused(
      'candidate_other',
      `The candidate is ${about.revision} (content ${about.content.slice(0, 12)}), not the one asked for.`,
    );
  }
  return undefined;
}

function refused(code: string, message: string): Denial {
  return deny('precondition_failed', message, { reasons: [{ code, message }] });
}

/** The record as JSON, as the store keeps it and the admin plane shows its state. */
export function recordDocument({ state, takenBack, atMs }: ReadRecord): JsonObject {
  return { v: 1, at_ms: atMs, state: state === null ? null : stateDocument(state), taken_back: takenBack };
}

export function stateDocument(state: RolloutState): JsonObject {
  const { id, content, revision, history } = state;
  return { id, content, revision, ...stepDocument(state), history: history.map(stepDocument) };
}

function stepDocument({ stage, percent, by, atMs, reason }: RolloutStep): JsonObject {
  return {
    ...{ stage, percent, by, at_ms: atMs },
    ...(reason === undefined ? {} : { reason: { code: reason.code, message: reason.message } }),
  };
}

/** What the store gave, read strictly: whatever is not exactly a record of this form is `unreadable`. */
export function parseRecord(value: Json): RolloutRecord {
  try {
    const { v, at_ms: atMs, state, taken_back: takenBack, ...rest } = objectOf(value, 'the record');
    if (v !== 1) throw new Error(`its version is ${JSON.stringify(v)}, and 1 is known`);
    nothingElse(rest);
    if (!Array.isArray(takenBack) || takenBack.length > takenBackMax || !takenBack.every(isDigest)) {
      throw new Error('what was taken back is no list of digests');
    }
    return { kind: 'read', atMs: timeOf(atMs), state: state === null ? null : parseState(state), takenBack };
  } catch (fault) {
    return { kind: 'unreadable', fault: (fault as Error).message };
  }
}

function parseState(value: unknown): RolloutState {
  const { id, content, revision, history, ...step } = objectOf(value, 'state');
  if (!isDigest(content)) throw new Error('its content is no digest');
  if (!Array.isArray(history) || history.length === 0 || history.length > historyMax) {
    throw new Error('its history is none');
  }
  return {
    ...{ id: textOf(id, 'id'), content, revision: textOf(revision, 'revision') },
    ...parseStep(step),
    history: history.map((row) => parseStep(objectOf(row, 'a step'))),
  };
}

function parseStep({ stage, percent, by, at_ms: atMs, reason, ...rest }: Record<string, unknown>): RolloutStep {
  nothingElse(rest);
  const known = rolloutStages.find((name) => name === stage);
  if (known === undefined) throw new Error('its stage is not one of the known');
  if (typeof percent !== 'number' || !isPercent(percent)) throw new Error('its percent is none');
  if (known !== 'canary' && percent !== percentOf(known, undefined)) throw new Error('its percent is not of its stage');
  const step = { stage: known, percent, by: textOf(by, 'by'), atMs: timeOf(atMs) };
  if (reason === undefined) return step;
  const { code, message, ...more } = objectOf(reason, 'reason');
  nothingElse(more);
  return { ...step, reason: { code: textOf(code, 'code'), message: textOf(message, 'message') } };
}

function isDigest(value: unknown): value is string {
  return typeof value === 'string' && digestForm.test(value);
}

function objectOf(value: unknown, name: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new Error(`${name} is no object`);
}

function textOf(value: unknown, name: string): string {
  if (typeof value === 'string' && value !== '' && value.length <= 65_536) return value;
  throw new Error(`its ${name} is no text`);
}

function timeOf(value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw new Error('a time of it is none');
}

function nothingElse(rest: object): void {
  const [name] = Object.keys(rest);
  if (name !== undefined) throw new Error('it has members that are not known');
}
