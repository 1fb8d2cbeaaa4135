/**
 * Conditional requests (RFC 9110 §13.1): what `If-Match` and `If-None-Match` ask for, and whether it holds. What a reader
 * would get wrong: the two compare differently. A weak tag never matches in `If-Match`; in `If-None-Match` it does.
 */
import { type Denial, deny } from '../denial.ts';
import type { RawRequest } from './dialect.ts';

/** `*`, or opaque tags in their quotes; weak ones with `W/` before them. */
type EntityTags = '*' | readonly string[];

export interface Precondition {
  /** What must stand; null where nothing is said. */
  readonly match: EntityTags | null;
  /** What must not stand; null where nothing is said. */
  readonly noneMatch: EntityTags | null;
}

/** Tags that one header may name. */
const tagsMax = 16;
const tag = '(?:W/)?"[\\x21\\x23-\\x7e]{0,256}"';
const listForm = new RegExp(`^\\s*${tag}(?:\\s*,\\s*${tag})*\\s*$`);

/** Reads both headers. Denies `request_invalid` for what is no list of entity tags. */
export function preconditionOf({ headers }: Pick<RawRequest, 'headers'>): Precondition | Denial {
  const read = (name: string): EntityTags | null | undefined => {
    const value = headers[name];
    if (value === undefined) return null;
    const text = typeof value === 'string' ? value : value.join(',');
    if (text.trim() === '*') return '*';
    if (text.length > tagsMax * 264 || !listForm.test(text)) return undefined;
    const tags = text.match(new RegExp(tag, 'g')) ?? [];
    return tags.length > tagsMax ? undefined : tags;
  };
  const [match, noneMatch] = [read('if-match'), read('if-none-match')];
  if (match === undefined) return noTags('if-match');
  return noneMatch === undefined ? noTags('if-none-match') : { match, noneMatch };
}

/** Whether a change may be made of what stands under `etag`, in quotes; null where nothing stands. */
export function mayChange({ match, noneMatch }: Precondition, etag: string | null): boolean {
  if (match !== null && (etag === null || (match !== '*' && !match.includes(etag)))) return false;
  return !isAmong(noneMatch, etag);
}

/** Whether who asks has what stands under `etag` already (304). */
export function isKnown({ noneMatch }: Precondition, etag: string): boolean {
  return isAmong(noneMatch, etag);
}

function isAmong(tags: EntityTags | null, etag: string | null): boolean {
  if (tags === null || etag === null) return false;
  return tags === '*' || tags.some((one) => one.replace(/^W\//, '') === etag);
}

function noTags(name: string): Denial {
  return deny('request_invalid', `${name} must be "*" or up to ${tagsMax} entity tags in their quotes.`);
}
