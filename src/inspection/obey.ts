/**
 * Meets the obligations of a decision that are about findings: block, redact, hash, mask, and drop. The stricter
 * wins where several speak of one finding. What was changed is scanned again, and if anything that should be gone is
 * still there, nothing is sent: a replacement must not uncover what it was meant to hide.
 */
import type { Decision, Finding, Obligations, Segment, Selector } from '../call.ts';
import { type Denial, deny, type Reason } from '../denial.ts';
import { namedBy } from '../wire/pointer.ts';
import { limited } from './finding_limit.ts';
import { hashed, masked, redacted } from './placeholder.ts';
import { hintOf, type Inspector, type Match, replaceSpans } from './scan.ts';

/** What obligations work on: a payload, or a buffered answer. */
export interface Inspected {
  segments(): readonly Segment[];
  drop(where: string): void;
}

export interface Obeyed {
  readonly changed: boolean;
  /** Findings that no obligation spoke of, as they were found. */
  readonly unhandled: readonly Finding[];
}

/** From lenient to strict; `none` is a finding that no obligation is about. */
const actions = ['none', 'mask', 'hash', 'redact', 'block'] as const;
export type Action = (typeof actions)[number];

/** Types whose leak gives power rather than knowledge; all others are personal data. */
export const secretTypes: ReadonlySet<string> = new Set(['api_key', 'private_key', 'jwt']);

/** Places named in one denial; a payload may have thousands. */
const reasonsMax = 20;

/** Whether `path`, a JSON pointer, is `where` or holds it. The empty pointer holds everything. */
function holds(path: string, where: string): boolean {
  return path === '' || where === path || where.startsWith(`${path}/`);
}

function selects(selectors: readonly Selector[] | undefined, type: string, where: string): boolean {
  return (selectors ?? []).some((selector) => (selector.type ?? type) === type && holds(selector.path ?? '', where));
}

/** What the obligations ask for a finding of `type` at `where`; the strictest wins. */
export function actionOn(obligations: Obligations, type: string, where: string): Action {
  if (selects(obligations.block, type, where)) return 'block';
  if (selects(obligations.redact, type, where)) return 'redact';
  if (selects(obligations.hash, type, where)) return 'hash';
  return selects(obligations.mask, type, where) ? 'mask' : 'none';
}

function dropped(drops: readonly string[], where: string): boolean {
  return drops.some((path) => path === '' || namedBy(path, where) !== undefined);
}

/** Why a call with these findings is refused: types and places, never values. */
export function refusal(found: readonly Finding[], why: string): Denial {
  const secrets = found.every(({ type }) => secretTypes.has(type));
  const named = found.slice(0, reasonsMax);
  const more = found.length > named.length ? `, and ${found.length - named.length} more` : '';
  const places = named.map(({ type, where }) => `${type} at ${where === '' ? 'the root' : where}`).join(', ');
  const code = secrets ? 'secret_blocked' : 'pii_blocked';
  const reasons: Reason[] = named.map(({ type, where }) => ({ code, message: `${why}: ${type}`, path: where }));
  return deny(code, `${why}: ${places}${more}`, { reasons });
}

/**
 * Obeys what `decision` says of `findings`, which `inspector` found in `inspected`. Where there are findings and
 * obligations about any, the segments are scanned again: findings hold no offsets, and may have been added up. Denies
 * `pii_blocked`, or `secret_blocked` where all that is refused are secrets. `digestKey` is the task's, base64url.
 */
export function obey(
  inspector: Inspector,
  inspected: Inspected,
  findings: readonly Finding[],
  decision: Decision,
  digestKey: string,
): Obeyed | Denial {
  const { obligations } = decision;
  const { block = [], redact = [], hash = [], mask = [], drop = [] } = obligations;
  const spoken = block.length + redact.length + hash.length + mask.length > 0;
  const found = findings.length > 0 && spoken ? inspector.scan(inspected.segments()) : findings;
  const act = ({ type, where }: Finding): Action => actionOn(obligations, type, where);

  const blocked = found.filter((finding) => act(finding) === 'block');
  if (blocked.length > 0) return refusal(blocked, 'This may not pass here');

  const acting = found.some((finding) => act(finding) !== 'none');
  const written = acting ? rewrite(inspector, inspected, obligations, digestKey) : new Set<string>();
  // Segments are written before anything is dropped: pointers into arrays mean what they meant to the policy.
  const left = written.size > 0 ? stillThere(inspector, inspected, obligations, written) : [];
  if (left.length > 0) return refusal(left, 'This could not be taken out');

  const drops = inOrder(drop);
  for (const path of drops) inspected.drop(path);
  return {
    changed: written.size > 0 || drops.length > 0,
    unhandled: limited(found.filter((finding) => act(finding) === 'none' && !dropped(drops, finding.where))),
  };
}

/** Replaces in every segment what an obligation is about; gives the places that were written. */
function rewrite(inspector: Inspector, inspected: Inspected, obligations: Obligations, digestKey: string): Set<string> {
  const written = new Set<string>();
  for (const segment of inspected.segments()) {
    const matches = inspector.matches(segment.text, hintOf(segment.where));
    if (matches.length === 0) continue;
    const where = inspector.publicWhere(segment.where);
    const targets = matches
      .map((match) => ({ ...match, action: actionOn(obligations, match.type, where) }))
      .filter(({ action }) => action !== 'none');
    if (targets.length === 0) continue;
    segment.write(replaceSpans(segment.text, joined(targets), (target) => replacement(target, digestKey)));
    written.add(segment.where);
  }
  return written;
}

export type Target = Match & { readonly action: Action };

/** Overlapping targets as one, redacted under the type of the strictest: half a mask and half a hash would be neither. */
export function joined(targets: readonly Target[]): Target[] {
  const whole: Target[] = [];
  for (const target of targets) {
    const last = whole.at(-1);
    if (last === undefined || target.start >= last.end) {
      whole.push(target);
      continue;
    }
    const stricter = actions.indexOf(target.action) > actions.indexOf(last.action) ? target : last;
    whole[whole.length - 1] = { ...stricter, start: last.start, end: Math.max(last.end, target.end), action: 'redact' };
  }
  return whole;
}

/** What stands in place of a target that is not blocked. */
export function replacement({ action, type, folded }: Target, digestKey: string): string {
  if (action === 'mask') return masked(type, folded);
  return action === 'hash' ? hashed(type, folded, digestKey) : redacted(type);
}

/** What obligations spoke of and the written segments still hold. */
function stillThere(
  inspector: Inspector,
  inspected: Inspected,
  obligations: Obligations,
  written: ReadonlySet<string>,
): Finding[] {
  const again = inspected.segments().filter(({ where }) => written.has(where));
  return inspector.scan(again).filter(({ type, where }) => actionOn(obligations, type, where) !== 'none');
}

/** Deeper pointers first, and later items of an array before earlier ones, so that no drop moves another's place. */
function inOrder(paths: readonly string[]): string[] {
  return [...new Set(paths)].sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
}
