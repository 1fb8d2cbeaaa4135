/**
 * The return path of answers that flow: frames go in as they come from the target, and come out, in the same order, as
 * soon as their text is decided. Frames without anything to hide are the very frames that came. Each place of the
 * answer is a text of its own: the content of each choice, its reasoning, the arguments of each tool call.
 */
import type { Finding, Frame, Obligations, Piece } from '../call.ts';
import { type Denial, deny, type Reason } from '../denial.ts';
import { type Change, type Channel, PlainChannel } from './channel.ts';
import { limited } from './finding_limit.ts';
import { JsonChannel } from './json_channel.ts';
import { type Action, actionOn, joined, refusal, replacement } from './obey.ts';
import { hintOf, type Inspector, type Match, replaceSpans } from './scan.ts';
import { TextWindow } from './window.ts';

/** How many texts of one answer are told apart; more than 128 choices with tool calls need. */
const placesMax = 4096;

/** How many frames may come while the text in front of them stands still; and wait in all. */
const framesPassedMax = 64;
const framesWaitingMax = 8192;

/** One text of the answer. */
interface Place {
  readonly channel: Channel;
  length: number;
  /** How many characters, and frames, had come in all when this text last went on. */
  lastChar: number;
  lastFrame: number;
}

/** What of a frame's text goes out: already known, or so much more of a text as it will be when it is decided. */
type Part = string | { readonly place: Place; readonly text: string; readonly end: number };

interface Waiting {
  readonly frame: Frame;
  readonly pieces: readonly Piece[];
  readonly parts: readonly Part[];
}

export interface StreamInspectionOptions {
  readonly inspector: Inspector;
  readonly obligations: Obligations;
  /** The task's, base64url. */
  readonly digestKey: string;
  /** See `inspection.stream_window_chars`. */
  readonly windowChars: number;
}

/**
 * What a decision on an answer's head asks of a stream, before its first byte. Denies what cannot be met while it
 * flows: `drop`, since what is to go may have gone, and selectors by path, since a place is known when it is there.
 */
export function unmetOnStream({ drop = [], block, redact, hash, mask }: Obligations): Denial | undefined {
  const reasons: Reason[] = drop.map((path) => reason('drop', path));
  for (const [name, selectors] of Object.entries({ block, redact, hash, mask })) {
    for (const { path } of selectors ?? []) if (path !== undefined && path !== '') reasons.push(reason(name, path));
  }
  if (reasons.length === 0) return undefined;
  return deny('policy_denied', 'The policy asks for changes that cannot be made to an answer that streams.', {
    reasons,
  });
}

function reason(obligation: string, path: string): Reason {
  const message = `${obligation} of ${path} cannot be met on a stream. Ask for the answer without streaming.`;
  return { code: 'obligation_unmet', message, path };
}

export class StreamInspection {
  readonly #options: StreamInspectionOptions;
  readonly #places = new Map<string, Place>();
  readonly #waiting: Waiting[] = [];
  readonly #found = new Map<string, Finding>();
  /** Nothing is to be taken out, only counted: then nothing waits. */
  readonly #idle: boolean;
  #chars = 0;
  #frames = 0;
  #denial: Denial | undefined;

  constructor(options: StreamInspectionOptions) {
    this.#options = options;
    const { block = [], redact = [], hash = [], mask = [] } = options.obligations;
    this.#idle = block.length + redact.length + hash.length + mask.length === 0;
  }

  /** Set once something was found that may not pass: nothing more goes out. */
  get denial(): Denial | undefined {
    return this.#denial;
  }

