/**
 * Watches a candidate beside the bundle in force, and takes it back when it denies or fails more than it may. What a
 * reader would get wrong: each gateway judges by what it has seen itself, and one of them is enough; in shadow nothing
 * is taken back, for nothing was given, and a warning is all there is.
 */
import type { JsonObject } from '../../call.ts';
import type { Clock } from '../../clock.ts';
import type { RolloutConfig } from '../section.ts';
import { type Compared, type ComparedOutcome, Comparison, type Counts } from './comparison.ts';
import type { RolloutDesk } from './rollout-desk.ts';
import type { RolloutReason } from './rollout-state.ts';

/** Which two revisions a pair was said by. */
export interface ComparedPair {
  readonly stable: { readonly content: string };
  readonly candidate: { readonly bundle: string; readonly revision: string; readonly content: string };
}

export interface RolledBack {
  readonly bundle: string;
  readonly revision: string;
  readonly reasons: readonly RolloutReason[];
}

export interface RolloutWatchParts {
  readonly desk: Pick<RolloutDesk, 'standing' | 'rollBack'>;
  readonly config: RolloutConfig;
  readonly clock: Clock;
  /** Id of this gateway. */
  readonly gateway: string;
  readonly log: (level: 'warn' | 'error', message: string, fields?: Readonly<Record<string, unknown>>) => void;
  readonly faulted: (where: string, fault: unknown) => void;
  /** Writes down that this gateway took a candidate back, and why. */
  readonly recordRollBack: (happened: RolledBack) => Promise<void>;
  /** Told of each pair, for the metrics. */
  readonly counted: (outcome: ComparedOutcome) => void;
}

/** What people are shown of the comparison. */
export interface ComparisonShown {
  readonly windowSeconds: number;
  readonly bounds: RolloutConfig;
  readonly acted: Counts;
  readonly shadowed: Counts;
  /** What of the bounds is broken now, by what it decided, or would be by what it shadowed. */
  readonly breach: { readonly acted: readonly RolloutReason[]; readonly shadowed: readonly RolloutReason[] };
  readonly samples: readonly JsonObject[];
}

export class RolloutWatch implements AsyncDisposable {
  readonly #parts: RolloutWatchParts;
  #config: RolloutConfig;
  #comparison: Comparison;
  #about = { contents: '', id: '', sinceMs: 0 };
  #warned = false;
  readonly #underWay = new Set<Promise<void>>();

  constructor(parts: RolloutWatchParts) {
    this.#parts = parts;
    this.#config = parts.config;
    this.#comparison = new Comparison(parts.config);
  }

  /** Judges by other bounds from now on. Another window begins empty. */
  configure(config: RolloutConfig): void {
    const same = JSON.stringify(config) === JSON.stringify(this.#config);
    if (same) return;
    this.#config = config;
    this.#comparison = new Comparison(config);
    this.#warned = false;
  }

  /** Counts what both said of one input, and takes the candidate back if that was one too many. Never throws. */
  add(pair: Compared, who: ComparedPair): void {
    const { desk, clock, counted } = this.#parts;
    const standing = desk.standing(who.candidate.content);
    if (!this.#isAbout(who, standing.id, pair.atMs)) return;
    counted(this.#comparison.add(pair));
    const acts = standing.stage === 'canary' || standing.stage === 'full';
    if (acts && pair.acting === 'candidate') {
      const breach = this.#comparison.breach(clock.nowMs());
      if (breach !== null) this.#takeBack(standing.id, who.candidate, breach);
    } else if (standing.stage === 'shadow') {
      this.#warn(who.candidate);
    }
  }

  /** What there is to be seen of the present candidate. */
  shown(): ComparisonShown {
    const nowMs = this.#parts.clock.nowMs();
    return {
      ...{ windowSeconds: this.#config.window_seconds, bounds: this.#config },
      ...this.#comparison.counts(nowMs),
      breach: {
        acted: this.#comparison.breach(nowMs, 'acted') ?? [],
        shadowed: this.#comparison.breach(nowMs, 'shadowed') ?? [],
      },
      samples: this.#comparison.samples(),
    };
  }

  /** Waits until what was taken back is written down. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#underWay);
  }

  /** False for a pair of revisions that others have followed; with new ones, or a rollout begun anew, all begins anew. */
  #isAbout({ stable, candidate }: ComparedPair, id: string, atMs: number): boolean {
    const contents = `${stable.content} ${candidate.content}`;
    const about = this.#about;
    if (contents === about.contents && (id === about.id || about.id === '')) {
      this.#about = { ...about, id };
      return true;
    }
    if (contents !== about.contents && atMs < about.sinceMs) return false;
    this.#about = { contents, id, sinceMs: atMs };
    this.#comparison.clear();
    this.#warned = false;
    return true;
  }

  #takeBack(
    id: string,
    candidate: ComparedPair['candidate'],
    reasons: readonly [RolloutReason, ...RolloutReason[]],
  ): void {
    const { bundle, revision } = candidate;
    this.#parts.log('error', 'the candidate policy is rolled back', { bundle, revision, reasons });
    const done = this.#takenBack(id, { bundle, revision, reasons }, reasons[0])
      .catch((fault: unknown) => this.#parts.faulted('rollout', fault))
      .finally(() => this.#underWay.delete(done));
    this.#underWay.add(done);
  }

  async #takenBack(id: string, happened: RolledBack, reason: RolloutReason): Promise<void> {
    const { desk, gateway, recordRollBack } = this.#parts;
    if (await desk.rollBack(id, `gateway ${gateway}`, reason)) await recordRollBack(happened);
  }

  /** Once, until it is within its bounds again: an operator should see it before the candidate decides about anybody. */
  #warn({ bundle, revision }: ComparedPair['candidate']): void {
    const reasons = this.#comparison.breach(this.#parts.clock.nowMs(), 'shadowed');
    if (reasons !== null && !this.#warned) {
      this.#parts.log('warn', 'the candidate policy is over its bounds; in a canary it would be rolled back', {
        ...{ bundle, revision, reasons },
      });
    }
    this.#warned = reasons !== null;
  }
}
