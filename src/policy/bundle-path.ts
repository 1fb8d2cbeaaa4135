/**
 * Bundles on this machine: a folder of sources that the gate compiles, or a file that somebody else made. Both are
 * looked at each second, and a change is taken when it has stood still from one look to the next, so that no half-saved
 * set is compiled. A folder cannot be signed: whoever can write to it would be believed. What compiles and is wrong all
 * the same (see lint/) is refused with file and line.
 */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Clock } from '../clock.ts';
import { buildBundle } from './build.ts';
import { packedBundle } from './bundle.ts';
import type { BundleOrigin, Candidate } from './bundle-origin.ts';
import { readAside } from './bundle-reader.ts';
import { type LintSettings, passDataLint, passLint } from './lint/linted.ts';
import type { SigningKey } from './signing-key.ts';
import { BundleError, fingerprint, readSources } from './sources.ts';

const pollMs = 1_000;

export interface PathOptions extends LintSettings {
  /** Absolute. */
  readonly path: string;
  readonly keys: readonly SigningKey[];
  readonly dataDir: string;
  readonly opa: () => Promise<string>;
  readonly clock: Clock;
}

export class BundlePath implements BundleOrigin {
  readonly name: string;
  readonly #options: PathOptions;
  /** What the files looked like when they were last loaded, or failed to. */
  #tried = '';
  #seen = '';

  constructor(options: PathOptions) {
    this.#options = options;
    this.name = basename(options.path).replace(/\.tar\.gz$/, '');
  }

  async first(signal: AbortSignal): Promise<Candidate> {
    this.#tried = await fingerprint(this.#options.path).catch((fault: unknown) => {
      throw new BundleError(`the policy bundle cannot be read: ${(fault as Error).message}`);
    });
    this.#seen = this.#tried;
    return this.#load(signal);
  }

  async last(): Promise<null> {
    return null;
  }

  async look(signal: AbortSignal): Promise<Candidate | 'unchanged'> {
    const now = await fingerprint(this.#options.path);
    const still = now === this.#seen;
    this.#seen = now;
    if (!still || now === this.#tried) return 'unchanged';
    this.#tried = now;
    return this.#load(signal);
  }

  inForce(): void {}

  pauseMs(): number {
    return pollMs;
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #load(signal: AbortSignal): Promise<Candidate> {
    const { path, keys, dataDir, opa, clock } = this.#options;
    const none = { packed: null, etag: null };
    if (!(await stat(path)).isDirectory()) {
      const packed = await packedBundle(path);
      const content = createHash('sha256').update(packed).digest('hex');
      const bundle = await readAside(packed, { keys, signal });
      passDataLint(bundle.purposes, this.#options);
      return { bundle, content, ...none };
    }
    if (keys.length > 0)
      throw new BundleError('a folder cannot be signed, and policy.signing_keys asks for a signature');
    const files = await readSources(path);
    const { file, sources } = await buildBundle({ files, dataDir, opa, clock, signal });
    await passLint({ files, sources, dataDir, opa, clock, signal }, this.#options);
    const bundle = await readAside(await packedBundle(file), { keys, signal, own: true });
    // What was compiled: the compiler leaves out of its own copy the rules that it was asked for.
    return { bundle: { ...bundle, sources: files }, content: sources, revision: sources, ...none };
  }
}
