/**
 * AWS as far as it concerns a caller: STS that gives sessions for web identities, and a service that recomputes the
 * signature of what it received (Signature Version 4), written from its specification and not from the library's.
 */
import { createHash, createHmac } from 'node:crypto';
import type { JWTPayload } from 'jose';
import type { Received } from '../upstream.ts';
import { type CloudRules, type FakeCloud, must } from './cloud.ts';

export interface AwsRules {
  readonly roleArn: string;
  readonly region: string;
  readonly service: string;
  readonly durationSeconds: number;
  /** The claims of a web identity token that the role trusts; throws on any other. */
  readonly verify: (token: string | null) => Promise<JWTPayload>;
}

export interface AwsSessionGiven {
  readonly name: string;
  readonly number: number;
  readonly secret: string;
  readonly token: string;
  readonly tags: Readonly<Record<string, readonly string[]>>;
  readonly transitive: readonly string[];
}

export interface AwsCloud extends CloudRules {
  /** By access key id, in the order they were given. */
  readonly sessions: ReadonlyMap<string, AwsSessionGiven>;
}

const xmlns = 'https://sts.amazonaws.com/doc/2011-06-15/';

export function awsCloud(rules: AwsRules): AwsCloud {
  const sessions = new Map<string, AwsSessionGiven>();
  return {
    sessions,
    async issue(request, cloud) {
      must(request.method === 'POST' && request.url === '/', `asked at ${request.method} ${request.url}`);
      must(request.headers.authorization === undefined, 'this call is not signed');
      const form = new URLSearchParams(request.body.toString());
      const name = form.get('RoleSessionName') ?? '';
      must(form.get('Action') === 'AssumeRoleWithWebIdentity' && form.get('Version') === '2011-06-15', 'wrong action');
      must(form.get('RoleArn') === rules.roleArn, 'not a role of this account');
      must(form.get('DurationSeconds') === String(rules.durationSeconds), 'wrong duration');
      must(/^[\w+=,.@-]{2,64}$/.test(name), `not a session name: ${name}`);
      const claims = await rules.verify(form.get('WebIdentityToken'));
      const { principal_tags: tags = {}, transitive_tag_keys: transitive = [] } = (claims[
        'https://aws.amazon.com/tags'
      ] ?? {}) as { principal_tags?: Record<string, string[]>; transitive_tag_keys?: string[] };
      for (const [key, values] of Object.entries(tags)) {
        must(values.length === 1 && /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$/u.test(values[0] ?? ''), `the tag ${key}`);
      }
      const number = ++cloud.issued;
      const id = `ASIA${cloud.clock.randomBytes(8).toString('hex').toUpperCase()}`;
      const session = { name, number, tags, transitive, secret: cloud.secret('sk/+'), token: cloud.secret('IQoJ//==') };
      sessions.set(id, session);
      const expiration = new Date(cloud.clock.nowMs() + cloud.lifetimeSeconds * 1000).toISOString();
      return {
        type: 'text/xml',
        body: `<AssumeRoleWithWebIdentityResponse xmlns="${xmlns}">
  <AssumeRoleWithWebIdentityResult>
    <SubjectFromWebIdentityToken>${claims.sub}</SubjectFromWebIdentityToken>
    <Audience>${String(claims.aud)}</Audience>
    <AssumedRoleUser><Arn>${rules.roleArn}/${name}</Arn><AssumedRoleId>AROA:${name}</AssumedRoleId></AssumedRoleUser>
    <Credentials>
      <AccessKeyId>${id}</AccessKeyId>
      <SecretAccessKey>${session.secret}</SecretAccessKey>
      <SessionToken>${session.token}</SessionToken>
      <Expiration>${expiration}</Expiration>
    </Credentials>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>`,
      };
    },
    refuse: (why) => ({
      status: 400,
      type: 'text/xml',
      body: `<ErrorResponse xmlns="${xmlns}"><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code><Message>${why.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</Message></Error><RequestId>1</RequestId></ErrorResponse>`,
    }),
    admit: (request, cloud) => verifySignature(request, cloud, rules, sessions),
  };
}

const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest();

/** UriEncode of the specification: every byte but the unreserved characters, in upper-case hex. */
function uriEncode(text: string): string {
  return [...Buffer.from(text)]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      const hex = byte.toString(16).toUpperCase().padStart(2, '0');
      return /[A-Za-z0-9\-._~]/.test(character) ? character : `%${hex}`;
    })
    .join('');
}

/** S3 takes a path as it is; for every other service redundant slashes go, and what is encoded is encoded again. */
function canonicalUri(path: string, service: string): string {
  const encode = (segment: string) => (service === 's3' ? uriEncode(decodeURIComponent(segment)) : uriEncode(segment));
  return (service === 's3' ? path : path.replaceAll(/\/+/g, '/')).split('/').map(encode).join('/');
}

function canonicalQuery(query: string): string {
  const pairs = query === '' ? [] : query.split('&').map((pair) => pair.split(/=(.*)/s).map(decodeURIComponent));
  const encoded = pairs.map(([name = '', value = '']) => [uriEncode(name), uriEncode(value)] as const);
  const order = (left: string, right: string) => (left < right ? -1 : Number(left > right));
  return encoded
    .toSorted(([name, value], [otherName, otherValue]) => order(name, otherName) || order(value, otherValue))
    .map((pair) => pair.join('='))
    .join('&');
}

/** Throws unless the request is signed, for this service and now, with one of the sessions. */
export function verifySignature(
  { method, url, headers, body }: Received,
  cloud: Pick<FakeCloud, 'clock' | 'revokedUpTo'>,
  { region, service }: Pick<AwsRules, 'region' | 'service'>,
  sessions: ReadonlyMap<string, Pick<AwsSessionGiven, 'number' | 'secret'> & { readonly token?: string }>,
): void {
  const form = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/;
  const [, id = '', scope = '', list = '', signature = ''] = form.exec(headers.authorization ?? '') ?? [];
  const session = sessions.get(id);
  must(session !== undefined, `no such session: ${headers.authorization}`);
  must(headers['x-amz-security-token'] === session.token, 'not the token of the session');
  must(session.number > cloud.revokedUpTo, 'revoked');
  const date = String(headers['x-amz-date']);
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date)?.map(Number) ?? [];
  const atMs = Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second);
  must(Math.abs(atMs - cloud.clock.nowMs()) < 300_000, `signed at ${date}`);
  must(scope === `${date.slice(0, 8)}/${region}/${service}/aws4_request`, `the scope is ${scope}`);
  const signed = list.split(';');
  must(signed.join() === signed.toSorted().join(), 'the signed headers are not in order');
  const demanded = Object.keys(headers).filter((name) => name.startsWith('x-amz-') || name === 'content-type');
  for (const name of ['host', ...demanded]) must(signed.includes(name), `${name} is not signed`);
  must(headers['x-amz-content-sha256'] === sha256(body), 'not the hash of the body');

  const [path = '', query = ''] = url.split(/\?(.*)/s);
  const lines = signed.map((name) => `${name}:${String(headers[name]).trim().replaceAll(/ +/g, ' ')}\n`);
  const canonical = [
    ...[method, canonicalUri(path, service), canonicalQuery(query), lines.join('')],
    ...[signed.join(';'), sha256(body)],
  ].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)].join('\n');
  const keyOfDay = hmac(`AWS4${session.secret}`, date.slice(0, 8));
  const key = hmac(hmac(hmac(keyOfDay, region), service), 'aws4_request');
  must(hmac(key, toSign).toString('hex') === signature, `the signature does not fit\n${canonical}`);
}
