/**
 * What the grants on a federation assertion have in common: the assertion may tell the task, and the token endpoint may
 * want to know the gate as a client besides. The kinds differ in how the assertion is handed over.
 */
import Type from 'typebox';
import { bearer } from './bearer.ts';
import { type BehalfPart, behalfOf, behalfSchema, transactionContext } from './behalf.ts';
import type { Credential, CredentialFault, CredentialPorts } from './credential.ts';
import { requestToken } from './token-endpoint.ts';
import { checkTokenUrl, identifierSchema, scopeSchema, secretSchema } from './token-url.ts';

/** Members of the configuration. */
export const assertionMembers = {
  assertion_audience: Type.Optional(identifierSchema('`aud` of the assertion; token_url if left out')),
  tell: behalfSchema(
    'What the assertion tells of the task, in its claim `tctx`; each difference is a token of its own',
  ),
  client_id: Type.Optional(Type.String({ minLength: 1, maxLength: 255, description: 'Where the endpoint wants one' })),
  client_secret: Type.Optional(secretSchema('Sent with client_id by HTTP Basic, where the endpoint wants one')),
  scope: Type.Optional(scopeSchema),
} as const;

export interface AssertionGrantConfig {
  readonly token_url: string;
  readonly subject: string;
  readonly assertion_audience?: string;
  readonly tell: readonly BehalfPart[];
  readonly client_id?: string;
  readonly client_secret?: string;
  readonly scope?: string;
  readonly audience?: string;
  readonly resource?: string;
}

export function hosts({ token_url }: AssertionGrantConfig): string[] {
  return [token_url];
}

/** A secret is nothing without the id it belongs to, and an id alone proves nothing. */
export function check({ token_url, client_id: id, client_secret: secret }: AssertionGrantConfig): CredentialFault[] {
  const faults = checkTokenUrl('/token_url', token_url);
  if ((id === undefined) === (secret === undefined)) return faults;
  const name = id === undefined ? 'client_id' : 'client_secret';
  return [...faults, { pointer: '', message: `${name} is missing: client_id and client_secret go together` }];
}

/** How the assertion stands in the request. */
export interface AssertionGrant {
  readonly grantType: string;
  readonly parameters: (assertion: string) => Readonly<Record<string, string>>;
}

export function createGrant(config: AssertionGrantConfig, ports: CredentialPorts, grant: AssertionGrant): Credential {
  const { token_url: url, subject, tell, client_id: id, client_secret: secret, scope, audience, resource } = config;
  const client =
    id === undefined || secret === undefined
      ? ({ method: 'none' } as const)
      : ({ method: 'client_secret_basic', id, secret } as const);
  return bearer(
    ports,
    (behalf) => behalfOf(tell, behalf),
    async (parts, signal) => {
      const claims = transactionContext(parts);
      const assertion = await ports.assertion({ subject, audience: config.assertion_audience ?? url, claims });
      const parameters = { ...grant.parameters(assertion), ...{ scope, audience, resource } };
      return requestToken(ports.send, { url, grantType: grant.grantType, parameters, client }, signal);
    },
  );
}
