/**
 * What every agent of this world does alike, with plain `fetch`: it gets the workload token of its own cloud, shows it
 * to the gate for a task or for a part of somebody else's, and makes its calls with the task token. The one secret an
 * agent holds is its own workload's.
 */

/** A workload, as the issuer of its cloud knows it. */
export interface Workload {
  readonly tokenEndpoint: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** The audience of its workload token: the gate, as this issuer knows it. */
  readonly audience: string;
}

export interface OpenTask {
  readonly task_id: string;
  readonly task_token: string;
  readonly token_type: string;
  readonly expires_in: number;
  readonly tools: readonly string[];
}

export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: what a service answers is for its caller to read
  readonly body: any;
}

export interface GateRequest {
  readonly method: string;
  /** `/tools/…`, `/v1/…` or `/tasks/…`. */
  readonly path: string;
  readonly body?: object;
}

export const timeoutMs = 30_000;

/** The answer, its body parsed where it is JSON. */
export async function answered(response: Response): Promise<Answered> {
  const text = await response.text();
  let body: unknown = text;
  try {
    body = JSON.parse(text);
  } catch {
    // Not every answer is JSON; then the text is the body.
  }
  return { status: response.status, headers: response.headers, body };
}

/** The workload token that the agent's cloud gives it (RFC 6749 §4.4, RFC 8707). */
export async function workloadToken(workload: Workload): Promise<string> {
  const basic = Buffer.from(`${workload.clientId}:${workload.clientSecret}`).toString('base64');
  const response = await fetch(workload.tokenEndpoint, {
    method: 'POST',
    headers: { authorization: `Basic ${basic}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', resource: workload.audience }),
    signal: AbortSignal.timeout(timeoutMs),
  });
  const { status, body } = await answered(response);
  if (status !== 200) throw new Error(`the issuer answered ${status}`);
  return body.access_token;
}

/** Asks the gate for a task; the caller looks at the status. */
export async function openTask(gateUrl: string, token: string, ask: object): Promise<Answered> {
  return callThroughGate(gateUrl, token, { method: 'POST', path: '/tasks', body: ask });
}

/** Another agent of this world, as the gate names it. */
export interface Colleague {
  readonly agent: string;
  readonly issuer: string;
}

/**
 * A token by which `colleague` alone gets a part of the task: what an agent hands over when it asks for help. Its own
 * task token stays with it. The caller looks at the status.
 */
export async function delegate(
  gateUrl: string,
  workloadToken: string,
  taskId: string,
  colleague: Colleague,
): Promise<Answered> {
  const request = { method: 'POST', path: `/tasks/${taskId}/token`, body: { for: colleague } };
  return callThroughGate(gateUrl, workloadToken, request);
}

/** The tokens of an exchange: whose task it is about, and who wants a token. */
export interface Exchange {
  /** A task token or a delegation token. */
  readonly taskToken: string;
  readonly workloadToken: string;
  /** The part that is wanted; left out where the agent of the task wants another token for it. */
  readonly part?: object;
}

/** Token exchange (RFC 8693 §2.1, RFC 9396): a part of the task of `taskToken`. The caller looks at the status. */
export async function exchangeToken(gateUrl: string, exchange: Exchange): Promise<Answered> {
  const { taskToken, workloadToken: actorToken, part } = exchange;
  const details = part === undefined ? undefined : JSON.stringify([{ type: 'tollgate_task', ...part }]);
  const response = await fetch(`${gateUrl}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: taskToken,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      actor_token: actorToken,
      actor_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      ...(details === undefined ? {} : { authorization_details: details }),
    }),
    signal: AbortSignal.timeout(timeoutMs),
  });
  return answered(response);
}

/** A request of a task through the gate. */
export async function callThroughGate(
  gateUrl: string,
  token: string,
  request: GateRequest,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answered> {
  const { method, path, body } = request;
  const response = await fetch(`${gateUrl}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(timeoutMs),
  });
  return answered(response);
}
