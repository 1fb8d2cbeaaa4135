/**
 * Task tokens that were revoked before they expired, kept in the record of their task: every use of a token loads that
 * record anyway. Only narrowed and delegation tokens are revoked one by one; the end of an unnarrowed one is the end of
 * its task.
 */
import type { TaskRecord } from '../call.ts';
import { type Denial, deny } from '../denial.ts';

/** Tokens of one task that are revoked and have not expired, at most. */
export const revokedMax = 64;

/** The record with one more revoked token; those that have expired are dropped. Denies `rate_limited` beyond the bound. */
export function revokeToken(
  record: TaskRecord,
  token: { readonly id: string; readonly expiresAtMs: number },
  nowMs: number,
): TaskRecord | Denial {
  const standing = (record.revokedTokens ?? []).filter(({ id, expiresAtMs }) => nowMs < expiresAtMs && id !== token.id);
  if (standing.length < revokedMax) return { ...record, revokedTokens: [...standing, token] };
  const firstMs = Math.min(...standing.map(({ expiresAtMs }) => expiresAtMs));
  return deny('rate_limited', `A task has at most ${revokedMax} revoked tokens that have not expired. Kill the task.`, {
    retryAfterMs: Math.max(1, firstMs - nowMs),
  });
}

/** The denial of whoever shows a token of this task that was revoked, or undefined. `tokenId` is its `jti`. */
export function denyRevoked({ revokedTokens }: TaskRecord, tokenId: string): Denial | undefined {
  if (revokedTokens === undefined || !revokedTokens.some(({ id }) => id === tokenId)) return undefined;
  return deny('unauthenticated', 'The token was revoked.', {
    reasons: [{ code: 'token_revoked', message: 'The token was revoked.' }],
  });
}
