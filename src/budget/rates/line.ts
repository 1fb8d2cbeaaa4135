/**
 * Who waits for one limit, and whose turn it is: a ring of tasks, in which each task has its turns and then the next, so
 * that a task with a hundred calls waits no less than one with a single call. Within a task it is first come, first
 * served. Bounded in number and in bytes; where it is full, the task that has most waiting gives up its latest.
 */

/** One that waits. */
export interface InLine {
  readonly task: string;
  /** Turns of its task in a round; at least 1. */
  readonly turns: number;
  readonly bytes: number;
}

export interface LineBounds {
  readonly waiting: number;
  readonly bytes: number;
}

interface OfTask<Member> {
  readonly members: Member[];
  turnsLeft: number;
}

export class Line<Member extends InLine> {
  readonly #bounds: LineBounds;
  /** In the order of the ring: the first has the turn. */
  readonly #tasks = new Map<string, OfTask<Member>>();
  #count = 0;
  #bytes = 0;

  constructor(bounds: LineBounds) {
    this.#bounds = bounds;
  }

  get length(): number {
    return this.#count;
  }

  /**
   * Takes `member` in. Gives those that had to leave for it; undefined where it cannot come in, because its own task has
   * as much waiting as any.
   */
  enter(member: Member): readonly Member[] | undefined {
    const left: Member[] = [];
    while (this.#count >= this.#bounds.waiting || this.#bytes + member.bytes > this.#bounds.bytes) {
      const most = [...this.#tasks.values()].reduce<OfTask<Member> | undefined>(
        (found, one) => (found === undefined || one.members.length > found.members.length ? one : found),
        undefined,
      );
      const own = this.#tasks.get(member.task)?.members.length ?? 0;
      const last = most?.members.at(-1);
      if (most === undefined || last === undefined || last.task === member.task || most.members.length <= own + 1) {
        for (const one of left.toReversed()) this.#put(one);
        return undefined;
      }
      this.leave(last);
      left.push(last);
    }
    this.#put(member);
    return left;
  }

  /** Whose turn it is. */
  first(): Member | undefined {
    for (const { members } of this.#tasks.values()) return members[0];
    return undefined;
  }

  /** `member`, the first, has had its turn and goes. */
  served(member: Member): void {
    const of = this.#tasks.get(member.task);
    // One that left while it was tried has had no turn.
    if (!this.leave(member) || of === undefined || of.members.length === 0) return;
    of.turnsLeft--;
    if (of.turnsLeft > 0) return;
    of.turnsLeft = member.turns;
    this.#tasks.delete(member.task);
    this.#tasks.set(member.task, of);
  }

  /** It waits no longer, wherever it stands. False where it is not there. */
  leave(member: Member): boolean {
    const of = this.#tasks.get(member.task);
    const place = of?.members.indexOf(member) ?? -1;
    if (of === undefined || place === -1) return false;
    of.members.splice(place, 1);
    this.#count--;
    this.#bytes -= member.bytes;
    if (of.members.length === 0) this.#tasks.delete(member.task);
    return true;
  }

  #put(member: Member): void {
    const of = this.#tasks.get(member.task) ?? { members: [], turnsLeft: member.turns };
    this.#tasks.set(member.task, of);
    of.members.push(member);
    this.#count++;
    this.#bytes += member.bytes;
  }
}
