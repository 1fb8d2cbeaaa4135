/** What two decisions have apart from each other: what is marked where they stand side by side. */
import type { Said } from './api.ts';

export interface Marked<Item> {
  readonly item: Item;
  /** The other side does not have it, or has it otherwise. */
  readonly differs: boolean;
}

function same(left: unknown, right: unknown): boolean {
  return JSON.stringify(sorted(left)) === JSON.stringify(sorted(right));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([name, member]) => [name, sorted(member)]),
  );
}

/** The reasons of `own`; without another side nothing differs. */
export function markedReasons(own: Said, other: Said | null): readonly Marked<Said['reasons'][number]>[] {
  return own.reasons.map((item) => ({
    item,
    differs: other !== null && !other.reasons.some((reason) => same(reason, item)),
  }));
}

/** The obligations of `own`, by name. */
export function markedObligations(own: Said, other: Said | null): readonly Marked<readonly [string, unknown]>[] {
  return Object.entries(own.obligations).map((item) => {
    const [name, value] = item;
    const there = other !== null && Object.hasOwn(other.obligations, name);
    return { item, differs: other !== null && !(there && same(other.obligations[name], value)) };
  });
}

/** Whether two decisions are alike in all that counts. */
export function alike(left: Said, right: Said): boolean {
  const whole = ({ allow, reasons, obligations, grant }: Said) => ({
    allow,
    reasons,
    obligations,
    grant: grant ?? null,
  });
  return same(whole(left), whole(right));
}
