/**
 * All policies of a gate: the stable bundle, a candidate that is being rolled out, and those that running tasks were
 * opened under. Here it is said which of them decide about whom. What a reader would get wrong: a task goes on under
 * the policies it was opened under, and those in force for its agent and subject are asked as well: what they refuse
 * or demand counts at once, what they newly allow does not.
 */
import type { Decision, JsonObject, TaskRecord } from '../call.ts';
import type { Clock } from '../clock.ts';
import { Beside, type Pair } from './beside.ts';
import type { Source as DecisionSource, TaskDecision } from './decision.ts';
import { grantOf, taskDecisionOf } from './decision.ts';
import type { ActiveBundle, PolicyEngine, PolicyNote, Revision } from './engine.ts';
import { type LeftOut, leftOutForAll, wholeInput } from './input-parts.ts';
import type { Phase } from './instance.ts';
import type { PastRevisions } from './past-revisions.ts';
import { stricter } from './stricter.ts';
import type { Verdict, Verdicts } from './verdict.ts';

/** About whom a policy decides, as far as a rollout tells them apart. */
export interface Principal {
  /** Name of the agent's issuer. */
  readonly issuer: string;
  readonly agent: string;
  readonly subject: string | null;
}

/** Where the rollout of a candidate stands. */
export interface Standing {
  readonly stage: 'none' | 'shadow' | 'canary' | 'full' | 'rolled_back' | 'foreign';
  /** Whether this principal is one of those for whom the candidate decides in a canary. */
  readonly includes: (principal: Principal) => boolean;
}

export interface PoliciesDeps {
  readonly stable: PolicyEngine;
  readonly candidate: PolicyEngine | null;
  readonly past: PastRevisions;
  readonly verdicts: Verdicts;
  /** `content` is the digest of the candidate that is loaded here. */
  readonly standing: (content: string) => Standing;
  /** The digest of what was rolled out to everybody, and is not the stable bundle everywhere yet; null for none. */
  readonly rolledOut: () => string | null;
  /** Whether the candidate with this digest was taken back. */
  readonly takenBack: (content: string) => boolean;
  readonly compared: (pair: Pair, verdicts: { readonly stable: Verdict; readonly candidate: Verdict }) => void;
  readonly clock: Clock;
}

/** Which policies decide on one input. */
export interface Panel {
  /** What none of them refers to. */
  readonly leftOut: LeftOut;
  /** Throws only if no policy is in force. */
  source(input: JsonObject): DecisionSource;
  decide(phase: 'call' | 'response', input: JsonObject): Decision;
}

/** What one side says of an input, and which bundle said it. */
export interface TriedSide extends Verdict {
  readonly side: 'active' | 'candidate';
  readonly revision: Revision;
}

interface Sides {
  readonly stable: Revision | null;
  readonly candidate: Revision | null;
  /** The one that decides for this principal. */
  readonly inForce: 'stable' | 'candidate';
}

const leftOutsMax = 32;

export class Policies implements AsyncDisposable {
  readonly #deps: PoliciesDeps;
  readonly #beside: Beside;
  /** By the revisions that are asked: what may be left out for all of them. */
  readonly #leftOut = new Map<string, LeftOut>();
  /** The policies of its task, or those in force, that had a say in a decision; for as long as anybody holds it. */
  readonly #decidedBy = new WeakMap<Decision, Revision>();

  constructor(deps: PoliciesDeps) {
    this.#deps = deps;
    const { clock, verdicts, compared } = deps;
    this.#beside = new Beside({ clock, verdicts, compared });
  }

  /** Loads the stable bundle, and the candidate if there is one. Throws BundleError for the stable one alone. */
  async open(): Promise<void> {
    await this.#deps.stable.open();
    await this.#deps.candidate?.open();
    const rolledOut = this.#deps.rolledOut();
    if (rolledOut !== null) await this.#deps.past.look(rolledOut);
  }

  /** Which bundle decides for whoever is in no canary, also if it has expired. Throws if no policy is loaded. */
  get active(): ActiveBundle {
    const rolledOut = this.#rolledOut();
    if (rolledOut === null) return this.#deps.stable.active;
    return { bundle: rolledOut.bundle, revision: rolledOut.loaded.revision };
  }

