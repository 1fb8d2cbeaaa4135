/**
 * Changes members of a JSON object in its text, so that all other bytes stay as they came: `model` in a request, in an
 * answer and in every chunk of a stream. It trusts the text to be a JSON object; parse it first.
 */
import { stringEnd } from './json.ts';

interface Span {
  readonly name: string;
  readonly start: number;
  readonly valueStart: number;
  readonly valueEnd: number;
}

/** Where the members of the outermost object stand in `text`. */
function memberSpans(text: string): readonly Span[] {
  const spans: Span[] = [];
  let depth = 0;
  let name: string | undefined;
  let start = 0;
  let valueStart = -1;
  const close = (end: number): void => {
    if (name === undefined || valueStart === -1) return;
    let valueEnd = end;
    while (isSpace(text.charCodeAt(valueEnd - 1))) valueEnd -= 1;
    spans.push({ name, start, valueStart, valueEnd });
    name = undefined;
    valueStart = -1;
  };
  for (let index = 0; index < text.length; index++) {
    const char = text[index] as string;
    if (char === '"') {
      const from = index;
      index = stringEnd(text, from);
      if (depth !== 1) continue;
      if (name === undefined) {
        name = JSON.parse(text.slice(from, index + 1)) as string;
        start = from;
      } else if (valueStart === -1) valueStart = from;
    } else if (char === '{' || char === '[') {
      if (depth === 1 && valueStart === -1) valueStart = index;
      depth += 1;
    } else if (char === '}' || char === ']') {
      depth -= 1;
      if (depth === 0) close(index);
    } else if (depth === 1) {
      if (char === ',') close(index);
      else if (char !== ':' && valueStart === -1 && name !== undefined && !isSpace(char.charCodeAt(0))) {
        valueStart = index;
      }
    }
  }
  return spans;
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

/**
 * `text` (a JSON object without duplicate names) with members changed: JSON text replaces the value or adds a member
 * at the end, `null` takes the member away. Members it does not name keep their bytes.
 */
export function withMembers(text: string, changes: Readonly<Record<string, string | null>>): string {
  const spans = memberSpans(text);
  const kept: string[] = [];
  const missing = new Set(Object.keys(changes));
  let from = text.indexOf('{') + 1;
  const head = text.slice(0, from);
  for (const span of spans) {
    const change = Object.hasOwn(changes, span.name) ? changes[span.name] : undefined;
    missing.delete(span.name);
    // What stands between the comma and the name belongs to the member; it goes if the member goes.
    const lead = text.slice(from, span.start);
    if (change === undefined) kept.push(lead + text.slice(span.start, span.valueEnd));
    else if (change !== null) kept.push(lead + text.slice(span.start, span.valueStart) + change);
    const comma = text.indexOf(',', span.valueEnd);
    from = span === spans.at(-1) || comma === -1 ? span.valueEnd : comma + 1;
  }
  for (const name of missing) {
    const change = changes[name];
    if (change !== null && change !== undefined) kept.push(`${JSON.stringify(name)}:${change}`);
  }
  return head + kept.join(',') + text.slice(from);
}

/** The same for one member of an object that lies in `text` at the end of `path`; what is not there is not changed. */
export function withMemberAt(text: string, path: readonly string[], change: string | null): string {
  const [name, ...rest] = path;
  if (name === undefined) return text;
  const span = memberSpans(text).find((one) => one.name === name);
  if (span === undefined) return text;
  if (rest.length === 0) return withMembers(text, { [name]: change });
  const value = text.slice(span.valueStart, span.valueEnd);
  if (!value.startsWith('{')) return text;
  return text.slice(0, span.valueStart) + withMemberAt(value, rest, change) + text.slice(span.valueEnd);
}
