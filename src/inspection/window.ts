/**
 * One text while it comes in: finds what a scan of the whole text would find, and says up to where the text is decided,
 * so that what is before may go out. Nothing is held back by a fixed number of characters: each recognizer says where
 * something it could still find begins, and only the types that an obligation is about hold text back. The others are
 * counted, without anybody waiting for them.
 */
import { fold, foldable } from './fold.ts';
import type { Span } from './recognizer.ts';
import type { Inspector, Match, Seeker } from './scan.ts';

/** How far back recognizers look from what they judge: words before a number, the name of an assignment. */
const lookBehindMax = 128;
/** Text that is decided is let go in pieces of this many characters, so that each is copied few times. */
const letGoMin = 512;
/** From here on a text that waits for its end is looked at each time it has grown by an eighth: its cost stays linear. */
const waitingMin = 1024;
/** The most that waits; above what any recognizer can ask for. Beyond it the text is judged as it stands. */
const waitingMax = 262_144;

/** Stands before a text whose beginning was let go: no number behind it is all there is. */
const somethingBefore = '<';

export class TextWindow {
  readonly #inspector: Inspector;
  readonly #hint: string;
  readonly #acted: (type: string) => boolean;
  readonly #found: (matches: readonly Match[]) => void;
  readonly #seekers: Seeker[];
  #text: string;
  /** How much was let go before `#text`. */
  #base = 0;
  #before = '';
  #pending: Span[] = [];
  #lookAgain = 0;
  /** Nothing that may be found here is acted upon: nothing waits. */
  readonly #idle: boolean;
  /** Up to here it was judged as if it ended, and went out; what reaches further is found from here on. */
  #judged = 0;
  /** Up to here, in UTF-16 units of all the text, nothing changes any more. */
  decided = 0;

  /**
   * `found` is told of matches that overlap together, and of all in order; offsets count from the start of the whole
   * text. `behind` is text that stands before it and is somebody else's: it is looked back on, nothing in it is found.
   */
  constructor(
    inspector: Inspector,
    hint: string,
    acted: (type: string) => boolean,
    found: (matches: readonly Match[]) => void,
    behind = '',
  ) {
    this.#inspector = inspector;
    this.#hint = hint;
    this.#acted = acted;
    this.#found = found;
    this.#seekers = inspector.seekers();
    this.#idle = !this.#seekers.some(({ type }) => acted(type));
    this.#text = behind;
    this.#base = -behind.length;
    const next = fold(behind).text.length;
    for (const seeker of this.#seekers) seeker.next = next;
  }

  push(text: string): void {
    this.#text += text;
    if (this.#idle) this.decided = this.#base + this.#text.length;
    if (this.#text.length < this.#lookAgain) return;
    this.#look(this.#text.length > waitingMax);
    this.#letGo();
  }

  /** The text is over. */
  end(): void {
    this.#look(true);
  }

  /**
   * Judges the text as if it were over, though it may go on: all of it is then decided. Should it go on, what began
   * before is still found, and told from here on.
   */
  judge(): void {
    const seekers = this.#seekers.map((seeker) => ({ ...seeker }));
    const pending = [...this.#pending];
    this.#look(true);
    this.#judged = this.decided;
    this.#pending = pending;
    seekers.forEach((seeker, place) => {
      Object.assign(this.#seekers[place] as Seeker, seeker);
    });
  }

  #look(over = false): void {
    const stable = over ? this.#text.length : foldable(this.#text);
    const folded = fold(this.#text.slice(0, stable));
    const text = this.#before + folded.text;
    this.#pending.push(...this.#inspector.sweep(text, this.#hint, this.#seekers, over));
    this.#pending.sort((a, b) => a.start - b.start);

    const original = (offset: number): number =>
      this.#base + folded.original(Math.max(0, offset - this.#before.length));
    const certain = over ? Number.POSITIVE_INFINITY : Math.min(...this.#seekers.map(({ begun }) => begun));
    let limit = text.length;
    if (!over) for (const { type, begun } of this.#seekers) if (this.#acted(type)) limit = Math.min(limit, begun);
    for (;;) {
      const [cluster, end] = this.#firstCluster();
      if (cluster.length === 0 || end > certain) break;
      this.#pending.splice(0, cluster.length);
      const matches = this.#inspector.settled(cluster).map((span) => ({
        ...span,
        start: original(span.start),
        end: original(span.end),
        folded: text.slice(span.start, span.end),
      }));
      this.#found(matches.filter((match) => match.end > this.#judged));
    }
    const waiting = this.#pending.find(({ type }) => this.#acted(type));
    if (waiting !== undefined) limit = Math.min(limit, waiting.start);
    const decided = over ? this.#base + this.#text.length : original(limit);
    this.decided = Math.max(this.decided, decided);
    const held = text.length - Math.min(text.length, ...this.#seekers.map(({ begun }) => begun));
    this.#lookAgain = held < waitingMin ? 0 : this.#text.length + (held >> 3);
  }

  /** The first spans that overlap, directly or through others, and where the last of them ends. */
  #firstCluster(): [Span[], number] {
    const cluster: Span[] = [];
    let end = 0;
    for (const span of this.#pending) {
      if (cluster.length > 0 && span.start >= end) break;
      cluster.push(span);
      end = Math.max(end, span.end);
    }
    return [cluster, end];
  }

  /** Forgets what nobody will look back on. */
  #letGo(): void {
    if (this.#text.length < letGoMin + lookBehindMax) return;
    const needed = Math.min(
      ...this.#seekers.flatMap(({ next, begun }) => [next, begun]),
      ...this.#pending.map(({ start }) => start),
    );
    const keptFrom = needed - lookBehindMax;
    if (keptFrom < letGoMin) return;
    const folded = fold(this.#text);
    const blank = `${this.#before}${folded.text.slice(0, keptFrom)}`.trim() === '';
    this.#shift(keptFrom, folded.original(keptFrom - this.#before.length), blank ? ' ' : somethingBefore);
  }

  #shift(keptFrom: number, cut: number, before: string): void {
    this.#text = this.#text.slice(cut);
    this.#base += cut;
    this.#lookAgain = Math.max(0, this.#lookAgain - cut);
    this.#before = before;
    const by = keptFrom - before.length;
    for (const seeker of this.#seekers) {
      seeker.next -= by;
      seeker.begun -= by;
    }
    this.#pending = this.#pending.map((span) => ({ ...span, start: span.start - by, end: span.end - by }));
  }
}
