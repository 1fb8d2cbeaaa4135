/** The one pattern that configurations and policies write for names: `*` stands for anything, all else for itself. */

/**
 * Whether `text` fits `pattern`, in which `*` stands for any characters, none included: `eu-*`, `*-west-*`, `*`. Letters
 * must be of the same case. Time grows with the length, whatever the pattern.
 */
export function matches(pattern: string, text: string): boolean {
  const [head = '', ...rest] = pattern.split('*');
  const tail = rest.pop();
  if (tail === undefined) return text === pattern;
  if (text.length < head.length + tail.length || !text.startsWith(head) || !text.endsWith(tail)) return false;
  let from = head.length;
  const until = text.length - tail.length;
  for (const piece of rest) {
    const at = text.indexOf(piece, from);
    if (at === -1 || at + piece.length > until) return false;
    from = at + piece.length;
  }
  return true;
}
