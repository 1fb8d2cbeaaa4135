/** Token requests as OAuth clients send them (RFC 8693 §2.1), and what they are answered. */
import { randomBytes } from 'node:crypto';
import type { AuditEvent } from '../../src/audit/event.ts';
import type { World } from './world.ts';

export const grant = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const jwt = 'urn:ietf:params:oauth:token-type:jwt';
export const idToken = 'urn:ietf:params:oauth:token-type:id_token';
export const accessToken = 'urn:ietf:params:oauth:token-type:access_token';
export const jwtBearer = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

export interface TokenAnswer {
  readonly access_token: string;
  readonly task_id: string;
  readonly scope: string;
  readonly token_type: string;
  readonly issued_token_type: string;
  readonly expires_in: number;
  readonly error?: string;
  readonly error_description?: string;
  readonly code?: string;
  readonly reasons?: readonly { readonly code: string; readonly path?: string }[];
}

export interface Exchanged {
  readonly status: number;
  readonly headers: Headers;
  readonly answer: TokenAnswer;
  /** What stands in the trail of this request. */
  readonly events: () => Promise<AuditEvent[]>;
}

/** Sends a token exchange; a trace of its own finds its events. */
export async function exchange(
  world: World,
  form: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Exchanged> {
  const traceId = randomBytes(16).toString('hex');
  const response = await fetch(`${world.gate.url}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: grant, ...form }),
    headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01`, ...headers },
  });
  return {
    status: response.status,
    headers: response.headers,
    answer: (await response.json()) as TokenAnswer,
    events: () => world.events({ trace_id: traceId }),
  };
}

/** A task as `authorization_details` (RFC 9396). */
export const details = (task: Record<string, unknown> = {}) =>
  JSON.stringify([{ type: 'tollgate_task', purpose: 'test', ...task }]);

/** The members of a form for a token: the token and what it is said to be. */
export const subjectOf = (token: string, type = jwt) => ({ subject_token: token, subject_token_type: type });
export const actorOf = (token: string, type = jwt) => ({ actor_token: token, actor_token_type: type });
export const assertionOf = (token: string) => ({ client_assertion: token, client_assertion_type: jwtBearer });

/** The form by which the holder of `workloadToken` gets a part of the task of `taskToken`. */
export const partOf = (taskToken: string, workloadToken: string, task: Record<string, unknown> = {}) => ({
  ...subjectOf(taskToken, accessToken),
  ...actorOf(workloadToken),
  authorization_details: details(task),
});
