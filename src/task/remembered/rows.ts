/**
 * The index of the answers that a task's gate remembers for it: a row for each, the oldest first. What a reader would get
 * wrong: a row does not say the whole conversation before its answer, but how it goes on from that of an earlier row. So
 * a long loop, whose every request repeats all the others, takes no more room than what was said in it.
 */
import { createHash } from 'node:crypto';
import type { Json } from '../../call.ts';

/** Bounds of what is remembered for one task. */
export const rememberedMax = { answers: 128, bytes: 4 * 1_048_576, answerBytes: 512 * 1024, itemIds: 2_048 } as const;

export interface Row {
  /** The name of its record. */
  readonly at: string;
  /** The id of the answer. */
  readonly answer: string;
  /** The ids of its items. */
  readonly items: readonly string[];
  /** What was said before it; null where that is not known. */
  readonly before: Before | null;
  /** Of its record. */
  readonly bytes: number;
}

export interface Before {
  /** How many items that were, and a digest of them. */
  readonly count: number;
  readonly digest: string;
  /** The row whose own begins this one, its record holding the rest; null where that holds all. */
  readonly base: string | null;
}

/** `said` as it goes on from what stands before one of the `rows`, the longest; `rest` is what is new in it. */
export function continued(
  rows: readonly Row[],
  said: readonly Json[],
): { readonly before: Before; readonly rest: readonly Json[] } {
  const known = new Map(
    rows.flatMap(({ at, before }) => (before === null ? [] : [[`${before.count} ${before.digest}`, at]])),
  );
  let digest = '';
  let base: string | null = null;
  let shared = 0;
  for (const [index, item] of said.entries()) {
    digest = createHash('sha256').update(digest).update(JSON.stringify(item)).digest('base64url');
    const at = known.get(`${index + 1} ${digest}`);
    if (at === undefined) continue;
    base = at;
    shared = index + 1;
  }
  return { before: { count: said.length, digest, base }, rest: said.slice(shared) };
}

/** The rows whose records together hold what was said before the answer of `last`, in order; null where one has gone. */
export function chainOf(rows: readonly Row[], last: Row): readonly Row[] | null {
  const byName = new Map(rows.map((row) => [row.at, row]));
  const chain: Row[] = [];
  let at: Row | undefined = last;
  // No row goes on from a later one, so there are never more.
  while (at !== undefined && chain.length < rows.length) {
    chain.unshift(at);
    if (at.before === null) return null;
    if (at.before.base === null) return chain;
    at = byName.get(at.before.base);
  }
  return null;
}

/** `rows` with one more, the oldest taken away until all are within the bounds. */
export function withRow(
  rows: readonly Row[],
  row: Row,
): { readonly rows: readonly Row[]; readonly gone: readonly Row[] } {
  const kept = [...rows, row];
  const gone: Row[] = [];
  let bytes = kept.reduce((sum, one) => sum + one.bytes, 0);
  let ids = kept.reduce((sum, { items }) => sum + items.length, 0);
  while (kept.length > rememberedMax.answers || bytes > rememberedMax.bytes || ids > rememberedMax.itemIds) {
    const oldest = kept.shift();
    if (oldest === undefined) break;
    gone.push(oldest);
    bytes -= oldest.bytes;
    ids -= oldest.items.length;
  }
  return { rows: kept, gone };
}
