/** Token endpoints of OAuth (Entra among them), and targets that take the bearer tokens they give. */
import type { JWTPayload } from 'jose';
import type { Received } from '../upstream.ts';
import { type CloudRules, type FakeCloud, must } from './cloud.ts';
import type { FakeGate } from './federation.ts';

export interface OauthRules {
  readonly path: string;
  /** Parameters of the form, exactly these besides those with an assertion. */
  readonly form: Readonly<Record<string, string>>;
  /** `Authorization` of the client; none where it is left out. */
  readonly basic?: string;
  /** The parameter that holds an assertion of the gate. */
  readonly assertion?: { readonly parameter: string; readonly audience: string; readonly subject: string };
  /** How the endpoint words a refusal beyond RFC 6749 §5.2. */
  readonly refusal?: Readonly<Record<string, unknown>>;
}

export interface OauthCloud extends CloudRules {
  /** Claims of the assertions that were taken. */
  readonly claims: JWTPayload[];
}

export function oauthCloud(gate: FakeGate, rules: OauthRules): OauthCloud {
  const claims: JWTPayload[] = [];
  return {
    claims,
    async issue(request, cloud) {
      must(request.method === 'POST' && request.url === rules.path, `asked at ${request.method} ${request.url}`);
      must(/^application\/x-www-form-urlencoded\b/.test(request.headers['content-type'] ?? ''), 'not a form');
      const form = new URLSearchParams(request.body.toString());
      const { authorization } = request.headers;
      must(authorization === rules.basic, `authorization is ${authorization}`);
      const { assertion } = rules;
      if (assertion !== undefined) {
        const { audience, subject, parameter } = assertion;
        const nowMs = cloud.clock.nowMs();
        claims.push(await gate.verify(form.get(parameter), { audience, subject, nowMs }));
        form.delete(parameter);
      }
      const sorted = (entries: Iterable<[string, string]>) => JSON.stringify([...entries].toSorted());
      const given = sorted(form.entries());
      must(given === sorted(Object.entries(rules.form)), `the form says ${given}`);
      return { type: 'application/json', body: JSON.stringify(bearerAnswer(cloud)) };
    },
    refuse: (why) => ({
      status: 401,
      type: 'application/json; charset=utf-8',
      body: JSON.stringify({ error: 'invalid_client', error_description: why, ...rules.refusal }),
    }),
    admit: takesBearer,
  };
}

/** A fresh token, as an answer (RFC 6749 §5.1). */
export function bearerAnswer(cloud: FakeCloud): Readonly<Record<string, unknown>> {
  const token = cloud.secret(`token-${++cloud.issued}-`);
  return {
    access_token: token,
    token_type: 'Bearer',
    expires_in: cloud.lifetimeSeconds,
    issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
  };
}

/** The target takes the tokens of its cloud that were not revoked. */
export function takesBearer({ headers }: Received, cloud: FakeCloud): void {
  const [, token = '', number = ''] = /^Bearer (token-(\d+)-[0-9a-f]+)$/.exec(headers.authorization ?? '') ?? [];
  must(cloud.secrets.includes(token), `not a token of this cloud: ${headers.authorization}`);
  must(Number(number) > cloud.revokedUpTo, 'revoked');
}
