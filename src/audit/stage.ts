/**
 * The audit stages of the ladder and what settlement records. What a reader would get wrong: the commitment to what
 * was proposed needs the payload as it came, so `proposalStage` stands right behind the stages that add the operation
 * and put what is remembered in the place of its ids, long before `intentStage`, which commits to what the obligations left of it.
 */
import type {
  Admitted,
  Arrival,
  Decision,
  IntentFact,
  Json,
  OperationFact,
  Outcome,
  ProposedFact,
  RecalledFact,
  Subject,
  TaskRecord,
  Trace,
  Underway,
} from '../call.ts';
import type { CallId, ThoughtId } from '../clock.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { unsentOutcome } from '../outcome.ts';
import type { Stage } from '../stage.ts';
import { canonical } from '../wire/canonical.ts';
import type { EventReason } from './event.ts';
import {
  denialEvent,
  intentEvent,
  outcomeEvent,
  policyEvent,
  refusedRequestEvent,
  type TaskHappening,
  taskDenialEvent,
  taskEvent,
  thoughtEvent,
} from './facts.ts';
import { type Kept, keptAnswer, keptCall, keptTask } from './kept-input.ts';
import type { Sampler } from './sampler.ts';
import type { AuditConfig } from './section.ts';
import { type AuditTrail, AuditUnavailable } from './trail.ts';

/** What of a trail recording needs. */
export type Recorder = Pick<AuditTrail, 'append'>;

/** A call that has passed every rung below this one. */
type Intended = Omit<Admitted, 'intent'> & ProposedFact;

const payloadBytesDefault = 65_536;

const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';

/** Keeps the payload as the agent sent it, with what its ids stand for: for the commitment to it, and for what was decided on it. Faults end in `audit_unavailable`. */
export function proposalStage(): Stage<Arrival & OperationFact & RecalledFact, ProposedFact> {
  return {
    name: 'audit',
    fault: 'audit_unavailable',
    gives: { proposed: (value) => isText((value as { canonical?: unknown } | null)?.canonical) },
    admit: ({ resolved: { payload } }) => ({
      proposed: { canonical: canonical(payload.document()), args: payload.args },
    }),
  };
}

export interface IntentSettings {
  readonly durability: AuditConfig['durability'];
  /** Takes personal data and secrets out of a payload before it is kept. */
  readonly redact: (value: Json) => Json;
  /** Whether calls go on without the shared state now, by what this gateway has last seen of it. */
  readonly isLocal?: () => boolean;
}

/** Calls that change something, cost, or carry data out are written down before they go, whatever the config says. */
function mustBeDurable(call: OperationFact, durability: AuditConfig['durability']): boolean {
  const { kind, effect } = call.resolved.operation;
  return kind === 'model' || effect !== 'read' ? durability.write === 'strict' : durability.read === 'strict';
}

/**
 * Records what is about to be sent. For a model call, a write or a delete it gives its fact only when the intent is on
 * disk; for a read as `durability.read` says. Denies `audit_unavailable` if the trail cannot take it.
 */
export function intentStage(trail: Recorder, settings: IntentSettings): Stage<Intended, IntentFact> {
  const record = async (call: Intended) => {
    const { redact, durability } = settings;
    const { id, tokens, costMicroUsd, time } = call.reservation;
    const seconds = time === undefined ? {} : { seconds: time.seconds };
    return trail.append(intentEvent(call, settings.isLocal?.() === true), {
      durable: mustBeDurable(call, durability),
      payloads: keptCall(call, redact),
      reserved: { id, tokens, costMicroUsd, ...seconds },
    });
  };
  return {
    name: 'audit',
    fault: 'audit_unavailable',
    gives: { intent: (value) => isText((value as { eventId?: unknown } | null)?.eventId) },
    admit: async (call) => {
      try {
        return { intent: await record(call) };
      } catch (error) {
        if (!(error instanceof AuditUnavailable)) throw error;
        return deny('audit_unavailable', 'The call cannot be recorded now, so it was not made.');
      }
    },
    late: async (call) => {
      // The runner had given up on the intent, so nothing was sent and settlement writes a denial; but the intent is
      // there, and must not look like a call that still runs.
      const outcome = unsentOutcome(deny('audit_unavailable', 'The call was recorded too late, so it was not made.'));
      await trail.append(outcomeEvent(call, outcome), { durable: false });
    },
  };
}

export interface OutcomeSettings {
  readonly redact: (value: Json) => Json;
  readonly sampler: Sampler;
  /** `audit.payload_bytes`: the body of a longer answer is not kept. */
  readonly payloadBytes?: number;
}

/**
 * Records how a call ended: its outcome if it had an intent, else its one denial. What a model said becomes a
 * `thought` event of its own, text and proposals in its payload, redacted. Resolves when the trail has accepted it,
 * not when it is on disk. Rejects with AuditUnavailable if even the reserve of the queue is full.
 */
