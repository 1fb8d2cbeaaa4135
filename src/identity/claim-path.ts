/**
 * Where in a token a fact stands. A configured value that begins with `claims.` is a path, any other a literal. A
 * member whose name holds dots is quoted, because a guess (is `kubernetes.io` one member or two?) could be steered by
 * whoever fills the claims: `claims."kubernetes.io".namespace`.
 */
import type { Json, JsonObject } from '../call.ts';
import { idCharsMax, isPlainText } from './jwt.ts';
import { type Refusal, refuse } from './refusal.ts';

export type ClaimSource = { readonly literal: string } | { readonly path: readonly string[] };

const prefix = 'claims.';
const pathForm = /^(?:[^".]+|"[^"]+")(?:\.(?:[^".]+|"[^"]+"))*$/;
const pathPart = /[^".]+|"[^"]+"/g;

/** Reads a configured value; undefined if it begins as a path and is none. */
export function parseClaimSource(text: string): ClaimSource | undefined {
  if (!text.startsWith(prefix)) return { literal: text };
  const rest = text.slice(prefix.length);
  if (!pathForm.test(rest)) return undefined;
  const parts = rest.match(pathPart) ?? [];
  return { path: parts.map((part) => (part.startsWith('"') ? part.slice(1, -1) : part)) };
}

/** What stands at a path; undefined where a member of it is missing, or is no own member of an object. */
export function claimAt(path: readonly string[], claims: JsonObject): Json | undefined {
  let value: Json = claims;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, part)) {
      return undefined;
    }
    value = (value as JsonObject)[part] as Json;
  }
  return value;
}

/** The value for one token. Refuses `claim_missing`, and `claim_invalid` for what is no non-empty string. */
export function readClaim(source: ClaimSource, claims: JsonObject): string | Refusal {
  if ('literal' in source) return source.literal;
  const value = claimAt(source.path, claims);
  if (value === undefined) return refuse('claim_missing');
  return isPlainText(value, idCharsMax) ? value : refuse('claim_invalid');
}
