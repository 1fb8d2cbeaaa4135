/**
 * The `requestState` that stateless clients bring back with their answers (MCP 2026-07-28, multi round-trip requests): it
 * holds which questions they answer, and where the call goes on. It is sealed, bound to its task, to the very request it
 * was given for, and to a time. What a reader would get wrong: a server's own state travels inside it, so that no client
 * brings a server the state of another task, target or request.
 */
import type { Json, JsonObject } from '../call.ts';
import type { Clock } from '../clock.ts';
import { canonical } from '../wire/canonical.ts';
import type { Owner, SealOf } from './owner.ts';

/** How long a state is good for, in milliseconds. */
export const stateMs = 10 * 60_000;
/** The longest state of a server, in characters. */
export const serverStateMax = 65_536;

export interface RequestState {
  /** The questions, by the keys that the client answers them under: `id` of an open one, for a call that waits. */
  readonly asked: Readonly<Record<string, { readonly method: string; readonly id?: string }>>;
  /** The operation's route, and the target that asks. */
  readonly route: string;
  readonly target: string;
  /** A call that waits for the answers: its stream, and up to where the client has read it. */
  readonly parked?: { readonly stream: string; readonly after: number };
  /** Of a server that keeps nothing itself: the state it gave; absent where it gave none. */
  readonly given?: string;
}

interface Sealed {
  readonly v: 1;
  readonly of: string;
  readonly untilMs: number;
  readonly state: RequestState;
}

export class RequestStates {
  readonly #sealOf: SealOf;
  readonly #clock: Clock;

  constructor(sealOf: SealOf, clock: Clock) {
    this.#sealOf = sealOf;
    this.#clock = clock;
  }

  /** The state as its client gets it; `request` is a digest of the request that it is good for. */
  close(owner: Owner, request: string, state: RequestState): string {
    const sealed: Sealed = { v: 1, of: request, untilMs: this.#clock.nowMs() + stateMs, state };
    return this.#sealOf(owner.taskId).close(labelOf(owner), sealed as unknown as JsonObject);
  }

  /** What was closed for this task and request; undefined for anything else, and for what is too old. Never throws. */
  open(owner: Owner, request: string, text: Json | undefined): RequestState | undefined {
    if (typeof text !== 'string' || text.length > serverStateMax * 4) return undefined;
    const opened = this.#sealOf(owner.taskId).open(labelOf(owner), text) as unknown as Sealed | undefined;
    if (opened?.v !== 1 || opened.of !== request || this.#clock.nowMs() > opened.untilMs) return undefined;
    return opened.state;
  }
}

function labelOf({ tenant, taskId }: Owner): string {
  return canonical(['mcp request state', tenant, taskId]);
}
