/**
 * What an agent says of a call beside it: which tool call of its model it carries out, and the key by which a repeat is
 * known. In headers for HTTP, in `_meta` for MCP (where a message may come without headers of its own). What a reader would
 * get wrong: all of this is the agent's word; it can make a call find its thought, never give it a better one.
 */
import type { JsonObject } from '../call.ts';
import { type Denial, deny, isDenial } from '../denial.ts';

export const toolCallIdHeader = 'x-tollgate-tool-call-id';
/** draft-ietf-httpapi-idempotency-key-header §2. */
export const idempotencyKeyHeader = 'idempotency-key';

/** Members of MCP's `params._meta`. */
export const toolCallIdMeta = 'io.tollgate/toolCallId';
export const idempotencyKeyMeta = 'io.tollgate/idempotencyKey';
/** Clients that name the model's tool call already, in a member of their own. */
const toolCallIdMetaOfClients: readonly string[] = ['claudecode/toolUseId'];

const toolCallIdForm = /^[\x21-\x7e]{1,256}$/;
const keyCharsMax = 255;
/** As most clients send it: what would need no escape in a quoted one. */
const bareKeyForm = /^[!#-+\--[\]-~]+$/;
/** RFC 9651 §3.3.3, a String. */
const quotedKeyForm = /^"((?:[ !#-[\]-~]|\\["\\])*)"$/;

/** The model's id of a tool call; null for what is none: then the call is found by its arguments. */
export function readToolCallId(value: unknown): string | null {
  return typeof value === 'string' && toolCallIdForm.test(value) ? value : null;
}

/**
 * The idempotency key of a header: a String of RFC 9651 as the draft wants it, or the same text without quotes; 1 to 255
 * characters. Null where there is none. Denies `request_invalid` for what is neither.
 */
export function readIdempotencyKey(value: string | readonly string[] | null | undefined): string | null | Denial {
  if (value === null || value === undefined) return null;
  if (typeof value !== 'string') return denyKey();
  const quoted = quotedKeyForm.exec(value.trim())?.[1]?.replaceAll(/\\(["\\])/g, '$1');
  return keyOf(quoted ?? (bareKeyForm.test(value.trim()) ? value.trim() : ''));
}

/** What `_meta` of an MCP message says of its call. Denies `request_invalid` for a key that is none. */
export function hintsOfMeta(
  meta: JsonObject,
): { readonly toolCallId: string | null; readonly idempotencyKey?: string } | Denial {
  const toolCallId = [toolCallIdMeta, ...toolCallIdMetaOfClients]
    .map((name) => readToolCallId(meta[name]))
    .find((id) => id !== null);
  const named = meta[idempotencyKeyMeta];
  const key = named === undefined ? null : keyOf(typeof named === 'string' && /^[ -~]*$/.test(named) ? named : '');
  if (isDenial(key)) return key;
  return { toolCallId: toolCallId ?? null, ...(key === null ? {} : { idempotencyKey: key }) };
}

function keyOf(text: string): string | Denial {
  return text !== '' && text.length <= keyCharsMax ? text : denyKey();
}

function denyKey(): Denial {
  return deny('request_invalid', `An idempotency key is 1 to ${keyCharsMax} printable ASCII characters, named once.`, {
    reasons: [
      { code: 'idempotency_key', message: 'For example Idempotency-Key: "8e03978e-40d5-43e8-bc93-6894a57f9324".' },
    ],
  });
}
