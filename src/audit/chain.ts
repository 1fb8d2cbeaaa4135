/**
 * The hash chain: each event commits to all of itself and to the one before it, so that no byte can change, and no
 * event can go, come or move, without every later hash changing. The chain alone does not stop somebody who rebuilds
 * all of it; signed checkpoints that others hold do (checkpoint.ts).
 */
import { createHash } from 'node:crypto';
import { canonical } from '../wire/canonical.ts';
import { type AuditEvent, asJson, type UnchainedEvent } from './event.ts';

/** `prev_hash` of the first event. */
export const genesisHash = '0'.repeat(64);

/** What the chain and the task's key add to an event when it is written. */
export interface Link {
  readonly seq: number;
  readonly task_seq: number | null;
  readonly proposed_commitment: string | null;
  readonly sent_commitment: string | null;
  readonly intent_hash: string | null;
  readonly prev_hash: string;
}

/** Lower-case hex SHA-256 of a JCS text, which is hashed as UTF-8 (RFC 8785 §3.2.4). */
export function hashOfText(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}

/** The text an event's hash is made over: the JCS form (RFC 8785) of the event without `hash`. */
export function hashedText(event: Omit<AuditEvent, 'hash'>): string {
  const { hash: _, ...rest } = event as AuditEvent;
  return canonical(asJson(rest));
}

/** The hash `event` must carry. */
export function hashOf(event: Omit<AuditEvent, 'hash'>): string {
  return hashOfText(hashedText(event));
}

/** Gives `event` its place in the chain: its hashed text and its hash. */
export function chain(event: UnchainedEvent, link: Link): { readonly text: string; readonly hash: string } {
  const text = hashedText({ ...event, ...link });
  return { text, hash: hashOfText(text) };
}
