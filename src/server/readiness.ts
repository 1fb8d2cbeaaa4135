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

const checkMs = 1000;

export class Readiness {
  readonly #clock: Clock;
  readonly #checks: Readonly<Record<string, Check>>;
  #draining = false;

  constructor(clock: Clock, checks: Readonly<Record<string, Check>>) {
    this.#clock = clock;
    this.#checks = checks;
  }

  /** From now on not ready: the gate finishes what runs and takes nothing new. */
  drain(): void {
    this.#draining = true;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** 200 if every part answers, else 503; the document names each part. */
  async reply(): Promise<Reply> {
    const results = await Promise.all(
      Object.entries(this.#checks).map(
        async ([part, check]) => [part, (await this.#passes(check)) ? 'ok' : 'failing'] as const,
      ),
    );
    const ready = !this.#draining && results.every(([, result]) => result === 'ok');
    const status = this.#draining ? 'draining' : ready ? 'ready' : 'not ready';
    return jsonReply(ready ? 200 : 503, { status, checks: Object.fromEntries(results) });
  }

  async #passes(check: Check): Promise<boolean> {
    try {
      return await within(this.#clock, checkMs, Promise.resolve(check()));
    } catch {
      return false;
    }
  }
}
