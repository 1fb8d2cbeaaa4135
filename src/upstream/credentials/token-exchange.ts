/**
 * Token exchange (RFC 8693): the subject token is a federation assertion of the gate, which may tell the task and the
 * subject in its claim `tctx`. For token services of one's own, and gateways of another trust domain.
 */
import Type from 'typebox';
import { assertionMembers, createGrant } from './assertion-grant.ts';
import type { Credential, CredentialPorts } from './credential.ts';
import { identifierSchema, subjectSchema, tokenUrlSchema } from './token-url.ts';

export { check, hosts } from './assertion-grant.ts';

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
    ...assertionMembers,
    audience: Type.Optional(identifierSchema('Logical name of the service the token is for (RFC 8693 §2.1)')),
    resource: Type.Optional(identifierSchema('URI of the service the token is for (RFC 8693 §2.1)')),
  },
  { additionalProperties: false, description: 'An access token in exchange for an assertion of the gate (RFC 8693)' },
);

export function create(config: Type.Static<typeof schema>, ports: CredentialPorts): Credential {
  return createGrant(config, ports, {
    grantType: exchangeGrant,
    parameters: (assertion) => ({
      subject_token: assertion,
      subject_token_type: jwtTokenType,
      requested_token_type: accessTokenType,
    }),
  });
}
