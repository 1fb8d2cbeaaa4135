/**
 * The engine of one place that policies come from: loads the bundle there, decides with it, and follows its changes.
 * What a reader would get wrong: an engine without a policy throws, and so does one whose bundle has expired; a policy
 * that fails is a decision that denies (see verdict.ts). A change that does not compile, is not signed as it must be,
 * or goes back leaves the last good bundle in force. Which engine decides about whom, policies.ts says.
 */
import { resolve } from 'node:path';
import type { Decision, JsonObject } from '../call.ts';
import type { Clock, Timer } from '../clock.ts';
import type { Bundle } from './bundle.ts';
import type { BundleOrigin, Candidate } from './bundle-origin.ts';
import { BundlePath } from './bundle-path.ts';
import { BundleRecord } from './bundle-record.ts';
import { type BundleDialer, BundleServer } from './bundle-server.ts';
import { noTerms } from './bundle-terms.ts';
import { type Source, type TaskDecision, taskDecisionOf } from './decision.ts';
import type { GatewayFacts } from './input.ts';
import { faultText, LoadedBundle } from './instance.ts';
import type { LintSettings } from './lint/linted.ts';
import type { LintWorld } from './lint/world.ts';
import { fetchDefaults, isServed, type PolicyConfig } from './section.ts';
import { BundleError } from './sources.ts';
import { Verdicts } from './verdict.ts';

const errorCharsMax = 4_000;

/** Which policies are in force. `bundle` is the name of the folder or file, `revision` what is in it. */
export interface ActiveBundle {
  readonly bundle: string;
  readonly revision: string;
}

/** The `policy` section as far as the engine reads it. */
export type EngineConfig = Pick<PolicyConfig, 'bundle'> & Partial<PolicyConfig>;

export interface PolicyEngineOptions {
  readonly config: EngineConfig;
  /** What a relative `config.bundle` is relative to. */
  readonly baseDir: string;
  /** Compiled bundles are kept in its `bundles` folder. */
  readonly dataDir: string;
  /** Absolute path of the OPA compiler; asked for only where the bundle is a folder. */
  readonly opa: () => Promise<string>;
  /** What the configuration names, which a bundle is checked against. Left out: it is not known. */
  readonly world?: () => LintWorld | null;
  /** The way to a bundle that is a URL; closed with the engine. */
  readonly dialer?: BundleDialer;
  /** Named in the log, where many gates report which policies they run. */
  readonly gateway: GatewayFacts;
  readonly clock: Clock;
  readonly log: (level: 'info' | 'warn' | 'error', message: string, fields?: Readonly<Record<string, unknown>>) => void;
  /** Decides, so that a policy set shares what the check of inputs compiles. Left out: the engine has one of its own. */
  readonly verdicts?: Verdicts;
  /** Opens also where no good bundle is there yet, and goes on looking: for a candidate, which decides about nobody. */
  readonly optional?: boolean;
  /** Writes down what is about to come into force, for the tasks that will be opened under it. */
  readonly keep?: (revision: Revision, bundle: Bundle) => Promise<void>;
  /** Told after each swap, the first included, with the digest of what decides now and with what decided before it. */
  readonly changed?: (active: ActiveBundle & { readonly content: string }, before: Revision | null) => void;
}

/** A bundle that decides, or did. */
export interface Revision {
  /** The name of where it came from. */
  readonly bundle: string;
  readonly loaded: LoadedBundle;
  /** From then on it decides nothing; wall time in milliseconds. */
  readonly expiresAtMs: number | null;
}

/** When what happened, for whoever watches many gates; wall time in milliseconds, null for never. */
export interface EngineTimes {
  readonly lookedMs: number | null;
  readonly answeredMs: number | null;
  readonly foundMs: number | null;
  readonly activatedMs: number | null;
}

/** What an operator should know of an engine that does not run the newest bundle. */
export type PolicyNote = 'last_good_bundle' | 'expired';

export class PolicyEngine implements AsyncDisposable {
  readonly #options: PolicyEngineOptions;
  readonly #record: BundleRecord;
  readonly #origin: BundleOrigin;
  readonly #stop = new AbortController();
  readonly #verdicts: Verdicts;
  #loaded: LoadedBundle | null = null;
  #expiresAtMs: number | null = null;
  #times: EngineTimes = { lookedMs: null, answeredMs: null, foundMs: null, activatedMs: null };
  #expiryTold = false;
  #timer: Timer | null = null;
  #reloading: Promise<void> = Promise.resolve();
  #failures = 0;
  #lastError: string | null = null;

