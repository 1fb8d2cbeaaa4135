/**
 * The `cnf` claim (RFC 7800): which key a token belongs to. The gate writes two members of it and reads the same two;
 * a token with any other is refused, because a key that nobody here can check would bind to nothing.
 */
import type { Binding, BindingRequired, Json, JsonObject } from '../call.ts';

/** RFC 8705 §3.1, RFC 9449 §6.1. */
const members = { mtls: 'x5t#S256', dpop: 'jkt' } as const satisfies Record<Binding['kind'], string>;
const thumbprintForm = /^[A-Za-z0-9_-]{43}$/;

/** The `cnf` claim of a binding. */
export function confirmationOf({ kind, thumbprint }: Binding): JsonObject {
  return { [members[kind]]: thumbprint };
}

/** Null where the token is not bound; undefined for a `cnf` with more or other members than exactly one of the two. */
export function bindingOf(cnf: Json | undefined): Binding | null | undefined {
  if (cnf === undefined) return null;
  if (typeof cnf !== 'object' || cnf === null || Array.isArray(cnf)) return undefined;
  const [only, ...more] = Object.entries(cnf as JsonObject);
  const [member, thumbprint] = only ?? [];
  if (more.length > 0 || typeof thumbprint !== 'string' || !thumbprintForm.test(thumbprint)) return undefined;
  for (const kind of ['mtls', 'dpop'] as const) if (member === members[kind]) return { kind, thumbprint };
  return undefined;
}

/** Whether a token with this binding will do where `required` is asked for. */
export function meets(required: BindingRequired, binding: Binding | null): boolean {
  if (required === 'none') return true;
  return binding !== null && (required === 'any' || binding.kind === required);
}

/** What the issuer of that name asks of its agents' tokens; nothing, if it is not configured (any more). */
export function issuerBinding(
  issuers: readonly { readonly name: string; readonly binding?: BindingRequired }[],
  name: string,
): BindingRequired {
  return issuers.find((issuer) => issuer.name === name)?.binding ?? 'none';
}
