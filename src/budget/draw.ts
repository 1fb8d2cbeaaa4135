/**
 * One call drawing on its budgets: all levels and counters in one atomic step, made smaller where the policy lets it and
 * something has too little, and at the end of the task's own budget its last turn. What a reader would get wrong: each
 * try has the id of the call, since a refusal holds nothing and is not remembered.
 */
import type {
  Arrival,
  CallCap,
  DecisionFact,
  EntryFact,
  ModelAsk,
  OperationFact,
  ReservationFact,
  Target,
  TaskRecord,
} from '../call.ts';
import { type Clock, type ReservationId, reservationOf } from '../clock.ts';
import { type Denial, deny } from '../denial.ts';
import type { Amounts, Balance, ReserveResult, Scope, Store } from '../store/store.ts';
import { longestAnswer, type PromptTokensOf, type UpperBound, upperBound } from './estimate.ts';
import {
  answerTokensMin,
  denyButLastTurn,
  denySpent,
  type Fate,
  grantedTokens,
  isSpent,
  lastTurnScopes,
  lastTurnTokens,
  type SpentLevel,
} from './last-turn.ts';
import type { Level } from './levels.ts';
import { denyShortage } from './refusal.ts';
import type { BudgetLimits } from './section.ts';

/** How often a call is made smaller beyond once a level, while others take from the same budgets. */
const triesMore = 2;

export const nothing: Amounts = { tokens: 0, costMicroUsd: 0, calls: 0 };

/** Who looks at the levels that calls draw on. Never throws and never waits. */
export interface LevelWatch {
  /** `balances` begin with those of `levels`. */
  reserved(
    id: ReservationId,
    on: { readonly levels: readonly Level[]; readonly record: TaskRecord },
    balances: readonly Balance[],
  ): void;
  refused(level: Level, record: TaskRecord, balance: Balance): void;
}

export interface BudgetStageParts {
  /** `settle` gives holds back; it may go on trying while the store is away. */
  readonly store: Pick<Store, 'reserve'> & { settle(id: string, actual: Amounts): Promise<unknown> };
  readonly clock: Clock;
  readonly config: BudgetLimits;
  /** Counts prompts; left out: by their bytes. */
  readonly promptTokensOf?: PromptTokensOf;
  /** What a call is counted on beside its budgets, for whoever looks back; left out: nothing. */
  readonly meter?: (record: TaskRecord, route: string) => Scope;
  /** Told where levels stand after a reservation, and which one had no room. */
  readonly watch?: LevelWatch;
  /** Told of a task whose own budget is spent, or that `after` has had its last turn; says what became of it. */
  readonly spent: (level: SpentLevel, after: 'shortage' | 'wrap_up') => Promise<Fate>;
  /** How long a hold lasts if nobody settles it; longer than any call may run. */
  readonly reservationTtlMs: number;
  /** The targets that a call may reach under its decision and that it fits, or why it fits none. */
  readonly targetsOf: (call: OperationFact & EntryFact & DecisionFact) => readonly Target[] | Denial;
}

/** What is drawn for. */
export interface Drawing {
  readonly call: Arrival & OperationFact & EntryFact & DecisionFact;
  /** As the policy lets it be asked. */
  readonly ask: ModelAsk | null;
  readonly targets: readonly Target[];
  /** The task's own first. */
  readonly levels: readonly Level[];
  readonly nowMs: number;
  /** How long the call may run, where some level counts that; null where none does. */
  readonly secondsMax: number | null;
}

type Shortage = Extract<ReserveResult, { readonly reason: 'exceeded' }>;

export class Draw {
  readonly #parts: BudgetStageParts;
  readonly #drawing: Drawing;
  readonly #record: TaskRecord;
  readonly #caps: readonly CallCap[];
  readonly #meters: readonly Scope[];
  readonly #id: ReservationId;
  #ask: ModelAsk | null;
  #seconds: number | null;
  #bounded: { readonly ask: ModelAsk | null; readonly bound: UpperBound } | undefined;
  /** The task's own budget, and not the policy, has made the answer shorter. */
  #lowered = false;

  constructor(parts: BudgetStageParts, drawing: Drawing) {
    const { call } = drawing;
    this.#parts = parts;
    this.#drawing = drawing;
    this.#record = call.entry.task.record;
    this.#caps = call.entry.caps ?? [];
    // Meters stand last, since they refuse nothing.
    this.#meters = parts.meter === undefined ? [] : [parts.meter(this.#record, call.resolved.operation.route)];
    this.#id = reservationOf(call.id);
    this.#ask = drawing.ask;
    this.#seconds = drawing.secondsMax;
  }

