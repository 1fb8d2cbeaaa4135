/**
 * Whether the gate can do its work: `/readyz` asks every part it cannot do without, and says no from the moment it
 * is told to stop. `/livez` only says that the process runs.
 */
import type { Clock } from '../clock.ts';
import type { Reply } from '../pipeline.ts';
import { within } from '../stage.ts';
import { jsonReply } from './reply.ts';

/** Throws or gives false if the part cannot do its work. */
export type Check = () => boolean | Promise<boolean>;

/** By part, what an operator should know of it although it works, as one word; null for nothing. */
export type Notes = () => Readonly<Record<string, string | null>>;

const checkMs = 1000;

export class Readiness {
  readonly #clock: Clock;
  readonly #checks: Readonly<Record<string, Check>>;
  readonly #notes: Notes;
  #draining = false;

  constructor(clock: Clock, checks: Readonly<Record<string, Check>>, notes: Notes = () => ({})) {
    this.#clock = clock;
    this.#checks = checks;
    this.#notes = notes;
  }

  /** From now on not ready: the gate finishes what runs and takes nothing new. */
  drain(): void {
    this.#draining = true;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** 200 if every part answers, else 503; the document names each part, and what is to be known of it. */
  async reply(): Promise<Reply> {
    const results = await Promise.all(
      Object.entries(this.#checks).map(
        async ([part, check]) => [part, (await this.#passes(check)) ? 'ok' : 'failing'] as const,
      ),
    );
    const ready = !this.#draining && results.every(([, result]) => result === 'ok');
    const status = this.#draining ? 'draining' : ready ? 'ready' : 'not ready';
    const notes = Object.entries(this.#notes()).filter(([, note]) => note !== null);
    const told = notes.length === 0 ? {} : { notes: Object.fromEntries(notes) };
    return jsonReply(ready ? 200 : 503, { status, checks: Object.fromEntries(results), ...told });
  }

  async #passes(check: Check): Promise<boolean> {
    try {
      return await within(this.#clock, checkMs, Promise.resolve(check()));
    } catch {
      return false;
    }
  }
}
