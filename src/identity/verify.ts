/**
 * Verifies Txn-Tokens, for the services that receive them; published as `tollgate/verify`, so it depends on Node
 * alone. A service that checks only the signature is open to a captured token: ask for the operation you serve, and
 * give the request as it came over the wire. Each token passes once in a process; a copy of the service has its own
 * memory.
 */
import type { Json } from '../call.ts';
import { type Clock, systemClock } from '../clock.ts';
import { type KeySet, readKeySet } from './jwk.ts';
import { checkClaims, fits, idCharsMax, isPlainText, isSignedBy, type Jwt, parseJwt } from './jwt.ts';
import { type FetchJson, KeySource } from './key-source.ts';
import { isRefusal, type Refusal, refuse } from './refusal.ts';
import { sentDigest } from './sent-digest.ts';
import { TxnMemory } from './txn-memory.ts';

export { isRefusal, Refusal, type RefusalReason } from './refusal.ts';
export { sentDigest } from './sent-digest.ts';

export interface TxnTokenVerifierOptions {
  /** The gate's JWKS: the document itself, or its address, fetched when needed and kept fresh. */
  readonly jwks: { readonly document: Json } | { readonly uri: string };
  /** The gate's public URL: `iss`. */
  readonly issuer: string;
  /** `aud`. */
  readonly trustDomain: string;
  /** How far the clocks of gate and service may differ; 5 s if left out, at most 60. */
  readonly clockToleranceSeconds?: number;
  readonly clock?: Clock;
  /** How the JWKS is fetched; by Node's `fetch` if left out. */
  readonly fetchJson?: FetchJson;
}

/** The request as it came over the wire. */
export interface ReceivedRequest {
  readonly method: string;
  /** Exactly as in the request line; what the service sits behind must not have rewritten it. */
  readonly pathWithQuery: string;
  /** The bytes before any parsing; null for none. */
  readonly body: Uint8Array | null;
  /** The operation that this endpoint is, in the gate's words: `orders.get_order`. */
  readonly operation: string;
}

/** What a service may rely on after `verify`. */
export interface Transaction {
  /** The call's id at the gate: the same in its audit trail. */
  readonly txn: string;
  /** On whose behalf; the agent where the task has no subject. */
  readonly subject: string;
  /** `verified`: by a token of the subject's; `asserted`: the agent says so; `none`: there is no subject. */
  readonly subjectAssurance: 'verified' | 'asserted' | 'none';
  readonly agent: string;
  readonly operation: string;
  readonly purpose: string;
  readonly taskId: string;
  readonly rootTaskId: string;
}

export interface TxnTokenVerifier {
  /** The transaction, or why the token is not accepted. Never rejects. */
  verify(token: string | null, request: ReceivedRequest): Promise<Transaction | Refusal>;
}

const lifetimeSecondsMax = 60;
const toleranceSecondsMax = 60;
const textCharsMax = 1024;
/** `{gateway}.txn.{thumbprint}`: a key the gate made for another purpose does not count, whatever it signs. */
const txnKidForm = /^[A-Za-z0-9_-]+\.txn\.[A-Za-z0-9_-]+$/;

