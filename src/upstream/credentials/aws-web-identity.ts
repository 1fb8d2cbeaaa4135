/**
 * AWS for a gate that has no AWS key: it assumes a role with its own assertion, and signs each request with the session
 * (SigV4). Task, subject, agent and purpose go along as session tags that IAM policies and CloudTrail see. What a
 * reader would get wrong: a session lives at least 15 minutes and outlives a kill of its task. The gate stops using it
 * at once; AWS does not hear of the kill.
 */
import Type from 'typebox';
import { Renewal } from '../renewal.ts';
import { type AwsSession, regionSchema, serviceSchema, signatureHeaders } from './aws-signature.ts';
import { assumeRoleWithWebIdentity } from './aws-sts.ts';
import { type BehalfPart, behalfOf, behalfSchema } from './behalf.ts';
import {
  type Behalf,
  type Credential,
  CredentialError,
  type CredentialFault,
  type CredentialPorts,
} from './credential.ts';
import { checkTokenUrl, subjectSchema, tokenUrlSchema } from './token-url.ts';

export const kind = 'aws-web-identity';

export const schema = Type.Object(
  {
    kind: Type.Literal(kind),
    role_arn: Type.String({
      pattern: '^arn:aws(?:-[a-z]+)*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,576}$',
      description: 'The role to assume: arn:aws:iam::123456789012:role/name',
    }),
    region: regionSchema('The region of the target and of the token service: eu-central-1'),
    service: serviceSchema,
    subject: subjectSchema("`sub` of the assertion, what the role's trust policy compares"),
    audience: Type.String({
      default: 'sts.amazonaws.com',
      minLength: 1,
      maxLength: 255,
      description: '`aud` of the assertion: a client id of the identity provider in IAM',
    }),
    tags: behalfSchema(
      "What is told of the task as session tags, each difference a session of its own: `task`; `subject` with `subject_type`, `subject_assurance` and, where it is verified, `subject_issuer`; `agent` with `agent_issuer`; `purpose`. The role's trust policy must allow sts:TagSession. A value that AWS takes in no tag (other than letters, digits, spaces and _.:/=+-@, or beyond 256 characters) keeps the call from being sent.",
    ),
    transitive_tags: Type.Boolean({
      default: true,
      description: 'Tags stay when the session assumes another role',
    }),
    session_name: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9_+=,.@-]{2,64}$',
        description:
          'A fixed name of the session. If left out it is the id of the task, which CloudTrail shows then, and each task has a session of its own',
      }),
    ),
    duration_seconds: Type.Integer({
      default: 900,
      minimum: 900,
      maximum: 43_200,
      description: 'How long a session lives; a kill of the task does not shorten it, but the gate stops using it',
    }),
    token_url: Type.Optional(
      tokenUrlSchema('Another token service than https://sts.{region}.amazonaws.com/, a VPC endpoint for one.'),
    ),
  },
  {
    additionalProperties: false,
    description: 'Requests signed for AWS (SigV4) with a role assumed by an assertion of the gate; no AWS key is kept',
  },
);

type Config = Type.Static<typeof schema>;

function stsUrl({ region, role_arn: arn, token_url: url }: Config): string {
  return url ?? `https://sts.${region}.amazonaws.com${arn.startsWith('arn:aws-cn:') ? '.cn' : ''}/`;
}

export function hosts(config: Config): string[] {
  return [stsUrl(config)];
}

export function check(config: Config): CredentialFault[] {
  return checkTokenUrl('/token_url', config.token_url);
}

/** The claim that AWS reads session tags from; each value is a list of one. */
const tagsClaim = 'https://aws.amazon.com/tags';
const tagValue = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,256}$/u;

function tagsOf(parts: readonly BehalfPart[], behalf: Behalf): Readonly<Record<string, string>> {
  const tags = behalfOf(parts, behalf);
  for (const [name, value] of Object.entries(tags)) {
    if (!tagValue.test(value)) throw new CredentialError('unfit', name);
  }
  return tags;
}

export function create(config: Config, ports: CredentialPorts): Credential {
  const { clock, closed, send } = ports;
  const { region, service, subject, audience } = config;
  const sessions = new Renewal<AwsSession>({ clock, closed });
  const url = stsUrl(config);

  return {
    async grant(request) {
      const tags = tagsOf(config.tags, request.behalf);
      const sessionName = config.session_name ?? request.behalf.taskId;
      const key = JSON.stringify([sessionName, tags]);
      const obtain = async (signal: AbortSignal) => {
        const names = Object.keys(tags);
        const told = Object.fromEntries(Object.entries(tags).map(([name, value]) => [name, [value]]));
        const claim = { principal_tags: told, ...(config.transitive_tags ? { transitive_tag_keys: names } : {}) };
        const webIdentityToken = await ports.assertion({
          subject,
          audience,
          claims: names.length === 0 ? {} : { [tagsClaim]: claim },
        });
        const { role_arn: roleArn, duration_seconds: durationSeconds } = config;
        const role = { url, roleArn, sessionName, durationSeconds, webIdentityToken };
        return assumeRoleWithWebIdentity(send, clock, role, signal);
      };
      const session = await sessions.get(key, obtain, request.signal);
      return {
        headers: await signatureHeaders(request, session, { region, service, nowMs: clock.nowMs() }),
        answered: (status) => {
          // AWS says 403 to a session that was revoked, as it does to one that may not do this.
          if (status === 401 || status === 403) sessions.reject(key, session);
        },
      };
    },
  };
}
