/**
 * The mark that a call leaves under its key: who makes it, what exactly it is, and how it ended. What a reader would get
 * wrong: a mark that says `running` tells what was so when it was written; whether its gateway still lives is asked anew.
 */
import type { AnswerHead, Json } from '../call.ts';
import type { CallId } from '../clock.ts';

/** Why the answer to a call that was made is not there. */
export type Unkept = 'too_long' | 'no_room' | 'secret_missing' | 'unread';

/** How a call ended, as far as its repeat is concerned. */
export type Ended =
  /** It did nothing: the key may be used again. */
  | { readonly state: 'free' }
  /** It was sent, and what came of it is not known. */
  | { readonly state: 'unknown' }
  /** It was made; `sealed` is its answer. */
  | { readonly state: 'done'; readonly status: number; readonly sealed: string }
  | { readonly state: 'done'; readonly status: number; readonly unkept: Unkept };

export interface Mark {
  readonly callId: CallId;
  /** Keyed digest of all that was to be sent. */
  readonly fingerprint: string;
  /** When the call came. */
  readonly atMs: number;
  /** The life of the gateway that makes it. */
  readonly holder: string;
  readonly ended: Ended | { readonly state: 'running' };
}

/** A whole answer with what it takes to give it again. */
export interface FirstAnswer {
  /** Name of the target within its route. */
  readonly target: string;
  readonly head: AnswerHead;
  readonly body: Buffer;
  readonly costMicroUsd: number;
}

/** Text as it is, which most answers are; of what is none its bytes. */
export function documentOf({ target, head, body, costMicroUsd }: FirstAnswer): Json {
  const text = body.toString('utf8');
  const content = Buffer.from(text, 'utf8').equals(body) ? { text } : { base64: body.toString('base64') };
  return { target, status: head.status, headers: { ...head.headers }, costMicroUsd, ...content };
}

/** Undefined for what has not the shape of one. */
export function readFirstAnswer(document: Json | undefined): FirstAnswer | undefined {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) return undefined;
  const { target, status, headers, costMicroUsd, text, base64 } = document as Record<string, Json>;
  if (typeof target !== 'string' || !Number.isInteger(status) || !Number.isSafeInteger(costMicroUsd)) return undefined;
  if (typeof text !== 'string' && typeof base64 !== 'string') return undefined;
  const named = Object.entries((headers ?? {}) as Record<string, Json>);
  if (!named.every(([, value]) => typeof value === 'string')) return undefined;
  return {
    target,
    head: { status: status as number, headers: Object.fromEntries(named) as Record<string, string> },
    body: typeof text === 'string' ? Buffer.from(text, 'utf8') : Buffer.from(base64 as string, 'base64'),
    costMicroUsd: costMicroUsd as number,
  };
}

/** Undefined for what has not the shape of a mark. */
export function readMark(value: Json | undefined): Mark | undefined {
  const mark = value as Partial<Mark> | null | undefined;
  const known = typeof mark?.callId === 'string' && typeof mark.fingerprint === 'string';
  if (!known || typeof mark?.holder !== 'string' || !Number.isSafeInteger(mark.atMs)) return undefined;
  const state: unknown = mark.ended?.state;
  return typeof state === 'string' && ['running', 'free', 'unknown', 'done'].includes(state)
    ? (mark as Mark)
    : undefined;
}
