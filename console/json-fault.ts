/**
 * Finds the first fault of a text that is to be JSON, by line and column; browsers say where only in some of their
 * messages. It reads what `JSON.parse` reads, and refuses a member named twice, as the gate does.
 */

export interface JsonFault {
  /** Counted from 1. */
  readonly line: number;
  readonly column: number;
  /** In UTF-16 units from 0, as the selection of a text area counts. */
  readonly offset: number;
  readonly message: string;
}

const depthMax = 64;
const literals: Readonly<Record<string, string>> = { t: 'true', f: 'false', n: 'null' };
const numberForm = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const spaceForm = /[ \t\r\n]*/y;

class Fault extends Error {
  readonly offset: number;
  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}

/** The first fault of `text`, or null where it is one JSON document. */
export function jsonFault(text: string): JsonFault | null {
  try {
    const end = space(text, value(text, space(text, 0), 0));
    if (end < text.length) throw new Fault(end, 'expected the end of the document');
    return null;
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    const before = text.slice(0, fault.offset);
    const line = before.split('\n').length;
    const column = fault.offset - before.lastIndexOf('\n');
    return { line, column, offset: fault.offset, message: fault.message };
  }
}

function space(text: string, at: number): number {
  spaceForm.lastIndex = at;
  return at + (spaceForm.exec(text)?.[0].length ?? 0);
}

/** Where the value that begins at `at` ends. */
function value(text: string, at: number, depth: number): number {
  const first = text[at];
  if (first === undefined) throw new Fault(at, 'expected a value, and the text ends');
  if (first === '{' || first === '[') {
    if (depth >= depthMax) throw new Fault(at, `nested deeper than ${depthMax}`);
    return first === '{' ? object(text, at, depth + 1) : array(text, at, depth + 1);
  }
  if (first === '"') return string(text, at);
  const literal = literals[first];
  if (literal !== undefined && text.startsWith(literal, at)) return at + literal.length;
  numberForm.lastIndex = at;
  const number = numberForm.exec(text)?.[0];
  if (number !== undefined && number !== '') return at + number.length;
  throw new Fault(at, 'expected a value');
}

function string(text: string, at: number): number {
  for (let index = at + 1; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit === 0x22) return index + 1;
    if (unit < 0x20) throw new Fault(index, 'a text does not go over the end of a line');
    if (unit !== 0x5c) continue;
    index += 1;
    const escaped = text[index] ?? '';
    if (escaped === 'u' && /^[0-9a-fA-F]{4}$/.test(text.slice(index + 1, index + 5))) index += 4;
    else if (escaped === '' || !'"\\/bfnrt'.includes(escaped)) throw new Fault(index - 1, 'no such escape');
  }
  throw new Fault(at, 'this text is not closed');
}

function array(text: string, at: number, depth: number): number {
  let index = space(text, at + 1);
  if (text[index] === ']') return index + 1;
  for (;;) {
    index = space(text, value(text, index, depth));
    if (text[index] === ']') return index + 1;
    if (text[index] !== ',') throw new Fault(index, 'expected , or ]');
    index = space(text, index + 1);
  }
}

function object(text: string, at: number, depth: number): number {
  const names = new Set<string>();
  let index = space(text, at + 1);
  if (text[index] === '}') return index + 1;
  for (;;) {
    if (text[index] !== '"') throw new Fault(index, 'expected a name in double quotes');
    const end = string(text, index);
    const name = JSON.parse(text.slice(index, end)) as string;
    if (names.has(name)) throw new Fault(index, 'this member is named twice');
    names.add(name);
    index = space(text, end);
    if (text[index] !== ':') throw new Fault(index, 'expected :');
    index = space(text, value(text, space(text, index + 1), depth));
    if (text[index] === '}') return index + 1;
    if (text[index] !== ',') throw new Fault(index, 'expected , or }');
    index = space(text, index + 1);
  }
}
