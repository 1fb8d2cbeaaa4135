/**
 * Circles over the tasks of one agent: a new task is no way out of one. Refusals and failures in a row stand in one
 * small record an agent, read with every call and written only where something counts; equal calls are counted by the
 * store beside the budgets of the call, from the second one on that this gateway sees in a window. What a reader would
 * get wrong: the first equal call of each gateway is only noted here, or every call there is would cost a counter.
 */
import { createHash } from 'node:crypto';
import type { Agent, AgentRuns, CallCap, Operation, Run, TaskRecord } from '../call.ts';
import { type Clock, newId } from '../clock.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { type Store, StoreUnavailable, storeKey } from '../store/store.ts';
import { updateRecord } from '../store/update.ts';
import { keyedDigest } from './call-digests.ts';
import { denyStorm, looping, restMs, secondsOf, timeOf, withOneLess, withOneMore } from './loops.ts';

/** What the tasks of one agent may do over and over, as the configuration in force says. */
export interface AgentLimits {
  /** Whether the tasks for one subject count apart from those for another. */
  readonly bySubject: boolean;
  /** Equal calls that are not reads. */
  readonly repeats: number;
  /** Equal reads; null for any number. */
  readonly reads: number | null;
  readonly failuresInARow: number;
  readonly denials: number;
  readonly windowMs: number;
  readonly tasksPerMinute: number;
  readonly coolDownMs: number;
}

/** How a call ended, as far as it counts here. */
export type AgentNews = 'denied' | 'answered' | 'failed';

type Whose = Pick<TaskRecord, 'agent' | 'subject' | 'tenant'>;

/** What the stages of the task room use; for a trial, one that notes nothing. */
export interface AgentLoopsUse {
  /** Where the tasks of this agent stand together. Rejects with `StoreUnavailable`. */
  readonly runsOf: (whose: Whose, limits: AgentLimits) => Promise<AgentRuns>;
  /** What a call counts towards, over all tasks of its agent. Rejects with `StoreUnavailable`. */
  readonly capsOf: (
    record: TaskRecord,
    operation: Pick<Operation, 'name' | 'effect'>,
    whole: string,
    limits: AgentLimits,
  ) => Promise<readonly CallCap[]>;
  /** Counts what came of a call; no round trip where nothing stands that it would change. */
  readonly note: (whose: Whose, news: News, limits: AgentLimits) => Promise<void>;
}

interface News {
  readonly what: AgentNews;
  readonly route: string | null;
  /** What stood when the call was admitted. */
  readonly runs: AgentRuns;
}

type Noted = Pick<News, 'what' | 'route'> & { readonly atMs: number };

/** Writes of one agent's record that wait for the one that is underway, and go together. */
interface Batch {
  readonly noted: Noted[];
  readonly limits: AgentLimits;
  done: Promise<void>;
}

/** Digests of calls that this gateway has seen in their window; the oldest makes room, and is new again. */
const seenMax = 50_000;
/** Routes of one agent that are counted at once, and news in one write. */
const routesMax = 256;
const batchMax = 1_000;
const tenantsMax = 1_000;
const minuteMs = 60_000;
/** The key of a tenant outlives every window, is read anew after an hour, and gone a month after its last use. */
const keyReadMs = 3_600_000;
const keyKeptMs = 30 * 24 * 3_600_000;

const noRuns: AgentRuns = { failures: {} };

export class AgentLoops implements AgentLoopsUse {
  readonly #store: Pick<Store, 'get' | 'compareAndSet' | 'reserve' | 'settle'>;
  readonly #clock: Clock;
  /** To the start of the window in which they were last seen. */
  readonly #seen = new Map<string, number>();
  readonly #keys = new Map<string, { readonly key: string; readonly untilMs: number }>();
  readonly #underway = new Map<string, Promise<void>>();
  readonly #waiting = new Map<string, Batch>();

  constructor({ store, clock }: { store: Pick<Store, 'get' | 'compareAndSet' | 'reserve' | 'settle'>; clock: Clock }) {
    this.#store = store;
    this.#clock = clock;
  }

  /** The same for calls that are only supposed: they see what counts, and count nowhere. */
  onTrial(): AgentLoopsUse {
    return {
      runsOf: (whose, limits) => this.runsOf(whose, limits),
      capsOf: async (record, operation, whole, limits) => {
        const key = await this.#keyOf(record.tenant, 'look');
        return key === undefined ? [] : this.#capsUnder(key, record, operation, whole, limits, 'look');
      },
      note: async () => undefined,
    };
  }

