/**
 * Workload identity federation with Microsoft Entra ID: the app registration trusts the gate's issuer for one subject
 * and audience, and gives an access token for an RS256 assertion. Entra matches the subject exactly, so it is fixed
 * here; what task a call belongs to, Entra cannot be told.
 */
import Type from 'typebox';
import { bearer, nothingTold } from './bearer.ts';
import type { Credential, CredentialFault, CredentialPorts } from './credential.ts';
import { requestToken } from './token-endpoint.ts';
import { checkTokenUrl, subjectSchema, tokenUrlSchema } from './token-url.ts';

export const kind = 'azure-federated';

export const schema = Type.Object(
  {
    kind: Type.Literal(kind),
    tenant: Type.String({
      pattern: '^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$',
      description: 'The directory: its id, or one of its domains',
    }),
    client_id: Type.String({
      pattern: '^[A-Za-z0-9-]{1,64}$',
      description: 'Application id of the app registration, or client id of the managed identity',
    }),
    scope: Type.String({
      pattern: '^[\\x21-\\x7e]{1,2000}/\\.default$',
      description: 'What the token is for, such as https://cognitiveservices.azure.com/.default',
    }),
    subject: subjectSchema('Subject of the federated credential, letter by letter'),
    audience: Type.String({
      default: 'api://AzureADTokenExchange',
      minLength: 1,
      maxLength: 600,
      description: 'Audience of the federated credential',
    }),
    token_url: Type.Optional(
      tokenUrlSchema('The token endpoint of another cloud than the public one, of a sovereign cloud for one.'),
    ),
  },
  {
    additionalProperties: false,
    description: 'An access token of Microsoft Entra ID, for an assertion of the gate; no secret is kept in Azure',
  },
);

type Config = Type.Static<typeof schema>;

function tokenUrl({ tenant, token_url }: Config): string {
  return token_url ?? `https://login.microsoftonline.com/${tenant}/oauth2/v2.0/token`;
}

export function hosts(config: Config): string[] {
  return [tokenUrl(config)];
}

export function check(config: Config): CredentialFault[] {
  return checkTokenUrl('/token_url', config.token_url);
}

export function create(config: Config, ports: CredentialPorts): Credential {
  const { client_id: id, scope, subject, audience } = config;
  const url = tokenUrl(config);
  return bearer(ports, nothingTold, async (_told, signal) => {
    const assertion = await ports.assertion({ subject, audience });
    const client = { method: 'client_assertion', id, assertion } as const;
    return requestToken(ports.send, { url, grantType: 'client_credentials', parameters: { scope }, client }, signal);
  });
}
