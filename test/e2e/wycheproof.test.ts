/**
 * Wycheproof's vectors for JSON Web Signatures and Keys: what is invalid there must not be accepted here. They come as
 * a Go module of a fixed version, whose content Go checks against the sum below; none of it is part of this project.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { Json } from '../../src/call.ts';
import { readKeySet } from '../../src/identity/jwk.ts';
import { isSignedBy, parseJws } from '../../src/identity/jwt.ts';
import { isRefusal } from '../../src/identity/refusal.ts';
import { part, partPath } from '../parts.ts';

const vectorsModule = 'github.com/C2SP/wycheproof';
const version = 'v0.0.0-20250901140545-b51abcfb8daf';
const sum = 'h1:5BKKVVVj676FUWirLcouEEL6GCYR9X0opkMlEUck8FY=';

interface Group {
  readonly comment: string;
  readonly public?: Json;
  readonly private: Json;
  readonly tests: readonly { tcId: number; comment: string; jws: Json; result: 'valid' | 'invalid' }[];
}

/** Valid by Wycheproof, and refused here on purpose; by comment of the group. */
const refusedOnPurpose: Readonly<Record<string, string>> = {
  hs256: 'HS256 is not known here',
  jws_keyset: 'HS256 is not known here',
  HS256: 'HS256 is not known here',
  HS384: 'HS384 is not known here',
  HS512: 'HS512 is not known here',
  base64: 'HS256 is not known here',
  rfc7520: 'keys of another algorithm than the token says (RFC 7517 §4.4), or HS256',
  rfc7520WithKeyOps: 'as rfc7520',
};

let directory: string;

async function vectors(name: string): Promise<readonly Group[]> {
  const text = await readFile(join(directory, 'testvectors_v1', name), 'utf8');
  return (JSON.parse(text) as { testGroups: readonly Group[] }).testGroups;
}

/** A JWKS of one key or of several; private halves are taken off, as an issuer would not publish them. */
function published(group: Group): Json {
  const given = (group.public ?? group.private) as Record<string, Json>;
  const keys = 'keys' in given ? (given.keys as Record<string, Json>[]) : [given];
  const secret = new Set(['d', 'p', 'q', 'dp', 'dq', 'qi']);
  return { keys: keys.map((key) => Object.fromEntries(Object.entries(key).filter(([name]) => !secret.has(name)))) };
}

function isAccepted(jwks: Json, token: Json): boolean {
  if (typeof token !== 'string') return false;
  const jws = parseJws(token);
  if (isRefusal(jws)) return false;
  const candidates = readKeySet(jwks)?.keys ?? [];
  return candidates.some((key) => (jws.kid === null || key.kid === jws.kid) && isSignedBy(jws, key));
}

describe('Wycheproof', part('go'), () => {
  before(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tollgate-vectors-'));
    await writeFile(join(folder, 'go.mod'), 'module vectors\n\ngo 1.22\n');
    const args = ['mod', 'download', '-json', `${vectorsModule}@${version}`];
    const { stdout } = await promisify(execFile)(partPath('go') as string, args, { cwd: folder });
    const found = JSON.parse(stdout) as { Dir: string; Sum: string };
    await rm(folder, { recursive: true });
    assert.equal(found.Sum, sum, 'the vectors are not the ones this test was written for');
    directory = found.Dir;
  });

  for (const [file, least] of [
    ['json_web_signature_test.json', { invalid: 300, valid: 20 }],
    ['json_web_key_test.json', { invalid: 15, valid: 1 }],
  ] as const) {
    it(`${file}: no false accept, and what is valid is accepted [identity.strict-tokens]`, async () => {
      const counts = { invalid: 0, valid: 0 };
      const wrong: string[] = [];
      for (const group of await vectors(file)) {
        const jwks = published(group);
        for (const { tcId, comment, jws, result } of group.tests) {
          const accepted = isAccepted(jwks, jws);
          if (result === 'invalid') {
            counts.invalid++;
            if (accepted) wrong.push(`${group.comment} ${tcId} ${comment}: accepted`);
          } else if (accepted) counts.valid++;
          else if (!(group.comment in refusedOnPurpose)) wrong.push(`${group.comment} ${tcId} ${comment}: refused`);
        }
      }
      assert.deepEqual(wrong, []);
      assert.ok(counts.invalid >= least.invalid && counts.valid >= least.valid, JSON.stringify(counts));
    });
  }
});
