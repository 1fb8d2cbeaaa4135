/**
 * One text of an answer that flows, as it is on the wire, and what has to be changed in it. What a reader would get
 * wrong: changes are kept in the offsets of the wire text, not in what inspection reads. So an escape that two frames
 * share is taken out of both, and what nothing changed is never written anew.
 */
import type { Match } from './scan.ts';
import type { TextWindow } from './window.ts';

/** What stands in place of [`start`, `end`). */
export interface Change {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Changes of a text that is handed out in order, piece by piece. */
export class Changes {
  readonly #changes: Change[] = [];
  /** Up to here it was handed out. */
  #out = 0;
  /** Up to here it must not be changed any more: what is before has gone out, or is changed already. */
  #reach = 0;

  /** What lies before text that went out already is not changed: only the rest of it is replaced. */
  replace({ start, end, text }: Change): void {
    const from = Math.max(start, this.#reach, this.#out);
    if (from >= end) return;
    this.#changes.push({ start: from, end, text });
    this.#reach = end;
  }

  /** The next characters of the text as they go out; they must be decided. */
  take(text: string): string {
    const from = this.#out;
    const to = from + text.length;
    let taken = '';
    let copied = from;
    while (this.#changes.length > 0) {
      const change = this.#changes[0] as Change;
      if (change.start >= to) break;
      if (change.start >= from) taken += text.slice(copied - from, change.start - from) + change.text;
      copied = Math.min(to, change.end);
      if (change.end > to) break;
      this.#changes.shift();
    }
    this.#out = to;
    return taken + text.slice(copied - from);
  }
}

/** A text that comes in pieces and is decided behind them. */
export interface Channel {
  push(text: string): void;
  end(): void;
  /** Decides all of it, though it may go on. */
  judge(): void;
  readonly decided: number;
  readonly changes: Changes;
}

/** Makes a window over a text; `found` is told of its matches, `behind` stands before it. */
export type OpenWindow = (found: (matches: readonly Match[]) => void, behind?: string) => TextWindow;

/** What matches that overlap ask for, in order; nothing where they may stay. */
export type Judge = (matches: readonly Match[]) => readonly Change[];

/** A text that is read as it is. */
export class PlainChannel implements Channel {
  readonly changes: Changes = new Changes();
  readonly #window: TextWindow;

  constructor(open: OpenWindow, judge: Judge) {
    this.#window = open((matches) => {
      for (const change of judge(matches)) this.changes.replace(change);
    });
  }

  get decided(): number {
    return this.#window.decided;
  }

  push(text: string): void {
    this.#window.push(text);
  }

  end(): void {
    this.#window.end();
  }

  judge(): void {
    this.#window.judge();
  }
}