  /** What was found so far, by type and place; also what no obligation is about. */
  findings(): readonly Finding[] {
    return limited([...this.#found.values()]);
  }

  /** Takes a frame in; gives those that may go out now. */
  push(frame: Frame): Frame[] {
    this.#frames++;
    const pieces = frame.pieces();
    const parts = pieces.map((piece) => this.#take(piece));
    this.#waiting.push({ frame, pieces, parts });
    return this.#release();
  }

  /** The answer is over: gives everything that is left. */
  end(): Frame[] {
    for (const { channel } of this.#places.values()) channel.end();
    return this.#release();
  }

  #take(piece: Piece): Part {
    const { where, text, reading } = piece;
    this.#chars += text.length;
    if (reading === 'whole' || reading === 'again') return this.#rewritten(where, text, reading === 'again');
    let place = this.#places.get(where);
    if (place === undefined) {
      if (this.#places.size >= placesMax) {
        this.#denial ??= deny('upstream_error', 'The target sent more texts at once than can be told apart.');
        return '';
      }
      place = { channel: this.#channel(where, reading), length: 0, lastChar: 0, lastFrame: 0 };
      this.#places.set(where, place);
    }
    place.channel.push(text);
    place.length += text.length;
    place.lastChar = this.#chars;
    place.lastFrame = this.#frames;
    return { place, text, end: place.length };
  }

  /** The frames at the front whose text is decided; none once something may not pass. */
  #release(): Frame[] {
    const ready: Frame[] = [];
    for (;;) {
      const first = this.#waiting[0];
      if (first === undefined || this.#denial !== undefined || !first.parts.every((part) => this.#decided(part))) break;
      this.#waiting.shift();
      const texts = first.parts.map((part) =>
        typeof part === 'string' ? part : part.place.channel.changes.take(part.text),
      );
      const same = texts.every((text, index) => text === first.pieces[index]?.text);
      ready.push(same ? first.frame : first.frame.rewrite(texts));
    }
    return ready;
  }

  /**
   * Whether a part may go out. A text that broke off inside something that could become a finding, and stands still
   * while others go on, is judged as it stands: a model that thought aloud would hold up its answer to the end.
   */
  #decided(part: Part): boolean {
    if (typeof part === 'string' || this.#idle) return true;
    const { channel, lastChar, lastFrame } = part.place;
    if (channel.decided >= part.end) return true;
    const stands = this.#chars - lastChar > this.#options.windowChars || this.#frames - lastFrame > framesPassedMax;
    if (!stands && this.#waiting.length <= framesWaitingMax) return false;
    channel.judge();
    return channel.decided >= part.end;
  }

  #channel(where: string, reading: 'flow' | 'json'): Channel {
    const { inspector, obligations } = this.#options;
    const shown = inspector.publicWhere(where);
    const acted = (type: string): boolean => actionOn(obligations, type, shown) !== 'none';
    const open = (found: (matches: readonly Match[]) => void, behind?: string): TextWindow =>
      new TextWindow(inspector, hintOf(where), acted, found, behind);
    const judge = (matches: readonly Match[]): readonly Change[] => this.#judge(matches, shown);
    return reading === 'json' ? new JsonChannel(open, judge) : new PlainChannel(open, judge);
  }

  #rewritten(where: string, text: string, again: boolean): string {
    const { inspector } = this.#options;
    const matches = inspector.matches(text, hintOf(where));
    if (matches.length === 0) return text;
    const shown = inspector.publicWhere(where);
    const counted = again ? this.#countsAt(shown) : undefined;
    const changes = this.#judge(matches, shown);
    if (counted !== undefined) this.#countOnce(shown, counted, matches);
    return replaceSpans(text, changes, (change) => change.text);
  }

  /** How often each type was found at a place so far. */
  #countsAt(where: string): ReadonlyMap<string, number> {
    const here = [...this.#found.values()].filter((finding) => finding.where === where);
    return new Map(here.map(({ type, count }) => [type, count]));
  }

  /** What a text says again is found again; it counts as often as the text, said once, has it. */
  #countOnce(where: string, before: ReadonlyMap<string, number>, matches: readonly Match[]): void {
    for (const type of new Set(matches.map((match) => match.type))) {
      const key = `${type} ${where}`;
      const found = this.#found.get(key);
      const inText = matches.filter((match) => match.type === type).length;
      if (found !== undefined) this.#found.set(key, { ...found, count: Math.max(before.get(type) ?? 0, inText) });
    }
  }

  /** Counts matches of one text, and says what stands in place of those that may not pass. */
  #judge(matches: readonly Match[], where: string): Change[] {
    const targets: (Match & { readonly action: Action })[] = [];
    for (const match of matches) {
      const { type, confidence } = match;
      const key = `${type} ${where}`;
      const before = this.#found.get(key);
      const count = (before?.count ?? 0) + 1;
      this.#found.set(key, { type, count, where, confidence: Math.max(confidence, before?.confidence ?? 0) });
      const action = actionOn(this.#options.obligations, type, where);
      if (action === 'block') {
        this.#denial ??= refusal([{ type, count: 1, where, confidence }], 'This may not pass here');
      }
      if (action !== 'none') targets.push({ ...match, action });
    }
    return joined(targets).map((target) => ({
      start: target.start,
      end: target.end,
      text: replacement(target, this.#options.digestKey),
    }));
  }
}
