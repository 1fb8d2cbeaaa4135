/** Attacks on the form, the header, the key and the signature of a token. */
import assert from 'node:assert/strict';
import {
  blank,
  claim,
  ec,
  finish,
  header,
  parts,
  type Row,
  rawClaims,
  rawHeader,
  rsa,
  rsaOfGoogle,
  signedBy,
  small,
  stranger,
} from './attack-world.ts';
import { base64url, type Draft, forge } from './forge.ts';

export const formRows: readonly Row[] = [
  // Form
  ['an empty token', 'token_missing', finish(() => '')],
  ['a word', 'token_malformed', finish(() => 'token')],
  ['only dots', 'token_malformed', finish(() => '..')],
  ['a fourth part', 'token_malformed', finish((token) => `${token}.AAAA`)],
  ['five parts, as a JWE has', 'token_malformed', finish((token) => `${token}.AAAA.AAAA`)],
  ['no signature part', 'token_malformed', parts((head, body) => `${head}.${body}`)],
  ['an empty signature', 'signature_invalid', parts((head, body) => `${head}.${body}.`)],
  ['an empty header', 'token_malformed', parts((_, body, signature) => `.${body}.${signature}`)],
  ['an empty payload', 'token_malformed', parts((head, _, signature) => `${head}..${signature}`)],
  ['over 16,384 characters', 'token_too_large', claim({ filler: 'x'.repeat(16_384) })],
  ['padding on the signature', 'token_malformed', finish((token) => `${token}==`)],
  [
    'stray bits in the signature',
    'token_malformed',
    parts((head, body, signature) => `${head}.${body}.${strayBits(signature)}`),
  ],
  [
    'base64 instead of base64url',
    'token_malformed',
    parts((head, body, signature) => `${head}.${body}.${signature.slice(0, -1)}+`),
  ],
  ['a line feed at the end', 'token_malformed', finish((token) => `${token}\n`)],
  ['a space before it', 'token_malformed', finish((token) => ` ${token}`)],
  [
    'a character outside the alphabet in the payload',
    'token_malformed',
    parts((head, body, signature) => `${head}.${body}!.${signature}`),
  ],
  ['a header that is no JSON', 'token_malformed', rawHeader(() => 'alg=RS256')],
  ['a header that is an array', 'token_malformed', rawHeader((json) => `[${json}]`)],
  ['a payload that is no JSON', 'token_malformed', rawClaims(() => 'sub=coordinator')],
  ['a payload that is an array', 'token_malformed', rawClaims((json) => `[${json}]`)],
  ['a payload that is null', 'token_malformed', rawClaims(() => 'null')],
  ['a payload that is a string', 'token_malformed', rawClaims((json) => JSON.stringify(json))],
  ['a byte order mark before the payload', 'token_malformed', rawClaims((json) => `\uFEFF${json}`)],
  ['text after the payload', 'token_malformed', rawClaims((json) => `${json} x`)],
  [
    'a payload that is not UTF-8',
    'token_malformed',
    (draft) => {
      draft.claimsText = Buffer.concat([
        Buffer.from('{"x":"'),
        Buffer.from([0xff, 0xfe]),
        Buffer.from(`",${JSON.stringify(draft.claims).slice(1)}`),
      ]);
    },
  ],
  ['a claim twice', 'token_malformed', rawClaims((json) => `{"sub":"admin",${json.slice(1)}`)],
  [
    'a claim twice, once with an escape in its name',
    'token_malformed',
    rawClaims((json) => `{"s\\u0075b":"admin",${json.slice(1)}`),
  ],
  [
    'a member twice in a nested object',
    'token_malformed',
    rawClaims((json) => `{"x":[{"a":1,"a":2}],${json.slice(1)}`),
  ],
  ['a header member twice', 'token_malformed', rawHeader((json) => `{"alg":"none",${json.slice(1)}`)],
  ['a claim named __proto__', 'token_malformed', rawClaims((json) => `{"__proto__":{"admin":true},${json.slice(1)}`)],
  [
    'claims nested 40 deep',
    'token_malformed',
    rawClaims((json) => `{"x":${'['.repeat(40)}${']'.repeat(40)},${json.slice(1)}`),
  ],
  // Header
  ['alg none with a signature', 'alg_not_allowed', blank('none', 256)],
  ['alg none without a signature', 'alg_not_allowed', blank('none', 0)],
  ['alg None', 'alg_not_allowed', blank('None', 0)],
  [
    'HS256 with the public key as the secret',
    'alg_not_allowed',
    (draft) => {
      draft.header.alg = 'HS256';
      draft.key = rsa.publicKey;
    },
  ],
  ['an alg the gate does not know', 'alg_not_allowed', blank('ES256K', 64)],
  ['an alg that is a property of every object', 'alg_not_allowed', blank('constructor', 64)],
  [
    'an alg the issuer is not allowed',
    'alg_not_allowed',
    (draft) => {
      draft.header.alg = 'RS512';
    },
  ],
  ['an alg in a list', 'token_malformed', blank(['RS256'], 64)],
  ['no alg', 'token_malformed', blank(undefined, 64)],
  [
    'PS256 made for RS256',
    'signature_invalid',
    (draft) => {
      const { key } = draft;
      draft.header.alg = 'PS256';
      draft.signature = (input) => Buffer.from(forgeSignature('RS256', key, input));
    },
  ],
  [
    'ES256 with an RSA key',
    'alg_not_allowed',
    (draft) => {
      draft.header.alg = 'ES256';
      draft.key = ec.privateKey;
    },
  ],
  ['RS256 with a key that is for PS256', 'alg_not_allowed', header({ kid: 'only-ps' })],
  ['crit', 'header_not_allowed', header({ crit: ['exp'] })],
  ['an empty crit', 'header_not_allowed', header({ crit: [] })],
  ['b64', 'header_not_allowed', header({ b64: true })],
  [
    'its own key in the header',
    'header_not_allowed',
    (draft) => {
      draft.header.jwk = stranger.publicKey.export({ format: 'jwk' });
      draft.key = stranger.privateKey;
    },
  ],
  [
    'its own key by jku',
    'signature_invalid',
    (draft) => {
      draft.header.jku = 'https://evil.test/keys';
      draft.key = stranger.privateKey;
    },
  ],
  [
    'its own key by x5u',
    'signature_invalid',
    (draft) => {
      draft.header.x5u = 'https://evil.test/keys';
      draft.key = stranger.privateKey;
    },
  ],
  ['typ of an ID token profile', 'typ_not_allowed', header({ typ: 'id+jwt' })],
  ['typ of a logout token', 'typ_not_allowed', header({ typ: 'logout+jwt' })],
  ['typ that spells the word for none', 'typ_not_allowed', header({ typ: 'absent' })],
  ['typ of a Txn-Token', 'token_kind', header({ typ: 'txntoken+jwt' })],
  ['typ of a Txn-Token in capitals, as a media type', 'token_kind', header({ typ: 'application/TxnToken+JWT' })],
  ['typ that is a number', 'token_malformed', header({ typ: 1 })],
  ['an empty typ', 'token_malformed', header({ typ: '' })],
  ['an unknown kid', 'key_unknown', header({ kid: 'nobody' })],
  ['a kid that is a path', 'key_unknown', header({ kid: '../../dev/null' })],
  ['a kid that is a number', 'token_malformed', header({ kid: 1 })],
  ['an empty kid', 'token_malformed', header({ kid: '' })],
  ['a kid of 300 characters', 'token_malformed', header({ kid: 'k'.repeat(300) })],
  [
    'no kid, and another key',
    'signature_invalid',
    (draft) => {
      delete draft.header.kid;
      draft.key = stranger.privateKey;
    },
  ],
  // Keys
  [
    'an RSA key of 1,024 bits',
    'key_weak',
    (draft) => {
      draft.header.kid = 'small';
      draft.key = small.privateKey;
    },
  ],
  ['an RSA key with e = 1', 'key_weak', header({ kid: 'e-is-1' })],
  ['a key for encryption', 'key_unknown', header({ kid: 'encryption' })],
  ['a key that may only sign', 'key_unknown', header({ kid: 'signs-only' })],
  ['the key of another issuer with the same kid', 'signature_invalid', signedBy(rsaOfGoogle)],
  ['the key of a stranger', 'signature_invalid', signedBy(stranger)],
  // Signature
  [
    'one bit of the signature',
    'signature_invalid',
    (draft) => {
      const { key } = draft;
      draft.signature = (input) => {
        const bytes = forgeSignature('RS256', key, input);
        bytes[9] = (bytes[9] as number) ^ 1;
        return bytes;
      };
    },
  ],
  [
    'a signature that is too short',
    'signature_invalid',
    (draft) => {
      const { key } = draft;
      draft.signature = (input) => forgeSignature('RS256', key, input).subarray(0, 255);
    },
  ],
  [
    'a payload changed after signing',
    'signature_invalid',
    parts(
      (head, body, signature) =>
        `${head}.${base64url(Buffer.from(body, 'base64url').toString().replace('coordinator', 'admin'))}.${signature}`,
    ),
  ],
  [
    'a header changed after signing',
    'signature_invalid',
    parts(
      (head, body, signature) =>
        `${base64url(JSON.stringify({ ...JSON.parse(Buffer.from(head, 'base64url').toString()), x: 1 }))}.${body}.${signature}`,
    ),
  ],
  [
    'an ES256 signature of zeros',
    'signature_invalid',
    (draft) => {
      draft.header = { alg: 'ES256', kid: 'k2' };
      draft.signature = () => Buffer.alloc(64);
    },
  ],
  [
    'an ES256 signature in DER',
    'signature_invalid',
    (draft) => {
      draft.header = { alg: 'ES256', kid: 'k2' };
      draft.signature = (input) => signDer(input);
    },
  ],
  [
    'an Ed25519 signature of zeros',
    'signature_invalid',
    (draft) => {
      draft.header = { alg: 'EdDSA', kid: 'k3' };
      draft.signature = () => Buffer.alloc(64);
    },
  ],
];

/** Sets the lowest bits of the last character, which carry nothing in canonical base64url. */
function strayBits(text: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  assert.notEqual(text.length % 4, 0, 'a text that fills its last group has no stray bits');
  return text.slice(0, -1) + alphabet[alphabet.indexOf(text.at(-1) as string) + 1];
}

function forgeSignature(alg: string, key: Draft['key'], input: string): Buffer {
  const [head, body] = input.split('.') as [string, string];
  const token = forge({
    header: { alg },
    claims: {},
    headerText: Buffer.from(head, 'base64url'),
    claimsText: Buffer.from(body, 'base64url'),
    key,
  });
  return Buffer.from(token.split('.')[2] as string, 'base64url');
}

function signDer(input: string): Buffer {
  const raw = forgeSignature('ES256', ec.privateKey, input);
  const integer = (bytes: Buffer) => Buffer.concat([Buffer.from([2, bytes.length + 1, 0]), bytes]);
  const both = Buffer.concat([integer(raw.subarray(0, 32)), integer(raw.subarray(32))]);
  return Buffer.concat([Buffer.from([0x30, both.length]), both]);
}
