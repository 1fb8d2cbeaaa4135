/**
 * The catalogue of one route: asks its servers what they offer, at the start, every so often and when told of a change,
 * and holds it against what was accepted. What a reader would get wrong: nothing waits for it. A server that is away keeps
 * what it was last found with, and what nobody could be asked about is offered as it was accepted, but sent to nobody.
 */
import type { OfferedTool, Target, ToolDefinition } from '../call.ts';
import type { Clock, Timer } from '../clock.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { within } from '../stage.ts';
import type { Store, Subscription } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import { type Pinnable, pinnables } from './definition.ts';
import {
  type EntryRules,
  entriesOf,
  type FoundDefinition,
  fingerprint,
  type Listing,
  listingOf,
  type ToolEntry,
} from './entries.ts';
import { type CleanedDocument, cleanDefinition } from './hidden/definition.ts';
import { EntryNotes } from './notes.ts';
import type { PinSet, Pins } from './pins.ts';
import { SaidTexts } from './said.ts';

/** All tools that a server lists, page after page. Rejects where it cannot be asked. */
export type ListTools = (target: Target, signal: AbortSignal) => Promise<readonly ToolDefinition[]>;

/** A definition that is not the accepted one was found. */
export interface Drift {
  readonly route: string;
  readonly tool: string;
  readonly target: string;
  readonly accepted: string;
  readonly found: string;
}

export interface RouteToolsParts {
  readonly route: string;
  readonly targets: readonly Target[];
  readonly rules: Omit<EntryRules, 'configured'>;
  readonly refreshMs: number;
  /** What the configuration accepts; null where the first ones seen are accepted. */
  readonly configured: readonly ToolDefinition[] | null;
  readonly pins: Pins;
  readonly store: Pick<Store, 'publish' | 'subscribe'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Told once of each definition that is not the accepted one, at one gateway of the store. */
  readonly drifted: (drift: Drift) => void;
  /** Told whenever what agents may be offered has changed. */
  readonly changed: (route: string) => void;
}

/** Where a target stands, for people. */
export interface TargetStanding {
  readonly name: string;
  /** When it was last asked and answered; null for never. */
  readonly listedAtMs: number | null;
  /** Why it could not be asked the last time; null where it could. */
  readonly fault: string | null;
}

const toolsChannel = 'tg:tools';

const askMsMax = 30_000;
const firstWaitMsMax = 2_000;
const betweenMsMin = 1_000;
const retryMsMin = 2_000;

export class RouteTools implements AsyncDisposable {
  readonly #parts: RouteToolsParts;
  readonly said: SaidTexts;
  readonly #hosts: readonly string[];
  readonly #configured: ReadonlyMap<string, Pinnable> | null;
  readonly #listings = new Map<string, Listing & { readonly atMs: number }>();
  readonly #faults = new Map<string, string>();
  readonly #ended = new AbortController();
  readonly #told = new Set<string>();
  readonly #notes: EntryNotes;
  #cleaned = new Map<string, CleanedDocument<ToolDefinition>>();
  #entries: readonly ToolEntry[] = [];
  #tools: readonly OfferedTool[] = [];
  #subscription: Subscription | undefined;
  #timer: Timer | undefined;
  #refreshing: Promise<void> | undefined;
  #again = false;
  #isKnown = false;
  #lastMs = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #listTools: ListTools | undefined;

