/** Texts that fit a pattern: any for a glob, and for a regular expression of the simple kind that policies hold. */
import type { Chooser } from './chooser.ts';

const repeatsMax = 4;
const word = 'abcdefghij0123456789';

/** A text that `pattern` fits, or at least nearly. */
export function patternText(kind: 'glob.match' | 'regex.match', pattern: string, choose: Chooser): string {
  return kind === 'glob.match' ? globText(pattern, choose) : new Regex(pattern, choose).text();
}

function globText(pattern: string, choose: Chooser): string {
  return pattern
    .replaceAll(/\{([^{}]*)\}/g, (_, list: string) => choose.of(list.split(',')))
    .replaceAll(/\[(!?)(.)[^\]]*\]/g, (_, not: string, first: string) => (not === '' ? first : '~'))
    .replaceAll(/\*+/g, () => choose.of(['x', 'a1', 'desk']))
    .replaceAll('?', 'x')
    .replaceAll(/\\(.)/g, '$1');
}

/** Reads a regular expression and writes what it reads, choosing where it leaves a choice. */
class Regex {
  readonly #pattern: string;
  readonly #choose: Chooser;
  #at = 0;

  constructor(pattern: string, choose: Chooser) {
    this.#pattern = pattern;
    this.#choose = choose;
  }

  text(): string {
    const branches = [''];
    while (this.#at < this.#pattern.length && this.#pattern[this.#at] !== ')') {
      if (this.#pattern[this.#at] === '|') {
        this.#at += 1;
        branches.push('');
        continue;
      }
      const start = this.#at;
      let text = this.#atom();
      const end = this.#at;
      const times = this.#times();
      const after = this.#at;
      if (times === 0) text = '';
      for (let more = 1; more < times; more++) {
        this.#at = start;
        text += this.#atom();
      }
      this.#at = Math.max(after, end);
      branches.push(`${branches.pop()}${text}`);
    }
    return this.#choose.of(branches);
  }

  #atom(): string {
    const sign = this.#pattern[this.#at++] as string;
    if (sign === '(') {
      const rest = /^\?(?::|P?<\w+>|[a-z]+:)/.exec(this.#pattern.slice(this.#at));
      this.#at += rest?.[0].length ?? 0;
      const text = this.text();
      this.#at += 1;
      return text;
    }
    if (sign === '[') return this.#class();
    if (sign === '.') return this.#choose.of([...word]);
    if (sign === '^' || sign === '$') return '';
    return sign === '\\' ? this.#escaped() : sign;
  }

  #escaped(): string {
    const sign = this.#pattern[this.#at++] ?? '';
    if (sign === 'd') return `${this.#choose.integer(10)}`;
    if (sign === 'w') return this.#choose.of([...word]);
    if (sign === 's') return ' ';
    return sign === 'b' || sign === 'B' ? '' : sign;
  }

  #class(): string {
    const not = this.#pattern[this.#at] === '^';
    if (not) this.#at += 1;
    const held: string[] = [];
    do {
      const first = this.#pattern[this.#at++] ?? ']';
      const from = first === '\\' ? this.#escaped() : first;
      const [dash, to] = [this.#pattern[this.#at], this.#pattern[this.#at + 1]];
      if (dash === '-' && to !== undefined && to !== ']') {
        this.#at += 2;
        const [low, high] = [from.charCodeAt(0), to.charCodeAt(0)];
        held.push(String.fromCharCode(low + this.#choose.integer(high - low + 1)), from, to);
      } else held.push(from);
    } while (this.#at < this.#pattern.length && this.#pattern[this.#at] !== ']');
    this.#at += 1;
    return not ? ([...'~xA0 '].find((sign) => !held.includes(sign)) ?? '~') : this.#choose.of(held);
  }

  #times(): number {
    const found = /^(?:([*+?])|\{(\d+)(,?)(\d*)\})\??/.exec(this.#pattern.slice(this.#at));
    if (found === null) return 1;
    this.#at += found[0].length;
    const [, sign, low = '0', comma, high] = found;
    if (sign !== undefined)
      return sign === '?' ? this.#choose.integer(2) : (sign === '+' ? 1 : 0) + this.#choose.integer(repeatsMax);
    const least = Number(low);
    if (comma === '') return Math.min(least, 1_000);
    const most = high === '' || high === undefined ? least + repeatsMax : Number(high);
    return Math.min(least + this.#choose.integer(Math.max(1, most - least + 1)), 1_000);
  }
}