  /** What decides for whoever is in no canary; null where nothing does. */
  get inForce(): Revision | null {
    const rolledOut = this.#rolledOut();
    return rolledOut === null ? this.#deps.stable.revision : this.#unlessExpired(rolledOut);
  }

  get engines(): { readonly stable: PolicyEngine; readonly candidate: PolicyEngine | null } {
    return this.#deps;
  }

  /** Comparisons that were not made because too many waited. */
  get comparisonsDropped(): number {
    return this.#beside.dropped;
  }

  /** Whether decisions can be made. A refused change leaves it healthy: the last good bundle decides. */
  healthy(): boolean {
    return this.inForce !== null;
  }

  /** Why the newest bundle does not decide; null while it does. */
  get note(): PolicyNote | null {
    return this.#rolledOut() !== null && this.inForce === null ? 'expired' : this.#deps.stable.note;
  }

  /** Must be awaited before `panel` is asked about a task, where it gives a promise: its policies may be on disk. */
  prepare({ policy }: Pick<TaskRecord, 'policy'>): Promise<void> | undefined {
    const rolledOut = this.#deps.rolledOut();
    const unknown = [policy, rolledOut ?? undefined].filter(
      (content) => content !== undefined && !this.#isKnown(content),
    );
    if (unknown.length === 0) return undefined;
    return Promise.all(unknown.map((content) => this.#deps.past.look(content as string))).then(() => undefined);
  }

  /**
   * Who decides about a call of this task. `call` is the decision about the call whose answer it is: the policies that
   * made it are asked again, also if they are at hand no more. Throws if no policy is in force.
   */
  panel(record: Pick<TaskRecord, 'policy' | 'agent' | 'subject'>, compare = true, call?: Decision): Panel {
    const { agent, subject } = record;
    const sides = this.#sides({ issuer: agent.issuer, agent: agent.id, subject: subject?.id ?? null });
    const inForce = revisionOf(sides);
    const held = call === undefined ? undefined : this.#decidedBy.get(call);
    const own = this.#own(record.policy, inForce, held);
    const beside = compare ? otherOf(sides) : null;
    const leftOut = this.#leftOutFor([inForce, own, beside]);
    const { verdicts } = this.#deps;
    return {
      leftOut,
      source: (input) => verdicts.source(own ?? inForce, input, leftOut),
      decide: (phase, input) => {
        const newer = verdicts.of(inForce, phase, input, leftOut);
        if (beside !== null) this.#compare(sides, beside, { phase, input, leftOut, said: newer });
        const said = own === null ? null : verdicts.of(own, phase, input, leftOut).decision;
        const decision = said === null ? newer.decision : stricter(said, newer.decision);
        this.#decidedBy.set(decision, own ?? inForce);
        return decision;
      },
    };
  }

  /**
   * May this task exist. `input` is made by `taskInput`. As a part of `whole`, which was prepared for, it also needs leave
   * of the policies that one goes on under. Throws only if no policy is in force.
   */
  decideTask(
    input: JsonObject,
    principal: Principal,
    compare = true,
    whole?: Pick<TaskRecord, 'policy'> | null,
  ): TaskDecision {
    const sides = this.#sides(principal);
    const inForce = revisionOf(sides);
    const said = this.#deps.verdicts.of(inForce, 'task', input);
    const beside = compare ? otherOf(sides) : null;
    if (beside !== null) this.#compare(sides, beside, { phase: 'task', input, leftOut: wholeInput, said });
    const own = this.#own(whole?.policy, inForce, undefined);
    if (own === null) return taskDecisionOf(said.decision, said.ruling);
    const ofWhole = this.#deps.verdicts.of(own, 'task', input);
    const decision = stricter(said.decision, ofWhole.decision);
    return { ...taskDecisionOf(decision, said.ruling), alsoGrant: grantOf(ofWhole.ruling) };
  }

  /** What each side says of an input in which `leftOut` is not there; it is acted on by nobody. */
  tryOut(phase: Phase, input: JsonObject, leftOut: LeftOut = wholeInput): TriedSide[] {
    const { candidate, verdicts } = this.#deps;
    const sides = [
      { side: 'active' as const, revision: this.inForce },
      { side: 'candidate' as const, revision: candidate?.revision ?? null },
    ];
    return sides.flatMap(({ side, revision }) =>
      revision === null ? [] : [{ side, revision, ...verdicts.of(revision, phase, input, leftOut) }],
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#beside[Symbol.asyncDispose]();
    await this.#deps.candidate?.[Symbol.asyncDispose]();
    await this.#deps.stable[Symbol.asyncDispose]();
    await this.#deps.past[Symbol.asyncDispose]();
  }

  #sides(principal: Principal): Sides {
    const stable = this.#deps.stable.revision;
    const rolledOut = this.#rolledOut();
    if (rolledOut !== null) return { stable, candidate: this.#unlessExpired(rolledOut), inForce: 'candidate' };
    const candidate = this.#deps.candidate?.revision ?? null;
    if (candidate === null || candidate.loaded.content === stable?.loaded.content) {
      return { stable, candidate: null, inForce: 'stable' };
    }
    const standing = this.#deps.standing(candidate.loaded.content);
    // What was taken back may be broken: it is not even compared.
    if (standing.stage === 'rolled_back') return { stable, candidate: null, inForce: 'stable' };
    const decides = standing.stage === 'canary' && standing.includes(principal);
    return { stable, candidate, inForce: decides ? 'candidate' : 'stable' };
  }

  #isKnown(content: string): boolean {
    const { stable, candidate, past } = this.#deps;
    return [stable, candidate].some((engine) => engine?.revision?.loaded.content === content) || past.known(content);
  }

  /**
   * What was rolled out to everybody, where it is at hand, also if another candidate is published where it was, and if
   * it has expired: that the bundle before does not come back is what everybody was told.
   */
  #rolledOut(): Revision | null {
    const content = this.#deps.rolledOut();
    const { stable, candidate, past } = this.#deps;
    if (content === null || stable.revision?.loaded.content === content) return null;
    const published = candidate?.last ?? null;
    return published?.loaded.content === content ? published : (past.found(content) ?? null);
  }

  #unlessExpired(revision: Revision): Revision | null {
    const { expiresAtMs } = revision;
    return expiresAtMs !== null && this.#deps.clock.nowMs() >= expiresAtMs ? null : revision;
  }

