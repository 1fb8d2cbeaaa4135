/**
 * Makes secrets and personal data of every type from a seed, with right check digits, so that tests hold no real key
 * and a failing run can be repeated. Prefixes are joined at run time: a scanner of this repository finds no key here.
 */
import { ibanStructures } from '../../../src/inspection/iban_structures.ts';

export const alphanumerics = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** A small seeded generator (mulberry32): good enough to vary tests, the same on every machine. */
export class Generator {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  chars(alphabet: string, length: number): string {
    let text = '';
    for (let index = 0; index < length; index++) text += alphabet[this.below(alphabet.length)] as string;
    return text;
  }

  digits(length: number): string {
    return this.chars('0123456789', length);
  }

  card(prefix: string, length: number): string {
    const body = prefix + this.digits(length - prefix.length - 1);
    for (let check = 0; check < 10; check++) if (luhnSum(`${body}${check}`) % 10 === 0) return `${body}${check}`;
    throw new Error('one of ten check digits is always right');
  }

  iban(country = this.pick([...ibanStructures.keys()])): string {
    let bban = '';
    for (const kind of ibanStructures.get(country) as string) {
      bban += kind === 'n' ? this.digits(1) : this.chars('ABCDEFGHIJKLMNOPQRSTUVWXYZ', 1);
    }
    const numeric = [...`${bban}${country}00`].map((char) => Number.parseInt(char, 36)).join('');
    return `${country}${String(98n - (BigInt(numeric) % 97n)).padStart(2, '0')}${bban}`;
  }

  email(): string {
    const small = 'abcdefghijklmnopqrstuvwxyz';
    const local = `${this.chars(small, 1 + this.below(8))}${this.pick(['', '.', '_', '+', '-'])}${this.chars(small, 3)}`;
    return `${local}@${this.chars(small, 2 + this.below(10))}.${this.pick(['com', 'de', 'co.uk', 'org', 'example'])}`;
  }

  apiKey(): string {
    const [prefix, alphabet, length] = this.pick(vendors);
    return prefix.join('') + this.chars(alphabet, length);
  }

  jwt(): string {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    return `${part({ alg: 'ES256', typ: 'JWT' })}.${part({ sub: this.email() })}.${this.chars(alphanumerics, 86)}`;
  }

  privateKey(): string {
    const lines = Array.from({ length: 4 + this.below(24) }, () => this.chars(`${alphanumerics}+/`, 64));
    const label = this.pick(['RSA ', 'EC ', '', 'OPENSSH ', 'ENCRYPTED ']) + ['PRIVATE', 'KEY'].join(' ');
    return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----`;
  }
}

function luhnSum(digits: string): number {
  return [...digits].reverse().reduce((sum, char, place) => {
    const value = Number(char) * (place % 2 === 1 ? 2 : 1);
    return sum + (value > 9 ? value - 9 : value);
  }, 0);
}

const hex = '0123456789abcdef';
const capitals = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** The parts of a prefix, the alphabet of what follows it, and how long that is. */
export const vendors: readonly (readonly [readonly string[], string, number])[] = [
  [['sk', '-proj-'], alphanumerics, 120],
  [['sk', '-'], alphanumerics, 48],
  [['sk', '-ant', '-api03-'], alphanumerics, 95],
  [['AK', 'IA'], capitals, 16],
  [['AS', 'IA'], capitals, 16],
  [['gh', 'p_'], alphanumerics, 36],
  [['github', '_pat_'], alphanumerics, 82],
  [['gl', 'pat-'], alphanumerics, 20],
  [['xo', 'xb-'], alphanumerics, 50],
  [['AI', 'za'], alphanumerics, 35],
  [['sk', '_live_'], alphanumerics, 24],
  [['rk', '_live_'], alphanumerics, 24],
  [['np', 'm_'], alphanumerics, 36],
  [['S', 'K'], hex, 32],
  [['S', 'G.'], alphanumerics, 66],
  [['hf', '_'], alphanumerics, 34],
  [['dop', '_v1_'], hex, 64],
];
