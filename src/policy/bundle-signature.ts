/**
 * `.signatures.json` of a bundle, as `opa build --signing-key` and `opa sign` make it: one JWT over the names and hashes
 * of all other files. Nothing about it is optional once a key is configured: no signature, no key id, an unknown key,
 * one file more or less than was signed, all are refused (GHSA-g2pf-6v5v-qcc8: OPA once took a stripped signature).
 */
import type { Json } from '../call.ts';
import { parseJson } from '../wire/json.ts';
import { canonicalName } from './bundle-archive.ts';
import { canonicalText, hashOf, isStructured } from './bundle-hash.ts';
import { isSignedWith, type SigningKey } from './signing-key.ts';
import { BundleError } from './sources.ts';

export const signaturesFile = '.signatures.json';
const signaturesBytesMax = 4 * 1_048_576;
const limits = { depth: 16, values: 40_000 };
/** What OPA calls the way of signing that stands here. */
const ownPlugin = '_default';

type Members = Readonly<Record<string, Json>>;

function refuse(why: string): never {
  throw new BundleError(`the signature of the bundle is refused: ${why}`);
}

function objectOf(bytes: Buffer, what: string): Members {
  const read = parseJson(bytes, limits);
  if ('fault' in read) return refuse(`${what} is not proper JSON`);
  const { value } = read;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse(`${what} is no object`);
  return value as Members;
}

/** A part of a JWS in base64url, which must be written in the one canonical way. */
function partOf(text: string, what: string): Buffer {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : refuse(`${what} of its JWT is not base64url`);
}

/** The one token of the file. */
function tokenOf(file: Buffer): string {
  if (file.length > signaturesBytesMax) refuse(`${signaturesFile} is too large`);
  const { signatures, plugin = ownPlugin } = objectOf(file, signaturesFile);
  if (plugin !== ownPlugin && plugin !== '') refuse('it was made by a plugin of OPA that the gate does not know');
  const [token, ...others] = Array.isArray(signatures) ? signatures : [];
  if (typeof token !== 'string' || others.length > 0) return refuse(`expected exactly one JWT in ${signaturesFile}`);
  return token;
}

/** The claims of `token`, once it is shown to be signed under one of `keys` and within its scope. */
function claimsOf(token: string, keys: readonly SigningKey[]): Members {
  const parts = token.split('.');
  const [head = '', body = '', mark = ''] = parts;
  if (parts.length !== 3) refuse('expected a JWT of three parts');
  const { alg, kid: headKid, typ: _, ...others } = objectOf(partOf(head, 'the header'), 'the header of its JWT');
  if (Object.keys(others).length > 0)
    refuse(`the header of its JWT holds ${Object.keys(others).join(', ').slice(0, 100)}`);
  const claims = objectOf(partOf(body, 'the body'), 'the body of its JWT');
  // `opa sign` can name its key in a claim alone.
  const kid = headKid ?? claims.keyid;
  if (typeof kid !== 'string' || kid === '') return refuse('it names no key');
  if (claims.keyid !== undefined && claims.keyid !== kid) refuse('it names two keys');
  const key = keys.find((one) => one.kid === kid);
  if (key === undefined)
    return refuse(`its key ${JSON.stringify(kid.slice(0, 100))} is not one of policy.signing_keys`);
  if (alg !== key.algorithm) refuse(`expected ${key.algorithm}, as is configured for ${key.kid}`);
  if (!isSignedWith(key, `${head}.${body}`, partOf(mark, 'the signature'))) refuse(`it was not made with ${key.kid}`);
  if ((claims.scope ?? '') !== (key.scope ?? '')) refuse('its scope is not the one of its key');
  return claims;
}

/** Hash and algorithm by name of the file. */
function signedFiles({ files }: Members): Map<string, { readonly hash: string; readonly algorithm: string }> {
  const signed = new Map<string, { hash: string; algorithm: string }>();
  if (!Array.isArray(files)) return refuse('it lists no files');
  for (const file of files) {
    const { name, hash, algorithm } = (file ?? {}) as Members;
    if (typeof name !== 'string' || typeof hash !== 'string' || typeof algorithm !== 'string') {
      return refuse('expected name, hash and algorithm of each file');
    }
    if (canonicalName(name) !== name) refuse('it lists a file whose name is no plain path');
    if (signed.has(name)) refuse(`it lists ${name} twice`);
    signed.set(name, { hash, algorithm });
  }
  return signed;
}

/**
 * The files that were signed, JSON documents as their canonical text; those are what may be used from here on. Throws
 * BundleError where the bundle is not signed under one of `keys`, or is not exactly what was signed.
 */
export function verifiedFiles(files: ReadonlyMap<string, Buffer>, keys: readonly SigningKey[]): Map<string, Buffer> {
  const own = files.get(signaturesFile);
  if (own === undefined) {
    throw new BundleError('the bundle is not signed, and policy.signing_keys asks for a signature');
  }
  const signed = signedFiles(claimsOf(tokenOf(own), keys));
  const verified = new Map<string, Buffer>();
  for (const [name, bytes] of files) {
    if (name === signaturesFile) continue;
    const claimed = signed.get(name);
    if (claimed === undefined) return refuse(`${name} is in the bundle and was not signed`);
    if (isStructured(name) && name.endsWith('.yaml')) refuse(`${name} is YAML: \`opa build\` makes it data.json`);
    const hashed = isStructured(name) ? canonicalText(name, bytes) : bytes;
    const hash = hashOf(hashed, claimed.algorithm);
    if (hash === undefined) return refuse('expected SHA-256, SHA-384 or SHA-512 for each file');
    if (hash !== claimed.hash) refuse(`${name} is not what was signed`);
    verified.set(name, hashed);
  }
  for (const name of signed.keys()) if (!verified.has(name)) refuse(`${name} was signed and is not in the bundle`);
  return verified;
}
