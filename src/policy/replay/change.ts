/**
 * The difference between two decisions, and the rules it comes from. Texts are not compared: what an agent reads may
 * be worded anew without anything being decided otherwise. Lists in obligations are sets: their order decides nothing.
 */
import type { Json, JsonObject } from '../../call.ts';
import { canonical } from '../../wire/canonical.ts';
import type { Said } from './recorded.ts';

/** What becomes of a call: an obligation of approval is a refusal of its own kind. */
export type Verdict = 'allow' | 'approval' | 'deny';

export interface Change {
  /** `deny_to_allow` and its like; `obligations` and `reasons` where the verdict stays. */
  readonly kind: `${Verdict}_to_${Verdict}` | 'obligations' | 'reasons';
  /** Codes of the rules it comes from; obligations as `obligation:<name>`; of `reasons` with `+` and `-`. */
  readonly rules: readonly string[];
}

export function verdictOf({ allow, obligations }: Said): Verdict {
  if (!allow) return 'deny';
  return obligations.approval === undefined ? 'allow' : 'approval';
}

function comparable(value: Json | undefined): string {
  if (value === undefined) return '';
  return Array.isArray(value)
    ? canonical([...new Set(value.map((item: Json) => canonical(item)))].sort())
    : canonical(value);
}

function differing(before: JsonObject, after: JsonObject): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names.filter((name) => comparable(before[name]) !== comparable(after[name]));
}

const unique = (codes: readonly string[]): string[] => [...new Set(codes)].sort();

/** What changes if `after` is decided in place of `before`; null for nothing. */
export function changeOf(before: Said, after: Said): Change | null {
  const [was, becomes] = [verdictOf(before), verdictOf(after)];
  const obligations = differing(before.obligations, after.obligations).map((name) => `obligation:${name}`);
  if (was !== becomes) {
    // Who refuses is to blame, or was: the rule that denies now, else the one that denies no longer.
    const denying = becomes === 'deny' ? after : was === 'deny' ? before : null;
    const rules = denying === null ? ['obligation:approval'] : unique(denying.codes ?? []);
    return { kind: `${was}_to_${becomes}`, rules };
  }
  if (obligations.length > 0) return { kind: 'obligations', rules: obligations };
  if (before.codes === null || after.codes === null) return null;
  const [old, fresh] = [unique(before.codes), unique(after.codes)];
  const rules = [
    ...fresh.filter((code) => !old.includes(code)).map((code) => `+${code}`),
    ...old.filter((code) => !fresh.includes(code)).map((code) => `-${code}`),
  ];
  return rules.length === 0 ? null : { kind: 'reasons', rules };
}
