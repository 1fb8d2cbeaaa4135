/**
 * What a gateway publishes of its keys, and what of such a record is believed. A published key is taken only under the
 * name and for the purpose that its kid says; with `keys.secret`, only with a mark that no stranger to the secret can
 * make. One entry that is spoilt never keeps the others from being read.
 */
import { createPublicKey, type KeyObject, type webcrypto } from 'node:crypto';
import type { Json, JsonObject } from '../call.ts';
import { type KeyPurpose, keyPurposes } from './key-purpose.ts';
import type { KeyMark } from './key-seal.ts';

/** One gateway's keys, as they stand in the store. */
export interface Published {
  readonly keys: readonly JsonObject[];
  readonly seenAtMs: number;
  /** Drawn anew by each process: two that run under one id are told apart by it. */
  readonly instance: string;
  /** Made with `keys.secret`, where there is one. */
  readonly mark?: string;
}

export interface ForeignKey {
  readonly kid: string;
  readonly purpose: KeyPurpose;
  readonly publicKey: KeyObject;
  readonly document: JsonObject;
}

/** Of a gateway that has not been seen for so long no token is alive: of its keys only the one for auditors is shown. */
export const retiredMs = 2 * 3600_000;
/** A gateway that has not been seen for so long is forgotten. */
export const forgottenMs = 7 * 24 * 3600_000;
/** A rotating gateway has at most four keys of each of three purposes, and its audit key. */
const keysMax = 16;
const members = ['kty', 'crv', 'x', 'y', 'n', 'e', 'kid', 'alg', 'use'] as const;

/** The entry of `gatewayId`, marked where there is a secret. */
export function publish(gatewayId: string, entry: Omit<Published, 'mark'>, mark: KeyMark | null): Published {
  return mark === null ? entry : { ...entry, mark: mark.of(marked(gatewayId, entry)) };
}

/** The entry if it has the shape of one and is not forgotten; `unmarked` if it lacks the mark that a secret asks for. */
export function readPublished(
  gatewayId: string,
  entry: Json | undefined,
  mark: KeyMark | null,
  nowMs: number,
): Published | 'unmarked' | undefined {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return undefined;
  const { keys, seenAtMs, instance = '', mark: given } = entry as JsonObject;
  if (!Array.isArray(keys) || typeof seenAtMs !== 'number' || typeof instance !== 'string') return undefined;
  if (nowMs - seenAtMs >= forgottenMs) return undefined;
  const published: Published = { keys: keys as readonly JsonObject[], seenAtMs, instance };
  if (mark === null) return published;
  return mark.fits(marked(gatewayId, published), given) ? published : 'unmarked';
}

/** The keys of an entry that may be used. `known` gives those that were read before. */
export function foreignKeys(
  { keys, seenAtMs }: Published,
  prefixes: readonly string[],
  nowMs: number,
  known: (document: JsonObject) => ForeignKey | undefined,
): ForeignKey[] {
  return keys.slice(0, keysMax).flatMap((jwk) => {
    if (typeof jwk !== 'object' || jwk === null) return [];
    const purpose = purposeOf(prefixes, jwk);
    if (purpose === undefined || (purpose !== 'audit' && nowMs - seenAtMs >= retiredMs)) return [];
    const kept = members.flatMap((name) => (jwk[name] === undefined ? [] : [[name, jwk[name]]]));
    const document = Object.fromEntries(kept) as JsonObject;
    const before = known(document);
    if (before !== undefined) return [before];
    try {
      // Kept as an object, so that no token has to wait for a key to be read.
      const publicKey = createPublicKey({ key: document as webcrypto.JsonWebKey, format: 'jwk' });
      return [{ kid: document.kid as string, purpose, publicKey, document }];
    } catch {
      return [];
    }
  });
}

/** What a published key is for: its kid names whose it is and its purpose, and its algorithm must be that purpose's. */
function purposeOf(prefixes: readonly string[], { kid, alg, d }: JsonObject): KeyPurpose | undefined {
  if (typeof kid !== 'string' || d !== undefined) return undefined;
  return (Object.keys(keyPurposes) as KeyPurpose[]).find(
    (purpose) => keyPurposes[purpose].alg === alg && prefixes.some((prefix) => kid.startsWith(`${prefix}.${purpose}.`)),
  );
}

function marked(gatewayId: string, { keys, seenAtMs, instance }: Omit<Published, 'mark'>): Json {
  return [gatewayId, seenAtMs, instance, keys as readonly Json[]] as Json;
}
