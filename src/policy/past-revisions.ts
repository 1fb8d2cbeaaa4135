/**
 * Policies that were in force, by the digest of what they are: a running task goes on under those that it was opened
 * under, also after a restart. Kept in `data_dir/bundles/past`, one folder a revision; what is read back must have the
 * digest that it is asked for by, and must not have expired. What a reader would get wrong: a revision that is not here
 * (another gateway's, or long ago) is no fault: then those in force decide alone.
 */
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JsonObject } from '../call.ts';
import type { Clock } from '../clock.ts';
import { parseJsonText } from '../wire/json.ts';
import type { Bundle } from './bundle.ts';
import { readiedAside } from './bundle-reader.ts';
import { noTerms } from './bundle-terms.ts';
import type { Revision } from './engine.ts';
import { knownParts } from './input-parts.ts';
import { LoadedBundle } from './instance.ts';

const loadedMax = 4;
const keptMax = 16;
const absentMax = 1_000;
/** A revision that was not there is looked for again after so long: it may have been another gateway's fault. */
const lookAgainMs = 60_000;
const contentForm = /^[0-9a-f]{64}$/;

export interface PastRevisionsOptions {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly log: (level: 'warn', message: string, fields: Readonly<Record<string, unknown>>) => void;
  /** Digests of what is loaded elsewhere, and must still be found when something else has taken its place. */
  readonly inForce?: () => readonly string[];
}

export class PastRevisions implements AsyncDisposable {
  readonly #options: PastRevisionsOptions;
  readonly #folder: string;
  readonly #loaded = new Map<string, Revision>();
  readonly #absent = new Map<string, number>();
  readonly #stop = new AbortController();
  readonly #loading = new Map<string, Promise<void>>();

  constructor(options: PastRevisionsOptions) {
    this.#options = options;
    this.#folder = join(options.dataDir, 'bundles', 'past');
  }

