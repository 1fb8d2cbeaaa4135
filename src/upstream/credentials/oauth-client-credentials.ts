/**
 * OAuth client credentials (RFC 6749 §4.4): the gate is a client of its own, known by a secret or, better, by a
 * federation assertion (RFC 7523 §2.2), where nothing has to be kept secret or rotated.
 */
import Type from 'typebox';
import { bearer, nothingTold } from './bearer.ts';
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

export const kind = 'oauth-client-credentials';

export const schema = Type.Object(
  {
    kind: Type.Literal(kind),
    token_url: tokenUrlSchema('The token endpoint.'),
    client_id: Type.String({ minLength: 1, maxLength: 255, description: 'The gate as the token endpoint knows it' }),
    auth_method: Type.Union(
      [Type.Literal('client_secret_basic'), Type.Literal('client_secret_post'), Type.Literal('client_assertion')],
      {
        default: 'client_secret_basic',
        description:
          'How the gate proves itself: a secret in the Authorization header or in the form, or a federation assertion signed with the key of the gate (RFC 7523 §2.2)',
      },
    ),
    client_secret: Type.Optional(secretSchema('For the two methods with a secret; from the environment or a file')),
    assertion_subject: Type.Optional(subjectSchema('`sub` of the assertion; client_id if left out (RFC 7523 §3)')),
    assertion_audience: Type.Optional(identifierSchema('`aud` of the assertion; token_url if left out')),
    scope: Type.Optional(scopeSchema),
    audience: Type.Optional(identifierSchema('Sent as `audience`, where the token endpoint wants one')),
    resource: Type.Optional(identifierSchema('Sent as `resource` (RFC 8707), the URI the token is for')),
  },
  { additionalProperties: false, description: 'An access token that the gate gets as an OAuth client of its own' },
);

type Config = Type.Static<typeof schema>;

export function hosts(config: Config): string[] {
  return [config.token_url];
}

export function check(config: Config): CredentialFault[] {
  const faults = checkTokenUrl('/token_url', config.token_url);
  const { auth_method: method, client_secret: secret } = config;
  if (method !== 'client_assertion') {
    if (secret === undefined) faults.push({ pointer: '', message: `client_secret is missing for ${method}` });
    for (const name of ['assertion_subject', 'assertion_audience'] as const) {
      if (config[name] !== undefined)
        faults.push({ pointer: `/${name}`, message: `no assertion is made by ${method}` });
    }
  } else if (secret !== undefined) {
    faults.push({ pointer: '/client_secret', message: 'no secret is sent by client_assertion' });
  }
  return faults;
}

export function create(config: Config, ports: CredentialPorts): Credential {
  const { token_url: url, client_id: id, auth_method: method, scope, audience, resource } = config;
  const client = async () => {
    if (method !== 'client_assertion') return { method, id, secret: config.client_secret ?? '' };
    const assertion = await ports.assertion({
      subject: config.assertion_subject ?? id,
      audience: config.assertion_audience ?? url,
    });
    return { method, id, assertion };
  };
  return bearer(ports, nothingTold, async (_told, signal) =>
    requestToken(
      ports.send,
      { url, grantType: 'client_credentials', parameters: { scope, audience, resource }, client: await client() },
      signal,
    ),
  );
}
