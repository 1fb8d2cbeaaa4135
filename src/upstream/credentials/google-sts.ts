/**
 * Workload identity federation with Google Cloud: the assertion is exchanged at Google's Security Token Service (RFC
 * 8693), and the federated token, where a service account is named, for one of that account's. Google takes the
 * audience twice, and they differ: the request names the provider, the assertion names it with `https:` before it.
 */
import Type from 'typebox';
import type { Obtained } from '../renewal.ts';
import { bearer, nothingTold } from './bearer.ts';
import { type Credential, CredentialError, type CredentialFault, type CredentialPorts } from './credential.ts';
import { post, refusal, requestToken } from './token-endpoint.ts';
import { accessTokenType, exchangeGrant, jwtTokenType } from './token-exchange.ts';
import { checkTokenUrl, identifierSchema, subjectSchema, tokenUrlSchema } from './token-url.ts';

export const kind = 'google-sts';

const cloudPlatform = 'https://www.googleapis.com/auth/cloud-platform';

export const schema = Type.Object(
  {
    kind: Type.Literal(kind),
    audience: Type.String({
      pattern:
        '^//iam\\.[a-z0-9.-]+/projects/[0-9]{1,20}/locations/[a-z0-9-]{1,40}/workloadIdentityPools/[a-z0-9-]{4,32}/providers/[a-z0-9-]{4,32}$',
      description:
        'The provider: //iam.googleapis.com/projects/{number}/locations/global/workloadIdentityPools/{pool}/providers/{provider}',
    }),
    assertion_audience: Type.Optional(
      identifierSchema('`aud` of the assertion; `https:` and the audience if left out, as providers expect by default'),
    ),
    subject: subjectSchema('`sub` of the assertion, what google.subject is mapped from'),
    scopes: Type.Array(Type.String({ pattern: '^[\\x21-\\x7e]{1,512}$' }), {
      default: [cloudPlatform],
      minItems: 1,
      maxItems: 50,
      uniqueItems: true,
      description: 'Scopes of the access token',
    }),
    service_account: Type.Optional(
      Type.String({
        pattern: '^[a-z0-9-]{1,64}@[a-z0-9.-]{1,128}$',
        description: 'E-mail address of the service account to impersonate; without one the gate acts as itself',
      }),
    ),
    lifetime_seconds: Type.Integer({
      default: 3600,
      minimum: 600,
      maximum: 43_200,
      description: 'How long a token of the service account lives; a kill of the task does not shorten it',
    }),
    token_url: Type.Optional(tokenUrlSchema('Another token service than https://sts.googleapis.com/v1/token.')),
    iamcredentials_url: Type.Optional(
      tokenUrlSchema('Another base URL for impersonation than https://iamcredentials.googleapis.com.'),
    ),
  },
  {
    additionalProperties: false,
    description: 'An access token of Google Cloud, for an assertion of the gate; no service account key is kept',
  },
);

type Config = Type.Static<typeof schema>;

const stsUrl = ({ token_url }: Config) => token_url ?? 'https://sts.googleapis.com/v1/token';

function impersonationUrl({ service_account: account, iamcredentials_url: base }: Config): string | undefined {
  if (account === undefined) return undefined;
  const root = (base ?? 'https://iamcredentials.googleapis.com').replace(/\/+$/, '');
  return `${root}/v1/projects/-/serviceAccounts/${account}:generateAccessToken`;
}

export function hosts(config: Config): string[] {
  const impersonation = impersonationUrl(config);
  return [stsUrl(config), ...(impersonation === undefined ? [] : [impersonation])];
}

export function check(config: Config): CredentialFault[] {
  const { token_url, iamcredentials_url: base, service_account: account } = config;
  const faults = [...checkTokenUrl('/token_url', token_url), ...checkTokenUrl('/iamcredentials_url', base)];
  if (base !== undefined && account === undefined) {
    faults.push({ pointer: '/iamcredentials_url', message: 'nobody is impersonated: service_account is missing' });
  }
  return faults;
}

export function create(config: Config, ports: CredentialPorts): Credential {
  const { audience, subject, scopes } = config;
  const impersonation = impersonationUrl(config);
  return bearer(ports, nothingTold, async (_told, signal) => {
    const assertion = await ports.assertion({
      subject,
      audience: config.assertion_audience ?? `https:${audience}`,
    });
    const parameters = {
      audience,
      // What may impersonate must be a token for the cloud; the scopes asked for are those of the account's token.
      scope: impersonation === undefined ? scopes.join(' ') : cloudPlatform,
      requested_token_type: accessTokenType,
      subject_token: assertion,
      subject_token_type: jwtTokenType,
    };
    const request = { url: stsUrl(config), grantType: exchangeGrant, parameters, client: { method: 'none' } } as const;
    const federated = await requestToken(ports.send, request, signal);
    return impersonation === undefined ? federated : impersonate(config, ports, impersonation, federated.value, signal);
  });
}

/** `generateAccessToken` of the IAM Service Account Credentials API. */
async function impersonate(
  { scopes, lifetime_seconds: seconds }: Config,
  { send, clock }: CredentialPorts,
  url: string,
  federated: string,
  signal: AbortSignal,
): Promise<Obtained<string>> {
  const headers = {
    authorization: `Bearer ${federated}`,
    'content-type': 'application/json',
    accept: 'application/json',
  };
  const body = JSON.stringify({ scope: scopes, lifetime: `${seconds}s` });
  const { status, text } = await post(send, { url, headers, body }, signal);
  const answer = parsed(text);
  if (status !== 200) {
    const error = answer.error as { readonly status?: unknown } | undefined;
    throw refusal(status, typeof error?.status === 'string' ? error.status : null);
  }
  const { accessToken, expireTime } = answer;
  const expiresAtMs = typeof expireTime === 'string' ? Date.parse(expireTime) : Number.NaN;
  if (typeof accessToken !== 'string' || !/^[\x21-\x7e]{1,16384}$/.test(accessToken) || Number.isNaN(expiresAtMs)) {
    throw new CredentialError('answer_invalid');
  }
  return { value: accessToken, lifetimeMs: expiresAtMs - clock.nowMs() };
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
