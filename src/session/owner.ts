/**
 * Whose a session, a stream or a question of MCP is: a task of a tenant. Everything this room keeps lies in the store
 * under its task, so that another task's token finds nothing, and is gone when the task is. What of it came from a client
 * or a server is sealed, each task under a key of its own.
 */
import { createHash } from 'node:crypto';
import type { Json } from '../call.ts';
import { storeKey } from '../store/store.ts';

export interface Owner {
  readonly tenant: string;
  readonly taskId: string;
  /** Nothing of the task is kept for longer. */
  readonly expiresAtMs: number;
}

/** What opens only with the same label, or not at all. */
export interface Seal {
  close(label: string, value: Json): string;
  /** Undefined for what was not sealed so. Never throws. */
  open(label: string, sealed: string): Json | undefined;
}

/** The seal of one task. */
export type SealOf = (taskId: string) => Seal;

/** The key of something of a task. */
export function keyOf({ tenant, taskId }: Owner, ...parts: readonly string[]): string {
  return storeKey(tenant, 'mcp', taskId, ...parts);
}

/** For how long something may be kept, in milliseconds: `wishedMs`, but no longer than its task lives. */
export function lifeMs({ expiresAtMs }: Owner, nowMs: number, wishedMs = Number.POSITIVE_INFINITY): number {
  return Math.max(1, Math.min(wishedMs, expiresAtMs - nowMs));
}

/** Base64url SHA-256 of texts, none of which can be taken for a part of another. */
export function digestOf(...texts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(texts)).digest('base64url');
}