  /** The reservation, or why there is none. */
  async reserve(): Promise<ReservationFact | Denial> {
    const { levels } = this.#drawing;
    const caps = this.#caps.map(({ key, calls, ttlMs }): Scope => ({ key, limits: { calls }, ttlMs }));
    const scopes = [...levels.map(({ scope }) => scope), ...caps, ...this.#meters];
    for (let tries = levels.length + triesMore; ; tries--) {
      const answer = await this.#hold(scopes);
      if (answer.ok) return this.#reserved(answer.balances, this.#lowered ? { lowered: true } : {});
      if (answer.reason === 'settled') return givenUp();
      const cap = this.#caps[answer.scope - levels.length];
      if (cap !== undefined) return cap.denial;
      if (tries <= 1 || !this.#lower(answer)) return this.#refuse(answer);
    }
  }

  /** The one last turn of the task, or why it is not this call. The task's own budget counts it and does not limit it. */
  async lastTurn(otherwise: Denial): Promise<ReservationFact | Denial> {
    const { levels, call, ask } = this.#drawing;
    const { wrapUp } = this.#record;
    const tokens = lastTurnTokens(ask, call.decision.obligations, this.#record);
    if (ask === null || tokens === null) {
      if (wrapUp?.state !== 'open') return otherwise;
      const { reasons = [], remaining = {} } = otherwise.details;
      return denyButLastTurn(otherwise.message, wrapUp.tokens, { reasons, remaining });
    }
    this.#ask = { ...ask, maxTokens: tokens };
    this.#seconds = this.#drawing.secondsMax;
    const scopes = lastTurnScopes(this.#record, levels, this.#caps);
    const answer = await this.#hold([...scopes, ...this.#meters]);
    if (answer.ok) return this.#reserved(answer.balances, { wrapUp: true });
    if (answer.reason === 'settled') return givenUp();
    const cap = this.#caps[answer.scope - levels.length];
    if (cap !== undefined) return cap.denial;
    if (answer.scope < levels.length) return this.#shortageDenial(answer);
    if (answer.dimension !== 'calls') return this.#tooBigForLastTurn(otherwise, tokens);
    // Somebody has it. Where it is over, and the gateway that had it did not live to say so, that is said now.
    if ((answer.balance.reserved.calls ?? 0) > 0) return otherwise;
    const limit = this.#record.budget;
    const news = { ...this.#spentTask(limit, otherwise.details.remaining ?? {}), dimension: 'wrap_up' };
    return denySpent(otherwise, await this.#parts.spent(news, 'wrap_up'));
  }

  /** The task's own budget is spent in `dimension`, as `denial` says: what becomes of it, and what the agent is told. */
  async spent(dimension: string, limit: number, denial: Denial): Promise<Denial> {
    const news = { ...this.#spentTask({ [dimension]: limit }, denial.details.remaining ?? {}), dimension };
    return denySpent(denial, await this.#parts.spent(news, 'shortage'));
  }

  #spentTask(limit: SpentLevel['limit'] | TaskRecord['budget'], remaining: SpentLevel['remaining']) {
    const { id, tenant } = this.#record;
    // A call that is no turn itself, or asks for little, takes nothing of the turn that comes.
    const wrapUpTokens = grantedTokens(this.#drawing.call.decision.obligations, this.#record);
    return { tenant, id: id as string, limit: { ...limit }, remaining, wrapUpTokens };
  }

  #needed(): Amounts & { readonly tokens: number; readonly costMicroUsd: number } {
    const { tokens, costMicroUsd } = this.#bound();
    return { tokens, costMicroUsd, calls: 1, ...(this.#seconds === null ? {} : { seconds: this.#seconds }) };
  }

  #bound(): UpperBound {
    if (this.#bounded === undefined || this.#bounded.ask !== this.#ask) {
      const bound = upperBound(this.#ask, this.#drawing.targets, this.#parts.promptTokensOf);
      this.#bounded = { ask: this.#ask, bound };
    }
    return this.#bounded.bound;
  }

  async #hold(scopes: readonly Scope[]): Promise<ReserveResult> {
    const { store, reservationTtlMs } = this.#parts;
    try {
      return await store.reserve(this.#id, scopes, this.#needed(), reservationTtlMs);
    } catch (error) {
      // A reserve that timed out may still run in the store: closing its id makes it hold nothing. If the store is
      // away altogether, the hold lapses by itself; nobody waits for either.
      store.settle(this.#id, nothing).catch(() => undefined);
      throw error;
    }
  }

  /** Writes the limit that was reserved for into what is sent, and says what is held. */
  async #reserved(
    balances: readonly Balance[],
    how: Pick<ReservationFact['reservation'], 'wrapUp' | 'lowered'>,
  ): Promise<ReservationFact | Denial> {
    const { store, watch, clock } = this.#parts;
    const { levels, call } = this.#drawing;
    watch?.reserved(this.#id, { levels, record: this.#record }, balances);
    const refused = limitAnswer(call.resolved.payload, this.#ask);
    if (refused !== undefined) {
      await store.settle(this.#id, nothing);
      return refused;
    }
    const { tokens, costMicroUsd, answerTokens } = this.#bound();
    const time = this.#seconds === null ? {} : { time: { seconds: this.#seconds, fromMs: clock.monotonicMs() } };
    return { reservation: { id: this.#id, tokens, costMicroUsd, answerTokens, ...time, ...how } };
  }

  /** Asks for less, where that helps; false where it does not, or the policy does not let it. */
  #lower(shortage: Shortage): boolean {
    if (shortage.dimension === 'seconds') {
      const left = leftOf(this.#levelOf(shortage), shortage.balance, 'seconds') ?? 0;
      if (this.#seconds === null || left < 1 || left >= this.#seconds) return false;
      this.#seconds = left;
      return true;
    }
    const fitting = this.#fitting(shortage);
    const mayLower = this.#drawing.call.decision.obligations.max_tokens?.on_excess === 'lower';
    if (this.#ask === null || fitting === undefined || !mayLower) return false;
    this.#ask = { ...this.#ask, maxTokens: fitting };
    this.#lowered ||= shortage.scope === 0;
    return true;
  }

  /** The longest answer that the level would give; undefined where asking for less does not help. */
  #fitting({ dimension, balance, scope }: Shortage): number | undefined {
    const { targets, levels } = this.#drawing;
    if (this.#ask === null || dimension === 'calls' || dimension === 'seconds') return undefined;
    const level = levels[scope] as Level;
    const room = { tokens: leftOf(level, balance, 'tokens'), costMicroUsd: leftOf(level, balance, 'costMicroUsd') };
    const fitting = longestAnswer(this.#ask, targets, room, this.#parts.promptTokensOf);
    return fitting >= answerTokensMin && fitting < this.#bound().maxTokens ? fitting : undefined;
  }

  async #refuse(shortage: Shortage): Promise<ReservationFact | Denial> {
    const level = this.#levelOf(shortage);
    const { dimension, balance, scope } = shortage;
    const { ask, targets } = this.#drawing;
    const denial = this.#shortageDenial(shortage);
    if (level.taskId === null) return denial;
    const isOwn = scope === 0;
    if (isOwn && this.#record.wrapUp?.state === 'open' && ask !== null) return this.lastTurn(denial);
    if (!isSpent(level, dimension, balance, ask, targets)) return denial;
    const limit = level.scope.limits[dimension] as number;
    if (isOwn) return this.spent(dimension, limit, denial);
    const news = { tenant: this.#record.tenant, id: level.taskId, limit: { [dimension]: limit } };
    const remaining = denial.details.remaining ?? {};
    const { fate } = await this.#parts.spent({ ...news, dimension, remaining, wrapUpTokens: null }, 'shortage');
    return denySpent(denial, { fate });
  }

  #shortageDenial(shortage: Shortage): Denial {
    const { nowMs } = this.#drawing;
    const { dimension, balance } = shortage;
    const level = this.#levelOf(shortage);
    this.#parts.watch?.refused(level, this.#record, balance);
    const secondsLeft = secondsLeftOf(this.#record, nowMs);
    const answerTokensMax = this.#fitting(shortage);
    return denyShortage({ level, dimension, balance, needed: this.#needed(), nowMs, secondsLeft, answerTokensMax });
  }

  #tooBigForLastTurn({ message, details }: Denial, tokens: number): Denial {
    const { remaining = {} } = details;
    const reason = { code: 'wrap_up_too_big', message: 'With its prompt it may cost more than the task had in all.' };
    return denyButLastTurn(message, tokens, { reasons: [reason], remaining });
  }

  #levelOf({ scope }: Shortage): Level {
    return this.#drawing.levels[scope] as Level;
  }
}

/** Whole seconds that the task may still live by its budget. */
export function secondsLeftOf({ budget, createdAtMs }: TaskRecord, nowMs: number): number {
  return Math.max(0, budget.seconds - Math.floor((nowMs - createdAtMs) / 1000));
}

function leftOf({ scope }: Level, balance: Balance, dimension: string): number | undefined {
  const { limits } = scope;
  const taken = (balance.spent[dimension] ?? 0) + (balance.reserved[dimension] ?? 0);
  return limits[dimension] === undefined ? undefined : limits[dimension] - taken;
}

function limitAnswer(payload: OperationFact['resolved']['payload'], ask: ModelAsk | null): Denial | undefined {
  if (ask === null || ask.maxTokens === null || ask.maxTokens === payload.model?.maxTokens) return undefined;
  payload.limitTokens(ask.maxTokens);
  return payload.validate();
}

function givenUp(): Denial {
  return deny('store_unavailable', 'The call was given up before its budget was reserved.');
}
