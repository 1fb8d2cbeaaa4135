/**
 * Reading JSON values whose shape is not known: what is not of the type asked for counts as empty. Only for bodies whose
 * faults are told elsewhere, or that are passed on whatever they are.
 */
import type { Json, JsonObject } from '../call.ts';

/** The members of `value` if it is an object, else none. */
export function objectOf(value: Json | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

/** The items of `value` if it is an array, else none. */
export function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

/** `value` if it is a string, else the empty one. */
export function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

/** Whether `value` can be a number of tokens. */
export function isCount(value: Json | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
