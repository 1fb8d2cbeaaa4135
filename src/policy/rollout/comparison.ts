/**
 * What two revisions said of the same inputs, counted over a sliding window and with the last differences kept for
 * people. What a reader would get wrong: inputs on which the candidate acted are counted apart from those it only
 * shadowed, for only the former can end in a roll-back; and a sample holds codes, never an argument.
 */
import { isDeepStrictEqual } from 'node:util';
import type { JsonObject } from '../../call.ts';
import type { Phase } from '../instance.ts';
import type { RolloutConfig } from '../section.ts';
import type { RolloutReason } from './rollout-state.ts';

/** A decision as far as two of them are compared. */
export interface Verdictlike {
  readonly allow: boolean;
  readonly reasons: readonly { readonly code: string }[];
  readonly obligations: object;
  /** The policy failed, instead of saying no. */
  readonly failed: boolean;
}

export interface Compared {
  readonly acting: 'stable' | 'candidate';
  readonly stable: Verdictlike;
  readonly candidate: Verdictlike;
  readonly operation: string | null;
  readonly agent: string | null;
  readonly callId: string | null;
  readonly phase: Phase;
  readonly atMs: number;
}

const comparedOutcomes = ['agree', 'new_deny', 'new_allow', 'other_obligations', 'error'] as const;
/** Exactly one for each pair; `error` is a candidate that failed where the other one did not, whatever that said. */
export type ComparedOutcome = (typeof comparedOutcomes)[number];

/** Pairs by outcome. */
export type Counts = Readonly<Record<ComparedOutcome, number>> & { readonly decisions: number };

const samplesMax = 100;
const codesMax = 16;
const codeCharsMax = 128;
/** The window moves in steps of a sixtieth of it. */
const slicesMax = 60;

type Acting = 'candidate' | 'stable';
type Tally = Record<ComparedOutcome, number>;

interface Slice {
  readonly index: number;
  readonly tallies: Readonly<Record<Acting, Tally>>;
}

const emptyTally = (): Tally => ({ agree: 0, new_deny: 0, new_allow: 0, other_obligations: 0, error: 0 });
const emptyTallies = (): Record<Acting, Tally> => ({ candidate: emptyTally(), stable: emptyTally() });

/** How the candidate's word differs from the stable one's. */
export function outcomeOf({ stable, candidate }: Pick<Compared, 'stable' | 'candidate'>): ComparedOutcome {
  if (candidate.failed && !stable.failed) return 'error';
  if (stable.allow !== candidate.allow) return stable.allow ? 'new_deny' : 'new_allow';
  if (!stable.allow || isDeepStrictEqual(stable.obligations, candidate.obligations)) return 'agree';
  return 'other_obligations';
}

export class Comparison {
  readonly #config: RolloutConfig;
  readonly #sliceMs: number;
  #slices: Slice[] = [];
  #sums = emptyTallies();
  #samples: JsonObject[] = [];

  constructor(config: RolloutConfig) {
    this.#config = config;
    this.#sliceMs = (config.window_seconds * 1000) / slicesMax;
  }

  /** Counts a pair, and says how it came out. */
  add(pair: Compared): ComparedOutcome {
    const outcome = outcomeOf(pair);
    const slice = this.#moveTo(pair.atMs) ?? this.#begin(pair.atMs);
    slice.tallies[pair.acting][outcome] += 1;
    this.#sums[pair.acting][outcome] += 1;
    if (outcome !== 'agree') {
      this.#samples.push(sampleOf(pair, outcome));
      if (this.#samples.length > samplesMax) this.#samples.shift();
    }
    return outcome;
  }

  /** What is in the window at `nowMs`: where the candidate decided, and where it only shadowed. */
  counts(nowMs: number): { readonly acted: Counts; readonly shadowed: Counts } {
    this.#moveTo(nowMs);
    return { acted: countsOf(this.#sums.candidate), shadowed: countsOf(this.#sums.stable) };
  }

  /** The last 100 differences, the latest first. */
  samples(): readonly JsonObject[] {
    return this.#samples.toReversed();
  }

  /**
   * Which bounds the candidate is over, of the inputs on which it acted, or of those it `shadowed`; null while it is
   * over none, or there are fewer than `decisions_min`.
   */
  breach(nowMs: number, of: 'acted' | 'shadowed' = 'acted'): readonly [RolloutReason, ...RolloutReason[]] | null {
    const counts = this.counts(nowMs)[of];
    const { decisions_min: min, new_denies_percent: denies, errors_percent: errors } = this.#config;
    if (counts.decisions < min) return null;
    const [first, ...rest] = [
      ...over('new_denies', 'denied what the bundle in force allows', counts.new_deny, counts.decisions, denies),
      ...over('errors', 'failed where the bundle in force does not', counts.error, counts.decisions, errors),
    ];
    return first === undefined ? null : [first, ...rest];
  }

  /** Forgets everything: another candidate, or the same one anew. */
  clear(): void {
    this.#slices = [];
    this.#sums = emptyTallies();
    this.#samples = [];
  }

  /** Drops what has left the window, and gives the slice of this time where there is one. */
  #moveTo(atMs: number): Slice | undefined {
    const index = Math.floor(atMs / this.#sliceMs);
    const last = this.#slices.at(-1);
    // A wall clock that was set far back would keep what is there in the window for as long.
    if (last !== undefined && index < last.index - slicesMax) {
      this.#slices = [];
      this.#sums = emptyTallies();
      return undefined;
    }
    while ((this.#slices[0]?.index ?? index) <= index - slicesMax) this.#drop(this.#slices.shift() as Slice);
    const newest = this.#slices.at(-1);
    return newest !== undefined && newest.index >= index ? newest : undefined;
  }

  #begin(atMs: number): Slice {
    const slice = { index: Math.floor(atMs / this.#sliceMs), tallies: emptyTallies() };
    this.#slices.push(slice);
    return slice;
  }

  #drop({ tallies }: Slice): void {
    for (const acting of ['candidate', 'stable'] as const) {
      for (const outcome of comparedOutcomes) this.#sums[acting][outcome] -= tallies[acting][outcome];
    }
  }
}

function countsOf(tally: Tally): Counts {
  return { decisions: comparedOutcomes.reduce((sum, outcome) => sum + tally[outcome], 0), ...tally };
}

function over(name: string, did: string, count: number, decisions: number, percentMax: number): RolloutReason[] {
  const percent = (count / decisions) * 100;
  if (percent <= percentMax) return [];
  const share = `${count} of ${decisions} decisions (${percent.toFixed(2)} %; the bound is ${percentMax} %)`;
  return [{ code: `${name}_exceeded`, message: `The candidate ${did}: ${share}.` }];
}

function sampleOf({ stable, candidate, ...pair }: Compared, outcome: ComparedOutcome): JsonObject {
  const said = ({ allow, reasons, failed }: Verdictlike) => ({
    ...{ allow, failed },
    codes: reasons.slice(0, codesMax).map(({ code }) => code.slice(0, codeCharsMax)),
  });
  return {
    at: new Date(pair.atMs).toISOString(),
    ...{ phase: pair.phase, call: pair.callId, operation: pair.operation, agent: pair.agent },
    ...{ outcome, acting: pair.acting, stable: said(stable), candidate: said(candidate) },
  };
}
