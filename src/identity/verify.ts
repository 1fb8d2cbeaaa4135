/**
 * Verifies Txn-Tokens, for the services that receive them; published as `tollgate/verify`, so it depends on Node
 * alone. A service that checks only the signature is open to a captured token: ask for the operation you serve, and
 * give the request as it came over the wire. Each token passes once in a process, or once for all copies of a service
 * that are given one memory. docs/service-owner.md is written for whoever calls this.
 */
import type { Json, JsonObject } from '../call.ts';
import { type Clock, systemClock, type Timer } from '../clock.ts';
import { isLoopback } from './issuer-url.ts';
import { type KeySet, readKeySet } from './jwk.ts';
import { checkClaims, fits, idCharsMax, isPlainText, isSignedBy, type Jwt, parseJwt } from './jwt.ts';
import { type FetchJson, KeySource } from './key-source.ts';
import { isRefusal, type Refusal, refuse } from './refusal.ts';
import { sentDigest } from './sent-digest.ts';
import { ProcessMemory, type TxnMemory } from './txn-memory.ts';

export { isRefusal, Refusal, type RefusalReason } from './refusal.ts';
export { sentDigest } from './sent-digest.ts';
export type { TxnMemory } from './txn-memory.ts';
export { type MessageHeaders, rawBodyOf, txnTokenOf } from './verify-message.ts';

export interface TxnTokenVerifierOptions {
  /**
   * The gate's JWKS: the document itself, or its address, fetched when needed and kept fresh. An unknown key id has it
   * fetched anew, at most twice a minute; a gate that is away is done without for an hour. `http://` is only for
   * loopback, and for a gate whose `issuer` is `http://` too.
   */
  readonly jwks: { readonly document: Json } | { readonly uri: string };
  /** The gate's public URL: `iss`. */
  readonly issuer: string;
  /** `aud`. */
  readonly trustDomain: string;
  /** How far the clocks of gate and service may differ; 5 s if left out, at most 60. */
  readonly clockToleranceSeconds?: number;
  /** Where the copies of a service remember used tokens together; the memory of this process if left out. */
  readonly memory?: TxnMemory;
  /** How many used tokens this process remembers, each for up to 75 s; 100,000 if left out. Beyond, `memory_full`. */
  readonly memoryEntriesMax?: number;
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
  /** Which of the gate's configured issuers vouched for a verified subject; null for any other. */
  readonly subjectIssuer: string | null;
  /** The agent that makes the call, and the name of the issuer, in the gate's configuration, that vouched for it. */
  readonly agent: string;
  readonly agentIssuer: string;
  /** The agents it works for, nearest first (RFC 8693 §4.1 `act`); empty where it works for itself. */
  readonly actors: readonly string[];
  readonly operation: string;
  /** What the task is for, in the words of the gate's policy: `return_exception`. */
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
const memoryMsMax = 1_000;
/** `{gateway}.txn.{thumbprint}`: a key the gate made for another purpose does not count, whatever it signs. */
const txnKidForm = /^[A-Za-z0-9_-]+\.txn\.[A-Za-z0-9_-]+$/;

/**
 * Throws on options that cannot work: a document that is no JWKS, an address over plain HTTP, a tolerance over a minute.
 */
export function createTxnTokenVerifier(options: TxnTokenVerifierOptions): TxnTokenVerifier {
  const { issuer, trustDomain, clockToleranceSeconds = 5, clock = systemClock(), fetchJson = fetchBounded } = options;
  if (!(clockToleranceSeconds >= 0 && clockToleranceSeconds <= toleranceSecondsMax)) {
    throw new RangeError('clockToleranceSeconds must be from 0 to 60');
  }
  const isSigned = signatureCheck(options.jwks, issuer, clock, fetchJson);
  const spend = singleUse(options, clock);

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
      // Last, so that a request which fails another check does not spend the token. Remembered until no copy takes it
      // any more: one that runs late may take it after another that runs early has seen it end.
      const notAfterMs = (registered.exp + 3 * clockToleranceSeconds) * 1000;
      return (await spend(transaction.txn, notAfterMs, nowMs)) ?? transaction;
    },
  };
}

