/**
 * Who takes part in a call: the agent, the subject it acts for, the people of the admin plane; and how a caller showed
 * who it is. Identity makes these facts, every room reads them, nobody changes them.
 */
import type { TaskId } from './clock.ts';
import type { JsonObject } from './payload.ts';

/** A workload with a verified identity. */
export interface Agent {
  readonly id: string;
  /** The `name` of the issuer in tollgate.yaml, never its URL: two issuers can never be mixed up by a claim. */
  readonly issuer: string;
  readonly tenant: string;
  readonly cloud: string;
  readonly claims: JsonObject;
  /** Ids of the agents it acts for, nearest first (RFC 8693 §4.1 `act`). */
  readonly actors: readonly string[];
  readonly verifiedAtMs: number;
}

export interface Subject {
  readonly id: string;
  readonly type: string;
  readonly claims: JsonObject;
  /** The `name` of the subject issuer that vouches for it; absent where the agent asserts it. */
  readonly issuer?: string;
  readonly assurance: 'verified' | 'asserted';
}

/** What a person may do on the admin plane. */
export type Role = 'auditor' | 'policy_author' | 'operator' | 'approver';

/** Somebody on the admin plane. */
export interface Person {
  readonly id: string;
  /** URL of the issuer of their token; `admin-token` for whoever holds the file of that name. */
  readonly issuer: string;
  readonly roles: readonly Role[];
}

/** The key that a token belongs to (RFC 7800 `cnf`). */
export interface Binding {
  /** `mtls`: a client certificate (RFC 8705 §3.1 `x5t#S256`); `dpop`: a proof key (RFC 9449 §6.1 `jkt`). */
  readonly kind: 'mtls' | 'dpop';
  /** Base64url SHA-256, 43 characters. */
  readonly thumbprint: string;
}

/** Which key a token must belong to: `none` asks for nothing, `any` for either kind. */
export type BindingRequired = 'none' | 'any' | Binding['kind'];

/** How a request shows its credential, and what it proves possession of. */
export interface Shown {
  /** `key` is `x-api-key`; null where nothing was shown, or the token stands in a form. */
  readonly scheme: 'bearer' | 'dpop' | 'key' | null;
  /** Base64url SHA-256 of the client's TLS certificate in DER; null without one. */
  readonly certificate: string | null;
  /** The `DPoP` header, unverified. */
  readonly proof: string | null;
  readonly method: string;
  /** The raw path, without the query. */
  readonly path: string;
}

/** A token as somebody showed it. */
export interface ShownToken {
  readonly token: string;
  readonly shown: Shown;
}

/** What a task token says, once it is verified and its holder has proved its key. */
export interface Caller {
  readonly taskId: TaskId;
  readonly agentId: string;
  readonly tenant: string;
  readonly tokenId: string;
  readonly expiresAtMs: number;
  /** Null where any bearer may use it. */
  readonly binding: Binding | null;
  /** Operations and `{route}.*` that this token is narrowed to; null for all that its task may use. */
  readonly scope: readonly string[] | null;
  /**
   * Set in a delegation token (RFC 8693 §4.4 `may_act`): good for one thing, the exchange by which this agent gets a
   * part of the task. Never good for a call.
   */
  readonly mayAct: { readonly agent: string; readonly issuer: string } | null;
}
