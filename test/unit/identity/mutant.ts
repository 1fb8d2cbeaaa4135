/** Damages tokens by chance, from a seed: as text, or inside the JSON that they carry. */
import { ManualClock } from '../../fakes/clock.ts';
import { base64url } from './forge.ts';

const pieces = [
  '.',
  '..',
  '=',
  '+',
  '/',
  '\0',
  '\n',
  ' ',
  '"',
  '{',
  '}',
  '[',
  ']',
  ':',
  ',',
  '\\',
  '\\u0000',
  'é',
  '😀',
  '\ud800',
  'null',
  '1e999',
  '-0',
  '"alg":"none"',
  '"sub":""',
  '"__proto__":{}',
  '"exp":1',
  'AAAA',
  'eyJ',
];

/** Throws of a die from one seed: the same seed, the same tokens. */
export class Dice {
  readonly #clock: ManualClock;
  constructor(seed: number) {
    this.#clock = new ManualClock(0, seed);
  }
  below(limit: number): number {
    return this.#clock.randomBytes(4).readUInt32LE() % limit;
  }
  of<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item;
  }
}

export function mutate(text: string, dice: Dice): string {
  const at = dice.below(text.length + 1);
  const length = dice.below(8);
  switch (dice.below(6)) {
    case 0:
      return text.slice(0, at) + dice.of(pieces) + text.slice(at);
    case 1:
      return text.slice(0, at) + text.slice(at + length);
    case 2:
      return text.slice(0, at) + text.slice(at, at + length) + text.slice(at);
    case 3:
      return text.slice(0, at) + String.fromCharCode(dice.below(128)) + text.slice(at + 1);
    case 4:
      return text.slice(0, at);
    default:
      return text.slice(0, at) + dice.of(pieces) + text.slice(at + length);
  }
}

/** Changes the token as text, or the JSON inside one of its first two parts. */
export function mutant(token: string, dice: Dice): string {
  const where = dice.below(3);
  if (where === 2) return mutate(token, dice);
  const parts = token.split('.');
  parts[where] = base64url(mutate(Buffer.from(parts[where] as string, 'base64url').toString(), dice));
  return parts.join('.');
}
