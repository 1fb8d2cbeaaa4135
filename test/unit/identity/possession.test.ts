import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Agent, Binding, Shown } from '../../../src/call.ts';
import { type Denial, isDenial } from '../../../src/denial.ts';
import { bindingOf, confirmationOf, meets } from '../../../src/identity/binding.ts';
import { keyThumbprint, tokenHash } from '../../../src/identity/dpop.ts';
import { Possession } from '../../../src/identity/possession.ts';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { StoreUnavailable } from '../../../src/store/store.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { ecPair, forge, publicJwk } from './forge.ts';
import { agent as anAgent } from './gate.ts';

const publicUrl = 'https://gate.test';
const token = 'the.bound.token';
const pair = ecPair();
const stranger = ecPair();
const jkt = keyThumbprint(pair.publicKey.export({ format: 'jwk' }));
const ours = 'c'.repeat(43);
const byDpop: Binding = { kind: 'dpop', thumbprint: jkt };
const byMtls: Binding = { kind: 'mtls', thumbprint: ours };

async function open() {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  await store.open();
  const possession = new Possession({ store, clock, publicUrl });
  let made = 0;
  const proof = (claims: object = {}, key = pair) => {
    const { use: _, ...jwk } = publicJwk(key);
    const usual = {
      jti: `p${++made}`,
      htm: 'POST',
      htu: `${publicUrl}/v1/chat`,
      iat: Math.floor(clock.nowMs() / 1000),
    };
    return forge({
      header: { typ: 'dpop+jwt', alg: 'ES256', jwk },
      claims: { ...usual, ...claims },
      key: key.privateKey,
    });
  };
  const shown = (over: Partial<Shown> = {}): Shown => ({
    scheme: 'dpop',
    certificate: null,
    proof: proof({ ath: tokenHash(token) }),
    method: 'POST',
    path: '/v1/chat',
    ...over,
  });
  return { clock, store, possession, proof, shown };
}

const reasonOf = (answer: unknown): string | undefined =>
  isDenial(answer) ? `${answer.code} ${answer.reasons[0]?.code ?? ''}`.trim() : undefined;

test('a token is proved by the key it belongs to, and by nothing less', async () => {
  const { possession, proof, shown } = await open();
  const unbound = { proof: null, scheme: 'bearer' } as const;
  const wrongAth = () => proof({ ath: tokenHash('another') });
  const rows: readonly (readonly [string, Binding | null, Partial<Shown>, string | undefined])[] = [
    ['an unbound token as bearer', null, unbound, undefined],
    ['an unbound token as API key', null, { ...unbound, scheme: 'key' }, undefined],
    ['an unbound token beside a certificate', null, { ...unbound, certificate: ours }, undefined],
    ['an unbound token beside a proof, for what is asked with it', null, { scheme: 'bearer' }, undefined],
    ['an unbound token by the scheme DPoP', null, {}, 'unauthenticated binding_wrong'],
    ['a certificate-bound token with its certificate', byMtls, { ...unbound, certificate: ours }, undefined],
    ['the same as API key', byMtls, { ...unbound, scheme: 'key', certificate: ours }, undefined],
    ['a certificate-bound token without one', byMtls, unbound, 'unauthenticated binding_missing'],
    ['with another', byMtls, { ...unbound, certificate: 'd'.repeat(43) }, 'unauthenticated binding_wrong'],
    ['with a proof in its place', byMtls, {}, 'unauthenticated binding_wrong'],
    ['a DPoP-bound token with its proof', byDpop, {}, undefined],
    ['the same as bearer, its proof beside it', byDpop, { scheme: 'bearer' }, 'unauthenticated binding_missing'],
    ['the same as API key', byDpop, { scheme: 'key' }, 'unauthenticated binding_missing'],
    ['a DPoP-bound token without a proof', byDpop, { proof: null }, 'unauthenticated binding_missing'],
    ['with a certificate in its place', byDpop, { ...unbound, certificate: jkt }, 'unauthenticated binding_missing'],
    ['with two proofs', byDpop, { proof: '' }, 'unauthenticated proof_invalid'],
    ['with a proof for no token', byDpop, { proof: proof() }, 'unauthenticated proof_wrong'],
    ['with a proof for another token', byDpop, { proof: wrongAth() }, 'unauthenticated proof_wrong'],
    ['with a proof for another request', byDpop, { method: 'GET' }, 'unauthenticated proof_wrong'],
    ['in a form, with its proof', byDpop, { scheme: null, proof: proof() }, undefined],
    ['in a form, without', byDpop, { scheme: null, proof: null }, 'unauthenticated binding_missing'],
    [
      'with the proof of another key',
      byDpop,
      { proof: proof({ ath: tokenHash(token) }, stranger) },
      'unauthenticated binding_wrong',
    ],
  ];
  for (const [name, binding, over, expected] of rows) {
    assert.equal(reasonOf(await possession.prove(binding, { token, shown: shown(over) })), expected, name);
  }
});

