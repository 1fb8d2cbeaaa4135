/**
 * Looks now and then whether a file of the configuration has changed. A change counts once it has stood still from one
 * look to the next, so that no half-written file is loaded. It polls: files that are replaced by a link to another
 * (as Kubernetes does with a ConfigMap) are seen like any other.
 */
import { stat } from 'node:fs/promises';
import type { Clock, Timer } from '../clock.ts';

const lookMs = 1_000;

export interface ConfigWatchOptions {
  readonly clock: Clock;
  /** The files that make the configuration now. */
  readonly files: () => readonly string[];
  /** Told of a change; the next look comes when it has settled. Must not reject. */
  readonly changed: () => Promise<unknown>;
}

type Look = ReadonlyMap<string, string>;

export class ConfigWatch implements AsyncDisposable {
  readonly #options: ConfigWatchOptions;
  #seen: Look = new Map();
  #loaded: Look = new Map();
  #timer: Timer | undefined;
  #looking: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: ConfigWatchOptions) {
    this.#options = options;
  }

  /** Takes what is there now as known. */
  async open(): Promise<void> {
    this.#seen = await this.#look();
    this.#loaded = this.#seen;
    this.#arm();
  }

  /** Resolves when a change that was being told is settled. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#looking;
  }

  #arm(): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.after(lookMs, () => {
      this.#looking = this.#turn().finally(() => this.#arm());
    });
  }

  async #turn(): Promise<void> {
    const now = await this.#look();
    const still = !differs(this.#seen, now);
    this.#seen = now;
    if (!still || !differs(this.#loaded, now)) return;
    this.#loaded = now;
    await this.#options.changed();
    // Files that the changed configuration names for the first time have just been read.
    this.#seen = await this.#look();
    this.#loaded = new Map([...this.#seen, ...now]);
  }

  async #look(): Promise<Look> {
    const stamp = async (file: string): Promise<[string, string]> => {
      const found = await stat(file).catch(() => undefined);
      return [file, found === undefined ? 'absent' : `${found.ino}:${found.size}:${found.mtimeMs}`];
    };
    return new Map(await Promise.all([...new Set(this.#options.files())].map(stamp)));
  }
}

/** Whether a file that both know has changed. */
function differs(before: Look, now: Look): boolean {
  return [...now].some(([file, stamp]) => before.has(file) && before.get(file) !== stamp);
}
