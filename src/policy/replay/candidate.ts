/**
 * A bundle that decides beside the gate and not in it: nothing is put in force, nothing is written where a gate keeps
 * its own. It decides as the engine does, so that what fails closed there (a throw, an odd shape) is a denial here.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Json, JsonObject } from '../../call.ts';
import type { Clock } from '../../clock.ts';
import type { Bundle } from '../bundle.ts';
import { BundlePath } from '../bundle-path.ts';
import { ShapeCheck } from '../check.ts';
import type { LeftOut } from '../input-parts.ts';
import { LoadedBundle, type Phase } from '../instance.ts';
import type { Said } from './recorded.ts';

export interface CandidateOptions {
  /** Absolute: a folder of Rego and data, or a `.tar.gz` that `opa build -t wasm` made. */
  readonly path: string;
  /** Absolute path of the OPA compiler; asked for only where `path` is a folder. */
  readonly opa: () => Promise<string>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** What a candidate says, with its texts; or that the input is none that a policy would be given. */
export type Answer =
  | (Said & { readonly codes: readonly string[]; readonly messages: readonly string[] })
  | { readonly problem: string };

/** As a gate would take it in, compiled in a temporary folder where it is a folder of sources. Throws BundleError. */
async function bundleAt(options: CandidateOptions): Promise<{ bundle: Bundle; revision?: string }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'tollgate-candidate-'));
  try {
    await using path = new BundlePath({ ...options, keys: [], dataDir });
    return await path.first(options.signal);
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

export class ReplayCandidate {
  readonly #loaded: LoadedBundle;
  readonly #check = new ShapeCheck();
  /** The data document of the bundle. */
  readonly data: JsonObject;

  private constructor(loaded: LoadedBundle, data: JsonObject) {
    this.#loaded = loaded;
    this.data = data;
  }

  /** Throws BundleError for what no gate could run. */
  static async open(options: CandidateOptions): Promise<ReplayCandidate> {
    const { bundle, revision } = await bundleAt(options);
    const loaded = await LoadedBundle.load(bundle, revision);
    return new ReplayCandidate(loaded, JSON.parse(bundle.data.toString('utf8')) as JsonObject);
  }

  /** The same revision that a gate with this bundle would record. */
  get revision(): string {
    return this.#loaded.revision;
  }

  /** What no rule of it refers to; an input may be without it. */
  get unusedInput(): LeftOut {
    return this.#loaded.unusedInput;
  }

  /**
   * Decides `input` by the package of its phase; without `tollgate.response` every answer passes. Never throws for what
   * the policy or the input does.
   */
  decide(phase: Phase, input: Json): Answer {
    const checked = this.#check.input(phase, input, this.unusedInput);
    if ('problem' in checked) return checked;
    if (phase === 'response' && !this.#loaded.has('response')) {
      return { allow: true, codes: [], messages: [], obligations: {} };
    }
    let given: unknown;
    try {
      given = this.#loaded.evaluate(phase, checked.bytes);
    } catch {
      return denial('policy_error', 'The policy failed while it decided.');
    }
    const judged = this.#check.decision(phase, given);
    if (!('ruling' in judged)) return denial(judged.code, judged.message);
    const { allow, reasons, obligations = {} } = judged.ruling;
    return {
      allow,
      codes: reasons.map(({ code }) => code),
      messages: reasons.map(({ message }) => message),
      obligations: obligations as unknown as JsonObject,
    };
  }
}

function denial(code: string, message: string): Answer {
  return { allow: false, codes: [code], messages: [message], obligations: {} };
}
