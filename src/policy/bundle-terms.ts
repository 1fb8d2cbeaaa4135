/**
 * Under which terms a bundle may run: `metadata.tollgate` of its manifest. A `sequence` is counted up by whoever
 * publishes, because a revision is a name and names have no order; `expires` ends what an attacker could hold back by
 * keeping a gate away from newer bundles. Both are worth something only in a signed bundle. `unused_input`, which the
 * build writes, says what of the input no rule refers to; a wrong one keeps from rules what they need, so it deserves as
 * much trust as the rules themselves: whoever can write the one can write the others.
 */
import { knownParts, type LeftOut, wholeInput } from './input-parts.ts';
import { BundleError } from './sources.ts';

export interface BundleTerms {
  readonly sequence: number | null;
  /** From then on the bundle decides nothing; wall time in milliseconds. */
  readonly expiresAtMs: number | null;
  /** What of the input need not be built for it. */
  readonly unusedInput: LeftOut;
}

export const noTerms: BundleTerms = { sequence: null, expiresAtMs: null, unusedInput: wholeInput };

/** More names than that are no list of parts. */
const unusedMax = 1_000;

// RFC 3339 §5.6, with a time zone.
const instant = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/;

/** The terms in `manifest`. Throws BundleError for terms that are written wrongly: they would not be kept. */
export function termsOf({ metadata }: Readonly<Record<string, unknown>>): BundleTerms {
  const own = (metadata as { tollgate?: unknown } | null | undefined)?.tollgate;
  if (own === undefined) return noTerms;
  if (typeof own !== 'object' || own === null || Array.isArray(own)) {
    throw new BundleError('metadata.tollgate of the manifest is not an object');
  }
  const { sequence = null, expires = null, unused_input: unused = [], ...others } = own as Record<string, unknown>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    throw new BundleError(
      `metadata.tollgate of the manifest holds ${unknown.slice(0, 100)}: expected sequence, expires, unused_input`,
    );
  }
  if (sequence !== null && !(Number.isSafeInteger(sequence) && (sequence as number) >= 0)) {
    throw new BundleError('metadata.tollgate.sequence of the manifest: expected an integer from 0');
  }
  const expiresAtMs =
    expires === null ? null : typeof expires === 'string' && instant.test(expires) ? Date.parse(expires) : Number.NaN;
  if (Number.isNaN(expiresAtMs)) {
    throw new BundleError('metadata.tollgate.expires of the manifest: expected a time such as 2027-01-31T00:00:00Z');
  }
  return { sequence: sequence as number | null, expiresAtMs, unusedInput: partsOf(unused) };
}

function partsOf(unused: unknown): LeftOut {
  const isList = Array.isArray(unused) && unused.length <= unusedMax;
  if (!isList || !unused.every((name) => typeof name === 'string')) {
    throw new BundleError('metadata.tollgate.unused_input of the manifest: expected a list of names');
  }
  return knownParts(unused);
}
