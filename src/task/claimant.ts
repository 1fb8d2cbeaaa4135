/**
 * Who asks for a task or for a token of one: the agent of a workload token, not suspended, and the key that it proves
 * on the way. Every token of the gate is made for a claimant; none is made for whoever only holds another token.
 */
import type { Agent, Binding, Shown, ShownToken } from '../call.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import type { Acting } from './suspended.ts';

/** How an agent says who it is. */
export interface Claim {
  /** Its workload token; null where none was shown. */
  readonly credential: ShownToken | null;
  /** A second workload token, which must name the same agent (RFC 7523 §2.2 beside an `actor_token`). */
  readonly assertion?: string | null;
  /** An id that it must have (RFC 6749 §2.3.1 `client_id`). */
  readonly clientId?: string | null;
}

export interface Claimant {
  readonly agent: Agent;
  /** What its tokens will belong to; null where any bearer may use them. */
  readonly binding: Binding | null;
}

export interface ClaimPorts {
  readonly verifyWorkload: (credential: ShownToken) => Promise<Agent | Denial>;
  /** The denial of an agent that is suspended, by itself or with its tenant or issuer. */
  readonly denySuspended: (acting: Acting) => Promise<Denial | undefined>;
  /** What a token that this request asks for will belong to, never less than the agent's issuer asks for. */
  readonly bind: (shown: Shown, agent: Agent) => Promise<Binding | null | Denial>;
}

/** Equal ids of two issuers are two agents, and so are those of two tenants. */
export function isSameAgent(one: Pick<Agent, 'id' | 'issuer' | 'tenant'>, other: Agent): boolean {
  return one.id === other.id && one.issuer === other.issuer && one.tenant === other.tenant;
}

/** The agent that makes a claim. Denies 401, `request_invalid` for two agents, `agent_suspended`. */
export async function claimantOf(ports: ClaimPorts, claim: Claim): Promise<Claimant | Denial> {
  const { credential, assertion = null, clientId = null } = claim;
  if (credential === null) {
    return deny('unauthenticated', 'Show a workload token: Authorization: Bearer <token of your cloud>.', {
      reasons: [{ code: 'token_missing', message: 'There is no bearer token.' }],
    });
  }
  const agent = await ports.verifyWorkload(credential);
  if (isDenial(agent)) return agent;
  if (assertion !== null) {
    const client = await ports.verifyWorkload({ ...credential, token: assertion });
    if (isDenial(client)) return client;
    if (!isSameAgent(client, agent)) {
      return deny('request_invalid', 'The client_assertion is of another agent than the actor_token.');
    }
  }
  if (clientId !== null && clientId !== agent.id) {
    return deny('unauthenticated', 'The credential is not accepted', {
      reasons: [{ code: 'client_id_wrong', message: 'The client_id is not the id of the agent.' }],
    });
  }
  return bound(ports, agent, credential.shown);
}

/** The claimant that an agent is, once its workload token is verified. Denies as `claimantOf`. */
export async function bound(
  ports: Omit<ClaimPorts, 'verifyWorkload'>,
  agent: Agent,
  shown: Shown,
): Promise<Claimant | Denial> {
  const suspended = await ports.denySuspended({ agent, tenant: agent.tenant });
  if (suspended !== undefined) return suspended;
  const binding = await ports.bind(shown, agent);
  return isDenial(binding) ? binding : { agent, binding };
}
