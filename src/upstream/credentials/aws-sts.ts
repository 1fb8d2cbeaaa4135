/**
 * AssumeRoleWithWebIdentity of the AWS Security Token Service (API 2011-06-15): the one call of AWS that needs no AWS
 * key. Its protocol is `query`: a form goes there, XML comes back, and nothing documents another form of answer.
 */
import { parseXml, XmlElement } from '@rgrove/parse-xml';
import type { Clock } from '../../clock.ts';
import type { Obtained } from '../renewal.ts';
import type { AwsSession } from './aws-signature.ts';
import { CredentialError, type CredentialPorts } from './credential.ts';
import { post, refusal } from './token-endpoint.ts';

export interface AssumeRole {
  readonly url: string;
  readonly roleArn: string;
  readonly sessionName: string;
  readonly durationSeconds: number;
  /** The assertion. */
  readonly webIdentityToken: string;
}

/** Rejects with CredentialError or DialError. */
export async function assumeRoleWithWebIdentity(
  send: CredentialPorts['send'],
  clock: Clock,
  role: AssumeRole,
  signal: AbortSignal,
): Promise<Obtained<AwsSession>> {
  const form = new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: role.roleArn,
    RoleSessionName: role.sessionName,
    DurationSeconds: String(role.durationSeconds),
    WebIdentityToken: role.webIdentityToken,
  });
  const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8', accept: 'text/xml' };
  const { status, text } = await post(send, { url: role.url, headers, body: form.toString() }, signal);
  const root = rootOf(text);
  // ExpiredTokenException, IDPCommunicationError, InvalidIdentityToken, AccessDenied, …
  if (status !== 200) throw refusal(status, root === undefined ? null : textAt(root, ['Error', 'Code']));
  if (root?.name !== 'AssumeRoleWithWebIdentityResponse') throw new CredentialError('answer_invalid');
  const member = (name: string, pattern: RegExp): string => {
    const value = textAt(root, ['AssumeRoleWithWebIdentityResult', 'Credentials', name]);
    if (value === null || !pattern.test(value)) throw new CredentialError('answer_invalid', name);
    return value;
  };
  const value: AwsSession = {
    accessKeyId: member('AccessKeyId', /^\w{16,128}$/),
    secretAccessKey: member('SecretAccessKey', /^[\x21-\x7e]{16,256}$/),
    sessionToken: member('SessionToken', /^[\x21-\x7e]{1,16384}$/),
  };
  const expiresAtMs = Date.parse(member('Expiration', /^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)$/));
  return { value, lifetimeMs: expiresAtMs - clock.nowMs() };
}

/** Undefined where it is no XML. Entities of a document type are not resolved, so nothing in it can grow. */
function rootOf(text: string): XmlElement | undefined {
  try {
    return parseXml(text).root ?? undefined;
  } catch {
    return undefined;
  }
}

function textAt(root: XmlElement, path: readonly string[]): string | null {
  let at: XmlElement = root;
  for (const name of path) {
    const next = at.children.find((node): node is XmlElement => node instanceof XmlElement && node.name === name);
    if (next === undefined) return null;
    at = next;
  }
  return at.text.trim();
}
