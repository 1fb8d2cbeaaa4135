/**
 * What every backend asserts of what it is asked to hold or spend. A violation is a bug of the caller, so it is an
 * assertion and never `StoreUnavailable`.
 */
import assert from 'node:assert/strict';
import type { Amounts, IndexRange, Scope } from './store.ts';

/** Whole numbers from 0 that a double holds exactly. */
export function assertAmounts(amounts: Amounts): void {
  for (const [dimension, amount] of Object.entries(amounts)) {
    assert.ok(Number.isSafeInteger(amount) && amount >= 0, `${dimension} is a whole number from 0`);
  }
}

/** What every scope counts: all but the dimensions that begin with `@`. */
export function withoutSplits(amounts: Amounts): Amounts {
  return Object.fromEntries(Object.entries(amounts).filter(([dimension]) => !dimension.startsWith('@')));
}

export function assertScopes(scopes: readonly Scope[]): void {
  assert.equal(new Set(scopes.map(({ key }) => key)).size, scopes.length, 'the scopes of a reservation differ');
}

/**
 * The first dimension of `limits` that cannot give `amounts`, where `taken` is what of it is spent and held. What is not
 * drawn on never refuses, even if it is overspent.
 */
export function exceeded(limits: Amounts, amounts: Amounts, taken: (dimension: string) => number): string | undefined {
  for (const [dimension, limit] of Object.entries(limits)) {
    const asked = amounts[dimension] ?? 0;
    if (asked > 0 && taken(dimension) + asked > limit) return dimension;
  }
  return undefined;
}

const holderForm = /^[\x21-\x7e]{1,256}$/;
/** So many forfeits are given in one answer. */
export const forfeitsMax = 10_000;

export function assertHolder(holder: string): void {
  assert.ok(holderForm.test(holder), 'a holder is 1 to 256 printable ASCII characters without a space');
}

const memberForm = /^[\x20-\x7e]{1,4096}$/;
const rangeMax = 1_000;

/** Printable ASCII, so that every backend puts members in the same order. */
export function assertMember(member: string): void {
  assert.ok(memberForm.test(member), 'a member of an index is 1 to 4096 printable ASCII characters');
}

export function assertRange({ below, limit }: IndexRange): void {
  if (below !== undefined) assertMember(below);
  assert.ok(Number.isInteger(limit) && limit >= 1 && limit <= rangeMax, `a range has 1 to ${rangeMax} members`);
}
