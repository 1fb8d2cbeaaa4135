/**
 * The JWT bearer grant (RFC 7523 §2.1): a federation assertion of the gate is what is granted on, at a token endpoint
 * that trusts the gate's issuer. It may tell the task and the subject in its claim `tctx`.
 */
import Type from 'typebox';
import { bearer } from './bearer.ts';
import { behalfOf, behalfSchema, transactionContext } from './behalf.ts';
import type { Credential, CredentialFault, CredentialPorts } from './credential.ts';
import { requestToken } from './token-endpoint.ts';
import {
  checkTokenUrl,
  identifierSchema,
  scopeSchema,
  secretSchema,
  subjectSchema,
  tokenUrlSchema,
} from './token-url.ts';

export const kind = 'jwt-bearer';

export const schema = Type.Object(
  {
    kind: Type.Literal(kind),
    token_url: tokenUrlSchema('The token endpoint.'),
    subject: subjectSchema('`sub` of the assertion: the account that the token is for'),
    assertion_audience: Type.Optional(identifierSchema('`aud` of the assertion; token_url if left out')),
    tell: behalfSchema(
      'What the assertion tells of the task, in its claim `tctx`; each difference is a token of its own',
    ),
    client_id: Type.Optional(
      Type.String({ minLength: 1, maxLength: 255, description: 'Where the endpoint wants one' }),
    ),
    client_secret: Type.Optional(secretSchema('Sent with client_id by HTTP Basic, where the endpoint wants one')),
    scope: Type.Optional(scopeSchema),
    audience: Type.Optional(identifierSchema('Sent as `audience`, where the token endpoint wants one')),
    resource: Type.Optional(identifierSchema('Sent as `resource` (RFC 8707), the URI the token is for')),
  },
  { additionalProperties: false, description: 'An access token granted on an assertion of the gate (RFC 7523 §2.1)' },
);

type Config = Type.Static<typeof schema>;

export function hosts(config: Config): string[] {
  return [config.token_url];
}

export function check(config: Config): CredentialFault[] {
  return [...checkTokenUrl('/token_url', config.token_url), ...checkClient(config)];
}

/** A secret is nothing without the id it belongs to, and an id alone proves nothing. */
export function checkClient(client: {
  readonly client_id?: string;
  readonly client_secret?: string;
}): CredentialFault[] {
  const { client_id: id, client_secret: secret } = client;
  if ((id === undefined) === (secret === undefined)) return [];
  const name = id === undefined ? 'client_id' : 'client_secret';
  return [{ pointer: '', message: `${name} is missing: client_id and client_secret go together` }];
}

export function create(config: Config, ports: CredentialPorts): Credential {
  const { token_url: url, subject, tell, client_id: id, client_secret: secret, scope, audience, resource } = config;
  const client =
    id === undefined || secret === undefined
      ? ({ method: 'none' } as const)
      : ({ method: 'client_secret_basic', id, secret } as const);
  return bearer(
    ports,
    (behalf) => behalfOf(tell, behalf),
    async (parts, signal) => {
      const assertion = await ports.assertion({
        subject,
        audience: config.assertion_audience ?? url,
        claims: transactionContext(parts),
      });
      const grantType = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
      return requestToken(
        ports.send,
        { url, grantType, parameters: { assertion, scope, audience, resource }, client },
        signal,
      );
    },
  );
}
