/**
 * The contract of a stage, and the ladder that stages are put on. A stage says which facts it needs and which one it
 * adds; `Ladder.rung` only accepts a stage whose needs are met by the stages before it, so a wrong order does not
 * compile. `admit` is a function-typed property on purpose: as a method it would be bivariant and any order would.
 */
import type { Clock } from './clock.ts';
import { type Denial, type DenialCode, deny, isDenial } from './denial.ts';

/** Tells whether a value has the shape of a fact; what a stage returns is checked by it before anybody trusts it. */
export type Guard = (value: unknown) => boolean;

export interface Stage<Needs extends object, Gives extends object> {
  /** The room the stage belongs to; names its span, its timing and its share of the overhead. */
  readonly name: string;
  /** What the agent is told if this stage throws, hangs, or returns what its guards refuse. */
  readonly fault: DenialCode;
  /** How much longer than other stages it may take, in milliseconds, because it lets calls wait; left out: no longer. */
  readonly waitMsMax?: number;
  /** One guard for every fact the stage adds. */
  readonly gives: { readonly [Fact in keyof Gives]: Guard };
  /** Adds one fact, or denies. An exception is a fault and ends in `fault`. */
  readonly admit: (call: Needs) => Gives | Denial | Promise<Gives | Denial>;
  /**
   * Takes back what `admit` held, if the runner had given up on the stage when it returned (it hung past the limit).
   * Stages that hold nothing leave it out.
   */
  readonly late?: (call: Needs, given: Gives) => void | Promise<void>;
}

// biome-ignore lint/suspicious/noExplicitAny: the ladder has checked needs and gives when the stage was placed
export type AnyStage = Stage<any, any>;

/** Stages in their order. Immutable: `rung` gives a new ladder whose calls carry one fact more. */
export class Ladder<In extends object, Out extends In = In> {
  readonly stages: readonly AnyStage[];

  private constructor(stages: readonly AnyStage[]) {
    this.stages = stages;
  }

  /** A ladder with no stages yet, for calls that arrive with the facts of `In`. */
  static from<In extends object>(): Ladder<In> {
    return new Ladder<In>([]);
  }

  /** Puts `stage` behind the ones that stand; the compiler refuses it if a fact it needs is not there yet. */
  rung<Gives extends object>(stage: Stage<Out, Gives>): Ladder<In, Out & Gives> {
    return new Ladder<In, Out & Gives>([...this.stages, stage]);
  }
}

/** What a stage gave, judged: the fact, the denial, or `undefined` for anything else (a fault). */
export function judge(stage: AnyStage, given: unknown): object | Denial | undefined {
  if (isDenial(given)) return given;
  if (typeof given !== 'object' || given === null) return undefined;
  for (const [fact, guard] of Object.entries(stage.gives as Record<string, Guard>)) {
    if (!Object.hasOwn(given, fact) || !guard((given as Record<string, unknown>)[fact])) return undefined;
  }
  return given;
}

/** What the runner of a ladder works with. */
export interface Climb {
  readonly clock: Clock;
  /** How long one stage may take before it counts as hung. */
  readonly stageMs: number;
  /** Told of every fault; the agent only sees the stage's `fault`. */
  readonly faulted: (stage: string, reason: unknown) => void;
  /** Told how long each stage took, by the monotonic clock, and the code of the denial it ended in. */
  readonly timed?: (stage: string, startMs: number, endMs: number, code: DenialCode | null) => void;
}

/** How far a call came: every fact it gathered, and the denial if one stage refused. */
export interface Climbed<Out extends object> {
  readonly call: Out;
  readonly denial: Denial | undefined;
}

/** Something did not answer within the time it has. */
export class Hung extends Error {
  override readonly name = 'Hung';
}

/** `given` if it settles within `limitMs`, else a rejection with `Hung`; what comes too late goes to `tooLate`. */
export async function within<T>(
  clock: Clock,
  limitMs: number,
  given: Promise<T>,
  tooLate: (late: T) => void = () => undefined,
): Promise<T> {
  let hung = false;
  const limit = Promise.withResolvers<never>();
  const timer = clock.after(limitMs, () => {
    hung = true;
    limit.reject(new Hung(`no answer within ${limitMs} ms`));
  });
  // What is no promise (a fault of whoever gave it) is its own value: to throw here would leave the timer behind.
  const watched = Promise.resolve(given).then((value) => {
    if (hung) tooLate(value);
    return value;
  });
  try {
    return await Promise.race([watched, limit.promise]);
  } finally {
    timer.cancel();
  }
}

/**
 * Takes a call up the ladder, stage by stage. The first denial ends it. A stage that throws, takes too long, or gives
 * what its guards refuse ends it too, with the stage's `fault`: nothing a stage does wrong lets a call through.
 */
export async function climb<In extends object, Out extends In>(
  ladder: Ladder<In, Out>,
  arrival: In,
  climb: Climb,
): Promise<Climbed<In & Partial<Out>>> {
  let call: In & Partial<Out> = arrival;
  let fromMs = climb.clock.monotonicMs();
  const ended = (stage: AnyStage, denial: Denial | undefined) => {
    const toMs = climb.clock.monotonicMs();
    climb.timed?.(stage.name, fromMs, toMs, denial?.code ?? null);
    fromMs = toMs;
    return { call, denial };
  };
  for (const stage of ladder.stages) {
    let given: unknown;
    try {
      given = stage.admit(call);
      if (given instanceof Promise) {
        const facts = call;
        const limitMs = climb.stageMs + (stage.waitMsMax ?? 0);
        given = await within(climb.clock, limitMs, given, (late) => takeBack(stage, facts, late, climb));
      } else if (climb.clock.monotonicMs() - fromMs > climb.stageMs) {
        // No timer can stop what never waits, such as an evaluation of a policy; its answer is too late all the same.
        takeBack(stage, call, given, climb);
        throw new Hung(`no answer within ${climb.stageMs} ms`);
      }
    } catch (fault) {
      climb.faulted(stage.name, fault);
      return ended(stage, faultDenial(stage));
    }
    const judged = judge(stage, given);
    if (judged === undefined) {
      climb.faulted(stage.name, new Error('the stage gave what its guards refuse'));
      return ended(stage, faultDenial(stage));
    }
    if (isDenial(judged)) return ended(stage, judged);
    ended(stage, undefined);
    call = { ...call, ...judged };
  }
  return { call, denial: undefined };
}

function takeBack(stage: AnyStage, call: object, given: unknown, climb: Climb): void {
  const judged = judge(stage, given);
  if (judged === undefined || isDenial(judged) || stage.late === undefined) return;
  Promise.resolve(stage.late(call, judged)).catch((fault: unknown) => climb.faulted(stage.name, fault));
}

function faultDenial(stage: AnyStage): Denial {
  return deny(stage.fault, 'The gate could not complete this step and refused the call.', {
    reasons: [{ code: 'stage_fault', message: `The ${stage.name} stage of the gate is at fault.` }],
  });
}