  /** The revision, if it is at hand and has not expired. */
  get(content: string): Revision | undefined {
    const found = this.#loaded.get(content);
    if (found === undefined) return undefined;
    // Who decides is not to make place for who was only looked at.
    this.#loaded.delete(content);
    this.#loaded.set(content, found);
    if (found.expiresAtMs !== null && this.#options.clock.nowMs() >= found.expiresAtMs) return undefined;
    return found;
  }

  /** The revision, if it is at hand, also if it has expired. */
  found(content: string): Revision | undefined {
    return this.get(content) ?? this.#loaded.get(content);
  }

  /** Whether it is known by now if there is such a revision. */
  known(content: string): boolean {
    if (this.#loaded.has(content) || !contentForm.test(content)) return true;
    const since = this.#absent.get(content);
    return since !== undefined && this.#options.clock.nowMs() - since < lookAgainMs;
  }

  /** Looks for a revision on disk. Never rejects; afterwards it is `known`. */
  async look(content: string): Promise<void> {
    if (this.known(content)) return;
    const under = this.#loading.get(content);
    if (under !== undefined) return under;
    const looking = this.#read(content).finally(() => this.#loading.delete(content));
    this.#loading.set(content, looking);
    return looking;
  }

  /** Keeps what decided, in memory, for the tasks that were opened under it. */
  remember(revision: Revision): void {
    const { content } = revision.loaded;
    this.#loaded.delete(content);
    this.#loaded.set(content, revision);
    this.#absent.delete(content);
    for (const oldest of this.#loaded.keys()) {
      if (this.#loaded.size <= loadedMax) break;
      this.#loaded.delete(oldest);
    }
  }

  /** Writes what comes into force, so that it is found after a restart. Rejects if the disk does not take it. */
  async keep({ bundle: name, loaded, expiresAtMs }: Revision, bundle: Bundle): Promise<void> {
    const place = join(this.#folder, loaded.content);
    const there = await readFile(join(place, 'terms.json'), 'utf8').catch(() => null);
    const unusedInput = [...loaded.unusedInput];
    const terms = JSON.stringify({
      ...{ name, revision: loaded.revision },
      ...{ expires_at_ms: expiresAtMs, unused_input: unusedInput },
    });
    const fresh = join(this.#folder, `.new-${this.#options.clock.randomBytes(6).toString('hex')}`);
    if (there === null) {
      await mkdir(fresh, { recursive: true, mode: 0o700 });
      try {
        await writeFile(join(fresh, 'policy.wasm'), bundle.wasm, { mode: 0o600 });
        await writeFile(join(fresh, 'data.json'), bundle.data, { mode: 0o600 });
        await writeFile(join(fresh, 'terms.json'), terms, { mode: 0o600 });
        await rename(fresh, place);
      } catch (fault) {
        await rm(fresh, { recursive: true, force: true });
        // Two engines may keep the same one at the same time.
        if ((await stat(join(place, 'terms.json')).catch(() => null)) === null) throw fault;
      }
    } else {
      // The same rules under other terms: published anew, they may run longer, or shorter.
      if (there !== terms) {
        await writeFile(fresh, terms, { mode: 0o600 });
        await rename(fresh, join(place, 'terms.json'));
      }
      const now = new Date(this.#options.clock.nowMs());
      await utimes(place, now, now);
    }
    if (this.#loaded.has(loaded.content)) this.#loaded.set(loaded.content, { bundle: name, loaded, expiresAtMs });
    await this.#prune(loaded.content);
  }

  /** Ends what is being read. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#loading.values());
  }

  async #read(content: string): Promise<void> {
    const revision = await this.#load(content).catch((fault: unknown) => {
      this.#options.log('warn', 'a kept revision of the policies cannot be read', { content, fault: String(fault) });
      return null;
    });
    if (revision !== null) {
      this.remember(revision);
      return;
    }
    if (this.#absent.size >= absentMax) this.#absent.clear();
    this.#absent.set(content, this.#options.clock.nowMs());
  }

  async #load(content: string): Promise<Revision | null> {
    const place = join(this.#folder, content);
    const text = await readFile(join(place, 'terms.json'), 'utf8').catch(() => null);
    if (text === null) return null;
    const terms = termsOf(text);
    if (terms === null) throw new Error('its terms are damaged');
    const [wasm, data] = await Promise.all([readFile(join(place, 'policy.wasm')), readFile(join(place, 'data.json'))]);
    const unusedInput = knownParts(terms.unused);
    const bundle: Bundle = { wasm, data, revision: terms.revision, terms: { ...noTerms, unusedInput }, sources: [] };
    const loaded = await LoadedBundle.load(await readiedAside(bundle, this.#stop.signal));
    if (loaded.content !== content) throw new Error('it is not what it is called');
    return { bundle: terms.name, loaded, expiresAtMs: terms.expiresAtMs };
  }

  async #prune(current: string): Promise<void> {
    const needed = new Set([current, ...(this.#options.inForce?.() ?? []), ...this.#loaded.keys()]);
    const kept: { place: string; mtimeMs: number }[] = [];
    for (const name of await readdir(this.#folder)) {
      const place = join(this.#folder, name);
      const entry = needed.has(name) ? undefined : await stat(place).catch(() => undefined);
      if (entry !== undefined) kept.push({ place, mtimeMs: entry.mtimeMs });
    }
    kept.sort((left, right) => right.mtimeMs - left.mtimeMs);
    for (const { place } of kept.slice(keptMax - 1)) await rm(place, { recursive: true, force: true });
  }
}

interface KeptTerms {
  readonly name: string;
  readonly revision: string;
  readonly expiresAtMs: number | null;
  readonly unused: readonly string[];
}

function termsOf(text: string): KeptTerms | null {
  const read = parseJsonText(text);
  const value = 'value' in read ? read.value : null;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const { name, revision, expires_at_ms: expiresAtMs, unused_input: unused } = value as JsonObject;
  if (typeof name !== 'string' || typeof revision !== 'string') return null;
  if (expiresAtMs !== null && typeof expiresAtMs !== 'number') return null;
  if (!Array.isArray(unused) || !unused.every((one) => typeof one === 'string')) return null;
  return { name, revision, expiresAtMs, unused };
}
