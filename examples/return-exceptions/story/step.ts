/**
 * The record of the story: steps, each with what did not hold. A step goes on after a failed check, and the story after
 * a failed step, so that one run lists everything that is wrong.
 */
import { isDeepStrictEqual } from 'node:util';

export interface StepResult {
  readonly chapter: string;
  readonly title: string;
  /** Since the story began. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly checks: number;
  /** What a reader of the timeline may want to know beside the title. */
  readonly note: string;
  readonly problems: readonly string[];
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 240 ? `${text.slice(0, 240)}…` : text;
}

function told(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return `${error.name}: ${error.message}${cause instanceof Error ? ` (${cause.message})` : ''}`;
}

export class Step {
  readonly problems: string[] = [];
  checks = 0;
  note = '';

  equal(actual: unknown, expected: unknown, what: string): void {
    this.checks++;
    if (isDeepStrictEqual(actual, expected)) return;
    this.problems.push(`${what}: expected ${shown(expected)}, got ${shown(actual)}`);
  }

  /** `claim` is the sentence that `condition` tells the truth of. */
  holds(condition: boolean, claim: string): void {
    this.checks++;
    if (!condition) this.problems.push(`it does not hold that ${claim}`);
  }
}

/** What a later step builds on is not there; the rest of the step makes no sense. */
export function needed<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null) throw new Error(`${what} is missing`);
  return value;
}

export class Story {
  readonly results: StepResult[] = [];
  readonly #startMs = performance.now();

  /** Runs one step. An exception in it is one more problem of the step, and never ends the story. */
  async step(chapter: string, title: string, run: (step: Step) => Promise<void>): Promise<void> {
    const step = new Step();
    const startMs = performance.now() - this.#startMs;
    try {
      await run(step);
    } catch (error) {
      step.problems.push(told(error));
    }
    if (step.checks === 0 && step.problems.length === 0) step.problems.push('the step checked nothing');
    const durationMs = performance.now() - this.#startMs - startMs;
    const { checks, note, problems } = step;
    this.results.push({ chapter, title, startMs, durationMs, checks, note, problems });
  }
}