  readonly runsOf = async (whose: Whose, limits: AgentLimits): Promise<AgentRuns> => {
    const found = await this.#store.get(runsKey(whose, limits));
    return found === undefined ? noRuns : standing(found.value as unknown as AgentRuns, this.#clock.nowMs(), limits);
  };

  readonly capsOf: AgentLoopsUse['capsOf'] = async (record, operation, whole, limits) => {
    if (limitOf(operation, limits) === null) return [];
    const key = (await this.#keyOf(record.tenant, 'make')) as string;
    return this.#capsUnder(key, record, operation, whole, limits, 'note');
  };

  readonly note: AgentLoopsUse['note'] = async (whose, { what, route, runs }, limits) => {
    const changes =
      what !== 'answered' || runs.denials !== undefined || (route !== null && runs.failures[route] !== undefined);
    if (!changes) return;
    await this.#write(runsKey(whose, limits), { what, route, atMs: this.#clock.nowMs() }, limits);
  };

  /**
   * Counts that `agent` asks for one more task. Denies `rate_limited` beyond the limit of this minute. Rejects with
   * `StoreUnavailable`.
   */
  async deniesTask(agent: Agent, { tasksPerMinute }: AgentLimits): Promise<Denial | undefined> {
    const nowMs = this.#clock.nowMs();
    const startMs = Math.floor(nowMs / minuteMs) * minuteMs;
    const key = storeKey(agent.tenant, 'opened', digestOf([agent.issuer, agent.id]), String(startMs));
    const id = newId(this.#clock, 'reservation');
    const scope = { key, limits: { tasks: tasksPerMinute }, ttlMs: 2 * minuteMs };
    const held = await this.#store.reserve(id, [scope], { tasks: 1 }, minuteMs);
    if (held.ok) {
      await this.#store.settle(id, { tasks: 1 });
      return undefined;
    }
    const waitMs = startMs + minuteMs - nowMs;
    const message =
      `This agent has asked for ${tasksPerMinute} tasks since ${timeOf(startMs)}, and gets no more for ` +
      `${secondsOf(waitMs)} s. A task that was stopped is not helped by another of its kind.`;
    return deny('rate_limited', message, {
      reasons: [{ code: 'tasks_opened', message: `${tasksPerMinute} tasks a minute` }],
      retryAfterMs: waitMs,
    });
  }

  #capsUnder(
    key: string,
    { agent, subject, tenant, purpose }: TaskRecord,
    operation: Pick<Operation, 'name' | 'effect'>,
    whole: string,
    limits: AgentLimits,
    purposeOfLook: 'note' | 'look',
  ): readonly CallCap[] {
    const limit = limitOf(operation, limits);
    if (limit === null) return [];
    const nowMs = this.#clock.nowMs();
    const startMs = Math.floor(nowMs / limits.windowMs) * limits.windowMs;
    const digest = keyedDigest(key, ...ownerOf({ agent, subject }, limits), purpose, whole);
    if (this.#seen.get(digest) !== startMs) {
      if (purposeOfLook === 'note') this.#see(digest, startMs);
      return [];
    }
    const waitMs = Math.max(1, startMs + limits.windowMs - nowMs);
    const message =
      `The tasks of this agent for this purpose have made the same call to ${operation.name} ${limit} times since ` +
      `${timeOf(startMs)}. Another task will get no other answer; do something else, or ask again in ${secondsOf(waitMs)} s.`;
    return [
      {
        key: storeKey(tenant, 'equal', digest, String(startMs)),
        calls: limit - 1,
        ttlMs: waitMs + minuteMs,
        denial: looping(message, 'equal_calls_over_tasks', `${limit} equal calls of ${operation.name}`, waitMs),
      },
    ];
  }

  #see(digest: string, startMs: number): void {
    this.#seen.delete(digest);
    this.#seen.set(digest, startMs);
    if (this.#seen.size > seenMax) dropFirst(this.#seen);
  }

  /** A secret of the tenant: what is counted in the store cannot be guessed from its names. `look` makes none. */
  async #keyOf(tenant: string, manner: 'look' | 'make'): Promise<string | undefined> {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#keys.get(tenant);
    if (known !== undefined && nowMs < known.untilMs) return known.key;
    const at = storeKey(tenant, 'loop-key');
    const found = await this.#store.get(at);
    if (found === undefined && manner === 'look') return undefined;
    const mine = found?.value ?? this.#clock.randomBytes(32).toString('base64url');
    // Written as it is, so that it lives on. Who comes second takes what stands.
    const written = manner === 'look' || (await this.#store.compareAndSet(at, found?.version ?? 0, mine, keyKeptMs));
    const key = (written === true || written.ok ? mine : (written.current?.value ?? mine)) as string;
    this.#keys.set(tenant, { key, untilMs: nowMs + keyReadMs });
    if (this.#keys.size > tenantsMax) dropFirst(this.#keys);
    return key;
  }

  /** One write of a record at a time; what comes meanwhile goes into the next one together. */
  #write(key: string, noted: Noted, limits: AgentLimits): Promise<void> {
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) {
      // So many at once change nothing more: the limits are below.
      if (waiting.noted.length < batchMax) waiting.noted.push(noted);
      return waiting.done;
    }
    const batch: Batch = { noted: [noted], limits, done: Promise.resolve() };
    this.#waiting.set(key, batch);
    const before = this.#underway.get(key) ?? Promise.resolve();
    batch.done = before.then(() => {
      this.#waiting.delete(key);
      return this.#apply(key, batch);
    });
    const turn = batch.done.then(
      () => undefined,
      () => undefined,
    );
    this.#underway.set(key, turn);
    void turn.then(() => {
      if (this.#underway.get(key) === turn) this.#underway.delete(key);
    });
    return batch.done;
  }

  async #apply(key: string, { noted, limits }: Batch): Promise<void> {
    const keptMs = Math.max(limits.windowMs, limits.coolDownMs);
    const written = await updateRecord<AgentRuns>(this.#store, key, keptMs, (current) => {
      const before = standing(current ?? noRuns, this.#clock.nowMs(), limits);
      return noted.reduce(withNews, before);
    });
    if (isDenial(written)) throw new StoreUnavailable('what the tasks of the agent did kept changing');
  }
}

/**
 * The denial of a call of an agent whose tasks together fail or are refused without end, or undefined: `circuit_open`
 * for the route, `task_looping` for every call; after the cool-down one is let through again.
 */
export function denyAgentRuns(runs: AgentRuns, route: string, limits: AgentLimits, nowMs: number): Denial | undefined {
  const stormMs = restMs(runs.denials, limits.denials, limits.coolDownMs, nowMs);
  if (runs.denials !== undefined && stormMs > 0) return denyStorm(runs.denials, 'The tasks of this agent', stormMs);
  const failures = Object.hasOwn(runs.failures, route) ? runs.failures[route] : undefined;
  const waitMs = restMs(failures, limits.failuresInARow, limits.coolDownMs, nowMs);
  if (failures === undefined || waitMs === 0) return undefined;
  const message =
    `The last ${failures.count} calls of this agent's tasks to ${route} failed since ${timeOf(failures.sinceMs)}, one ` +
    `after the other. It is not called for ${secondsOf(waitMs)} s: go on without it, or use another route. A new task ` +
    'does not help.';
  return deny('circuit_open', message, {
    reasons: [
      { code: 'agent_failures_in_a_row', message: `${failures.count} failures; the limit is ${limits.failuresInARow}` },
    ],
    retryAfterMs: waitMs,
  });
}

function limitOf({ effect }: Pick<Operation, 'effect'>, { reads, repeats }: AgentLimits): number | null {
  return effect === 'read' ? reads : repeats;
}

function ownerOf({ agent, subject }: Pick<Whose, 'agent' | 'subject'>, { bySubject }: AgentLimits): readonly string[] {
  const whom = bySubject && subject !== null ? [subject.issuer ?? '', subject.type, subject.id] : [];
  return [agent.issuer, agent.id, ...whom];
}

function runsKey(whose: Whose, limits: AgentLimits): string {
  return storeKey(whose.tenant, 'runs', digestOf(ownerOf(whose, limits)));
}

/** Names are as long as an issuer likes, and of any characters. */
function digestOf(texts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(texts)).digest('base64url');
}

