/**
 * The audit trail: takes events in, keeps them in order in a sink, and answers who asks about them. What a reader
 * would get wrong: `durable: false` means accepted, not written, and questions wait until everything accepted before
 * them is written, so that who made a call finds it.
 */
import type { CallKind, Json } from '../call.ts';
import { type Clock, type EventId, newId, type TaskId } from '../clock.ts';
import type { Log } from '../telemetry/log.ts';
import { usdFromMicroUsd } from '../wire/money.ts';
import type { Checkpoint, CheckpointSigner } from './checkpoint.ts';
import { type AuditEvent, blankEvent, type NewEvent, type UnchainedEvent } from './event.ts';
import { exportCsv, exportNdjson, readPages } from './export.ts';
import { AuditUnavailable, GroupCommit } from './group-commit.ts';
import type { AuditConfig } from './section.ts';
import { sinks } from './sinks/index.ts';
import type { EventFilter, OpenIntent, PayloadQuery, RecordedPayload, Reserved, Sink } from './sinks/sink.ts';
import { buildStory, type Story, storyEventsMax } from './story.ts';
import { nonceBytes, type Payload, type PayloadKind, taskKeyBytes } from './task-key.ts';

export { AuditUnavailable } from './group-commit.ts';
export { AuditTampered } from './sinks/sink.ts';

/** The most events, payloads or checkpoints that one page holds. */
export const pageMax = 1000;
// Fewer than the smallest queue has room for.
const interruptedAtOnce = 16;

/** A question that cannot be answered as it stands: a cursor that is none, a limit out of bounds. */
export class QueryInvalid extends Error {
  override readonly name = 'QueryInvalid';
}

export interface AuditTrailSettings {
  readonly config: AuditConfig;
  readonly dataDir: string;
  readonly gateway: { readonly id: string; readonly region: string };
  readonly signer: CheckpointSigner;
  readonly clock: Clock;
  readonly log: Log;
  /** The kind of an operation; tells in a story a model call from an action. */
  readonly kindOf?: (operation: string) => CallKind | undefined;
  /**
   * Charges what was reserved for a call that a crash interrupted, and gives what the call costs in micro-dollars: that, or
   * less where the crash came after it was settled. Left out, it costs what was reserved.
   */
  readonly interrupted?: (reserved: Reserved) => Promise<number>;
  /** Stands in for the sink the config names. */
  readonly sink?: Sink;
}

export interface AppendOptions {
  /** Resolve only when the event is on disk, and reject if it did not get there. */
  readonly durable: boolean;
  /** Redacted already. Kept under the task's key, cut at `payload_bytes`; an event without a task keeps none. */
  readonly payloads?: readonly { readonly kind: PayloadKind; readonly value: Json }[];
  /** Of an intent: what its call costs if it has no outcome after a crash. */
  readonly reserved?: Reserved;
}

export interface PageOptions {
  /** 1 to `pageMax`; 100 if left out. */
  readonly limit?: number;
  /** `next_cursor` of the page before. */
  readonly cursor?: string;
  readonly order?: 'oldest_first' | 'newest_first';
}

export interface EventPage {
  readonly events: readonly AuditEvent[];
  /** Null on the last page. */
  readonly next_cursor: string | null;
}

export interface SignedCheckpoint extends Checkpoint {
  readonly jws: string;
}

export interface CheckpointPage {
  /** The newest signed head: what an auditor keeps. */
  readonly head: SignedCheckpoint;
  readonly checkpoints: readonly SignedCheckpoint[];
  readonly next_cursor: string | null;
}

function limitOf(options: PageOptions): number {
  const limit = options.limit ?? 100;
  if (!Number.isInteger(limit) || limit < 1 || limit > pageMax) throw new QueryInvalid(`limit must be 1 to ${pageMax}`);
  return limit;
}

function afterOf(options: PageOptions): number | null {
  if (options.cursor === undefined) return null;
  const seq = /^[1-9][0-9]{0,14}$/.test(options.cursor) ? Number(options.cursor) : Number.NaN;
  if (Number.isNaN(seq)) throw new QueryInvalid('the cursor is not one that a page gave');
  return seq;
}

// Whoever holds the store holds its checkpoints too; to verify one is the auditor's part (verify.ts).
function withClaims(jws: string): SignedCheckpoint {
  const claims = JSON.parse(Buffer.from(jws.split('.')[1] as string, 'base64url').toString('utf8')) as Checkpoint;
  return { ...claims, jws };
}

