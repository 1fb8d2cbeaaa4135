/**
 * The contract of a credential: what the gate adds for a target and agents never see. A new kind is one file here
 * and one line in `index.ts`. A credential may depend on the request, down to its last byte (AWS signs it), and on the
 * task where the configuration says so; it is asked last, when everything else of the request stands.
 */
import type { Agent, JsonObject, Subject } from '../../call.ts';
import type { Clock, TaskId } from '../../clock.ts';
import type { Dialer, TlsIdentity } from '../dialer.ts';

/** For whom a request is made. */
export interface Behalf {
  readonly taskId: TaskId;
  readonly agent: Pick<Agent, 'id' | 'issuer'>;
  readonly subject: Pick<Subject, 'id' | 'type' | 'assurance' | 'issuer'> | null;
  readonly purpose: string;
}

/** A request as it will go over the wire, but for its credential. */
export interface OutgoingRequest {
  readonly url: string;
  readonly method: string;
  /** Every header of the gate and of the payload, names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | null;
  readonly behalf: Behalf;
  /** Ends the wait of this call, not the request for a token that others wait for too. */
  readonly signal: AbortSignal;
}

/** What a target is shown. */
export interface Granted {
  /** Lower-case names; they win over every other header of the request. */
  readonly headers: Readonly<Record<string, string>>;
  /** The certificate to connect with. */
  readonly identity?: TlsIdentity;
  /** Told the status of every answer, so that what a target no longer takes is not shown to it for long. */
  readonly answered?: (status: number) => void;
}

export interface Credential {
  /** Rejects with CredentialError where there is none to be had; then nothing is sent. */
  grant(request: OutgoingRequest): Granted | Promise<Granted>;
}

/** What is signed for a token service; see `identity/federation.ts`. */
export interface AssertionRequest {
  readonly subject: string;
  readonly audience: string;
  readonly claims?: JsonObject;
}

/** What a kind is made with besides its configuration. Nothing here can log. */
export interface CredentialPorts {
  readonly clock: Clock;
  /** A fresh federation assertion of this gate, RS256. */
  readonly assertion: (request: AssertionRequest) => Promise<string>;
  /** Reaches the token services of the configuration and nothing else. */
  readonly send: Dialer['send'];
  /** Of kind `mtls`: what stands in its files. */
  readonly identity: TlsIdentity | undefined;
  /** Aborted when the credentials are no longer used: ends requests for tokens that are under way. */
  readonly closed: AbortSignal;
}

export interface CredentialFault {
  /** From the credential on: `/token_url`. */
  readonly pointer: string;
  readonly message: string;
}

/** How a credential failed to come. */
export type CredentialFailure =
  /** The token service said no. */
  | 'refused'
  /** It cannot be reached, or does not answer in time, or says that it is unwell. */
  | 'unreachable'
  /** It answered what cannot be used. */
  | 'answer_invalid'
  /** The gate cannot sign an assertion: its key, or whoever keeps it, is away. */
  | 'unsigned'
  /** The task, subject, agent or purpose cannot be put into this kind of credential as it stands. */
  | 'unfit'
  /** It failed a moment ago and is not asked again yet. */
  | 'backing_off'
  /** The call no longer waits. */
  | 'given_up';

const sentences: Record<CredentialFailure, string> = {
  refused: 'the token service refused',
  unreachable: 'the token service cannot be reached',
  answer_invalid: 'the token service gave an answer that cannot be used',
  unsigned: 'the gate could not sign an assertion',
  unfit: 'the task cannot be told to the token service as it stands',
  backing_off: 'the token service failed a moment ago',
  given_up: 'nobody waits for the credential any more',
};

/**
 * A credential cannot be had. It holds no cause and no text of others on purpose: those may quote a secret or a token.
 */
export class CredentialError extends Error {
  override readonly name = 'CredentialError';
  readonly failure: CredentialFailure;
  /** A short code of the token service, `invalid_client` for one; null where it gave none that is safe to repeat. */
  readonly code: string | null;

  constructor(failure: CredentialFailure, code: string | null = null) {
    const safe = code !== null && /^[A-Za-z0-9_. ]{1,80}$/.test(code) ? code : null;
    super(safe === null ? sentences[failure] : `${sentences[failure]}: ${safe}`);
    this.failure = failure;
    this.code = safe;
  }
}