/** Without what has ended: a run whose last is longer ago than the window. */
function standing(runs: AgentRuns, nowMs: number, { windowMs, coolDownMs }: AgentLimits): AgentRuns {
  const keptMs = Math.max(windowMs, coolDownMs);
  const lives = (run: Run | undefined): run is Run => run !== undefined && nowMs < run.lastAtMs + keptMs;
  return {
    ...(lives(runs.denials) ? { denials: runs.denials } : {}),
    failures: Object.fromEntries(Object.entries(runs.failures).filter(([, run]) => lives(run))),
  };
}

function withNews({ denials, failures }: AgentRuns, { what, route, atMs }: Noted): AgentRuns {
  const left = what === 'answered' ? withOneLess(denials) : what === 'denied' ? withOneMore(denials, atMs) : denials;
  const refused = left === undefined ? {} : { denials: left };
  if (route === null || what === 'denied') return { ...refused, failures };
  const { [route]: run, ...others } = failures;
  if (what === 'answered') return { ...refused, failures: others };
  const kept = Object.entries(others).slice(-(routesMax - 1));
  return { ...refused, failures: { ...Object.fromEntries(kept), [route]: withOneMore(run, atMs) } };
}

function dropFirst(map: Map<string, unknown>): void {
  for (const first of map.keys()) {
    map.delete(first);
    break;
  }
}