/** Throws on options that cannot work: a document that is no JWKS, a tolerance over a minute. */
export function createTxnTokenVerifier(options: TxnTokenVerifierOptions): TxnTokenVerifier {
  const { issuer, trustDomain, clockToleranceSeconds = 5, clock = systemClock(), fetchJson = fetchBounded } = options;
  if (!(clockToleranceSeconds >= 0 && clockToleranceSeconds <= toleranceSecondsMax)) {
    throw new RangeError('clockToleranceSeconds must be from 0 to 60');
  }
  const isSigned = signatureCheck(options.jwks, issuer, clock, fetchJson);
  const memory = new TxnMemory();

  return {
    async verify(token, request) {
      const jwt = parseJwt(token);
      if (isRefusal(jwt)) return jwt;
      if (jwt.typ !== 'txntoken+jwt' || jwt.kid === null || !txnKidForm.test(jwt.kid)) return refuse('token_kind');
      if (jwt.alg !== 'ES256') return refuse('alg_not_allowed');
      const refused = await isSigned(jwt);
      if (refused !== undefined) return refused;
      const nowMs = clock.nowMs();
      const registered = checkClaims(jwt.claims, {
        issuer,
        audiences: [trustDomain],
        nowMs,
        expiredToleranceSeconds: clockToleranceSeconds,
        futureToleranceSeconds: clockToleranceSeconds,
        lifetimeSecondsMax,
      });
      if (isRefusal(registered)) return registered;
      const transaction = readTransaction(jwt, registered.sub, request);
      if (isRefusal(transaction)) return transaction;
      // Last, so that a request which fails another check does not spend the token.
      const use = memory.use(transaction.txn, (registered.exp + clockToleranceSeconds) * 1000, nowMs);
      if (use === 'fresh') return transaction;
      return refuse(use === 'used' ? 'token_replayed' : 'memory_full');
    },
  };
}

function readTransaction(jwt: Jwt, subject: string, request: ReceivedRequest): Transaction | Refusal {
  const { txn, scope, req_wl: agent, tctx } = jwt.claims;
  if (txn === undefined || scope === undefined || agent === undefined || tctx === undefined) {
    return refuse('claim_missing');
  }
  if (typeof tctx !== 'object' || tctx === null || !('sent_digest' in tctx)) return refuse('claim_missing');
  const { task_id: taskId, root_task_id: rootTaskId, purpose, operation, subject_assurance: assurance } = tctx;
  if (!isPlainText(txn, idCharsMax) || !isPlainText(agent, idCharsMax)) return refuse('claim_invalid');
  if (!isPlainText(taskId, idCharsMax) || !isPlainText(rootTaskId, idCharsMax)) return refuse('claim_invalid');
  if (!isPlainText(purpose, textCharsMax) || !isPlainText(operation, textCharsMax)) return refuse('claim_invalid');
  if (assurance !== 'verified' && assurance !== 'asserted' && assurance !== 'none') return refuse('claim_invalid');
  if (scope !== request.operation || operation !== request.operation) return refuse('operation_wrong');
  const received = sentDigest(request.method, request.pathWithQuery, request.body);
  if (tctx.sent_digest !== received) return refuse('request_changed');
  return { txn, subject, subjectAssurance: assurance, agent, operation, purpose, taskId, rootTaskId };
}

/** Gives undefined for a token that one of the gate's keys signed. */
function signatureCheck(
  jwks: TxnTokenVerifierOptions['jwks'],
  issuer: string,
  clock: Clock,
  fetchJson: FetchJson,
): (jwt: Jwt) => Promise<Refusal | undefined> {
  if ('uri' in jwks) {
    const source = new KeySource({ issuer, jwksUri: jwks.uri, fetchJson, clock });
    return async (jwt) => {
      const candidates = await source.candidates(jwt.kid, jwt.alg);
      if (isRefusal(candidates)) return candidates;
      return candidates.some((key) => isSignedBy(jwt, key)) ? undefined : refuse('signature_invalid');
    };
  }
  const set: KeySet | undefined = readKeySet(jwks.document);
  if (set === undefined) throw new TypeError('jwks.document is not a JWKS');
  return async (jwt) => {
    const candidates = set.keys.filter((key) => key.kid === jwt.kid && fits(key, jwt.alg));
    if (candidates.length === 0) return refuse('key_unknown');
    return candidates.some((key) => isSignedBy(jwt, key)) ? undefined : refuse('signature_invalid');
  };
}

const fetchBounded: FetchJson = async (url, { maxBytes, timeoutMs }) => {
  const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(timeoutMs) });
  if (response.status !== 200 || response.body === null) throw new Error(`the JWKS was answered ${response.status}`);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error('the JWKS is too large');
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as Json;
};
