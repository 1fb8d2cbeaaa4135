/**
 * One attempt at one target: the payload as decided on, the target's credential, the Txn-Token and the trace, and the
 * failure turned into a denial. It never retries; the exchange picks the next target. The agent's own token is not
 * within reach here: nothing of the arrival's credential is read.
 */
import type {
  Admitted,
  Attempt,
  AttemptSpan,
  Operation,
  OutboundRequest,
  Payload,
  Target,
  TaskRecord,
  UpstreamAnswer,
} from '../call.ts';
import type { Clock } from '../clock.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { freshTrace, newSpanId, traceHeaders, traceparentOf } from '../telemetry/trace.ts';
import { splitUrl } from './address.ts';
import { type Credential, CredentialError, type Granted } from './credentials/index.ts';
import { canDecode, decode } from './decode.ts';
import type { Dialer, SendRequest } from './dialer.ts';
import { DialError, type DialErrorKind } from './exchange.ts';
import { answerHeaders, isHeader, requestHeaders, withConfigured } from './headers.ts';
import { providerOf } from './providers/index.ts';
import { quotaRestOf } from './quota-headers.ts';
import { bodyWithout, headersWithout, secretsOf } from './reflection.ts';
import { retryAfterOf } from './retry-after.ts';

/** The largest answer after a content coding is taken off. */
const decodedBytesMax = 64 * 1024 * 1024;

/** The request as it goes over the wire. */
export interface SentRequest {
  readonly method: string;
  /** With the base path of the target, and the query. */
  readonly path: string;
  readonly body: Buffer | null;
}

/** For whom something is sent: as much of a call as sending looks at. What the gate sends for itself has no more. */
export interface Errand extends Pick<Admitted, 'id' | 'requestId' | 'trace'> {
  readonly abort: { readonly signal: AbortSignal };
  readonly task: { readonly record: Pick<TaskRecord, 'id' | 'agent' | 'subject' | 'purpose' | 'ancestors'> };
  readonly resolved: { readonly operation: Pick<Operation, 'name'>; readonly payload: Pick<Payload, 'args'> };
}

type SentParts = Pick<SendRequest, 'method' | 'headers' | 'body'>;

export interface UpstreamOptions {
  readonly dialer: Dialer;
  /** By the names that targets refer to. */
  readonly credentials: { get(name: string): Credential | undefined };
  /** Told of each call that was not sent for want of its credential; the error holds no secret. */
  readonly credentialFailed?: (target: Target, error: CredentialError) => void;
  /** The Txn-Token for this request. Null is a failure: a target of the trust domain is never called without one. */
  readonly txnToken: (call: Errand, target: Target, sent: SentRequest) => string | null | Promise<string | null>;
  readonly clock: Clock;
}

export type AttemptResult =
  | {
      readonly answer: UpstreamAnswer;
      readonly attempt: Attempt;
      /** The session that a server of MCP names; an agent never sees it. */
      readonly mcpSession?: string;
    }
  | { readonly failed: Attempt; readonly denial: Denial };

export class Upstream {
  readonly #options: UpstreamOptions;

  constructor(options: UpstreamOptions) {
    this.#options = options;
  }

  /**
   * Sends the call to one target and resolves once the head of the answer is there, whatever its status: an upstream's
   * own 404 or 500 is an answer. Failures: `upstream_unavailable` (nothing was sent), `upstream_timeout`,
   * `upstream_error`; an aborted call gives the denial it was aborted with. The body throws DialError if it breaks
   * off; `denialOfFault` says what that means to the agent.
   */
  async attempt(call: Admitted, target: Target): Promise<AttemptResult> {
    return this.send(call, target, call.resolved.payload.encode(target));
  }

