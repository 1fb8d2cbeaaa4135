/**
 * One gateway of a simulation: the real pipeline with the real rooms for budgets, routes, limits, retries and the trail,
 * on a store, a disk and targets that the seed owns. Who calls and what the policy says is given. It can be killed at any
 * step, then nothing of it ever goes on; `open` begins its next life on the same disk.
 */

import { withSplits } from '../../src/assembly/budgets.ts';
import { courseOf, openLimits, settleLimits } from '../../src/assembly/limits.ts';
import { chargeInterrupted, settleEarlierLives } from '../../src/assembly/lives.ts';
import type { Parts } from '../../src/assembly/parts.ts';
import { endAfterLastTurn, limitTime, spentOf, wrapUpAfterCut } from '../../src/assembly/spent.ts';
import { Sampler } from '../../src/audit/sampler.ts';
import type { AuditConfig } from '../../src/audit/section.ts';
import { intentStage, recordOutcome } from '../../src/audit/stage.ts';
import { AuditTrail } from '../../src/audit/trail.ts';
import { taskBalance } from '../../src/budget/balances.ts';
import { RunningCount } from '../../src/budget/count.ts';
import { LateSettlements } from '../../src/budget/late-settlement.ts';
import { KeyRests } from '../../src/budget/rates/key-rests.ts';
import { rateStage } from '../../src/budget/rates/stage.ts';
import type { BudgetLimits } from '../../src/budget/section.ts';
import { deliveryOf, settleBudget } from '../../src/budget/settle.ts';
import { budgetStage } from '../../src/budget/stage.ts';
import type { Arrival, ClosedFact, OperationRegistry, Route, TaskRecord } from '../../src/call.ts';
import { newId } from '../../src/clock.ts';
import { Pipeline } from '../../src/pipeline.ts';
import { reachableTargets } from '../../src/route/fitting.ts';
import { routeStage } from '../../src/route/stage.ts';
import { encoders } from '../../src/server/encode.ts';
import type { MemoryStore } from '../../src/store/backends/memory.ts';
import { Presence } from '../../src/store/presence.ts';
import type { Amounts } from '../../src/store/store.ts';
import { denyUnlessActive, Tasks } from '../../src/task/tasks.ts';
import { denialOfFault } from '../../src/upstream/send.ts';
import { dialects } from '../../src/wire/dialects/index.ts';
import type { ManualClock } from '../fakes/clock.ts';
import { type Disk, DiskSink } from './disk_sink.ts';
import { type Draw, FarStore, Life, type StoreBooks } from './far_store.ts';
import { fact, givenRungs, type Wish } from './given_rungs.ts';
import type { ModelBooks } from './model_books.ts';

/** Longer than any call runs, so that what lapses is never what somebody still settles. */
const reservationTtlMs = 60_000;
export const leaseMs = 3_000;

const audit: AuditConfig = {
  sink: 'sqlite',
  durability: { read: 'relaxed', write: 'strict' },
  sign_every: 1_000,
  payload_bytes: 1_024,
  queue_events: 1_000,
  refusals_per_second: 10,
};

const retry = {
  ...{ attempts: 3, base_ms: 5, max_ms: 30, budget_ratio: 1, budget_floor: 100 },
  ...{ rest_max_ms: 0, refused_rest_ms: 0 },
};

export interface GatewayParts {
  readonly id: string;
  readonly clock: ManualClock;
  readonly store: MemoryStore;
  readonly storeBooks: StoreBooks;
  readonly disk: Disk;
  readonly books: ModelBooks;
  readonly draw: Draw;
  readonly budget: BudgetLimits;
  readonly registry: OperationRegistry & { route(name: string): Route | undefined };
  /** Whether a task whose budget is spent ends. */
  readonly ends: boolean;
  readonly faultsPerMille: () => number;
  readonly failed: (fault: unknown) => void;
}