function cut(text: string, bytesMax: number): { text: string; truncated: boolean } {
  if (text.length * 3 <= bytesMax) return { text, truncated: false };
  const bytes = Buffer.from(text);
  if (bytes.length <= bytesMax) return { text, truncated: false };
  let end = bytesMax;
  // Not in the middle of a UTF-8 sequence.
  while (((bytes[end] as number) & 0xc0) === 0x80) end--;
  return { text: bytes.toString('utf8', 0, end), truncated: true };
}

export class AuditTrail implements AsyncDisposable {
  readonly #settings: AuditTrailSettings;
  readonly #sink: Sink;
  readonly #queue: GroupCommit;
  #open = false;

  constructor(settings: AuditTrailSettings) {
    this.#settings = settings;
    const { config, dataDir, gateway, signer, clock, log } = settings;
    this.#sink =
      settings.sink ?? sinks[config.sink]({ dataDir, origin: gateway.id, signer, signEvery: config.sign_every });
    this.#queue = new GroupCommit({ sink: this.#sink, clock, log, queueMax: config.queue_events });
  }

  /**
   * Opens the store and closes what a crash left: every intent without an outcome gets an `interrupted` event. Rejects
   * with AuditTampered if the store does not fit its signed head, with Error if it cannot be opened.
   */
  async open(): Promise<void> {
    const { openIntents } = await this.#sink.open();
    this.#open = true;
    for (let first = 0; first < openIntents.length; first += interruptedAtOnce) {
      const some = openIntents.slice(first, first + interruptedAtOnce);
      await Promise.all(some.map((intent) => this.#interrupt(intent)));
    }
    if (openIntents.length > 0) {
      this.#settings.log('warn', 'calls were interrupted by the last stop', { calls: openIntents.length });
    }
  }

  async #interrupt({ event, reserved }: OpenIntent): Promise<void> {
    const { interrupted } = this.#settings;
    const cost = reserved === undefined ? null : ((await interrupted?.(reserved)) ?? reserved.costMicroUsd);
    await this.#append(interruptedEvent(event, cost), { durable: true }, true);
  }

  /** Whether a call could be recorded now; what `/readyz` asks. */
  healthy(): boolean {
    return this.#open && this.#queue.healthy();
  }

  /** Events that are accepted and not written yet. */
  get waiting(): number {
    return this.#queue.waiting;
  }

  /** Takes an event in. Rejects with AuditUnavailable; for an intent that means its call must not go. */
  append(event: NewEvent, options: AppendOptions): Promise<{ readonly eventId: EventId }> {
    // An intent tells of what may still be stopped; all others of what has happened.
    return this.#append(event, options, event.type !== 'intent' && !options.durable);
  }

  async #append(event: NewEvent, options: AppendOptions, reserve: boolean): Promise<{ readonly eventId: EventId }> {
    if (!this.#open) throw new AuditUnavailable('the audit trail is not open');
    const { clock, gateway, config } = this.#settings;
    const { proposed, sent, ...facts } = event;
    const eventId = newId(clock, 'event');
    const whole: UnchainedEvent = {
      v: 1,
      id: eventId,
      time: new Date(clock.nowMs()).toISOString(),
      gateway: gateway.id,
      region: gateway.region,
      ...facts,
    };
    const payloads = (options.payloads ?? []).map(({ kind, value }): Payload & { nonce: Uint8Array } => ({
      kind,
      ...cut(JSON.stringify(value), config.payload_bytes),
      nonce: new Uint8Array(clock.randomBytes(nonceBytes)),
    }));
    const freshTaskKey = event.task === null ? null : new Uint8Array(clock.randomBytes(taskKeyBytes));
    await this.#queue.push(
      { event: whole, proposed, sent, payloads, freshTaskKey, ...reservedOf(options) },
      { durable: options.durable, reserve },
    );
    return { eventId };
  }

  /** A page of the events that fit the filter. @throws QueryInvalid for a limit or cursor that is none. */
  async events(filter: EventFilter, options: PageOptions = {}): Promise<EventPage> {
    const limit = limitOf(options);
    const afterSeq = afterOf(options);
    await this.#queue.settled();
    const order = options.order ?? 'oldest_first';
    const found = await this.#sink.events({ filter, limit: limit + 1, afterSeq, order });
    const events = found.slice(0, limit);
    return { events, next_cursor: found.length > limit ? String(events.at(-1)?.seq) : null };
  }