  /** The same for a request that is no payload of a call but belongs to one, or to the gate itself. */
  async send(call: Errand, target: Target, encoded: OutboundRequest): Promise<AttemptResult> {
    const { dialer, clock } = this.#options;
    const startMs = clock.monotonicMs();
    const span: AttemptSpan = {
      id: newSpanId(clock),
      startMs,
      ...(target.txnToken ? {} : { outside: freshTrace(clock) }),
    };
    const attempt = (status: number | null, error: string | null, sent: boolean): Attempt => {
      return { target: target.name, status, error, latencyMs: clock.monotonicMs() - startMs, sent, span };
    };

    const provider = providerOf(target);
    const asked = { ...encoded, headers: withConfigured(encoded.headers, target.headers) };
    const outbound = provider.request(asked, target);
    const { method, body } = outbound;
    const url = target.url.replace(/\/+$/, '') + outbound.path;
    const path = splitUrl(url)?.path;
    if (path === undefined) {
      const denial = deny('upstream_error', `the request for target ${target.name} cannot be sent as it stands`, {
        retryable: false,
      });
      return { failed: attempt(null, 'protocol', false), denial };
    }
    let headers: Readonly<Record<string, string>>;
    let granted: Granted;
    try {
      const { args } = call.resolved.payload;
      const passing = requestHeaders(outbound.headers, args, target.headers, target.mcp !== undefined);
      headers = { ...passing, ...(await this.#ownHeaders(call, target, { method, path, body }, span)) };
      granted = await this.#granted(call, target, { url, method, headers, body });
      headers = sendable({ ...headers, ...granted.headers });
    } catch (fault) {
      return { failed: attempt(null, 'credential', false), denial: this.#noCredential(fault, call, target) };
    }

    try {
      const answer = await dialer.send({
        url,
        method,
        headers,
        body,
        signal: call.abort.signal,
        timeoutMs: target.timeoutMs,
        ...(granted.identity === undefined ? {} : { identity: granted.identity }),
      });
      granted.answered?.(answer.status);
      const coding = answer.headers['content-encoding'];
      if (!canDecode(coding)) {
        answer.close();
        throw new DialError('protocol', 'the answer has a content coding that the gate cannot read', true);
      }
      const secrets = secretsOf(granted.headers);
      const decoded = { ...answer, body: decode(answer.body, coding, decodedBytesMax) };
      const { status, headers: given, body: said } = provider.answer(decoded, asked, target);
      const head = { status, headers: headersWithout(secrets, answerHeaders(given)) };
      const shown = secrets.length === 0 ? said : bodyWithout(secrets, said);
      const retryAfterMs = retryAfterOf(answer.status, head.headers['retry-after'], clock.nowMs());
      const quotaRestMs = quotaRestOf(answer.headers, clock.nowMs());
      const tried = {
        ...attempt(answer.status, null, true),
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
        ...(quotaRestMs === undefined ? {} : { quotaRestMs }),
      };
      const session = target.mcp === undefined ? undefined : answer.headers['mcp-session-id'];
      return {
        answer: { target, head, body: shown },
        attempt: tried,
        ...(session === undefined ? {} : { mcpSession: session }),
      };
    } catch (error) {
      if (!(error instanceof DialError)) throw error;
      return { failed: attempt(null, error.kind, error.sent), denial: this.#denial(error, call, target) };
    }
  }

  /** What the gate itself says; wins over whatever the request brought along. Throws where there is no Txn-Token. */
  async #ownHeaders(
    call: Errand,
    target: Target,
    sent: SentRequest,
    span: AttemptSpan,
  ): Promise<Record<string, string>> {
    const { txnToken } = this.#options;
    const headers: Record<string, string> = { 'user-agent': 'tollgate', 'accept-encoding': 'identity' };
    if (target.txnToken) {
      const token = await txnToken(call, target, sent);
      if (token === null) throw new Error('there is no Txn-Token');
      headers['txn-token'] = token;
      headers['x-request-id'] = call.requestId;
    }
    return Object.assign(headers, traceOf(call, span));
  }

  /** Asked last, because a credential may sign all the rest. */
  async #granted(call: Errand, target: Target, request: { readonly url: string } & SentParts): Promise<Granted> {
    if (target.credential === null) return { headers: {} };
    const credential = this.#options.credentials.get(target.credential);
    if (credential === undefined) throw new Error(`there is no credential ${target.credential}`);
    const { id: taskId, agent, subject, purpose } = call.task.record;
    return await credential.grant({
      ...request,
      behalf: { taskId, agent, subject, purpose },
      signal: call.abort.signal,
    });
  }

  /** The fault's text may hold a key: nothing of it is told. */
  #noCredential(fault: unknown, call: Errand, target: Target): Denial {
    const reason: unknown = call.abort.signal.reason;
    if (call.abort.signal.aborted && isDenial(reason)) return reason;
    const error = fault instanceof CredentialError ? fault : undefined;
    if (error !== undefined) this.#options.credentialFailed?.(target, error);
    const message = `the credential for target ${target.name} could not be got`;
    return deny('upstream_unavailable', message, {
      reasons: [
        { code: 'credential', message: 'Nothing was sent; what the gate shows to the target is not to be had.' },
      ],
      // What does not fit into the credential does not fit next time.
      ...(error?.failure === 'unfit' ? { retryable: false } : {}),
    });
  }

  #denial(error: DialError, call: Errand, target: Target): Denial {
    const reason: unknown = call.abort.signal.reason;
    if (error.kind === 'aborted' && isDenial(reason)) return reason;
    return denialOfFault(error, target);
  }
}

/** Throws where a header would not arrive as it stands. */
function sendable(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const [name, value] of Object.entries(headers)) {
    if (!isHeader(name, value)) throw new Error(`the header ${name} cannot be sent`);
  }
  return headers;
}

/** Our trace inside the trust domain; a fresh one towards outsiders, so that they learn no ids (W3C Trace Context). */
function traceOf({ trace }: Errand, { id, outside }: AttemptSpan): Record<string, string> {
  return outside === undefined
    ? traceHeaders(trace, id)
    : { traceparent: traceparentOf({ ...outside, sampled: false }) };
}

const codes = {
  refused_host: 'upstream_unavailable',
  connect: 'upstream_unavailable',
  timeout: 'upstream_timeout',
  reset: 'upstream_error',
  protocol: 'upstream_error',
  aborted: 'upstream_error',
} as const satisfies Record<DialErrorKind, Denial['code']>;

const messages: Record<DialErrorKind, string> = {
  refused_host: 'may not be dialled',
  connect: 'cannot be reached',
  timeout: 'did not answer in time',
  reset: 'broke off the connection',
  protocol: 'gave an answer that cannot be read',
  aborted: 'was no longer waited for',
};

/**
 * What a failed exchange, or a body that broke off, means to the agent. Names the target, never its address. What is
 * no DialError is a fault of the gate on the way back, and the agent is told as little.
 */
export function denialOfFault(fault: unknown, target: Pick<Target, 'name'>): Denial {
  const kind = fault instanceof DialError ? fault.kind : 'protocol';
  // A host that may not be dialled is a fault of the configuration or of DNS; repeating the call does not help it.
  const details = kind === 'refused_host' ? { retryable: false } : {};
  return deny(codes[kind], `target ${target.name} ${messages[kind]}`, details);
}
