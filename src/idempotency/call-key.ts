/**
 * By what a call is known when it is repeated: the key that its agent names, or the tool call of a model that it carries
 * out, with its arguments. Digests are keyed by the task, so that nobody reads a card number out of the store, and equal
 * keys of two tasks are two.
 */
import { createHmac } from 'node:crypto';
import type { Arrival, OperationFact, ProposedFact, TaskFact } from '../call.ts';

type Told = Pick<Arrival, 'idempotencyKey' | 'toolCallId'> & TaskFact & OperationFact & ProposedFact;

/** Null where the call has no name; `byToolCall`: whether the tool call of a model is one. base64url. */
export function callKeyOf(call: Told, byToolCall: boolean): string | null {
  const { idempotencyKey, toolCallId, resolved, task, proposed } = call;
  const { digestKey } = task.record;
  const { name } = resolved.operation;
  if (idempotencyKey !== undefined) return keyed(digestKey, 'key', name, idempotencyKey);
  if (!byToolCall || toolCallId === null) return null;
  return keyed(digestKey, 'tool call', name, toolCallId, proposed.canonical);
}

/** The same for calls that are the same in all that was to be sent. base64url. */
export function fingerprintOf(digestKey: string, { resolved, proposed }: OperationFact & ProposedFact): string {
  return keyed(digestKey, 'call', resolved.operation.name, proposed.canonical);
}

function keyed(digestKey: string, ...texts: readonly string[]): string {
  const hmac = createHmac('sha256', Buffer.from(digestKey, 'base64url'));
  // With their lengths, so that nothing can be shifted from one to the next.
  for (const text of texts) hmac.update(`${text.length}:${text}`);
  return hmac.digest('base64url');
}
