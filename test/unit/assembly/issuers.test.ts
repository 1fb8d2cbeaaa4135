import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { issuersOf, openIssuers } from '../../../src/assembly/issuers.ts';
import { systemClock } from '../../../src/clock.ts';
import type { Config } from '../../../src/config/schema.ts';
import { isDenial } from '../../../src/denial.ts';
import type { Log } from '../../../src/telemetry/log.ts';
import { Authority } from '../../gateway/certificates.ts';
import { part } from '../../parts.ts';
import { ecPair, forge, publicJwk } from '../identity/forge.ts';
import { identityOf } from '../identity/sections.ts';

const pair = ecPair();
const keys = JSON.stringify({ keys: [publicJwk(pair, { kid: 'k' })] });

/** An issuer over TLS, with a certificate that only its own authority vouches for. */
async function openIssuer(t: TestContext, name: string) {
  using authority = new Authority(name);
  const { cert, key } = authority.issue('server');
  const asked: string[] = [];
  const server: Server = createServer({ cert, key }, ({ url }, response) => {
    asked.push(url ?? '');
    response.end(keys);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, ca: authority.cert, asked };
}

const tokenOf = (iss: string, aud: string) => {
  const iat = Math.floor(Date.now() / 1000);
  const claims = { iss, aud, sub: 'somebody', iat, exp: iat + 60, roles: ['ops'] };
  return forge({ header: { alg: 'ES256', typ: 'JWT', kid: 'k' }, claims, key: pair.privateKey });
};
const shown = (answer: object) => (isDenial(answer) ? answer.code : 'accepted');

test('an authority is trusted for the issuer that names it, and for no other', part('openssl'), async (t) => {
  const [one, other] = [await openIssuer(t, 'one'), await openIssuer(t, 'other')];
  const entry = { audiences: ['gate'], tenant: 't', cloud: 'c' };
  const identity = identityOf({
    issuers: [{ name: 'one', issuer: one.url, jwks_uri: `${one.url}/k`, ca: one.ca, ...entry }],
    // It would be reached with the authority of the first.
    subject_issuers: [{ name: 'other', issuer: other.url, jwks_uri: `${other.url}/k`, audiences: ['shop'] }],
    admin: {
      ...{ issuer: 'https://localhost:1', jwks_uri: `${other.url}/k`, ca: other.ca, audience: 'admin' },
      ...{ role_claim: 'claims.roles', roles: { operator: ['ops'] } },
    },
  });
  const told: string[] = [];
  const log: Log = (_, message, fields) => {
    told.push(`${message} ${JSON.stringify(fields)}`);
  };
  const issuers = openIssuers(issuersOf(identity as Config), { clock: systemClock(), log, known: new Map() });
  t.after(() => issuers[Symbol.asyncDispose]());

  const agent = await issuers.workloads.verify(tokenOf(one.url, 'gate'));
  assert.ok(!isDenial(agent), told.join('\n'));
  assert.equal(shown(await issuers.subjects.verify(tokenOf(other.url, 'shop'), agent)), 'upstream_unavailable');
  const person = await issuers.people?.verify(tokenOf('https://localhost:1', 'admin'));
  assert.deepEqual(person, { id: 'somebody', issuer: 'https://localhost:1', roles: ['operator'] });
  assert.deepEqual([one.asked, other.asked], [['/k'], ['/k']]);
  assert.equal(told.length, 1);
  assert.ok(told[0]?.includes(other.url));
});

test('keys are fetched from configured hosts only, whatever a discovery document names', part('openssl'), async (t) => {
  const issuer = await openIssuer(t, 'one');
  const elsewhere = await openIssuer(t, 'elsewhere');
  using authority = new Authority('discovery');
  const { cert, key } = authority.issue('server');
  const server = createServer({ cert, key }, (_, response) => {
    response.end(JSON.stringify({ issuer: url, jwks_uri: `${elsewhere.url}/k` }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const ca = `${authority.cert}${elsewhere.ca}`;
  const identity = identityOf({
    issuers: [
      { name: 'i', issuer: url, ca, audiences: ['gate'], tenant: 't', cloud: 'c' },
      { name: 'j', issuer: issuer.url, ca: issuer.ca, audiences: ['gate'], tenant: 't', cloud: 'c' },
    ],
  });
  const issuers = openIssuers(issuersOf(identity as Config), {
    ...{ clock: systemClock(), log: () => undefined, known: new Map() },
  });
  t.after(() => issuers[Symbol.asyncDispose]());
  assert.equal(issuers.people, null);
  assert.equal(shown(await issuers.workloads.verify(tokenOf(url, 'gate'))), 'upstream_unavailable');
  assert.deepEqual(elsewhere.asked, []);
});
