/**
 * Where bundles come from, as the engine sees it: one place that is looked at again and again. What an origin finds
 * is a candidate and nothing more; whether it comes into force, the engine says.
 */
import type { Bundle } from './bundle.ts';

export interface Candidate {
  readonly bundle: Bundle;
  /** Digest of what was published: of the file, or of the sources. */
  readonly content: string;
  /** Its revision where the manifest says none. */
  readonly revision?: string;
  /** What is kept of it on disk once it is in force; null where it can be had again. */
  readonly packed: Buffer | null;
  readonly etag: string | null;
}

export interface BundleOrigin extends AsyncDisposable {
  /** The name under which the gate lists what is found here. */
  readonly name: string;
  /** The bundle as it is now. Throws BundleError. */
  first(signal: AbortSignal): Promise<Candidate>;
  /** The bundle that was last in force, where this origin keeps one; null where there is none. Throws BundleError. */
  last(signal: AbortSignal): Promise<Candidate | null>;
  /**
   * What has changed since the last look, or `unchanged`, or `in_force` where it is known to be what decides.
   * `failures` is the number of looks in a row before it that gave nothing usable. Throws BundleError.
   */
  look(signal: AbortSignal, failures: number): Promise<Candidate | 'unchanged' | 'in_force'>;
  /** Told of each candidate that came into force. */
  inForce(candidate: Candidate): void;
  /** Milliseconds until the next look; `failures` as there. */
  pauseMs(failures: number): number;
}
