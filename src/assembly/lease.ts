/**
 * Parts that one edition of the configuration hands on to the next where what they follow from has not changed. Each
 * is counted: it is closed when the last edition that uses it lets go, so a call under way never loses one.
 */

type Disposable = { [Symbol.dispose](): void } | { [Symbol.asyncDispose](): Promise<void> };

interface Counted {
  /** What the part was made from, as text. */
  readonly origin: string;
  readonly part: Disposable;
  users: number;
}

/** Gives the part `name` made from `origin`: the one there is, or a new one by `make`. */
export type Take = <Origin, Part extends Disposable>(
  name: string,
  origin: Origin,
  make: (origin: Origin) => Part | Promise<Part>,
) => Promise<Part>;

/** The parts of one edition. */
export class Lease implements AsyncDisposable {
  readonly #before: ReadonlyMap<string, Counted>;
  readonly #parts = new Map<string, Counted>();

  /** `before` must not be disposed of until `take` has been called for every part. */
  constructor(before?: Lease) {
    this.#before = before === undefined ? new Map() : before.#parts;
  }

  readonly take: Take = async (name, origin, make) => {
    const text = JSON.stringify(origin);
    const there = this.#before.get(name);
    const counted = there?.origin === text ? there : { origin: text, part: await make(origin), users: 0 };
    counted.users++;
    this.#parts.set(name, counted);
    // The name says what it is: only `take` of that name has put it there.
    return counted.part as never;
  };

  /** Lets go of every part; those that nobody else uses are closed. */
  async [Symbol.asyncDispose](): Promise<void> {
    const mine = [...this.#parts.values()];
    this.#parts.clear();
    for (const counted of mine.reverse()) {
      counted.users--;
      if (counted.users > 0) continue;
      if (Symbol.asyncDispose in counted.part) await counted.part[Symbol.asyncDispose]();
      else counted.part[Symbol.dispose]();
    }
  }
}