/** Spends a token; gives why it cannot be spent, or undefined. */
function singleUse(
  { memory, memoryEntriesMax }: TxnTokenVerifierOptions,
  clock: Clock,
): (txn: string, notAfterMs: number, nowMs: number) => Promise<Refusal | undefined> {
  if (memoryEntriesMax !== undefined && !(Number.isInteger(memoryEntriesMax) && memoryEntriesMax > 0)) {
    throw new RangeError('memoryEntriesMax must be a positive integer');
  }
  if (memory === undefined) {
    const own = new ProcessMemory(memoryEntriesMax);
    return async (txn, notAfterMs, nowMs) => {
      const use = own.use(txn, notAfterMs, nowMs);
      if (use === 'fresh') return undefined;
      return refuse(use === 'used' ? 'token_replayed' : 'memory_full');
    };
  }
  return async (txn, notAfterMs) => {
    let timer: Timer | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = clock.after(memoryMsMax, () => resolve('late'));
    });
    try {
      const use = await Promise.race([memory.use(txn, notAfterMs), late]);
      if (use === 'fresh') return undefined;
      return refuse(use === 'used' ? 'token_replayed' : 'memory_unavailable');
    } catch {
      return refuse('memory_unavailable');
    } finally {
      timer?.cancel();
    }
  };
}

function readTransaction(jwt: Jwt, subject: string, request: ReceivedRequest): Transaction | Refusal {
  const { txn, scope, req_wl: agent, act, tctx } = jwt.claims;
  if (txn === undefined || scope === undefined || agent === undefined || act === undefined || tctx === undefined) {
    return refuse('claim_missing');
  }
  if (typeof tctx !== 'object' || tctx === null || !('sent_digest' in tctx)) return refuse('claim_missing');
  const { task_id: taskId, root_task_id: rootTaskId, purpose, operation, subject_assurance: assurance } = tctx;
  const { agent_issuer: agentIssuer, subject_issuer: subjectIssuer } = tctx;
  if (!isPlainText(txn, idCharsMax) || !isPlainText(agent, idCharsMax)) return refuse('claim_invalid');
  if (!isPlainText(taskId, idCharsMax) || !isPlainText(rootTaskId, idCharsMax)) return refuse('claim_invalid');
  if (!isPlainText(purpose, textCharsMax) || !isPlainText(operation, textCharsMax)) return refuse('claim_invalid');
  const chain = actorChain(act);
  // The agent stands in two claims: whoever reads one must not learn of another agent than whoever reads the other.
  if (!isPlainText(agentIssuer, idCharsMax) || chain?.[0] !== agent) return refuse('claim_invalid');
  if (assurance !== 'verified' && assurance !== 'asserted' && assurance !== 'none') return refuse('claim_invalid');
  if (scope !== request.operation || operation !== request.operation) return refuse('operation_wrong');
  const received = sentDigest(request.method, request.pathWithQuery, request.body);
  if (tctx.sent_digest !== received) return refuse('request_changed');
  const actors = chain.slice(1);
  return {
    txn,
    subject,
    subjectAssurance: assurance,
    agent,
    agentIssuer,
    subjectIssuer: assurance === 'verified' && typeof subjectIssuer === 'string' ? subjectIssuer : null,
    actors,
    operation,
    purpose,
    taskId,
    rootTaskId,
  };
}

/** The `sub` of each `act`, the agent itself first (RFC 8693 §4.1); how deep it goes is bounded by the JSON's depth. */
function actorChain(claim: Json): readonly string[] | undefined {
  const chain: string[] = [];
  for (let act: Json | undefined = claim; act !== undefined; ) {
    if (typeof act !== 'object' || act === null || Array.isArray(act)) return undefined;
    const { sub, act: next }: JsonObject = act as JsonObject;
    if (!isPlainText(sub, idCharsMax)) return undefined;
    chain.push(sub);
    act = next;
  }
  return chain;
}

/** Gives undefined for a token that one of the gate's keys signed. */
function signatureCheck(
  jwks: TxnTokenVerifierOptions['jwks'],
  issuer: string,
  clock: Clock,
  fetchJson: FetchJson,
): (jwt: Jwt) => Promise<Refusal | undefined> {
  if ('uri' in jwks) {
    if (!mayFetchFrom(jwks.uri, issuer)) throw new TypeError('jwks.uri must be an https:// URL');
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

/** Keys that came over plain HTTP are whoever's sits on the network: only where the gate itself is not better. */
function mayFetchFrom(uri: string, issuer: string): boolean {
  if (!URL.canParse(uri)) return false;
  const { protocol, username, password } = new URL(uri);
  if (username !== '' || password !== '') return false;
  return protocol === 'https:' || (protocol === 'http:' && (isLoopback(uri) || issuer.startsWith('http://')));
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
