/**
 * Makes tokens, right and wrong, without the code under test: plain node:crypto and string pieces. A draft is a token
 * that would be accepted; a test changes one thing of it.
 */
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { Json, JsonObject } from '../../../src/call.ts';

export interface Draft {
  header: Record<string, unknown>;
  claims: Record<string, unknown>;
  /** What is encoded instead of the JSON of header or claims. */
  headerText?: string | Buffer;
  claimsText?: string | Buffer;
  key: KeyObject;
  signature?: (input: string) => Buffer;
  /** The last change, on the finished token. */
  finish?: (token: string) => string;
}

export const base64url = (value: string | Buffer): string => Buffer.from(value).toString('base64url');

export function forge(draft: Draft): string {
  const header = base64url(draft.headerText ?? JSON.stringify(draft.header));
  const claims = base64url(draft.claimsText ?? JSON.stringify(draft.claims));
  const input = `${header}.${claims}`;
  const signature = draft.signature?.(input) ?? signAs(String(draft.header.alg), draft.key, input);
  const token = `${input}.${base64url(signature)}`;
  return draft.finish?.(token) ?? token;
}

export function signAs(alg: string, key: KeyObject, input: string): Buffer {
  const digest = `sha${alg.slice(2)}`;
  const bytes = Buffer.from(input);
  if (alg.startsWith('HS'))
    return createHmac(digest, key.export({ type: 'spki', format: 'pem' }))
      .update(bytes)
      .digest();
  if (alg.startsWith('ES')) return sign(digest, bytes, { key, dsaEncoding: 'ieee-p1363' });
  if (alg.startsWith('PS')) return sign(digest, bytes, { key, padding: 6, saltLength: Number(alg.slice(2)) / 8 });
  if (alg.startsWith('RS')) return sign(digest, bytes, key);
  return sign(null, bytes, key);
}

export interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export const rsaPair = (modulusLength = 2048): Pair => generateKeyPairSync('rsa', { modulusLength });
export const ecPair = (namedCurve = 'P-256'): Pair => generateKeyPairSync('ec', { namedCurve });
export const edwardsPair = (): Pair => generateKeyPairSync('ed25519');

export function publicJwk(pair: Pair, members: JsonObject = {}): JsonObject {
  return { ...(pair.publicKey.export({ format: 'jwk' }) as JsonObject), use: 'sig', ...members };
}

/** A fetchJson that serves documents from memory and writes down what was asked for. */
export class FakeDocuments {
  readonly asked: string[] = [];
  readonly documents: Map<string, Json | (() => Promise<Json>)>;

  constructor(documents: Readonly<Record<string, Json | (() => Promise<Json>)>> = {}) {
    this.documents = new Map(Object.entries(documents));
  }

  readonly fetchJson = async (url: string): Promise<Json> => {
    this.asked.push(url);
    const document = this.documents.get(url);
    if (document === undefined) throw new Error('404');
    return typeof document === 'function' ? document() : document;
  };
}

export const issuerDefaults = {
  kind: 'oidc',
  conditions: [],
  binding: 'none',
  algorithms: ['RS256', 'PS256', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
  typ: ['JWT', 'at+jwt', 'absent'],
  agent: 'claims.sub',
  tenant: 'claims.tid',
  cloud: 'azure',
  clock_tolerance_seconds: 30,
} satisfies Record<string, unknown>;
