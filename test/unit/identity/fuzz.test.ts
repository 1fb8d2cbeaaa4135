/** Seeded mutations of good tokens: nothing throws, nothing hangs, and nothing but an untouched token is accepted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDenial } from '../../../src/denial.ts';
import { decodeBase64url, parseJsonObject } from '../../../src/identity/strict-json.ts';
import { createTxnTokenVerifier, isRefusal } from '../../../src/identity/verify.ts';
import { control, verifier } from './attack-world.ts';
import { forge } from './forge.ts';
import { bearer, openGate, publicUrl, request, trustDomain } from './gate.ts';
import { Dice, mutant, mutate } from './mutant.ts';

test('20,000 mutated tokens at the three places that take tokens: no throw, no accept, under five seconds', async (t) => {
  const gate = await openGate(t);
  const txn = createTxnTokenVerifier({
    jwks: { document: gate.keys.jwks() },
    issuer: publicUrl,
    trustDomain,
    clock: gate.clock,
  });
  const workloadToken = forge(control());
  const taskToken = (await gate.mintTask()).token;
  const txnToken = await gate.mintTxn();
  const dice = new Dice(7);
  const reasons = new Set<string>();
  const startMs = performance.now();
  for (let round = 0; round < 20_000; round++) {
    const own = [workloadToken, taskToken, txnToken][round % 3] as string;
    const token = mutant(own, dice);
    if (token === own) continue;
    const answer =
      own === workloadToken
        ? await verifier.verify(token)
        : own === taskToken
          ? await gate.taskTokens.verify(bearer(token))
          : await txn.verify(token, request);
    assert.ok(isDenial(answer) || isRefusal(answer), `seed 7, round ${round}: accepted`);
    reasons.add(isDenial(answer) ? (answer.reasons[0]?.code ?? '') : answer.reason);
  }
  assert.ok(performance.now() - startMs < 5_000);
  // The mutations reach the inside, not only the first check.
  for (const reason of ['token_malformed', 'alg_not_allowed', 'signature_invalid', 'key_unknown', 'token_kind']) {
    assert.ok(reasons.has(reason), reason);
  }
});

test('20,000 mutated JSON texts: accepted if and only if JSON.parse gives an object that lost no member', () => {
  const dice = new Dice(11);
  const text = '{"a":1,"b":{"a":[{"c":"}\\""},{"c":2}],"d":"a\\\\"},"e":[],"a ":{}}';
  const counts = { accepted: 0, ambiguous: 0 };
  for (let round = 0; round < 20_000; round++) {
    const changed = mutate(text, dice).toWellFormed();
    const value = parseJsonObject(Buffer.from(changed));
    const plain = parsedObject(changed);
    // A member that came twice is lost by JSON.parse: the text has more colons outside strings than its value.
    const ambiguous =
      plain !== undefined && colonsOutsideStrings(changed) !== colonsOutsideStrings(JSON.stringify(plain));
    const refused = plain === undefined || ambiguous || changed.includes('__proto__');
    assert.deepEqual(value, refused ? undefined : plain, changed);
    counts[ambiguous ? 'ambiguous' : 'accepted'] += plain === undefined ? 0 : 1;
  }
  assert.ok(counts.accepted > 1_000 && counts.ambiguous > 50, JSON.stringify(counts));
});

function parsedObject(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const colonsOutsideStrings = (text: string): number => text.replace(/"(?:[^"\\]|\\.)*"/g, '').split(':').length - 1;

test('20,000 random texts: base64url is decoded if and only if it encodes back to the same text', () => {
  const dice = new Dice(13);
  const alphabet = 'ABCxyz019-_=+/ \n';
  for (let round = 0; round < 20_000; round++) {
    let text = '';
    for (let length = dice.below(9); length > 0; length--) text += alphabet[dice.below(alphabet.length)];
    const canonical = /^[A-Za-z0-9_-]*$/.test(text) && text.length % 4 !== 1 && hasNoStrayBits(text);
    assert.equal(decodeBase64url(text) !== undefined, canonical, JSON.stringify(text));
  }
});

function hasNoStrayBits(text: string): boolean {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const last = alphabet.indexOf(text.at(-1) ?? 'A');
  return text.length % 4 === 2 ? last % 16 === 0 : text.length % 4 === 3 ? last % 4 === 0 : true;
}