  constructor(options: PolicyEngineOptions) {
    this.#options = options;
    this.#verdicts = options.verdicts ?? new Verdicts(options);
    const { bundle } = options.config;
    const source = isServed(bundle) ? bundle : resolve(options.baseDir, bundle);
    this.#record = new BundleRecord({ dataDir: options.dataDir, source, clock: options.clock });
    this.#origin = originOf(options, source, this.#record);
  }

  /**
   * Loads the bundle and begins to watch it; where its server gives none that is good, the one that was last in force.
   * Throws BundleError with what is wrong with it.
   */
  async open(): Promise<void> {
    const { signal } = this.#stop;
    try {
      this.#at('lookedMs');
      await this.#take(await this.#origin.first(signal));
      this.#at('answeredMs');
    } catch (fault) {
      if (!(await this.#takeLast()) && this.#options.optional !== true) throw fault;
      this.#failures = 1;
      this.#refused(fault);
    }
    this.#arm();
  }

  /** Which bundle is in force, also if it has expired. Throws if no policy is loaded. */
  get active(): ActiveBundle {
    if (this.#loaded === null) throw new Error('no policy is loaded');
    return { bundle: this.#origin.name, revision: this.#loaded.revision };
  }

  /** What decides now; null where nothing is loaded or it has expired. */
  get revision(): Revision | null {
    return this.#expired() ? null : this.last;
  }

  /** What is loaded, also if it has expired; null for nothing. */
  get last(): Revision | null {
    return this.#loaded && { bundle: this.#origin.name, loaded: this.#loaded, expiresAtMs: this.#expiresAtMs };
  }

  /** The name of the place that its bundles come from. */
  get bundle(): string {
    return this.#origin.name;
  }

  get times(): EngineTimes {
    return this.#times;
  }

  /** Why the newest change of the bundle is not in force; null if it is. */
  get lastError(): string | null {
    return this.#lastError;
  }

  /** Whether decisions can be made. A refused change leaves an engine healthy: the last good bundle decides. */
  healthy(): boolean {
    return this.#loaded !== null && !this.#expired();
  }

  /** Why this engine is not as it should be; null while the newest bundle decides. */
  get note(): PolicyNote | null {
    if (this.#expired()) return 'expired';
    return this.#lastError === null ? null : 'last_good_bundle';
  }

  /** May this task exist. `input` is made by `taskInput`. Throws only if no policy is loaded. */
  decideTask(input: JsonObject): TaskDecision {
    const { decision, ruling } = this.#verdicts.of(this.#require(), 'task', input);
    return taskDecisionOf(decision, ruling);
  }

  /** May this call go. `input` is made by `callInput`. Throws only if no policy is loaded. */
  decideCall(input: JsonObject): Decision {
    return this.#verdicts.of(this.#require(), 'call', input).decision;
  }

  /** May this answer pass. A bundle without `tollgate.response` lets every answer to an allowed call pass. */
  decideResponse(input: JsonObject): Decision {
    return this.#verdicts.of(this.#require(), 'response', input).decision;
  }

  /** What a decision of the gate itself says of its origin, for refusals made before the policy is asked. */
  source(input: JsonObject): Source {
    return this.#verdicts.source(this.#require(), input);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#timer?.cancel();
    await this.#reloading;
    await this.#origin[Symbol.asyncDispose]();
    this.#loaded = null;
  }

  #require(): Revision {
    if (this.#loaded === null) throw new Error('no policy is loaded');
    if (this.#expired()) throw new Error('the policy bundle has expired');
    return { bundle: this.#origin.name, loaded: this.#loaded, expiresAtMs: this.#expiresAtMs };
  }

  #expired(): boolean {
    return this.#expiresAtMs !== null && this.#options.clock.nowMs() >= this.#expiresAtMs;
  }

  #at(...what: (keyof EngineTimes)[]): void {
    const now = this.#options.clock.nowMs();
    this.#times = { ...this.#times, ...Object.fromEntries(what.map((name) => [name, now])) };
  }

  /** Falls back on the bundle that was last in force; false where there is none, or none that may decide now. */
  async #takeLast(): Promise<boolean> {
    try {
      const last = await this.#origin.last(this.#stop.signal);
      if (last === null) return false;
      await this.#take(last);
    } catch (fault) {
      this.#options.log('error', 'the kept policy bundle is refused', {
        fault: faultText(fault).slice(0, errorCharsMax),
      });
      return false;
    }
    this.#options.log('warn', 'the gate starts on the policy bundle that was last in force', { ...this.active });
    return true;
  }

  /** Puts a candidate in force, unless it is what is in force. Throws BundleError for one that may not be. */
  async #take(candidate: Candidate): Promise<void> {
    const { clock, config, log } = this.#options;
    const { bundle, content, revision, packed, etag } = candidate;
    const { sequence, expiresAtMs } = bundle.terms ?? noTerms;
    if (expiresAtMs !== null && clock.nowMs() >= expiresAtMs) {
      throw new BundleError(`the bundle expired at ${new Date(expiresAtMs).toISOString()}`);
    }
    await this.#record.admit({ sequence, expiresAtMs }, content, config.allow_rollback ?? false);
    const loaded = await LoadedBundle.load(bundle, revision, (message) =>
      log('warn', message, { bundle: this.#origin.name }),
    );
    if (this.#stop.signal.aborted) return;
    await this.#record.write({ sequence, content, etag }, packed);
    this.#origin.inForce(candidate);
    this.#at('foundMs');
    const same = loaded.isSame(this.#loaded);
    const asKept = same && expiresAtMs === this.#expiresAtMs;
    if (!asKept) await this.#keep({ bundle: this.#origin.name, loaded, expiresAtMs }, bundle);
    if (this.#stop.signal.aborted) return;
    // From here on in one go: nobody sees a part of it.
    const before = this.revision;
    this.#expiresAtMs = expiresAtMs;
    this.#expiryTold = false;
    this.#lastError = null;
    if (same) return;
    this.#loaded = loaded;
    this.#at('activatedMs');
    const fields = { gateway: this.#options.gateway.id, ...this.active };
    log('info', this.#options.optional === true ? 'candidate policy bundle loaded' : 'policy bundle in force', fields);
    if (bundle.unchecked) log('warn', 'the policy bundle is signed, and no policy.signing_keys are there', fields);
    this.#options.changed?.({ ...this.active, content: loaded.content }, before);
  }

  /** A disk that does not take it costs running tasks their own policies after a restart, and nobody else anything. */
  async #keep(revision: Revision, bundle: Bundle): Promise<void> {
    const { keep, log } = this.#options;
    try {
      await keep?.(revision, bundle);
    } catch (fault) {
      log('warn', 'a policy bundle cannot be kept for running tasks', {
        ...revisionFields(revision),
        fault: faultText(fault),
      });
    }
  }

  #arm(): void {
    if (this.#stop.signal.aborted) return;
    this.#timer = this.#options.clock.after(this.#origin.pauseMs(this.#failures), () => {
      this.#reloading = this.#poll().finally(() => this.#arm());
    });
  }

  async #poll(): Promise<void> {
    this.#tellExpiry();
    const before = this.#lastError;
    try {
      this.#at('lookedMs');
      const found = await this.#origin.look(this.#stop.signal, this.#failures);
      this.#at('answeredMs');
      if (this.#stop.signal.aborted) return;
      if (found === 'in_force') this.#lastError = null;
      else if (found !== 'unchanged') await this.#take(found);
      this.#failures = 0;
      if (before !== null && this.#lastError === null) {
        this.#options.log('info', 'the newest policy bundle is in force again', { ...this.active });
      }
    } catch (fault) {
      if (this.#stop.signal.aborted) return;
      this.#failures += 1;
      this.#refused(fault);
    }
  }

  #tellExpiry(): void {
    if (this.#expiryTold || !this.#expired()) return;
    this.#expiryTold = true;
    this.#options.log('error', 'the policy bundle has expired; nothing is decided until there is a newer one', {
      ...this.active,
    });
  }

  #refused(fault: unknown): void {
    const error = faultText(fault).slice(0, errorCharsMax);
    if (error === this.#lastError) return;
    this.#lastError = error;
    const message = this.#options.optional
      ? 'the candidate policy bundle is refused; the last good one stays loaded'
      : 'the changed policy bundle is refused; the last good one stays in force';
    this.#options.log('error', message, {
      bundle: this.#origin.name,
      revision: this.#loaded?.revision,
      fault: error,
    });
  }
}

function revisionFields({ bundle, loaded }: Revision): { bundle: string; revision: string } {
  return { bundle, revision: loaded.revision };
}

function originOf(
  { config, dataDir, opa, clock, dialer, world, log }: PolicyEngineOptions,
  source: string,
  record: BundleRecord,
): BundleOrigin {
  const keys = config.signing_keys ?? [];
  const lint: LintSettings = {
    ...(world === undefined ? {} : { world }),
    ...(config.unknown_operations === undefined ? {} : { unknownOperations: config.unknown_operations }),
    warn: (message, fields) => log('warn', message, fields),
  };
  if (!isServed(source)) return new BundlePath({ path: source, keys, dataDir, opa, clock, ...lint });
  if (dialer === undefined) throw new BundleError('there is no way to the bundle server');
  return new BundleServer({
    url: source,
    settings: config.fetch ?? fetchDefaults,
    keys,
    dialer,
    record,
    clock,
    ...lint,
  });
}
