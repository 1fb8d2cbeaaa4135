/**
 * The exchange: one target after the other, as the course of the call says, until one answers or no other may be tried.
 * Whatever is repeated is repeated here, and only before the first byte of an answer has reached the agent. What a
 * reader would get wrong: the answer of a target that refused (429, 500) is read and kept while others are tried, because
 * when all of them fail it is what the agent gets.
 */
import type { Admitted, Attempt, Target, UpstreamAnswer } from './call.ts';
import type { Clock } from './clock.ts';
import { type Denial, deny, isDenial } from './denial.ts';
import { readWhole } from './flow.ts';
import { isTried, type Tried } from './outcome.ts';
import { abortDenial, type Settlement } from './settlement.ts';
import { within } from './stage.ts';

/** Which targets a call may be sent to, one after the other: their limits, their keys, and what may be repeated. */
export interface Course {
  /** The next to try, with the credential to use, once its limits let the call pass. Denies `rate_limited`. */
  readonly next: () => Promise<Target | Denial>;
  /** The longest that `next` may wait, in milliseconds. */
  readonly waitMsMax: number;
  /** Told how it went; gives how long to wait before the next, in milliseconds, or null where there is none. */
  readonly tried: (target: Target, tried: Tried | Denial) => number | null;
  /** When an agent may come again with what was already repeated here and failed. */
  readonly comeAgainMs: number;
}

export interface ExchangeRooms {
  readonly course: (call: Admitted) => Course;
  /** Calls `attempt` if the breaker of the target is closed, and counts how it went. */
  readonly guarded: (call: Admitted, target: Target, attempt: () => Promise<Tried>) => Promise<Tried | Denial>;
  /** Told of a target that broke off after its head had come; says what that means to the agent. */
  readonly brokeOff: (target: Target, fault: unknown) => Denial;
  readonly stillAlive: (call: Admitted) => Promise<Denial | undefined>;
  readonly attempt: (call: Admitted, target: Target) => Promise<Tried>;
}

export interface ExchangeOptions {
  readonly rooms: ExchangeRooms;
  readonly clock: Clock;
  /** How long one stage may take, in milliseconds. */
  readonly stageMs: number;
  readonly faulted: (where: string, fault: unknown) => void;
}

/** The most that is kept of an answer while others are tried, and how long it may take to come. */
const keptBytesMax = 256 * 1024;
const keptMsMax = 2_000;