export class SimulatedGateway {
  readonly #parts: GatewayParts;
  #lives = 0;
  #life: Life;
  #pipeline: Pipeline | undefined;
  #settlements: LateSettlements | undefined;
  #wishes = new WeakMap<Arrival['abort'], Wish>();
  /** Names of its lives that were killed. */
  readonly killed: string[] = [];

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#life = new Life(parts.clock);
  }

  get id(): string {
    return this.#parts.id;
  }

  get disk(): Disk {
    return this.#parts.disk;
  }

  get life(): Life {
    return this.#life;
  }

  /** Settlements that wait for the store. */
  get waiting(): number {
    return this.#settlements?.waiting ?? 0;
  }

  get #place(): string {
    return `${this.#parts.id}/folder/`;
  }

  kill(): void {
    this.#life.alive = false;
    this.#pipeline = undefined;
    this.killed.push(`${this.#place}${this.#lives}`);
  }

  /** Whether calls can be made at it now. */
  get serves(): boolean {
    return this.#pipeline !== undefined;
  }

  /** Begins a life; what the one before left open is settled first. */
  async open(): Promise<void> {
    const { clock, store: shared, storeBooks: books, disk, draw, faultsPerMille, failed, id } = this.#parts;
    const life = new Life(clock);
    this.#life = life;
    const place = this.#place;
    const holder = `${place}${++this.#lives}`;
    const log = () => undefined;
    const store = new FarStore({
      store: shared,
      books,
      clock,
      life,
      holder,
      draw,
      lostPerMille: faultsPerMille,
      failed,
    });
    const settlements = new LateSettlements({ store, clock: life, log });
    this.#settlements = settlements;
    const sink = new DiskSink({ disk, clock, life, draw, failsPerMille: faultsPerMille });
    const trail = new AuditTrail({
      ...{ config: audit, dataDir: '', gateway: { id, region: 'r' }, clock: life, log, sink },
      signer: { kid: 'none', privateJwk: {} },
      interrupted: chargeInterrupted(settlements),
    });
    const recover = () =>
      settleEarlierLives({ store, trail, settlements, life: { place, holder }, readsAreDurable: false });
    const presence = new Presence({ store, clock: life, log, place, holder, leaseMs, recover });
    await trail.open();
    await presence.open();
    this.#pipeline = this.#pipelineOf({ life, store, holder, settlements, trail });
  }

  /** Makes a call. Never resolves where this life ends before it. */
  call(wish: Wish, abort: AbortController): ReturnType<Pipeline['run']> {
    const life = this.#life;
    this.#wishes.set(abort, wish);
    const arrival: Arrival = {
      id: newId(life, 'call'),
      requestId: 'r',
      receivedAtMs: life.nowMs(),
      startMs: life.monotonicMs(),
      trace: { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), parentSpanId: null, sampled: false, state: null },
      surface: wish.request.kind === 'model' ? 'openai' : 'http',
      credential: null,
      shown: { scheme: null, certificate: null, proof: null, method: 'POST', path: '/' },
      toolCallId: null,
      deadlineMs: wish.deadlineMs,
      request: wish.request,
      abort,
    };
    return (this.#pipeline as Pipeline).run(arrival);
  }

  #wishOf({ abort }: Pick<Arrival, 'abort'>): Wish {
    return this.#wishes.get(abort) as Wish;
  }

  #pipelineOf({
    life,
    store,
    holder,
    settlements,
    trail,
  }: {
    readonly life: Life;
    readonly store: FarStore;
    readonly holder: string;
    readonly settlements: LateSettlements;
    readonly trail: AuditTrail;
  }): Pipeline {
    const { registry, budget, books, ends, failed } = this.#parts;
    const tasks = new Tasks({ store, clock: life });
    const limits = openLimits(
      { rates: [], queue: { wait_ms: 0, waiting: 1, bytes: 1024, priority: {} }, retry },
      {
        ...{ callStore: store, keyRests: new KeyRests({ store, clock: life }), clock: life, log: () => undefined },
        telemetry: { limits: { limited: ignore, waited: ignore, rested: ignore, retried: ignore } } as never,
      },
    );
    const parts = {
      ...{ config: { retry, task: { on_spent: 'kill' } }, clock: life, limits, tasks, trail },
      ...{ redact: same, balanceOf: (record: TaskRecord) => taskBalance(store, record, life.nowMs()), faulted: ignore },
      telemetry: { limits: { retried: ignore } },
    } as unknown as Parts;
    const sampler = new Sampler(life, audit.refusals_per_second);
    const redact = same;
    const pass = { push: (frame: never) => [frame], end: () => [], denial: undefined, findings: () => [] };
    return new Pipeline({
      clock: life,
      stageMs: 1_000,
      answerBytesMax: 1_048_576,
      faulted: (where, fault) => {
        const name = fault instanceof Error ? fault.name : '';
        // That the store was away is a fault of a room; anything else is one of the gate.
        if (name !== 'StoreUnavailable') failed(new Error(`${where} is at fault`, { cause: fault }));
      },
      rooms: {
        admission: givenRungs({ registry, clock: life, tasks, wishOf: (call) => this.#wishOf(call) })
          .rung(
            budgetStage({
              store: {
                reserve: (id, scopes, amounts, ttlMs) => store.reserve(id, scopes, amounts, ttlMs, holder),
                settle: (id, actual) => settlements.settle(id, actual),
              },
              ...{ clock: life, config: budget, reservationTtlMs },
              spent: ends ? spentOf(parts) : async () => ({ fate: 'unchanged' }),
              targetsOf: (call) => reachableTargets(registry.route(call.resolved.operation.route)?.targets ?? [], call),
            }),
          )
          .rung(routeStage({ table: registry, clock: life }))
          .rung(fact<ClosedFact>(() => ({ closed: true })))
          .rung(rateStage({ limits: limits.rates, running: () => ignore }))
          .rung(intentStage(trail, { durability: audit.durability, redact })),
        exchange: {
          course: (call) => courseOf(parts, call),
          stillAlive: async ({ task: { record } }) => {
            const now = await tasks.load(record.tenant, record.id);
            return denyUnlessActive(now ?? record, life.nowMs());
          },
          guarded: (_call, _target, attempt) => attempt(),
          attempt: (call, target) => books.attempt(life, call, target),
          brokeOff: (target, fault) => denialOfFault(fault, target),
        },
        response: {
          read: ({ resolved: { payload } }, { head, target }, bytes) => payload.readAnswer(head, bytes, target),
          inspect: () => [],
          decide: ({ decision }) => ({ ...decision, input: { phase: 'response', response: {} } }),
          obey: async () => undefined,
          page: async (_call, encoded) => encoded,
          flow: () => pass,
        },
        count: (call) => new RunningCount(call.reservation, call.resolved.payload.model, wrapUpAfterCut(call)),
        settlement: {
          budget: (call, outcome) => {
            const { usage, target } = outcome;
            void settleLimits(parts, call, outcome);
            const settle = (id: string, actual: Amounts) => settlements.settle(id, withSplits(actual, call, outcome));
            return settleBudget({ settle }, call, usage, target, deliveryOf(outcome), life.monotonicMs());
          },
          task: (call, outcome) => endAfterLastTurn(parts, call, outcome),
          audit: (call, outcome) => recordOutcome(trail, call, outcome, { redact, sampler }),
        },
        remaining: async ({ task }) =>
          task === undefined ? undefined : (await taskBalance(store, task.record, life.nowMs())).remaining,
        running: (call) => limitTime(parts, call),
        ...encoders(dialects, () => undefined),
      },
    });
  }
}

function ignore(): void {}

function same<Value>(value: Value): Value {
  return value;
}
