/**
 * Path templates of OpenAPI (`/orders/{order_id}`, `/files/{name}.json`): matching and building. Which template a path
 * means is settled before the method is looked at, literal text first (OpenAPI 3.1 §4.8.8.2), as routers do.
 */
import { percentDecoded, segmentFault } from './path.ts';

/** Literal text around parameters: `texts` has one element more than `names`. */
interface Segment {
  readonly texts: readonly string[];
  readonly names: readonly string[];
}

export interface Template {
  readonly source: string;
  readonly segments: readonly Segment[];
  readonly names: readonly string[];
}

/** Reads a template; a string says what is wrong with it. */
export function parseTemplate(source: string): Template | string {
  if (!source.startsWith('/')) return 'a path must begin with a slash';
  if (/[?#]/.test(source)) return 'a path holds no query and no fragment';
  const segments: Segment[] = [];
  const parts = source.slice(1).split('/');
  for (const [index, part] of parts.entries()) {
    const names: string[] = [];
    const texts: string[] = [];
    let from = 0;
    for (const found of part.matchAll(/\{([^{}]+)\}/g)) {
      texts.push(part.slice(from, found.index));
      names.push(found[1] as string);
      from = found.index + found[0].length;
    }
    texts.push(part.slice(from));
    if (texts.some((text) => /[{}]/.test(text))) return 'braces of the path do not pair';
    if (texts.slice(1, -1).includes('')) return 'two parameters of the path touch';
    const decoded = texts.map(percentDecoded);
    if (decoded.includes(undefined)) return 'the path is not percent-encoded UTF-8';
    const literal = decoded.join('');
    const isEnd = part === '' && index === parts.length - 1;
    if (names.length === 0 && !isEnd && segmentFault(literal) !== null) return `a segment ${segmentFault(literal)}`;
    segments.push({ texts: decoded as string[], names });
  }
  const names = segments.flatMap((segment) => segment.names);
  if (new Set(names).size !== names.length) return 'the path names a parameter twice';
  return { source, segments, names };
}

/** Two templates with the same shape match the same paths. */
export function shapeOf(template: Template): string {
  return template.segments.map((segment) => segment.texts.join('{}')).join('/');
}

/** Orders templates so that the first that matches is the one a path means. */
export function byLiteralsFirst(one: Template, other: Template): number {
  const { length } = one.segments;
  if (length !== other.segments.length) return length - other.segments.length;
  for (let index = 0; index < length; index++) {
    const difference = rank(one.segments[index] as Segment) - rank(other.segments[index] as Segment);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Literal segments, then those with the most literal text, then plain parameters. */
function rank(segment: Segment): number {
  return segment.names.length === 0 ? -Number.MAX_SAFE_INTEGER : -segment.texts.join('').length;
}

/** The values of the parameters, decoded; undefined if the path is another. */
export function matchTemplate(template: Template, path: readonly string[]): Record<string, string> | undefined {
  if (template.segments.length !== path.length) return undefined;
  const values: Record<string, string> = {};
  for (const [index, segment] of template.segments.entries()) {
    if (!matchSegment(segment, path[index] as string, values)) return undefined;
  }
  return values;
}

/** A segment that could be split in two ways is not matched: the target might split it in the other. */
function matchSegment({ texts, names }: Segment, text: string, values: Record<string, string>): boolean {
  const head = texts[0] as string;
  if (names.length === 0) return text === head;
  const tail = texts.at(-1) as string;
  if (text.length < head.length + tail.length || !text.startsWith(head) || !text.endsWith(tail)) return false;
  let rest = text.slice(head.length, text.length - tail.length);
  for (const [index, name] of names.slice(0, -1).entries()) {
    const separator = texts[index + 1] as string;
    const at = rest.indexOf(separator);
    if (at < 1 || rest.indexOf(separator, at + 1) !== -1) return false;
    values[name] = rest.slice(0, at);
    rest = rest.slice(at + separator.length);
  }
  values[names.at(-1) as string] = rest;
  return rest !== '';
}

/** The path with `values` filled in, percent-encoded in one way; undefined if it would not be read back as that. */
export function buildPath(template: Template, values: Readonly<Record<string, string>>): string | undefined {
  const path: string[] = [];
  for (const [index, { texts, names }] of template.segments.entries()) {
    let decoded = texts[0] as string;
    let encoded = encodeLiteral(decoded);
    for (const [at, name] of names.entries()) {
      const value = values[name] ?? '';
      const text = texts[at + 1] as string;
      if (segmentFault(value) !== null) return undefined;
      decoded += value + text;
      encoded += encodeURIComponent(value) + encodeLiteral(text);
    }
    const isEnd = decoded === '' && index === template.segments.length - 1;
    if (!isEnd && (segmentFault(decoded) !== null || !matchSegment({ texts, names }, decoded, {}))) return undefined;
    path.push(encoded);
  }
  return `/${path.join('/')}`;
}

/** Literal text keeps the delimiters that a path may hold as they are, as the document writes them. */
function encodeLiteral(text: string): string {
  return encodeURIComponent(text).replaceAll(/%(?:3A|40|24|26|2B|2C|3D)/g, decodeURIComponent);
}
