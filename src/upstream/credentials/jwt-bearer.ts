/**
 * The JWT bearer grant (RFC 7523 §2.1): a federation assertion of the gate is what is granted on, at a token endpoint
 * that trusts the gate's issuer. It may tell the task and the subject in its claim `tctx`.
 */
import Type from 'typebox';
import { assertionMembers, createGrant } from './assertion-grant.ts';
import type { Credential, CredentialPorts } from './credential.ts';
import { identifierSchema, subjectSchema, tokenUrlSchema } from './token-url.ts';

export { check, hosts } from './assertion-grant.ts';

export const kind = 'jwt-bearer';

export const schema = Type.Object(
  {
    kind: Type.Literal(kind),
    token_url: tokenUrlSchema('The token endpoint.'),
    subject: subjectSchema('`sub` of the assertion: the account that the token is for'),
    ...assertionMembers,
    audience: Type.Optional(identifierSchema('Sent as `audience`, where the token endpoint wants one')),
    resource: Type.Optional(identifierSchema('Sent as `resource` (RFC 8707), the URI the token is for')),
  },
  { additionalProperties: false, description: 'An access token granted on an assertion of the gate (RFC 7523 §2.1)' },
);

export function create(config: Type.Static<typeof schema>, ports: CredentialPorts): Credential {
  return createGrant(config, ports, {
    grantType: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    parameters: (assertion) => ({ assertion }),
  });
}
