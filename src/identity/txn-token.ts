/**
 * Txn-Tokens (draft-ietf-oauth-transaction-tokens): what the gate shows to a service of the trust domain, for one
 * call. It says on whose behalf, by which agent, in which task, and for exactly which request. It is no access token:
 * the gate never takes one, and a service takes each only once (`verify.ts`).
 */
import type { Agent, Subject } from '../call.ts';
import type { CallId, Clock, TaskId } from '../clock.ts';
import { actOf } from './act.ts';
import { type GateKeys, keyPurposes } from './keys.ts';

export { sentDigest } from './sent-digest.ts';

export interface TxnTokensOptions {
  readonly keys: Pick<GateKeys, 'sign'>;
  /** `aud` of every Txn-Token (`gateway.trust_domain`). */
  readonly trustDomain: string;
  readonly publicUrl: string;
  readonly gateway: { readonly id: string; readonly cloud: string; readonly region: string };
  readonly clock: Clock;
}

export interface TxnTokenRequest {
  readonly callId: CallId;
  readonly subject: Subject | null;
  readonly agent: Agent;
  readonly operation: string;
  readonly taskId: TaskId;
  readonly rootTaskId: TaskId;
  readonly purpose: string;
  /** `sentDigest` of the request as it goes to the target. */
  readonly sentDigest: string;
}

/** Lifetime in seconds: the most that verifiers accept. */
export const txnTokenSeconds = 60;

export class TxnTokens {
  readonly #options: TxnTokensOptions;

  constructor(options: TxnTokensOptions) {
    this.#options = options;
  }

  /** A token for one call; `exp` is at most 60 s away. */
  mint({
    callId,
    subject,
    agent,
    operation,
    taskId,
    rootTaskId,
    purpose,
    sentDigest,
  }: TxnTokenRequest): Promise<string> {
    const { keys, trustDomain, publicUrl, gateway, clock } = this.#options;
    const iat = Math.floor(clock.nowMs() / 1000);
    return keys.sign('txn', keyPurposes.txn.typ, {
      iss: publicUrl,
      aud: trustDomain,
      iat,
      exp: iat + txnTokenSeconds,
      txn: callId,
      sub: subject?.id ?? agent.id,
      act: actOf(agent.id, agent.actors),
      scope: operation,
      req_wl: agent.id,
      tctx: {
        agent_issuer: agent.issuer,
        task_id: taskId,
        root_task_id: rootTaskId,
        purpose,
        operation,
        subject_assurance: subject?.assurance ?? 'none',
        // Equal ids of two issuers are two subjects.
        ...(subject?.issuer === undefined ? {} : { subject_issuer: subject.issuer }),
        sent_digest: sentDigest,
      },
      rctx: { gateway: gateway.id, cloud: gateway.cloud, region: gateway.region },
    });
  }
}