  constructor(parts: RouteToolsParts) {
    this.#parts = parts;
    this.#hosts = parts.targets.flatMap(({ url }) => (URL.canParse(url) ? [new URL(url).hostname.toLowerCase()] : []));
    this.said = new SaidTexts({ route: parts.route, rule: parts.rules.hidden, hosts: this.#hosts, log: parts.log });
    this.#notes = new EntryNotes(parts.route, parts.log);
    this.#configured = parts.configured === null ? null : pinnables(parts.configured);
  }

  get route(): string {
    return this.#parts.route;
  }

  /** What agents may be offered, by name; the same array until it changes. */
  get tools(): readonly OfferedTool[] {
    return this.#tools;
  }

  /** Everything that is known of the tools, for people. */
  get entries(): readonly ToolEntry[] {
    return this.#entries;
  }

  get rules(): EntryRules {
    return { ...this.#parts.rules, configured: this.#configured !== null };
  }

  /** Hears from now on what other gateways do. Asks nobody yet. */
  async open(): Promise<void> {
    this.#subscription = await this.#parts.store.subscribe(toolsChannel, (message) => {
      const { route, what } = message as { readonly route?: string; readonly what?: string };
      if (route !== this.#parts.route || this.#listTools === undefined) return;
      if (what === 'list') this.#soon();
      else this.#inBackground(this.#settle());
    });
  }

  /** Asks by `listTools` from now on, the first time at once; nobody waits for it. */
  begin(listTools: ListTools): void {
    const isFirst = this.#listTools === undefined;
    this.#listTools = listTools;
    if (isFirst) this.#inBackground(this.#refresh());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort(new Error('the gate does not ask any more'));
    this.#timer?.cancel();
    await this.#subscription?.close();
    await this.#refreshing?.catch(() => undefined);
  }

  /** Told that a server offers something else now: it is asked again, at most once a second. */
  toldOfChange(): void {
    this.#soon();
    this.#publish('list');
  }

  /** Resolves once some server of the route has said what it offers, or after 2 s. Never rejects. */
  async known(): Promise<void> {
    if (this.#isKnown || this.#listTools === undefined) return;
    const { clock } = this.#parts;
    if (this.#refreshing === undefined && clock.monotonicMs() - this.#lastMs < betweenMsMin) return;
    await within(clock, firstWaitMsMax, this.#refresh()).catch(() => undefined);
  }

  standings(): readonly TargetStanding[] {
    return this.#parts.targets.map(({ name }) => ({
      name,
      listedAtMs: this.#listings.get(name)?.atMs ?? null,
      fault: this.#faults.get(name) ?? null,
    }));
  }

  /**
   * Accepts the definition of `tool` that has this hash, for all gateways. Denies `operation_unknown` for a tool that is
   * not known, `precondition_failed` where no server defines it so (any more), `args_invalid` where the configuration decides.
   */
  async accept(tool: string, hash: string, by: string): Promise<{ readonly before: string } | Denial> {
    const entry = this.#entries.find(({ name }) => name === tool);
    if (entry === undefined) {
      const allowed = this.#entries.filter(({ others }) => others.length > 0).map(({ name }) => name);
      return deny('operation_unknown', 'There is no such tool on this route.', { allowed });
    }
    if (this.#configured !== null) {
      return deny(
        'args_invalid',
        'What is accepted on this route stands in the file that its `tools` names: change that.',
      );
    }
    if (entry.pin?.hash === hash) return { before: hash };
    const wanted = entry.others.find((one) => one.hash === hash);
    if (wanted === undefined || entry.pin === null) {
      const allowed = entry.others.map((one) => one.hash);
      return deny('precondition_failed', 'No server defines the tool so. Look at what has changed again.', { allowed });
    }
    const before = entry.pin.hash;
    const accepted = await this.#parts.pins.accept(tool, wanted, before, by);
    if (isDenial(accepted)) return accepted;
    await this.#settle();
    this.#publish('pins');
    return { before };
  }

  #soon(): void {
    if (this.#listTools === undefined || this.#ended.signal.aborted) return;
    if (this.#refreshing !== undefined) {
      this.#again = true;
      return;
    }
    this.#schedule(Math.max(0, this.#lastMs + betweenMsMin - this.#parts.clock.monotonicMs()));
  }

  #schedule(delayMs: number): void {
    this.#timer?.cancel();
    if (this.#ended.signal.aborted) return;
    this.#timer = this.#parts.clock.after(delayMs, () => this.#inBackground(this.#refresh()));
  }

  #refresh(): Promise<void> {
    this.#refreshing ??= this.#askAll().finally(() => {
      this.#refreshing = undefined;
      const { refreshMs } = this.#parts;
      const failedMs = retryMsMin * 2 ** Math.min(this.#failures - 1, 16);
      const nextMs = this.#again ? betweenMsMin : this.#failures > 0 ? Math.min(refreshMs, failedMs) : refreshMs;
      this.#again = false;
      this.#schedule(nextMs);
    });
    return this.#refreshing;
  }