test('a proof is good for one request, in which it may stand for two tokens', async () => {
  const { possession, shown } = await open();
  const once = shown();
  assert.equal(await possession.prove(byDpop, { token, shown: once }), undefined);
  assert.deepEqual(await possession.bind(once, 'dpop'), byDpop);
  const again = { ...once };
  assert.equal(reasonOf(await possession.prove(byDpop, { token, shown: again })), 'unauthenticated proof_replayed');
  assert.equal(reasonOf(await possession.bind({ ...once }, 'none')), 'unauthenticated proof_replayed');
});

test('a proof that is refused for its token is not used up by it', async () => {
  const { possession, shown, proof } = await open();
  const text = proof({ ath: tokenHash(token) });
  const other = await possession.prove(byDpop, { token: 'another', shown: shown({ proof: text }) });
  assert.equal(reasonOf(other), 'unauthenticated proof_wrong');
  assert.equal(await possession.prove(byDpop, { token, shown: shown({ proof: text }) }), undefined);
});

test('where the store is away it cannot be told whether a proof is new: 503, and not yes', async () => {
  const { clock, shown } = await open();
  const compareAndSet = async () => {
    throw new StoreUnavailable('away');
  };
  const possession = new Possession({ store: { compareAndSet }, clock, publicUrl });
  assert.equal(reasonOf(await possession.prove(byDpop, { token, shown: shown() })), 'store_unavailable');
  assert.equal(reasonOf(await possession.bind(shown(), 'none')), 'store_unavailable');
});

test('what a new token belongs to: the key of the proof, else the certificate, else nothing', async () => {
  const { possession, proof, shown } = await open();
  const none = { proof: null, certificate: null };
  const both = () => ({ proof: proof(), certificate: ours });
  const required = 'unauthenticated binding_required';
  const rows: readonly (readonly [string, Partial<Shown>, Parameters<Possession['bind']>[1], unknown])[] = [
    ['nothing, and nothing asked for', none, 'none', null],
    ['nothing, and something asked for', none, 'any', required],
    ['nothing, and mTLS asked for', none, 'mtls', required],
    ['nothing, and DPoP asked for', none, 'dpop', required],
    ['a certificate', { ...none, certificate: ours }, 'none', byMtls],
    ['a certificate, any asked for', { ...none, certificate: ours }, 'any', byMtls],
    ['a certificate, DPoP asked for', { ...none, certificate: ours }, 'dpop', required],
    ['a proof', { proof: proof() }, 'none', byDpop],
    ['a proof, any asked for', { proof: proof() }, 'any', byDpop],
    ['a proof, mTLS asked for', { proof: proof() }, 'mtls', required],
    ['both', both(), 'any', byDpop],
    ['both, mTLS asked for', both(), 'mtls', byMtls],
    ['a bad proof, nothing asked for', { proof: 'x' }, 'none', 'unauthenticated proof_invalid'],
    [
      'a bad proof beside a good certificate',
      { proof: proof({ htm: 'GET' }), certificate: ours },
      'mtls',
      'unauthenticated proof_wrong',
    ],
  ];
  for (const [name, over, asked, expected] of rows) {
    const answer: Binding | null | Denial = await possession.bind(shown({ scheme: 'bearer', ...over }), asked);
    assert.deepEqual(reasonOf(answer) ?? answer, expected, name);
  }
});

test('a workload token with a cnf is proved like any other, and one that cannot be checked is refused', async () => {
  const { possession, shown } = await open();
  const workload = (cnf: unknown): Agent => ({ ...anAgent, claims: (cnf === undefined ? {} : { cnf }) as never });
  const prove = async (cnf: unknown, over: Partial<Shown>) =>
    reasonOf(await possession.proveWorkload(workload(cnf), { token, shown: shown(over) }));
  const bearer = { scheme: 'bearer', proof: null } as const;
  assert.equal(await prove(undefined, bearer), undefined);
  assert.equal(await prove({ 'x5t#S256': ours }, { ...bearer, certificate: ours }), undefined);
  assert.equal(await prove({ 'x5t#S256': ours }, bearer), 'unauthenticated binding_missing');
  assert.equal(await prove({ jkt }, {}), undefined);
  assert.equal(await prove({ jkt }, bearer), 'unauthenticated binding_missing');
  for (const odd of [{}, null, [], 'x', { kid: 'k' }, { jwk: {} }, { jkt, 'x5t#S256': ours }, { jkt: 'short' }]) {
    assert.equal(await prove(odd, {}), 'unauthenticated claim_invalid', JSON.stringify(odd));
  }
});

test('a binding is written as it is read, and meets what asks for it', () => {
  for (const binding of [byDpop, byMtls]) assert.deepEqual(bindingOf(confirmationOf(binding)), binding);
  const met = (['none', 'any', 'mtls', 'dpop'] as const).map((required) =>
    [null, byMtls, byDpop].map((binding) => meets(required, binding)),
  );
  assert.deepEqual(met, [
    [true, true, true],
    [false, true, true],
    [false, true, false],
    [false, false, true],
  ]);
});
