/**
 * Token exchange (RFC 8693): the subject token is a federation assertion of the gate, which may tell the task and the
 * subject in its claim `tctx`. For token services of one's own, and gateways of another trust domain.
 */
import Type from 'typebox';
import { bearer } from './bearer.ts';
import { behalfOf, behalfSchema, transactionContext } from './behalf.ts';
import type { Credential, CredentialFault, CredentialPorts } from './credential.ts';
import { checkClient } from './jwt-bearer.ts';
import { requestToken } from './token-endpoint.ts';
import {
  checkTokenUrl,
  identifierSchema,
  scopeSchema,
  secretSchema,
  subjectSchema,
  tokenUrlSchema,
} from './token-url.ts';

export const kind = 'token-exchange';

export const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange';
const tokenType = 'urn:ietf:params:oauth:token-type:';
export const jwtTokenType = `${tokenType}jwt`;
export const accessTokenType = `${tokenType}access_token`;

export const schema = Type.Object(
  {
    kind: Type.Literal(kind),
    token_url: tokenUrlSchema('The token endpoint.'),
    subject: subjectSchema('`sub` of the assertion that is exchanged'),
    assertion_audience: Type.Optional(identifierSchema('`aud` of the assertion; token_url if left out')),
    tell: behalfSchema(
      'What the assertion tells of the task, in its claim `tctx`; each difference is a token of its own',
    ),
    client_id: Type.Optional(
      Type.String({ minLength: 1, maxLength: 255, description: 'Where the endpoint wants one' }),
    ),
    client_secret: Type.Optional(secretSchema('Sent with client_id by HTTP Basic, where the endpoint wants one')),
    scope: Type.Optional(scopeSchema),
    audience: Type.Optional(identifierSchema('Logical name of the service the token is for (RFC 8693 §2.1)')),
    resource: Type.Optional(identifierSchema('URI of the service the token is for (RFC 8693 §2.1)')),
  },
  { additionalProperties: false, description: 'An access token in exchange for an assertion of the gate (RFC 8693)' },
);

type Config = Type.Static<typeof schema>;

export function hosts(config: Config): string[] {
  return [config.token_url];
}

export function check(config: Config): CredentialFault[] {
  return [...checkTokenUrl('/token_url', config.token_url), ...checkClient(config)];
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
      const parameters = {
        subject_token: await ports.assertion({
          subject,
          audience: config.assertion_audience ?? url,
          claims: transactionContext(parts),
        }),
        subject_token_type: jwtTokenType,
        requested_token_type: accessTokenType,
        ...{ scope, audience, resource },
      };
      return requestToken(ports.send, { url, grantType: exchangeGrant, parameters, client }, signal);
    },
  );
}
