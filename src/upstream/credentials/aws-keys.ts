/**
 * AWS with keys that are kept: of an IAM user, or a session that somebody else got and renews by writing its file anew.
 * Each request is signed (SigV4). Where the gate can federate, `aws-web-identity` keeps no key at all.
 */
import Type from 'typebox';
import { regionSchema, serviceSchema, signatureHeaders } from './aws-signature.ts';
import type { Credential, CredentialFault, CredentialPorts } from './credential.ts';

export const kind = 'aws-keys';

export const schema = Type.Object(
  {
    kind: Type.Literal(kind),
    access_key_id: Type.String({
      pattern: '^[A-Z0-9]{16,128}$',
      description: 'Id of the key: AKIA…, or ASIA… of a session',
    }),
    secret_access_key: Type.String({
      pattern: '^[\\x21-\\x7e]{16,256}$',
      writeOnly: true,
      description: 'The key itself, usually from the environment or a file',
    }),
    session_token: Type.Optional(
      Type.String({
        pattern: '^[\\x21-\\x7e]{16,8192}$',
        writeOnly: true,
        description: 'The token of a session, where the key is one of a session',
      }),
    ),
    region: regionSchema('The region of the target: eu-central-1'),
    service: serviceSchema,
  },
  { additionalProperties: false, description: 'Requests signed for AWS (SigV4) with a key that is kept' },
);

type Config = Type.Static<typeof schema>;

export function hosts(): string[] {
  return [];
}

export function check({ access_key_id: id, session_token: token }: Config): CredentialFault[] {
  if (!id.startsWith('ASIA') || token !== undefined) return [];
  return [{ pointer: '/session_token', message: 'expected the token of the session: the key is one of a session' }];
}

export function create(config: Config, { clock }: CredentialPorts): Credential {
  const { access_key_id: accessKeyId, secret_access_key: secretAccessKey, session_token: sessionToken } = config;
  const { region, service } = config;
  const key = { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
  return {
    async grant(request) {
      return { headers: await signatureHeaders(request, key, { region, service, nowMs: clock.nowMs() }) };
    },
  };
}