export async function recordOutcome(
  trail: Recorder,
  call: Underway,
  outcome: Outcome,
  settings: OutcomeSettings,
): Promise<void> {
  if (call.intent === undefined) {
    // Without a denial the client had gone before anything was decided; the trail has no type for "nothing".
    const denial = outcome.denial ?? deny('request_invalid', 'The call ended before it was admitted.');
    await recordDenial(trail, call, denial, outcome, settings);
    return;
  }
  const { thoughtId, text, proposals, answerDecision } = outcome;
  const { redact, payloadBytes = payloadBytesDefault } = settings;
  const payloads: Kept[] = [];
  if (thoughtId === null && text !== '') payloads.push({ kind: 'answer', value: redact(text) });
  if (answerDecision !== null) payloads.push(keptAnswer(answerDecision, call, redact, payloadBytes));
  await trail.append(outcomeEvent(call, outcome), { durable: false, payloads });

  const record = call.entry?.task.record ?? call.task?.record;
  if (thoughtId === null || record === undefined) return;
  const value = redact(thoughtDocument(text, proposals));
  const thought = { id: thoughtId, source: 'observed' as const, proposals };
  await trail.append(thoughtEvent({ record, call }, thought), {
    durable: false,
    payloads: [{ kind: 'thought', value }],
  });
}

function thoughtDocument(text: string, proposals: Outcome['proposals']): Json {
  return { text, tool_calls: proposals.map((proposal) => ({ ...proposal })) };
}

/** Records a thought that the agent reports; it is marked `reported` for ever. */
export async function recordReportedThought(
  trail: Recorder,
  thought: { readonly id: ThoughtId; readonly text: string; readonly proposals: Outcome['proposals'] },
  settings: { readonly record: TaskRecord; readonly redact: (value: Json) => Json },
): Promise<void> {
  const event = thoughtEvent(
    { record: settings.record, call: null },
    {
      ...{ id: thought.id, source: 'reported', proposals: thought.proposals },
    },
  );
  const value = settings.redact(thoughtDocument(thought.text, thought.proposals));
  await trail.append(event, { durable: false, payloads: [{ kind: 'thought', value }] });
}

/** What stands in a recorded refusal for those that were only counted. */
export function counted(skipped: number): EventReason[] {
  if (skipped === 0) return [];
  return [{ code: 'not_recorded', message: 'Refusals of unknown callers before this one.', count: skipped }];
}

async function recordDenial(
  trail: Recorder,
  call: Underway,
  denial: Denial,
  outcome: Outcome,
  settings: OutcomeSettings,
): Promise<void> {
  let more: EventReason[] = [];
  if (call.caller === undefined) {
    const turn = settings.sampler.take();
    if (!turn.record) return;
    more = counted(turn.skipped);
  }
  const payloads = call.caller === undefined ? [] : keptCall(call, settings.redact);
  await trail.append(denialEvent(call, denial, outcome, more), { durable: false, payloads });
}

/** Records, within the sampler's bound, a request that never became a call. */
export async function recordRefusedRequest(
  trail: Recorder,
  request: { readonly id: CallId | null; readonly trace: Trace | null; readonly denial: Denial },
  sampler: Sampler,
): Promise<void> {
  const turn = sampler.take();
  if (turn.record) await trail.append(refusedRequestEvent(request, counted(turn.skipped)), { durable: false });
}

/** Writes down how many refusals the sampler has counted and no event tells of; for the end of a gate. */
export async function recordRest(trail: Recorder, sampler: Sampler): Promise<void> {
  const skipped = sampler.drain();
  if (skipped === 0) return;
  const denial = deny('unauthenticated', 'Refusals that were counted and not recorded.');
  await trail.append(refusedRequestEvent({ id: null, trace: null, denial }, counted(skipped)), { durable: false });
}

/**
 * Records which policies decide from now on, or were loaded as a candidate. A revision is only what somebody calls them, so
 * their digest stands with it.
 */
export async function recordPolicy(
  trail: Recorder,
  { bundle, revision, content }: { readonly bundle: string; readonly revision: string; readonly content: string },
  operation: 'policy.activate' | 'policy.candidate' = 'policy.activate',
): Promise<void> {
  const reasons = [{ code: 'content', message: `sha256:${content}` }];
  const event = policyEvent({ operation, accepted: true, bundle, revision, reasons });
  await trail.append(event, { durable: false });
}

/** Records a step that the gate itself took in the rollout of a candidate; on disk before it resolves. */
export async function recordRollout(trail: Recorder, happening: Parameters<typeof policyEvent>[0]): Promise<void> {
  await trail.append(policyEvent(happening), { durable: true });
}

/** A task the gate refused to make, or what happened to one that is there. */
export type TaskNews =
  | ({
      readonly record: TaskRecord;
      readonly details?: Json;
      /** False for what may be lost with this process: nothing was changed. */
      readonly durable?: false;
    } & TaskHappening)
  | {
      readonly asked: {
        readonly agent: { readonly id: string; readonly issuer: string; readonly tenant: string };
        readonly subject: Subject | null;
        readonly trace: Trace | null;
      };
      readonly denial: Denial;
      readonly decision?: Decision;
    };

/**
 * Records an event of a task's life; on disk before it resolves, because a task's token is a right. `details` (what
 * was asked for) go into a payload. Rejects with AuditUnavailable.
 */
export async function recordTask(trail: Recorder, news: TaskNews, redact: (value: Json) => Json): Promise<void> {
  if ('asked' in news) {
    await trail.append(taskDenialEvent(news.asked, news.denial, news.decision), { durable: false });
    return;
  }
  const payloads: Kept[] = [];
  if (news.decision !== undefined) payloads.push(keptTask(news.record, news.decision, redact));
  if (news.details !== undefined) payloads.push({ kind: 'arguments', value: redact(news.details) });
  const durable = news.durable ?? !isDenial(news.denial);
  await trail.append(taskEvent(news.record, news), { durable, payloads });
}
