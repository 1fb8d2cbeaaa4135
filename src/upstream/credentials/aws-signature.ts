/**
 * AWS Signature Version 4 over a request as it goes out. What is signed must arrive unchanged: left out are the
 * headers that hops on the way may rewrite (traces, codings, those the library never signs); everything else that the
 * gate sends is signed, with the host, the body and the session.
 */
import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import Type from 'typebox';
import { splitUrl } from '../address.ts';
import { CredentialError, type OutgoingRequest } from './credential.ts';

/** Credentials of AWS; temporary ones have a token. */
export interface AwsSession {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface SigningScope {
  readonly region: string;
  readonly service: string;
  readonly nowMs: number;
}

/** As kinds of credentials ask for it. */
export const regionSchema = (description: string) =>
  Type.String({ pattern: '^[a-z]{2,4}(?:-[a-z]+)+-[0-9]{1,2}$', description });

export const serviceSchema = Type.String({
  pattern: '^[a-z0-9-]{1,64}$',
  description: 'The name the target signs by: bedrock, execute-api, lambda, s3, …',
});

const unsigned: ReadonlySet<string> = new Set(['accept-encoding', 'baggage', 'traceparent', 'tracestate']);
/** The signature's own; what a request brings along under these names is never signed or sent. */
const ownNames: ReadonlySet<string> = new Set([
  'authorization',
  'host',
  'x-amz-content-sha256',
  'x-amz-date',
  'x-amz-security-token',
]);

/** SHA-256 as the library takes it, keyed or not. */
class Sha256 {
  readonly #hash: Hash | Hmac;
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', bytesOf(secret));
  }
  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(bytesOf(data));
  }
  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest());
  }
  reset(): void {
    throw new Error('a digest is made once');
  }
}

function bytesOf(data: string | ArrayBuffer | ArrayBufferView): Buffer {
  if (typeof data === 'string') return Buffer.from(data);
  return ArrayBuffer.isView(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : Buffer.from(data);
}

/**
 * The canonical query is made here: the library keeps parameters as members of an object, where `__proto__` is lost.
 */
class Signer extends SignatureV4 {
  readonly #query: string;
  constructor(options: ConstructorParameters<typeof SignatureV4>[0], query: string) {
    super(options);
    this.#query = query;
  }
  protected override createCanonicalRequest(
    ...[request, ...rest]: Parameters<SignatureV4['createCanonicalRequest']>
  ): string {
    const lines = super.createCanonicalRequest({ ...request, query: {} }, ...rest).split('\n');
    // Method, URI, query, headers, …: what is before it holds no line break.
    return lines.with(2, this.#query).join('\n');
  }
}

/** The headers to be added to the request, lower-case. Rejects with CredentialError where it cannot be signed. */
export async function signatureHeaders(
  request: Pick<OutgoingRequest, 'url' | 'method' | 'headers' | 'body'>,
  session: AwsSession,
  { region, service, nowMs }: SigningScope,
): Promise<Record<string, string>> {
  const parts = splitUrl(request.url);
  if (parts === undefined) throw new CredentialError('unfit', 'url');
  const { host, hostname, protocol } = new URL(request.url);
  const [path = '/', query = ''] = parts.path.split(/\?(.*)/s);
  const isS3 = service === 's3';
  const headers = Object.entries(request.headers).filter(([name]) => !ownNames.has(name) && !unsigned.has(name));
  // Which bytes were meant by any other character, the two sides would have to guess.
  if (headers.some(([, value]) => !/^[\t\x20-\x7e]*$/.test(value))) throw new CredentialError('unfit', 'header');
  const options = {
    ...{ credentials: session, region, service, sha256: Sha256, applyChecksum: true },
    // S3 alone encodes a path once (SigV4, canonical URI); it is handed over encoded in its one canonical way.
    uriEscapePath: !isS3,
  };
  const signer = new Signer(options, canonicalQuery(query));
  const signed = await signer.sign(
    {
      ...{ method: request.method, protocol, hostname },
      path: isS3 ? path.split('/').map(encodedOnce).join('/') : path,
      headers: Object.fromEntries([...headers, ['host', host]]),
      ...(request.body === null ? {} : { body: request.body }),
    },
    { signingDate: new Date(nowMs) },
  );
  return Object.fromEntries(
    [...ownNames].flatMap((name) => {
      const value = signed.headers[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** Every parameter encoded in the one canonical way, in the order of names, then of values (SigV4, canonical query). */
function canonicalQuery(query: string): string {
  const pairs = (query === '' ? [] : query.split('&')).map((pair) => {
    const [name = '', value = ''] = pair.split(/=(.*)/s).map(encodedOnce);
    return { name, value };
  });
  const order = (left: string, right: string) => (left < right ? -1 : Number(left > right));
  return pairs
    .toSorted((left, right) => order(left.name, right.name) || order(left.value, right.value))
    .map(({ name, value }) => `${name}=${value}`)
    .join('&');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new CredentialError('unfit', 'url');
  }
}

/** UriEncode of the specification, over what may be encoded already. */
function encodedOnce(segment: string): string {
  const percent = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(decoded(segment)).replaceAll(/[!'()*]/g, percent);
}
