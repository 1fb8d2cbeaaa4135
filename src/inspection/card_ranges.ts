/**
 * Which first digits and lengths make a payment card (ISO/IEC 7812-1 issuer ranges, as the schemes publish them).
 * One in ten of all numbers passes the Luhn check, so a range says how much it is worth: `certain` ones are reported
 * even under the name of something else, `clear` ones unless they are named so (`order_id`), and `shared` ones, whose
 * lengths are also those of article numbers, phone numbers and ids, only with a word about cards nearby.
 */
export type CardRangeWorth = 'certain' | 'clear' | 'shared';

interface CardRange {
  readonly from: number;
  readonly to: number;
  readonly lengths: readonly number[];
  /** The lengths that are not `shared`. */
  readonly clear: readonly number[];
  readonly certain: boolean;
}

function range(
  from: number,
  to: number,
  lengths: readonly number[],
  clear: readonly number[],
  certain = false,
): CardRange {
  return { from, to, lengths, clear, certain };
}

const maestro = [12, 13, 14, 15, 16, 17, 18, 19];

const ranges: readonly CardRange[] = [
  range(4, 4, [13, 16, 18, 19], [16], true), // Visa
  range(51, 55, [16], [16], true), // Mastercard
  range(2221, 2720, [16], [16]), // Mastercard, second range
  range(34, 34, [15], [15], true), // American Express
  range(37, 37, [15], [15], true),
  range(300, 305, [14, 16, 19], [14, 16]), // Diners Club
  range(3095, 3095, [14, 16, 19], [14, 16]),
  range(36, 36, [14, 16, 19], [14]),
  range(38, 39, [14, 16, 19], [14, 16]),
  range(3528, 3589, [16, 17, 18, 19], [16]), // JCB
  range(1800, 1800, [15], []), // JCB, old
  range(2131, 2131, [15], []),
  range(6011, 6011, [16, 17, 18, 19], [16]), // Discover
  range(644, 649, [16, 17, 18, 19], [16]),
  range(65, 65, [16, 17, 18, 19], [16]), // Discover, RuPay, Elo
  range(62, 62, [16, 17, 18, 19], [16]), // UnionPay
  range(81, 82, [16, 17, 18, 19], [16]), // UnionPay, RuPay
  range(60, 60, [16], [16]), // RuPay, Hipercard
  range(2200, 2205, [16, 17, 18, 19], [16]), // Mir
  range(9792, 9792, [16], [16]), // Troy
  range(50, 50, maestro, [16]), // Maestro, Dankort, Elo, Verve
  range(56, 58, maestro, [16]), // Maestro
  range(63, 63, maestro, [16]), // Maestro, InstaPayment
  range(67, 67, maestro, [16]), // Maestro, Laser
  range(3, 6, [14, 15, 16, 17, 18, 19], []), // travel, banking and merchandising (ISO/IEC 7812-1 table 1), any other
];

/** What the range of these digits is worth; undefined if they are a card of no scheme. Luhn is not checked here. */
export function cardRange(digits: string): CardRangeWorth | undefined {
  // The leading zero does not survive a comparison of numbers: Maestro in old data, 0604.
  if (digits.startsWith('0604') && digits.length === 12) return 'shared';
  for (const { from, to, lengths, clear, certain } of ranges) {
    if (!lengths.includes(digits.length)) continue;
    const prefix = Number(digits.slice(0, String(from).length));
    if (prefix < from || prefix > to) continue;
    return !clear.includes(digits.length) ? 'shared' : certain ? 'certain' : 'clear';
  }
  return undefined;
}

/** The check of ISO/IEC 7812-1 annex B. */
export function luhn(digits: string): boolean {
  let sum = 0;
  for (let index = digits.length - 1, double = false; index >= 0; index--, double = !double) {
    const value = digits.charCodeAt(index) - 48;
    sum += double ? (value > 4 ? value * 2 - 9 : value * 2) : value;
  }
  return sum % 10 === 0;
}

/** The check digit of GTIN-8 to GTIN-14 (GS1): a number that passes it is an article, if nothing says otherwise. */
export function gtin(digits: string): boolean {
  let sum = 0;
  for (let index = digits.length - 1, weight = 1; index >= 0; index--, weight = 4 - weight) {
    sum += (digits.charCodeAt(index) - 48) * weight;
  }
  return sum % 10 === 0;
}