  /** What a task was opened under, where that is something else than what is in force for it. */
  #own(policy: string | undefined, inForce: Revision, held: Revision | undefined): Revision | null {
    if (policy === undefined || policy === inForce.loaded.content || this.#deps.takenBack(policy)) return null;
    const { stable, candidate, past } = this.#deps;
    for (const engine of [stable, candidate]) {
      const revision = engine?.revision ?? null;
      if (revision?.loaded.content === policy) return revision;
    }
    return past.get(policy) ?? (held?.loaded.content === policy ? this.#unlessExpired(held) : null);
  }

  #leftOutFor(revisions: readonly (Revision | null)[]): LeftOut {
    const asked = revisions.filter((one) => one !== null);
    const [first] = asked;
    if (asked.length === 1 && first !== undefined) return first.loaded.unusedInput;
    const key = asked.map(({ loaded }) => [loaded.content, ...loaded.unusedInput].join(' ')).join('\n');
    const there = this.#leftOut.get(key);
    if (there !== undefined) return there;
    if (this.#leftOut.size >= leftOutsMax) this.#leftOut.clear();
    const leftOut = leftOutForAll(asked.map(({ loaded }) => loaded.unusedInput));
    this.#leftOut.set(key, leftOut);
    return leftOut;
  }

  #compare(
    { inForce }: Sides,
    other: Revision,
    { phase, input, leftOut, said }: Pick<Pair, 'phase' | 'input' | 'leftOut' | 'said'>,
  ): void {
    const atMs = this.#deps.clock.nowMs();
    this.#beside.push({ phase, input, leftOut, said, acting: inForce, other, atMs });
  }
}

/** Throws where no policy is in force. */
function revisionOf({ stable, candidate, inForce }: Sides): Revision {
  const revision = inForce === 'candidate' ? candidate : stable;
  if (revision === null) throw new Error('no policy is in force: none is loaded, or it has expired');
  return revision;
}

/** The side that does not decide, where there is one. */
function otherOf({ stable, candidate, inForce }: Sides): Revision | null {
  return inForce === 'candidate' ? stable : candidate;
}
