/**
 * Who is in a canary: a principal (agent, its issuer, the subject it acts for) falls into one of 10,000 buckets, by a
 * hash over the rollout and the principal. What a reader would get wrong: nothing is drawn at random, so that equal
 * principals are on the same side at every gateway and in every call, and a higher percent only adds to who is in.
 */
import { hash } from 'node:crypto';

/** Whom a bucket is of. `subject` is null where an agent acts for nobody. */
export interface Sharing {
  readonly issuer: string;
  readonly agent: string;
  readonly subject: string | null;
}

export const buckets = 10_000;

/** 0 to 9,999. Another rollout puts the same principal elsewhere, so that it is not always the same who try first. */
export function bucketOf(rolloutId: string, { issuer, agent, subject }: Sharing): number {
  // JSON keeps apart what a separator inside an id would run together.
  const digest = hash('sha256', JSON.stringify([rolloutId, issuer, agent, subject]), 'hex');
  return Number.parseInt(digest.slice(0, 12), 16) % buckets;
}

/** Whether a bucket is in at `percent`, which may have two decimals: 0.01 is one bucket. */
export function inCanary(bucket: number, percent: number): boolean {
  return bucket < Math.round(percent * 100);
}
