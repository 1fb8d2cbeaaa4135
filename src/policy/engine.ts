/**
 * The policy engine: loads a bundle, decides, and follows changes of the bundle. What a reader would get wrong: a
 * policy that throws, is undefined, or answers in an odd shape is a *decision* that denies (see decision.ts), while
 * an engine without a policy throws. A change that does not compile leaves the last good bundle in force.
 */
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { Decision, JsonObject } from '../call.ts';
import { type Clock, newId, type Timer } from '../clock.ts';
import { buildBundle } from './build.ts';
import { readBundle } from './bundle.ts';
import { ShapeCheck } from './check.ts';
import { decisionOf, type Ruling, refusal, type Source, type TaskDecision, taskDecisionOf } from './decision.ts';
import type { GatewayFacts } from './input.ts';
import { faultText, LoadedBundle, type Phase } from './instance.ts';
import type { PolicyConfig } from './section.ts';
import { BundleError, fingerprint, readSources } from './sources.ts';

const pollMs = 1_000;
const errorCharsMax = 4_000;

/** Which policies are in force. `bundle` is the name of the folder or file, `revision` what is in it. */
export interface ActiveBundle {
  readonly bundle: string;
  readonly revision: string;
}

export interface PolicyEngineOptions {
  readonly config: PolicyConfig;
  /** What a relative `config.bundle` is relative to. */
  readonly baseDir: string;
  /** Compiled bundles are kept in its `bundles` folder. */
  readonly dataDir: string;
  /** Absolute path of the OPA compiler; asked for only where the bundle is a folder. */
  readonly opa: () => Promise<string>;
  /** Named in the log, where many gates report which policies they run. */
  readonly gateway: GatewayFacts;
  readonly clock: Clock;
  readonly log: (level: 'info' | 'warn' | 'error', message: string, fields?: Readonly<Record<string, unknown>>) => void;
  /** Told after each swap, the first included. */
  readonly changed?: (active: ActiveBundle) => void;
}

/** The name under which the gate lists the bundle at `path`. */
function bundleName(path: string): string {
  return basename(path).replace(/\.tar\.gz$/, '');
}

export class PolicyEngine implements AsyncDisposable {
  readonly #options: PolicyEngineOptions;
  readonly #path: string;
  readonly #name: string;
  readonly #stop = new AbortController();
  readonly #check = new ShapeCheck();
  #loaded: LoadedBundle | null = null;
  #timer: Timer | null = null;
  #reloading: Promise<void> = Promise.resolve();
  /** What the files looked like when they were last loaded, or failed to. */
  #tried = '';
  #seen = '';
  #lastError: string | null = null;

  constructor(options: PolicyEngineOptions) {
    this.#options = options;
    this.#path = resolve(options.baseDir, options.config.bundle);
    this.#name = bundleName(this.#path);
  }

  /** Loads the bundle and begins to watch it. Throws BundleError with what is wrong with it. */
  async open(): Promise<void> {
    this.#tried = await fingerprint(this.#path).catch((fault: unknown) => {
      throw new BundleError(`the policy bundle cannot be read: ${faultText(fault)}`);
    });
    this.#seen = this.#tried;
    this.#activate(await this.#load());
    this.#arm();
  }

  /** Throws if no policy is loaded. */
  get active(): ActiveBundle {
    return { bundle: this.#name, revision: this.#require().revision };
  }

  /** Why the newest change of the bundle is not in force; null if it is. */
  get lastError(): string | null {
    return this.#lastError;
  }

  /** Whether decisions can be made. A refused change leaves an engine healthy: the last good bundle decides. */
  healthy(): boolean {
    return this.#loaded !== null;
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
    this.#loaded = null;
  }

  #require(): LoadedBundle {
    if (this.#loaded === null) throw new Error('no policy is loaded');
    return this.#loaded;
  }

  #source(loaded: LoadedBundle, input: JsonObject): Source {
    return { id: newId(this.#options.clock, 'decision'), bundle: this.#name, revision: loaded.revision, input };
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

  async #load(): Promise<LoadedBundle> {
    const { clock, dataDir, opa } = this.#options;
    if (!(await stat(this.#path)).isDirectory()) return LoadedBundle.load(await readBundle(this.#path));
    const files = await readSources(this.#path);
    const built = await buildBundle({ files, dataDir, opa, clock, signal: this.#stop.signal });
    return LoadedBundle.load(await readBundle(built.file), built.sources);
  }

  #activate(loaded: LoadedBundle): void {
    this.#loaded = loaded;
    this.#lastError = null;
    this.#options.log('info', 'policy bundle in force', { gateway: this.#options.gateway.id, ...this.active });
    this.#options.changed?.(this.active);
  }

  #arm(): void {
    if (this.#stop.signal.aborted) return;
    this.#timer = this.#options.clock.after(pollMs, () => {
      this.#reloading = this.#poll().finally(() => this.#arm());
    });
  }

  /** Loads a change once it has stood still from one look to the next, so that no half-saved set is compiled. */
  async #poll(): Promise<void> {
    try {
      const now = await fingerprint(this.#path);
      const still = now === this.#seen;
      this.#seen = now;
      if (!still || now === this.#tried) return;
      this.#tried = now;
      const loaded = await this.#load();
      if (this.#stop.signal.aborted) return;
      if (loaded.content === this.#loaded?.content && loaded.revision === this.#loaded.revision) this.#lastError = null;
      else this.#activate(loaded);
    } catch (fault) {
      if (!this.#stop.signal.aborted) this.#refused(fault);
    }
  }

  #refused(fault: unknown): void {
    const error = faultText(fault).slice(0, errorCharsMax);
    if (error === this.#lastError) return;
    this.#lastError = error;
    this.#options.log('error', 'the changed policy bundle is refused; the last good one stays in force', {
      bundle: this.#name,
      revision: this.#loaded?.revision,
      fault: error,
    });
  }
}
