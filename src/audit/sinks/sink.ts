/**
 * The contract of a sink: where the trail is kept. A sink orders, chains, commits and signs; the trail above it
 * queues and batches. Every sink passes `test/unit/audit/sinks/sink-contract.ts`. What a reader would get wrong: a
 * batch is written whole or not at all, and writing an event again (same id) changes nothing and gives the same
 * answer, because a caller that saw a failure cannot know how far it had gone.
 */
import type { DenialCode } from '../../denial.ts';
import type { AuditEvent, EventType, UnchainedEvent } from '../event.ts';
import type { Payload, PayloadKind } from '../task-key.ts';

/** An event on its way into the chain, with all that the sink must not draw itself: it has no clock. */
export interface Draft {
  readonly event: UnchainedEvent;
  readonly proposed: string | null;
  readonly sent: string | null;
  readonly payloads: readonly (Payload & { readonly nonce: Uint8Array })[];
  /** Becomes the key of the event's task if it has none yet; null for events without a task. */
  readonly freshTaskKey: Uint8Array | null;
  /** Of an intent: kept beside it until its outcome is written, and no part of the chain. */
  readonly reserved?: Reserved;
}

/** What is held for a call that was written down: its cost if nobody can say what it was. */
export interface Reserved {
  readonly id: string;
  readonly tokens: number;
  readonly costMicroUsd: number;
  /** Where a budget counts them. */
  readonly seconds?: number;
}

export type Written =
  | { readonly id: string; readonly seq: number; readonly hash: string }
  /** This one event cannot stand in a chain, now or later; the rest of its batch was written. */
  | { readonly id: string; readonly refused: string };

/** An intent without an outcome: running, or left by a crash. */
export interface OpenIntent {
  readonly event: AuditEvent;
  /** Absent where none was written with it. */
  readonly reserved?: Reserved;
}

export interface EventFilter {
  readonly task?: string;
  readonly agent?: string;
  readonly tenant?: string;
  /** Id of the subject. */
  readonly subject?: string;
  readonly operation?: string;
  /** `allow`, `deny`, or the id of a decision. */
  readonly decision?: string;
  readonly code?: DenialCode;
  readonly trace_id?: string;
  readonly call?: string;
  readonly type?: EventType;
  /** How well an action fits its thought (`none`: nothing proposed it), or how a thought is known. */
  readonly match?: NonNullable<AuditEvent['match']>;
  /** Id of the event. */
  readonly id?: string;
  /** One of these. */
  readonly types?: readonly EventType[];
  /** Only events of which a payload of one of these kinds is kept whole, and not erased. */
  readonly kept?: readonly PayloadKind[];
  /** Inclusive, milliseconds since 1970. */
  readonly fromMs?: number;
  /** Exclusive. */
  readonly toMs?: number;
}

export interface EventQuery {
  readonly filter: EventFilter;
  readonly limit: number;
  /** Only events behind this one, in the given order. */
  readonly afterSeq: number | null;
  readonly order: 'oldest_first' | 'newest_first';
  /** Only events up to this one: a reading that goes on over many pages ends where it began. */
  readonly throughSeq?: number;
}

export interface PayloadQuery {
  readonly task: string;
  readonly call?: string;
  readonly kind?: PayloadKind;
  /** Of events, so that all payloads of one event are on one page. */
  readonly limit: number;
  readonly afterSeq: number | null;
}

export interface RecordedPayload extends Payload {
  readonly event_id: string;
  readonly seq: number;
  readonly call: string | null;
}

/** Thrown at `open` where the store does not fit its own signed head: evidence, which must not be signed over. */
export class AuditTampered extends Error {
  override readonly name = 'AuditTampered';
}

export interface Sink extends AsyncDisposable {
  /**
   * Makes or opens the store. Rejects with AuditTampered if it is behind its signed head or does not fit it, with
   * Error if another gateway has it open or it cannot be written.
   */
  open(): Promise<{ readonly openIntents: readonly OpenIntent[] }>;
  /**
   * Writes a batch in order, in one durable commit, and then signs the new head. Rejects if nothing was, or may have
   * been, written; the same batch may then be given again.
   */
  write(batch: readonly Draft[]): Promise<readonly Written[]>;
  /** Resolves if the store can be written to; brings a sink that had died back where it can. */
  probe(): Promise<void>;
  /** Destroys the key of a task: its payloads are gone and its commitments say nothing any more. False if it had none. */
  erase(taskId: string, atMs: number): Promise<boolean>;

  events(query: EventQuery): Promise<readonly AuditEvent[]>;
  payloads(query: PayloadQuery): Promise<readonly RecordedPayload[]>;
  /** The kept checkpoints, oldest first, as JWS. */
  checkpoints(query: { readonly limit: number; readonly afterSeq: number | null }): Promise<readonly string[]>;
  /** The newest signed head, as JWS. */
  head(): Promise<string>;
}
