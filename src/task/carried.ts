/**
 * What an agent takes from one task into its next: the process that has read something untrusted in a task still knows
 * it when it opens another. One record an agent in the store, each label with the time until which it counts. What a
 * reader would get wrong: it counts for at least the configured time after the last sign of life, and up to half as long
 * again, so that calls of a tainted task write here only now and then.
 */
import { createHash } from 'node:crypto';
import type { Agent } from '../call.ts';
import type { Clock } from '../clock.ts';
import { isDenial } from '../denial.ts';
import { type Store, StoreUnavailable, storeKey } from '../store/store.ts';
import { updateRecord } from '../store/update.ts';
import { type Caught, isClean, withCaught } from './caught.ts';

/** Agents whose last write this gateway remembers; of any other it asks the store. */
const rememberedMax = 10_000;
/** Labels and lists of regions of one agent at once. */
const marksMax = 256;

/** An agent as the store knows it: equal ids of two issuers, or in two tenants, are two agents. */
export type Carrier = Pick<Agent, 'id' | 'issuer' | 'tenant'>;

/** A label (`t` and its name) or a list of regions (`r` and its JSON), and until when it counts. */
type Marks = Readonly<Record<string, number>>;

export interface CarriedTaintParts {
  readonly store: Pick<Store, 'get' | 'compareAndSet'>;
  readonly clock: Clock;
  /** How long it counts at least, in milliseconds, as the configuration in force says; 0 for not at all. */
  readonly keepMs: () => number;
}

export class CarriedTaint {
  readonly #parts: CarriedTaintParts;
  /** What this gateway knows to stand in the store, the agent that was written last at the end. */
  readonly #known = new Map<string, Marks>();

  constructor(parts: CarriedTaintParts) {
    this.#parts = parts;
  }

  /**
   * Notes that `agent` knows what a task of its has caught. No round trip while the last note lasts. Rejects with
   * `StoreUnavailable`.
   */
  async keep(agent: Carrier, caught: Caught): Promise<void> {
    const keepMs = this.#parts.keepMs();
    if (keepMs === 0 || isClean(caught)) return;
    const { store, clock } = this.#parts;
    const key = keyOf(agent);
    const nowMs = clock.nowMs();
    const wanted = marksOf(caught);
    const lasts = (marks: Marks) => wanted.every((mark) => (marks[mark] ?? 0) >= nowMs + keepMs);
    if (lasts(this.#known.get(key) ?? {})) return;
    const untilMs = nowMs + keepMs + Math.ceil(keepMs / 2);
    const written = await updateRecord<Marks>(
      store,
      key,
      (marks) => Math.max(1, ...Object.values(marks).map((until) => until - nowMs)),
      (current) => {
        if (current !== undefined && lasts(current)) return current;
        const standing = Object.entries(current ?? {}).filter(([, until]) => until > nowMs);
        const renewed = wanted.map((mark) => [mark, Math.max(untilMs, current?.[mark] ?? 0)] as const);
        const marks = Object.fromEntries([...standing, ...renewed]);
        if (Object.keys(marks).length <= marksMax) return marks;
        throw new RangeError(`an agent carries more than ${marksMax} labels and regions`);
      },
    );
    if (isDenial(written)) throw new StoreUnavailable('what the agent carries kept changing');
    this.#remember(key, written.value);
  }

  /** What a task that `agent` opens now begins with. Rejects with `StoreUnavailable`. */
  async of(agent: Carrier): Promise<Caught> {
    const nothing: Caught = { taint: [] };
    if (this.#parts.keepMs() === 0) return nothing;
    const found = await this.#parts.store.get(keyOf(agent));
    const nowMs = this.#parts.clock.nowMs();
    const marks = Object.entries((found?.value ?? {}) as Marks).filter(([, untilMs]) => nowMs < untilMs);
    return marks.reduce((caught, [mark]) => withCaught(caught, caughtOf(mark)), nothing);
  }

  #remember(key: string, marks: Marks): void {
    this.#known.delete(key);
    this.#known.set(key, marks);
    if (this.#known.size <= rememberedMax) return;
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest);
      break;
    }
  }
}

/** By digest: ids are as long as an issuer likes, and of any characters. */
function keyOf({ id, issuer, tenant }: Carrier): string {
  const digest = createHash('sha256').update(JSON.stringify([issuer, id]));
  return storeKey(tenant, 'taint', digest.digest('base64url'));
}

function marksOf({ taint, regions = [] }: Caught): string[] {
  return [...taint.map((label) => `t${label}`), ...regions.map((list) => `r${JSON.stringify(list)}`)];
}

function caughtOf(mark: string): Caught {
  const text = mark.slice(1);
  return mark.startsWith('t') ? { taint: [text] } : { taint: [], regions: [JSON.parse(text) as string[]] };
}
