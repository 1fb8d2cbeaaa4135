/**
 * What every backend asserts of what it is asked to hold or spend. A violation is a bug of the caller, so it is an
 * assertion and never `StoreUnavailable`.
 */
import assert from 'node:assert/strict';
import type { Amounts, Scope } from './store.ts';

/** Whole numbers from 0 that a double holds exactly. */
export function assertAmounts(amounts: Amounts): void {
  for (const [dimension, amount] of Object.entries(amounts)) {
    assert.ok(Number.isSafeInteger(amount) && amount >= 0, `${dimension} is a whole number from 0`);
  }
}

export function assertScopes(scopes: readonly Scope[]): void {
  assert.equal(new Set(scopes.map(({ key }) => key)).size, scopes.length, 'the scopes of a reservation differ');
}