export class Exchange {
  readonly #options: ExchangeOptions;

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  /** The answer to `call`, its head come and its body unread, or why there is none. Never rejects. */
  async run(call: Admitted, settlement: Settlement): Promise<UpstreamAnswer | Denial> {
    let last: UpstreamAnswer | Denial = deny('upstream_unavailable', 'No target of the route can be reached.');
    let kept: { readonly answer: UpstreamAnswer; readonly target: Target } | undefined;
    const course = this.#course(call);
    if (isDenial(course)) return course;
    for (;;) {
      const target = await settlement.outside(() => this.#next(call, course));
      if (isDenial(target)) {
        last = settlement.attempts.length === 0 ? target : last;
        break;
      }
      const dead = await this.alive(call);
      if (dead !== undefined) return dead;
      const tried = await settlement.outside(() => this.#try(call, target));
      if (!isDenial(tried)) {
        const attempt = 'answer' in tried ? tried.attempt : tried.failed;
        // Where one was sent, it is billed by that target, whichever could not be reached afterwards.
        if (attempt.sent || !settlement.attempts.some(({ sent }) => sent)) settlement.target = target;
        settlement.attempts.push(withCredential(attempt, target));
      }
      const waitMs = this.#tried(call, course, target, tried);
      if ('answer' in tried) last = waitMs === null ? tried.answer : await settlement.outside(() => this.#keep(tried));
      else last = isDenial(tried) ? tried : tried.denial;
      if (!isDenial(last)) kept = { answer: last, target };
      // What may have been taken by this one is not answered with what another one said before.
      else if ('failed' in tried && tried.failed.sent) kept = undefined;
      if (waitMs === null) break;
      await settlement.outside(() => this.#pause(call, waitMs));
      if (call.abort.signal.aborted) break;
    }
    const given = abortDenial(call);
    if (given === undefined && kept !== undefined) settlement.target = kept.target;
    return told(given ?? kept?.answer ?? last, settlement.attempts.length > 1, course);
  }

  /** Whether the task of a call still lives: asked right before anything is sent for it. */
  async alive(call: Admitted): Promise<Denial | undefined> {
    const { rooms, clock, stageMs, faulted } = this.#options;
    try {
      const dead = await within(clock, stageMs, rooms.stillAlive(call));
      if (dead !== undefined && !isDenial(dead)) throw new Error('the task room gave no denial');
      return abortDenial(call) ?? dead;
    } catch (fault) {
      faulted('task', fault);
      return deny('store_unavailable', 'Whether the task still lives cannot be told.');
    }
  }

  #course(call: Admitted): Course | Denial {
    try {
      const course = this.#options.rooms.course(call);
      const isOne = typeof course?.next === 'function' && typeof course.tried === 'function';
      if (isOne && Number.isFinite(course.waitMsMax) && Number.isFinite(course.comeAgainMs)) return course;
      throw new Error('there is no course for this call');
    } catch (fault) {
      this.#options.faulted('exchange', fault);
      return deny('upstream_unavailable', 'Which target may be called cannot be told.');
    }
  }

  async #next(call: Admitted, course: Course): Promise<Target | Denial> {
    const { clock, stageMs, faulted } = this.#options;
    try {
      const next = await within(clock, course.waitMsMax + stageMs, course.next());
      if (isDenial(next)) return next;
      if (typeof next?.name === 'string' && call.targets.some(({ name }) => name === next.name)) return next;
      throw new Error('the next target is none of the call');
    } catch (fault) {
      faulted('budget', fault);
      return deny('store_unavailable', 'Whether a target may be called now cannot be told.');
    }
  }

  /** One target. A fault here counts as sent: whether the target got anything is then not known. */
  async #try(call: Admitted, target: Target): Promise<Tried | Denial> {
    const { rooms, clock, stageMs, faulted } = this.#options;
    const startMs = clock.monotonicMs();
    try {
      const trying = rooms.guarded(call, target, () => rooms.attempt(call, target));
      const tried = await within(clock, target.timeoutMs.total + stageMs, trying);
      if (isDenial(tried) || isTried(tried)) return tried;
      throw new Error('the attempt gave neither an answer nor a failure');
    } catch (fault) {
      faulted('upstream', fault);
      const latencyMs = clock.monotonicMs() - startMs;
      const failed = { target: target.name, status: null, error: 'fault', latencyMs, sent: true };
      const denial = deny('upstream_error', 'The gate could not complete the call to the target.');
      call.abort.abort(denial);
      return { failed, denial };
    }
  }

  #tried(call: Admitted, course: Course, target: Target, tried: Tried | Denial): number | null {
    try {
      const waitMs: unknown = course.tried(target, tried);
      if (call.abort.signal.aborted || waitMs === null) return null;
      if (typeof waitMs === 'number' && waitMs >= 0 && Number.isFinite(waitMs)) return waitMs;
      throw new Error('how long to wait was not told');
    } catch (fault) {
      this.#options.faulted('upstream', fault);
      return null;
    }
  }

  /** A refusal of a target, whole, so that its connection is free; a denial where it cannot be read. */
  async #keep({ answer }: { readonly answer: UpstreamAnswer }): Promise<UpstreamAnswer | Denial> {
    const { clock } = this.#options;
    const { status } = answer.head;
    const unread = deny('upstream_error', `Target ${answer.target.name} answered ${status}.`);
    try {
      const bytes = await within(clock, keptMsMax, readWhole(answer.body, keptBytesMax));
      return isDenial(bytes) ? unread : { ...answer, body: only(bytes) };
    } catch {
      // That it broke off is no news: it had refused the call, and another is tried.
      return unread;
    }
  }

  /** Until the time is over, or the call is given up. */
  #pause(call: Admitted, waitMs: number): Promise<void> {
    const { signal } = call.abort;
    if (waitMs === 0 || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        timer.cancel();
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = this.#options.clock.after(waitMs, end);
      signal.addEventListener('abort', end, { once: true });
    });
  }
}

/** What failed though it was repeated says when to come again, so that a client does not repeat it all at once. */
function told(result: UpstreamAnswer | Denial, repeated: boolean, { comeAgainMs }: Course): UpstreamAnswer | Denial {
  if (!repeated || comeAgainMs <= 0) return result;
  if (isDenial(result)) {
    if (!result.retryable || result.details.retryAfterMs !== undefined) return result;
    return deny(result.code, result.message, { ...result.details, retryAfterMs: comeAgainMs });
  }
  const { status, headers } = result.head;
  const failed = status === 408 || status === 429 || status >= 500;
  if (!failed || headers['retry-after'] !== undefined) return result;
  const retryAfter = String(Math.ceil(comeAgainMs / 1000));
  return { ...result, head: { status, headers: { ...headers, 'retry-after': retryAfter } } };
}

/** The trail names the credential that was used, never what is in it. */
function withCredential(attempt: Attempt, { credential }: Target): Attempt {
  return credential === null ? attempt : { ...attempt, credential };
}

async function* only(bytes: Buffer): AsyncIterable<Uint8Array> {
  yield bytes;
}