  /** The events of a distributed trace, in the order they happened; up to `pageMax` a page. */
  async trace(traceId: string, options: PageOptions = {}): Promise<EventPage & { readonly trace_id: string }> {
    return { trace_id: traceId, ...(await this.events({ trace_id: traceId }, { limit: pageMax, ...options })) };
  }

  /** What happened in a task, actions under the thoughts that led to them; undefined where nothing is known of it. */
  async story(taskId: string): Promise<Story | undefined> {
    await this.#queue.settled();
    const events: AuditEvent[] = [];
    for await (const page of readPages(this.#sink, { filter: { task: taskId } })) {
      events.push(...page);
      if (events.length > storyEventsMax) break;
    }
    return events.length === 0 ? undefined : buildStory(taskId, events, this.#settings.kindOf);
  }

  /** What was recorded apart from the events of a task, decrypted; empty once the task is erased. */
  async payloads(query: {
    readonly task: string;
    readonly call?: string;
    readonly kind?: PayloadKind;
    readonly limit?: number;
    readonly cursor?: string;
  }): Promise<{ readonly payloads: readonly RecordedPayload[]; readonly next_cursor: string | null }> {
    const limit = limitOf(query);
    const afterSeq = afterOf(query);
    await this.#queue.settled();
    const { task, call, kind } = query;
    const asked: PayloadQuery = {
      task,
      ...(call === undefined ? {} : { call }),
      ...(kind === undefined ? {} : { kind }),
      limit,
      afterSeq,
    };
    const payloads = await this.#sink.payloads(asked);
    const last = payloads.at(-1)?.seq;
    return { payloads, next_cursor: new Set(payloads.map(({ seq }) => seq)).size < limit ? null : String(last) };
  }

  /** The newest head and the kept checkpoints. */
  async checkpoints(options: Omit<PageOptions, 'order'> = {}): Promise<CheckpointPage> {
    const limit = limitOf(options);
    const afterSeq = afterOf(options);
    await this.#queue.settled();
    const head = withClaims(await this.#sink.head());
    const found = await this.#sink.checkpoints({ limit: limit + 1, afterSeq });
    const checkpoints = found.slice(0, limit).map(withClaims);
    return { head, checkpoints, next_cursor: found.length > limit ? String(checkpoints.at(-1)?.seq) : null };
  }

  /**
   * All events that fit, one JSON document a line. Without a filter the last line is `{"checkpoint": JWS}`, the head
   * that signs the last event, so that `verifyExport` can tell a whole export from a cut one.
   */
  async *exportNdjson(filter: EventFilter = {}): AsyncIterable<string> {
    await this.#queue.settled();
    const jws = await this.#sink.head();
    yield* exportNdjson(this.#sink, filter, { jws, seq: withClaims(jws).seq });
  }

  /** All events that fit as CSV (RFC 4180) with a header line; nested members as JSON in their cell. */
  async *exportCsv(filter: EventFilter = {}): AsyncIterable<string> {
    await this.#queue.settled();
    yield* exportCsv(this.#sink, filter, withClaims(await this.#sink.head()).seq);
  }

  /**
   * Destroys the task's key: its payloads are gone, its commitments say nothing any more, the chain still verifies. Who
   * wanted it is for the caller to append. False if nothing was kept under a key.
   */
  async eraseTask(taskId: TaskId): Promise<boolean> {
    await this.#queue.settled();
    return this.#sink.erase(taskId, this.#settings.clock.nowMs());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue.close();
    this.#open = false;
    await this.#sink[Symbol.asyncDispose]();
  }
}

function reservedOf({ reserved }: AppendOptions): Pick<AppendOptions, 'reserved'> {
  return reserved === undefined ? {} : { reserved };
}

/** What stands for the outcome of a call that nobody can know the end of; null for a cost that nobody knows. */
export function interruptedEvent(intent: AuditEvent, costMicroUsd: number | null): NewEvent {
  const { tenant, agent, issuer, subject, task, call, thought, match, trace_id, span_id } = intent;
  const { decision, operation, effect, target } = intent;
  return {
    ...blankEvent('interrupted'),
    ...{ tenant, agent, issuer, subject, task, call, thought, match, trace_id, span_id },
    ...{ decision, operation, effect, target },
    cost_usd: costMicroUsd === null ? null : usdFromMicroUsd(costMicroUsd),
  };
}
