/**
 * The world of the attack table: two issuers that share a kid, an accepted control, and the ways to change one thing.
 * The issuers really listen, on loopback, so that the same rows can be shown to a whole gate; a verifier in process is
 * given their documents from memory.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { RefusalReason } from '../../../src/identity/refusal.ts';
import type { IssuersConfig } from '../../../src/identity/section.ts';
import { WorkloadVerifier } from '../../../src/identity/workload.ts';
import { ManualClock } from '../../fakes/clock.ts';
import {
  type Draft,
  ecPair,
  edwardsPair,
  FakeDocuments,
  issuerDefaults,
  type Pair,
  publicJwk,
  rsaPair,
} from './forge.ts';

const server = createServer((request, response) => {
  const document = documents.documents.get(`http://${request.headers.host}${request.url}`);
  response.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(document ?? {}));
});
server.unref();
await new Promise<void>((resolve) => {
  server.listen(0, '127.0.0.1', resolve);
});
const host = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

export const azure = `${host}/tenant/v2.0`;
export const google = `${host}/google`;
// Rows lie at least a minute from every bound that a slow machine could cross between this line and the last row.
export const clock = new ManualClock(Math.floor(Date.now() / 1000) * 1000);
export const now = Math.floor(clock.nowMs() / 1000);

export const rsa = rsaPair();
export const rsaOfGoogle = rsaPair();
export const stranger = rsaPair();
export const small = rsaPair(1024);
export const ec = ecPair();
export const ec384 = ecPair('P-384');
export const edwards = edwardsPair();

export const documents = new FakeDocuments({
  [`${azure}/.well-known/openid-configuration`]: { issuer: azure, jwks_uri: `${host}/keys` },
  [`${host}/keys`]: {
    keys: [
      publicJwk(rsa, { kid: 'k1' }),
      publicJwk(ec, { kid: 'k2' }),
      publicJwk(edwards, { kid: 'k3' }),
      publicJwk(ec384, { kid: 'k4', alg: 'ES384' }),
      publicJwk(rsa, { kid: 'only-ps', alg: 'PS256' }),
      publicJwk(small, { kid: 'small' }),
      { ...publicJwk(rsa, { kid: 'e-is-1' }), e: 'AQ' },
      publicJwk(rsa, { kid: 'encryption', use: 'enc' }),
      publicJwk(rsa, { kid: 'signs-only', key_ops: ['sign'] }),
    ],
  },
  [`${host}/google/keys`]: { keys: [publicJwk(rsaOfGoogle, { kid: 'k1' })] },
});

export const issuers = [
  { ...issuerDefaults, name: 'azure', issuer: azure, audiences: ['api://tollgate', 'https://gate.test'] },
  {
    ...issuerDefaults,
    name: 'google',
    issuer: google,
    audiences: ['https://gate.test'],
    jwks_uri: `${host}/google/keys`,
    typ: ['JWT'],
    algorithms: ['RS256'],
    tenant: 'acme',
    clock_tolerance_seconds: 0,
  },
] as IssuersConfig;
export const verifier = new WorkloadVerifier({ issuers, fetchJson: documents.fetchJson, clock });

export function control(): Draft {
  return {
    header: { alg: 'RS256', typ: 'JWT', kid: 'k1' },
    claims: {
      iss: azure,
      sub: 'coordinator',
      aud: 'api://tollgate',
      tid: 'acme',
      iat: now - 10,
      nbf: now - 10,
      exp: now + 600,
      jti: 'one',
    },
    key: rsa.privateKey,
  };
}

export type Row = readonly [name: string, reason: RefusalReason, change: (draft: Draft) => void];

export const header = (members: Record<string, unknown>) => (draft: Draft) => void Object.assign(draft.header, members);
export const claim = (members: Record<string, unknown>) => (draft: Draft) => void Object.assign(draft.claims, members);
export const without = (part: 'header' | 'claims', member: string) => (draft: Draft) => void delete draft[part][member];
export const finish = (change: (token: string) => string) => (draft: Draft) =>
  void Object.assign(draft, { finish: change });
export const signedBy = (pair: Pair) => (draft: Draft) => void Object.assign(draft, { key: pair.privateKey });
export const rawClaims = (change: (json: string) => string) => (draft: Draft) => {
  draft.claimsText = change(JSON.stringify(draft.claims));
};
export const rawHeader = (change: (json: string) => string) => (draft: Draft) => {
  draft.headerText = change(JSON.stringify(draft.header));
};
export const parts = (change: (header: string, claims: string, signature: string) => string) =>
  finish((token) => change(...(token.split('.') as [string, string, string])));

/** No signature, only that many zeros in its place. */
export const blank = (alg: unknown, bytes: number) => (draft: Draft) => {
  draft.signature = () => Buffer.alloc(bytes);
  if (alg === undefined) delete draft.header.alg;
  else draft.header.alg = alg;
};

export function nestedAct(depth: number): object {
  return depth === 1 ? { sub: 'a1' } : { sub: `a${depth}`, act: nestedAct(depth - 1) };
}
