/**
 * The policy engine: loads a bundle, decides, and follows changes of the bundle. What a reader would get wrong: a
 * policy that throws, is undefined, or answers in an odd shape is a *decision* that denies (see decision.ts), while
 * an engine without a policy throws, and so does one whose bundle has expired. A change that does not compile, is not
 * signed as it must be, or goes back leaves the last good bundle in force.
 */
import { resolve } from 'node:path';
import type { Decision, JsonObject } from '../call.ts';
import { type Clock, newId, type Timer } from '../clock.ts';
import type { BundleOrigin, Candidate } from './bundle-origin.ts';
import { BundlePath } from './bundle-path.ts';
import { BundleRecord } from './bundle-record.ts';
import { type BundleDialer, BundleServer } from './bundle-server.ts';
import { noTerms } from './bundle-terms.ts';
import { ShapeCheck } from './check.ts';
import { decisionOf, type Ruling, refusal, type Source, type TaskDecision, taskDecisionOf } from './decision.ts';
import type { GatewayFacts } from './input.ts';
import { faultText, LoadedBundle, type Phase } from './instance.ts';
import { fetchDefaults, isServed, type PolicyConfig } from './section.ts';
import { BundleError } from './sources.ts';

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
  /** The way to a bundle that is a URL; closed with the engine. */
  readonly dialer?: BundleDialer;
  /** Named in the log, where many gates report which policies they run. */
  readonly gateway: GatewayFacts;
  readonly clock: Clock;
  readonly log: (level: 'info' | 'warn' | 'error', message: string, fields?: Readonly<Record<string, unknown>>) => void;
  /** Told after each swap, the first included. */
  readonly changed?: (active: ActiveBundle) => void;
}

/** What an operator should know of an engine that does not run the newest bundle. */
export type PolicyNote = 'last_good_bundle' | 'expired';

export class PolicyEngine implements AsyncDisposable {
  readonly #options: PolicyEngineOptions;
  readonly #record: BundleRecord;
  readonly #origin: BundleOrigin;
  readonly #stop = new AbortController();
  readonly #check = new ShapeCheck();
  #loaded: LoadedBundle | null = null;
  #expiresAtMs: number | null = null;
  #expiryTold = false;
  #timer: Timer | null = null;
  #reloading: Promise<void> = Promise.resolve();
  #failures = 0;
  #lastError: string | null = null;

  constructor(options: PolicyEngineOptions) {
    this.#options = options;
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
      await this.#take(await this.#origin.first(signal));
    } catch (fault) {
      if (!(await this.#takeLast())) throw fault;
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
    const { decision, ruling } = this.#decide('task', input);
    return taskDecisionOf(decision, ruling);
  }

  /** May this call go. `input` is made by `callInput`. Throws only if no policy is loaded. */
  decideCall(input: JsonObject): Decision {
    return this.#decide('call', input).decision;
  }

  /** May this answer pass. A bundle without `tollgate.response` lets every answer to an allowed call pass. */
  decideResponse(input: JsonObject): Decision {
    const loaded = this.#require();
    if (!loaded.has('response')) return decisionOf(this.#source(loaded, input), { allow: true, reasons: [] });
    return this.#decide('response', input).decision;
  }

  /** What a decision of the gate itself says of its origin, for refusals made before the policy is asked. */
  source(input: JsonObject): Source {
    return this.#source(this.#require(), input);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#timer?.cancel();
    await this.#reloading;
    await this.#origin[Symbol.asyncDispose]();
    this.#loaded = null;
  }

  #require(): LoadedBundle {
    if (this.#loaded === null) throw new Error('no policy is loaded');
    if (this.#expired()) throw new Error('the policy bundle has expired');
    return this.#loaded;
  }

  #expired(): boolean {
    return this.#expiresAtMs !== null && this.#options.clock.nowMs() >= this.#expiresAtMs;
  }

  #source(loaded: LoadedBundle, input: JsonObject): Source {
    return { id: newId(this.#options.clock, 'decision'), bundle: this.#origin.name, revision: loaded.revision, input };
  }

  #decide(phase: Phase, input: JsonObject): { decision: Decision; ruling: Ruling | null } {
    const loaded = this.#require();
    const source = this.#source(loaded, input);
    const refuse = (code: string, message: string) => ({ decision: refusal(source, code, message), ruling: null });
    const checked = this.#check.input(phase, input);
    if ('problem' in checked) {
      return refuse(
        'input_invalid',
        `What the policy would have to see of this is not a document for it: ${checked.problem}.`,
      );
    }
    let given: unknown;
    try {
      given = loaded.evaluate(phase, checked.bytes);
    } catch (fault) {
      // The agent learns that it failed; what failed may quote the input, and is for the operator.
      this.#options.log('error', 'the policy failed while it decided', {
        phase,
        revision: loaded.revision,
        fault: faultText(fault),
      });
      return refuse('policy_error', 'The policy failed while it decided. The same call will fail again.');
    }
    const judged = this.#check.decision(phase, given);
    if ('ruling' in judged) return { decision: decisionOf(source, judged.ruling), ruling: judged.ruling };
    this.#options.log('error', judged.message, { phase, revision: loaded.revision, code: judged.code });
    return refuse(judged.code, judged.message);
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
    const loaded = await LoadedBundle.load(bundle, revision);
    if (this.#stop.signal.aborted) return;
    await this.#record.write({ sequence, content, etag }, packed);
    this.#origin.inForce(candidate);
    const same = loaded.content === this.#loaded?.content && loaded.revision === this.#loaded.revision;
    this.#expiresAtMs = expiresAtMs;
    this.#expiryTold = false;
    this.#lastError = null;
    if (same) return;
    this.#loaded = loaded;
    const fields = { gateway: this.#options.gateway.id, ...this.active };
    log('info', 'policy bundle in force', fields);
    if (bundle.unchecked) log('warn', 'the policy bundle is signed, and no policy.signing_keys are there', fields);
    this.#options.changed?.(this.active);
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
      const found = await this.#origin.look(this.#stop.signal, this.#failures);
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
    this.#options.log('error', 'the changed policy bundle is refused; the last good one stays in force', {
      bundle: this.#origin.name,
      revision: this.#loaded?.revision,
      fault: error,
    });
  }
}

function originOf(
  { config, dataDir, opa, clock, dialer }: PolicyEngineOptions,
  source: string,
  record: BundleRecord,
): BundleOrigin {
  const keys = config.signing_keys ?? [];
  if (!isServed(source)) return new BundlePath({ path: source, keys, dataDir, opa, clock });
  if (dialer === undefined) throw new BundleError('there is no way to the bundle server');
  return new BundleServer({ url: source, settings: config.fetch ?? fetchDefaults, keys, dialer, record, clock });
}
