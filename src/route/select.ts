/**
 * In which order the targets of a call are tried: drawn at random by weight, one after the other, so that also the
 * second choice of many calls spreads by weight when the first is down.
 */
import type { Target } from '../call.ts';
import type { Clock } from '../clock.ts';

/** All of `targets`, the first to try in front. Those with weight 0 come last, in the order of the table. */
export function rankedByWeight(targets: readonly Target[], clock: Pick<Clock, 'randomBytes'>): readonly Target[] {
  const left = targets.filter(({ weight }) => weight > 0);
  const ranked: Target[] = [];
  while (left.length > 1) {
    const total = left.reduce((sum, { weight }) => sum + weight, 0);
    // 48 random bits over at most 26 bits of weights: the bias of the remainder is below one in four million.
    let draw = clock.randomBytes(6).readUIntBE(0, 6) % total;
    const index = left.findIndex(({ weight }) => {
      draw -= weight;
      return draw < 0;
    });
    ranked.push(...left.splice(index, 1));
  }
  return [...ranked, ...left, ...targets.filter(({ weight }) => weight === 0)];
}
