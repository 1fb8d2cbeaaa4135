/**
 * The editions of the configuration: one is in force, those before it go on until their last call has ended. A
 * request stays with the edition that it came to, from its head to the last byte of its answer.
 */

import type { Json, TaskRecord } from '../call.ts';
import type { DataPlane } from '../server/data-plane.ts';
import type { Visit } from '../server/listener.ts';
import type { Lease } from './lease.ts';
import type { EditionSource, Parts } from './parts.ts';

/** One configuration with everything that is made from it. */
export interface Edition {
  readonly source: EditionSource;
  readonly parts: Parts;
  readonly plane: DataPlane;
  readonly taskDocument: (record: TaskRecord) => Promise<Json>;
  readonly lease: Lease;
}

export class Editions implements AsyncDisposable {
  readonly #faulted: (where: string, fault: unknown) => void;
  #current: Edition | undefined;
  readonly #visits = new Map<Edition, number>();
  #underWay = 0;
  /** Calls that go on though the request they came with is answered. */
  #held = 0;
  #waiting: (() => void)[] = [];

  constructor(faulted: (where: string, fault: unknown) => void) {
    this.#faulted = faulted;
  }

  /** The edition in force. Throws before the first. */
  get current(): Edition {
    if (this.#current === undefined) throw new Error('no configuration is in force');
    return this.#current;
  }

  /** Requests whose answers are not gone yet, over all editions. */
  get underWay(): number {
    return this.#underWay;
  }

  /** Puts `next` in force for what comes from now on. The one before goes when nothing of it runs any more. */
  replace(next: Edition): void {
    const before = this.#current;
    this.#current = next;
    this.#visits.set(next, 0);
    const { catalogue, servers } = next.parts;
    catalogue.begin((target, signal) => servers.listTools(target, signal));
    servers.tellOfChanges(({ route }, method) => {
      if (method === 'notifications/tools/list_changed') catalogue.toldOfChange(route);
    });
    if (before !== undefined) this.#endUnlessVisited(before);
  }

  /** Takes a request in, with the edition in force now. */
  enter(): Visit {
    const edition = this.current;
    this.#visits.set(edition, (this.#visits.get(edition) ?? 0) + 1);
    this.#underWay++;
    return {
      answer: (request, abort) => edition.plane.answer(request, abort),
      leave: () => this.#left(edition),
    };
  }

  /** Keeps `edition` for a call that may outlive its request, until the returned function is called. */
  hold(edition: Edition): () => void {
    this.#visits.set(edition, (this.#visits.get(edition) ?? 0) + 1);
    this.#held++;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#held--;
      this.#release(edition);
    };
  }

  /** Whether `edition` answers what comes from now on. */
  isCurrent(edition: Edition): boolean {
    return edition === this.#current;
  }

  /** Resolves when no request is under way, and no call. */
  empty(): Promise<void> {
    if (this.#underWay + this.#held === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  /** Lets go of the parts of all editions, used or not. */
  async [Symbol.asyncDispose](): Promise<void> {
    const editions = [...this.#visits.keys()];
    this.#visits.clear();
    for (const { lease } of editions.reverse()) await lease[Symbol.asyncDispose]();
  }

  #left(edition: Edition): void {
    this.#underWay--;
    this.#release(edition);
  }

  #release(edition: Edition): void {
    this.#visits.set(edition, (this.#visits.get(edition) ?? 1) - 1);
    this.#endUnlessVisited(edition);
    if (this.#underWay + this.#held > 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #endUnlessVisited(edition: Edition): void {
    if (edition === this.#current || this.#visits.get(edition) !== 0) return;
    this.#visits.delete(edition);
    edition.lease[Symbol.asyncDispose]().catch((fault: unknown) => this.#faulted('reload', fault));
  }
}
