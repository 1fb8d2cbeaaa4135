/**
 * One run of the simulation of budgets: three gateways on one store, more calls than the budgets are for, and afterwards
 * an accountant who goes through all books. Everything follows the seed. What a reader would get wrong: nobody asks the
 * gate what a call has cost; the accountant reckons it from what the targets worked on, call by call.
 */
import assert from 'node:assert/strict';
import type { Admitted, Json, Route, TaskRecord } from '../../src/call.ts';
import { type CallId, callOf, reservationOf } from '../../src/clock.ts';
import type { Reply } from '../../src/pipeline.ts';
import { clientGone } from '../../src/settlement.ts';
import { MemoryStore } from '../../src/store/backends/memory.ts';
import type { Amounts } from '../../src/store/store.ts';
import { Tasks } from '../../src/task/tasks.ts';
import { ManualClock } from '../fakes/clock.ts';
import { burstsMs, type ClientPlan, type Goal, type Scene, sceneOf, wrapUpKey } from './budget_scene.ts';
import { Disk } from './disk_sink.ts';
import { type Draw, type Hold, StoreBooks } from './far_store.ts';
import { dearest, type Manner, ModelBooks } from './model_books.ts';
import { SimulatedGateway } from './simulated_gateway.ts';
import { read, type SlowClient } from './slow_client.ts';

/** What was seen in one run, for whoever wants to know that the seeds show something. */
export interface Seen {
  readonly goal: Goal | null;
  readonly calls: number;
  readonly admitted: number;
  readonly refused: number;
  readonly left: number;
  readonly cut: number;
  readonly steps: number;
  /** What became of the gateway that was killed. */
  readonly killed: 'none' | 'back' | 'gone';
  /** Calls that are charged more than was billed: at the dearest target they could have reached, or all that was held. */
  readonly bounded: number;
  /** Calls of a killed gateway whose end stands in no trail. */
  readonly orphans: number;
  /** Micro-dollars: of the books of the targets, spent, and in the trails. */
  readonly billed: number;
  readonly spent: number;
  readonly told: number;
}

const dimensions = ['tokens', 'costMicroUsd', 'calls'] as const;
const nothing: Amounts = { tokens: 0, costMicroUsd: 0, calls: 0 };
const mondayMs = Date.UTC(2026, 10, 2, 9);

/** Throws, with the seed in its message, where anything is not as it should be. */
export async function simulate(seed: number): Promise<Seen> {
  try {
    return await new BudgetRun(seed).run();
  } catch (fault) {
    throw new Error(`seed ${seed}: ${fault instanceof Error ? fault.message : fault}`, { cause: fault });
  }
}

/** How far the attempts of one call have come. */
interface Course {
  readonly manners: readonly Manner[];
  tries: number;
  /** Its reservation, once it was sent. */
  id?: string;
}

class BudgetRun {
  readonly #clock: ManualClock;
  readonly #draw: Draw;
  readonly #scene: Scene;
  readonly #store: MemoryStore;
  readonly #storeBooks: StoreBooks;
  readonly #books: ModelBooks;
  readonly #gateways: readonly SimulatedGateway[];
  readonly #failures: unknown[] = [];
  readonly #plans = new Map<AbortController, Course>();
  #faultsPerMille = 0;
  #calls = 0;
  #ended = 0;
  #lost = 0;
  #refused = 0;
  #left = 0;
  #cut = 0;
  #killed: Seen['killed'] = 'none';