  async #askAll(): Promise<void> {
    this.#lastMs = this.#parts.clock.monotonicMs();
    try {
      // What was accepted is offered before anybody has answered.
      if (this.#listings.size === 0) await this.#settle();
      const asked = await Promise.all(this.#parts.targets.map((target) => this.#ask(target)));
      await this.#settle();
      this.#isKnown ||= this.#listings.size > 0;
      this.#failures = asked.every(Boolean) ? 0 : this.#failures + 1;
    } catch (fault) {
      this.#failures++;
      throw fault;
    }
  }

  async #ask(target: Target): Promise<boolean> {
    const { clock, log, route } = this.#parts;
    const listTools = this.#listTools as ListTools;
    const limitMs = Math.min(askMsMax, target.timeoutMs.total);
    const enough = new AbortController();
    const signal = AbortSignal.any([this.#ended.signal, enough.signal]);
    try {
      const found = await within(clock, limitMs, listTools(target, signal));
      this.#listings.set(target.name, { ...listingOf(found), atMs: clock.nowMs() });
      this.#faults.delete(target.name);
      return true;
    } catch (fault) {
      if (this.#ended.signal.aborted) return false;
      const why = textOf(fault);
      if (this.#faults.get(target.name) !== why) {
        log('warn', 'a server cannot be asked for its tools', { route, target: target.name, fault: why });
      }
      this.#faults.set(target.name, why);
      return false;
    } finally {
      enough.abort();
    }
  }

  /** Holds what was found against what was accepted, and pins what is new. */
  async #settle(): Promise<void> {
    const pins = await this.#pinsNow();
    const { targets, log, route } = this.#parts;
    const cleaned = new Map<string, CleanedDocument<ToolDefinition>>();
    for (const { tools } of [...this.#listings.values()]) {
      for (const { hash, definition } of tools.values()) {
        const known = this.#cleaned.get(hash);
        cleaned.set(hash, known ?? cleanDefinition(definition, this.#hosts));
        // A server may say very much: calls go on between one of its tools and the next.
        if (known === undefined) await new Promise((resolve) => setImmediate(resolve));
      }
    }
    const entries = entriesOf({
      rules: this.rules,
      targets: targets.map(({ name }) => name),
      listings: this.#listings,
      pins,
      definitionOf: (hash) => this.#definition(hash),
      clean: (one) => {
        const known =
          cleaned.get(one.hash) ?? this.#cleaned.get(one.hash) ?? cleanDefinition(one.definition, this.#hosts);
        cleaned.set(one.hash, known);
        return known;
      },
    });
    this.#cleaned = cleaned;
    const before = fingerprint(this.#entries);
    this.#entries = entries;
    for (const entry of entries) this.#notes.note(entry, this.rules);
    if (fingerprint(entries) !== before) {
      this.#tools = entries.flatMap(({ offered }) => offered ?? []);
      log('info', 'the tools of a server are known', { route, tools: this.#tools.length });
      this.#parts.changed(route);
    }
    await this.#tell(entries);
  }

  async #pinsNow(): Promise<PinSet> {
    if (this.#configured !== null) {
      const pin = ({ hash }: Pinnable) => ({ hash, atMs: 0, by: 'config' });
      return new Map([...this.#configured].map(([name, one]) => [name, pin(one)]));
    }
    await this.#parts.pins.read();
    const found = new Map<string, Pinnable>();
    for (const { name } of this.#parts.targets) {
      for (const [tool, one] of this.#listings.get(name)?.tools ?? []) if (!found.has(tool)) found.set(tool, one);
    }
    return this.#parts.pins.pinFirst(found);
  }

  #definition(hash: string): ToolDefinition | undefined {
    if (this.#configured === null) return this.#parts.pins.definition(hash);
    return [...this.#configured.values()].find((one) => one.hash === hash)?.definition;
  }

  /** Of each other definition once, by whichever gateway comes first. */
  async #tell(entries: readonly ToolEntry[]): Promise<void> {
    const { route, drifted, pins } = this.#parts;
    const drifts = entries.flatMap(({ name, pin, others }) =>
      pin === null ? [] : others.map((other: FoundDefinition) => ({ tool: name, pin, other })),
    );
    const current = new Set(drifts.map(({ tool, other }) => `${other.hash} ${tool}`));
    for (const key of this.#told) if (!current.has(key)) this.#told.delete(key);
    for (const { tool, pin, other } of drifts) {
      const key = `${other.hash} ${tool}`;
      if (this.#told.has(key)) continue;
      const first = await pins.firstToTell(tool, other.hash);
      this.#told.add(key);
      if (first) drifted({ route, tool, target: other.targets[0] ?? '', accepted: pin.hash, found: other.hash });
    }
  }

  #publish(what: 'list' | 'pins'): void {
    this.#inBackground(this.#parts.store.publish(toolsChannel, { route: this.#parts.route, what }));
  }

  #inBackground(step: Promise<void>): void {
    step.catch((fault: unknown) => {
      if (this.#ended.signal.aborted) return;
      const { route, log } = this.#parts;
      log('error', 'the tools of a route cannot be looked after', { route, fault: textOf(fault) });
    });
  }
}

function textOf(fault: unknown): string {
  return fault instanceof Error ? fault.message : String(fault);
}
