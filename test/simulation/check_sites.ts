/**
 * Finds the checks of a verifier in its source, and makes copies of the source in which one check is switched off. A
 * check is a condition that ends in a refusal: `if (…) return refuse(…)`, or a ternary with one. Good enough without a
 * parser, because the sources are formatted by one tool; what it cannot read it says.
 */

export interface CheckSite {
  readonly line: number;
  /** The refusal that it ends in, as it is written. */
  readonly ending: string;
  /** The source with this check switched off. */
  readonly without: string;
}

/** Where the parenthesis that closes at `close` was opened. */
function openingOf(text: string, close: number): number {
  let depth = 0;
  for (let at = close; at >= 0; at--) {
    if (text[at] === ')') depth++;
    else if (text[at] === '(' && --depth === 0) return at;
  }
  return -1;
}

function endOfSpaceBefore(text: string, at: number): number {
  let end = at - 1;
  while (end >= 0 && /\s/.test(text[end] as string)) end--;
  return end;
}

/** `if (a) return x` becomes `if (false && (a)) return x`; undefined where what stands before is no `if`. */
function withoutIf(text: string, at: number): string | undefined {
  let close = endOfSpaceBefore(text, at);
  if (text[close] === '{') close = endOfSpaceBefore(text, close);
  if (text[close] !== ')') return undefined;
  const open = openingOf(text, close);
  if (open < 0 || !/\bif\s*$/.test(text.slice(0, open))) return undefined;
  return `${text.slice(0, open)}(false && ${text.slice(open, close + 1)})${text.slice(close + 1)}`;
}

/** `return a ? b : x` becomes `return true ? b : x`, and `return a ? x : b` becomes `return false ? x : b`. */
function withoutTernary(text: string, at: number): string | undefined {
  const before = text.slice(0, at);
  const mark = /([?:])\s*$/.exec(before)?.[1];
  const start = Math.max(before.lastIndexOf('return '), before.lastIndexOf('=> '), before.lastIndexOf('= '));
  const question = before.indexOf(' ? ', start) >= 0 ? before.indexOf(' ? ', start) : before.indexOf('\n', start);
  if (mark === undefined || start < 0 || question < 0) return undefined;
  const keyword = /^(?:return|=>?|=)\s/.exec(before.slice(start))?.[0] ?? '';
  return `${before.slice(0, start)}${keyword}${mark === '?' ? 'false' : 'true'}${text.slice(question)}`;
}

/** The checks of `source` that end in one of `endings`; `unread` are places that look like one and could not be read. */
export function checkSites(
  source: string,
  endings: RegExp,
): { readonly sites: readonly CheckSite[]; readonly unread: readonly string[] } {
  const sites: CheckSite[] = [];
  const unread: string[] = [];
  for (const found of source.matchAll(new RegExp(endings.source, 'g'))) {
    const at = found.index;
    const line = source.slice(0, at).split('\n').length;
    const statement = source.slice(0, at).endsWith('return ') ? at - 'return '.length : at;
    const without = withoutIf(source, statement) ?? withoutTernary(source, at);
    if (without === undefined) unread.push(`${line}: ${found[0]}`);
    else sites.push({ line, ending: found[0], without });
  }
  return { sites, unread };
}