  constructor(seed: number) {
    const clock = new ManualClock(mondayMs, seed);
    this.#clock = clock;
    const draw: Draw = (below) => clock.randomBytes(4).readUInt32LE() % below;
    this.#draw = draw;
    // Some runs begin a few hundred milliseconds before an hour is over: then calls settle in the window before theirs.
    const turns = draw(4) === 0;
    if (turns) clock.setWallBy(3_600_000 - 1 - draw(1_500));
    this.#scene = sceneOf(draw, clock.nowMs(), !turns);
    this.#store = new MemoryStore({ clock });
    this.#storeBooks = new StoreBooks(this.#store, this.#scene.limitsOf);
    this.#books = new ModelBooks(draw);
    this.#books.manner = (call) => this.#mannerOf(call);
    const failed = (fault: unknown) => void this.#failures.push(fault);
    this.#gateways = ['gw-1', 'gw-2', 'gw-3'].map(
      (id) =>
        new SimulatedGateway({
          ...{ id, clock, draw, failed, store: this.#store, storeBooks: this.#storeBooks, books: this.#books },
          ...{ disk: new Disk(), budget: this.#scene.budget, registry: this.#scene.registry },
          ends: this.#scene.goal?.wrapUp !== undefined,
          faultsPerMille: () => this.#faultsPerMille,
        }),
    );
  }

  async run(): Promise<Seen> {
    const { clients } = this.#scene;
    await this.#store.open();
    for (const record of this.#scene.records) {
      await this.#store.compareAndSet(Tasks.key(record.tenant, record.id), 0, { ...record } as unknown as Json, 1e9);
    }
    const opening = Promise.all(this.#gateways.map((gateway) => gateway.open()));
    await this.#advance(100);
    await opening;
    for (const client of clients) this.#clock.after(client.startMs, () => this.#start(client));
    this.#planKill();
    this.#faultsPerMille = (this.#draw(2) * this.#draw(80)) | 0;
    await this.#advance(2_500);
    this.#faultsPerMille = 0;
    await this.#advance(11_000);
    if (this.#scene.goal !== null) await this.#callUntilRefused();
    assert.equal(this.#ended + this.#lost, this.#calls, 'every call ends, but those of the gateway that was killed');
    return this.#account();
  }

  async #advance(ms: number): Promise<void> {
    await this.#clock.advance(ms);
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  #planKill(): void {
    const lot = this.#draw(3);
    if (lot === 0) return;
    const victim = this.#gateways[this.#draw(3)] as SimulatedGateway;
    const atMs = (burstsMs[this.#draw(burstsMs.length)] as number) + 2 + this.#draw(80);
    this.#killed = lot === 1 ? 'gone' : 'back';
    this.#clock.after(atMs, () => victim.kill());
    // Once the store answers again; one that begins while it does not charges what it cannot ask for.
    if (lot === 2) {
      const open = () => void victim.open().catch((fault: unknown) => this.#failures.push(fault));
      this.#clock.after(2_600 + this.#draw(4_000), open);
    }
  }

  /** As long as the one limit lets it: what was given back is to be had again. */
  async #callUntilRefused(): Promise<void> {
    for (let more = 0; more < 40; more++) {
      const before = this.#refused;
      this.#start(this.#scene.another());
      await this.#advance(400);
      if (this.#refused > before && (this.#scene.goal?.wrapUp === undefined || (await this.#isKilled()))) return;
    }
    assert.fail('the budget has no end');
  }

  async #isKilled(): Promise<boolean> {
    const [{ tenant, id }] = this.#scene.records as readonly [TaskRecord];
    const found = await this.#store.get(Tasks.key(tenant, id));
    return (found?.value as { readonly state?: string } | undefined)?.state === 'killed';
  }

  #mannerOf(call: Admitted): Manner {
    const plan = this.#plans.get(call.abort);
    assert.ok(plan !== undefined);
    const manner = plan.manners[Math.min(plan.tries, plan.manners.length - 1)] as Manner;
    plan.tries++;
    plan.id = reservationOf(call.id);
    return manner;
  }

  #start(plan: ClientPlan): void {
    const open = this.#gateways.filter(({ serves }) => serves);
    const gateway = open[this.#draw(open.length)] as SimulatedGateway;
    const { life } = gateway;
    const abort = new AbortController();
    this.#plans.set(abort, { manners: plan.manners, tries: 0 });
    this.#calls++;
    const client: SlowClient = { life, abort, draw: this.#draw, clock: this.#clock, left: false, got: '' };
    if (plan.leavesMs !== null) {
      this.#clock.after(plan.leavesMs, () => {
        client.left = true;
        if (life.alive && this.#plans.has(abort)) {
          this.#left++;
          abort.abort(clientGone);
        }
      });
    }
    const made = async () => {
      const reply = await gateway.call(plan.wish, abort);
      await read(reply, client);
      if (!life.alive) return;
      this.#judge(reply, client, this.#plans.get(abort)?.id ?? '');
      this.#plans.delete(abort);
      this.#ended++;
    };
    // What a dead gateway was to do never ends, and its clients are cut off.
    made().catch((fault: unknown) => this.#failures.push(fault));
    const watch = () => {
      if (!this.#plans.has(abort)) return;
      if (life.alive) this.#clock.after(250, watch);
      else this.#lost++;
    };
    watch();
  }

  #judge(reply: Reply, { got }: SlowClient, id: string): void {
    const most = this.#books.rows.get(id)?.at(-1)?.answerTokensMax ?? 0;
    const tokens = got.split('"content":" word"').length - 1;
    assert.ok(tokens <= most, `${id}: its agent got ${tokens} tokens of ${most}`);
    if (reply.status === 402 || (reply.status === 429 && /budget_exhausted/.test(got))) this.#refused++;
    if (/"code":"task_budget_exhausted"/.test(got) && reply.status === 200) this.#cut++;
  }

  /** Goes through the books of the store, the targets and the trails. */
  #account(): Seen {
    const { holds, settled, keys, steps } = this.#storeBooks;
    const sums = new Map([...keys].map((key) => [key, { ...nothing } as Record<string, number>]));
    let [billed, told, spent, orphans, admitted, bounded] = [0, 0, 0, 0, 0, 0];
    for (const [id, hold] of holds) {
      const due = this.#dueOf(id, hold);
      this.#judgeScopes(id, hold);
      const end = this.#endOf(callOf(id));
      for (const { key } of hold.scopes) {
        const sum = sums.get(key) as Record<string, number>;
        for (const name of dimensions) sum[name] = (sum[name] ?? 0) + (due.amounts[name] ?? 0);
      }
      const cost = due.amounts.costMicroUsd ?? 0;
      if ((due.amounts.calls ?? 0) > 0) admitted++;
      if (due.orphan) orphans++;
      spent += cost;
      const own = this.#books.billed(id).costMicroUsd ?? 0;
      billed += own;
      if (own !== cost) bounded++;
      told += end ?? 0;
      // What nobody who is left can know the end of is all that differs.
      if (!due.orphan) assert.equal(end ?? 0, cost, `the trail of ${id}`);
      else assert.ok((end ?? 0) <= cost, `the trail of ${id}: ${end} of ${cost}`);
    }
    for (const key of keys) {
      const { spent: is, reserved } = this.#store.balanceOf(key);
      for (const name of dimensions) {
        assert.equal(reserved[name] ?? 0, 0, `${key}: ${name} stays held`);
        assert.equal(is[name] ?? 0, sums.get(key)?.[name], `${key}: ${name} spent, and due`);
      }
    }
    for (const { waiting, serves } of this.#gateways) if (serves) assert.equal(waiting, 0, 'no settlement waits');
    for (const id of settled.keys()) assert.ok(holds.has(id) || !this.#books.rows.has(id), `${id} went without a hold`);
    for (const id of this.#books.rows.keys()) assert.ok(holds.has(id), `${id} went without a hold`);
    this.#judgeGoal(sums);
    // To the micro-dollar, but where nobody can know better: another price was possible, or the gateway is dead.
    if (this.#scene.onePrice && this.#killed === 'none') assert.deepEqual([spent, told], [billed, billed]);
    if (this.#killed === 'none') assert.equal(told, spent);
    const { goal } = this.#scene;
    const counts = { calls: this.#calls, admitted, refused: this.#refused, left: this.#left, cut: this.#cut };
    return { goal, ...counts, bounded, steps, killed: this.#killed, orphans, billed, spent, told };
  }

  /**
   * What a call is to be charged: what was billed for it, and where the one who answered did not tell, the dearest that
   * the call could have reached. Of a gateway that was killed: what it lived to settle or to write down; all that was held
   * where its trail knows only that the call was to be sent, or where it did not come back; nothing where its trail does
   * not know of the call, unless that may have been a read, which is sent before its intent is on disk. `orphan`: no
   * trail that is left has its end, which is so of gateways that did not come back, and of such reads.
   */
  #dueOf(id: string, hold: Hold): { readonly amounts: Amounts; readonly orphan: boolean } {
    const truth = this.#truthOf(id);
    this.#judgeBound(id, hold);
    const owner = this.#gateways.find(({ killed }) => killed.includes(hold.holder ?? ''));
    const settledBy = this.#storeBooks.settled.get(id)?.by;
    if (owner === undefined) {
      assert.equal(settledBy, hold.holder, `${id} is settled by who held it`);
      return { amounts: truth, orphan: false };
    }
    const own = settledBy === hold.holder;
    const end = owner.disk.endOf(callOf(id));
    if (this.#killed === 'gone') return { amounts: own ? truth : hold.amounts, orphan: !own || end === undefined };
    if (own || end?.type === 'outcome') {
      const unsaid = end === undefined && this.#books.rows.has(id);
      assert.ok(!unsaid || this.#books.rows.get(id)?.every(({ reads }) => reads), `the trail lost ${id}`);
      return { amounts: truth, orphan: unsaid };
    }
    if (end !== undefined) return { amounts: hold.amounts, orphan: false };
    assert.ok(!owner.disk.hasIntent(callOf(id)), `the intent of ${id} has no end`);
    const mayHaveGone = (hold.amounts.tokens ?? 0) === 0;
    assert.ok(mayHaveGone || !this.#books.rows.has(id), `${id} went before its intent was on disk`);
    return { amounts: mayHaveGone ? hold.amounts : nothing, orphan: mayHaveGone };
  }

  /** What was billed for a call; where its target did not tell, at the dearest target that it could have reached. */
  #truthOf(id: string): Amounts {
    const billed = this.#books.billed(id);
    const row = this.#books.untold(id);
    if (row === undefined) return billed;
    const { targets } = this.#scene.registry.route(row.target.route) as Route;
    const costs = targets.map(({ price }) => dearest(price, row.promptTokens, row.answerTokensMax));
    return { ...billed, costMicroUsd: Math.max(...costs) };
  }

  #judgeScopes(id: string, { scopes }: Hold): void {
    const keys = scopes.map(({ key }) => key).filter((key) => !key.includes(wrapUpKey));
    const expected = this.#scene.drawnOn(keys[0] ?? '');
    assert.equal(keys.length, expected.length, `${id} drew on ${keys}, not on ${expected}`);
    for (const [index, start] of expected.entries()) assert.ok(keys[index]?.startsWith(start), `${id}: ${keys[index]}`);
  }

  /** What was held is no more than it had to be, and a stream went no further than one chunk beyond it. */
  #judgeBound(id: string, { amounts }: Hold): void {
    for (const { target, promptTokens, answerTokensMax, written } of this.#books.rows.get(id) ?? []) {
      if (target.kind !== 'model') continue;
      assert.equal(amounts.tokens, promptTokens + answerTokensMax, `${id}: the tokens held are those it was sent for`);
      assert.ok(written <= answerTokensMax + 1, `${id}: ${written} tokens were written of ${answerTokensMax}`);
    }
  }

  #endOf(call: CallId): number | undefined {
    for (const { disk } of this.#gateways) {
      const end = disk.endOf(call);
      if (end !== undefined) return Math.round((end.cost_usd ?? 0) * 1e6);
    }
    return undefined;
  }

  #judgeGoal(sums: ReadonlyMap<string, Readonly<Record<string, number>>>): void {
    const { goal, limitsOf } = this.#scene;
    if (goal === null) return;
    const { dimension, k, wrapUp } = goal;
    const isTurn = ({ scopes }: Hold): boolean => scopes.some(({ key }) => key.includes(wrapUpKey));
    const key = [...sums.keys()].find((one) => !one.includes(wrapUpKey) && (limitsOf(one)[dimension] ?? 1e6) < 1e6);
    const paid = [...this.#storeBooks.holds].filter(
      ([id, hold]) =>
        hold.scopes.some((scope) => scope.key === key) && (this.#dueOf(id, hold).amounts[dimension] ?? 0) > 0,
    );
    const turns = paid.filter(([, hold]) => isTurn(hold)).length;
    const [calls, most] = [paid.length - turns, wrapUp === undefined ? 0 : 1];
    const what = `${k} calls are paid of ${dimension} at ${key}: ${calls}, and ${turns} last turns`;
    // What was charged for a dead gateway and given back once it came again is of no use to a task that has ended.
    if (wrapUp !== undefined && this.#killed === 'back') assert.ok(calls <= k && turns <= most, what);
    else assert.deepEqual([calls, turns], [k, most], what);
  }
}
