/**
 * What a kind of issuer is: the defaults that spare an operator to look up claim names, and the checks that only make
 * sense for its tokens. A kind adds checks to those that every token gets (trusted.ts) and takes none away; what is
 * configured explicitly wins over a default, never over a check.
 */
import type { JsonObject } from '../../call.ts';
import type { AlgorithmName } from '../algorithms.ts';
import type { KeyUses } from '../jwk.ts';
import type { Refusal } from '../refusal.ts';

/** Whose tokens an entry is for: agents, the customers or employees they act for, or people on the admin plane. */
export type Purpose = 'workload' | 'subject' | 'admin';

/** What a kind may look at of an entry of tollgate.yaml. */
export interface KindEntry {
  readonly issuer?: string;
  readonly trust_domain?: string;
  readonly jwks_uri?: string;
}

/** Where the facts about an agent stand: claim paths, or literals; undefined where the operator must say. */
export interface KindDefaults {
  readonly agent: string;
  readonly tenant?: string;
  readonly cloud?: string;
  readonly algorithms: readonly AlgorithmName[];
  readonly typ: readonly string[];
  readonly jwksUri?: string;
  readonly lifetimeSecondsMax?: number;
  /** Keys for signatures, and those without a use, if left out. */
  readonly keyUses?: KeyUses;
}

export interface KindFault {
  /** The member of the entry that is wrong. */
  readonly member: string;
  readonly message: string;
}

export interface IssuerKind {
  /** What its tokens can be for: a cluster knows no customers. */
  readonly purposes: readonly Purpose[];
  readonly defaults: (entry: KindEntry) => KindDefaults;
  /** What is wrong with an entry of this kind. */
  readonly faults: (entry: KindEntry) => readonly KindFault[];
  /** Claim paths that workloads fill as they like: nothing may be read there that says who they are. */
  readonly chosenByWorkload: readonly (readonly string[])[];
  /** Why a token whose signature and registered claims are good is still none of this kind; undefined if it is one. */
  readonly refusal: (claims: JsonObject, entry: KindEntry, purpose: Purpose) => Refusal | undefined;
}

/** Every asymmetric algorithm of RFC 7518; which of them counts is up to the keys of the issuer. */
export const rfc7518Algorithms: readonly AlgorithmName[] = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
];
