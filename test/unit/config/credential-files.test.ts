/** Credentials in the file: what their certificates must be, and that no fault tells a secret. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { faultLine, type LoadResult, loadConfig } from '../../../src/config/load.ts';
import { Authority } from '../../gateway/certificates.ts';
import { part } from '../../parts.ts';

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tollgate-credentials-'));
});
after(() => rm(directory, { recursive: true, force: true }));

async function load(credentials: object): Promise<LoadResult> {
  const file = join(directory, 'tollgate.yaml');
  await writeFile(
    file,
    JSON.stringify({
      gateway: { id: 'gw', cloud: 'azure', region: 'westeurope', data_dir: './data' },
      policy: { bundle: './policies' },
      credentials,
    }),
  );
  return loadConfig(file, {});
}

const linesOf = (result: LoadResult) => ('faults' in result ? result.faults.map(faultLine) : []);

test('a fault of a secret says where it is and never what it is', async () => {
  const oauth = { kind: 'oauth-client-credentials', token_url: 'https://login.example/token', client_id: 'c' };
  const lines = linesOf(
    await load({
      a: { kind: 'header', name: 'api-key', value: 'hunter2\nhunter2' },
      b: { ...oauth, client_secret: 424242424242 },
      c: { ...oauth, client_secret: `hunter2${'x'.repeat(9000)}` },
      d: { kind: 'token-exchange', token_url: 'https://login.example/token', subject: 's', client_secret: true },
    }),
  );
  for (const pointer of ['/a/value', '/b/client_secret', '/c/client_secret', '/d/client_secret']) {
    assert.ok(
      lines.some((line) => line.includes(`/credentials${pointer}`)),
      lines.join('\n'),
    );
  }
  assert.equal(/hunter2|4242|true/.test(lines.join()), false, lines.join('\n'));
});

describe('the files of a client certificate', part('openssl'), () => {
  let authority: Authority;
  before(() => {
    authority = new Authority('inside');
  });
  after(() => authority?.[Symbol.dispose]());

  test('are read with the configuration and belong to it', async () => {
    const { certFile, keyFile, cert, key } = authority.issue('gate');
    const result = await load({ it: { kind: 'mtls', cert: certFile, key: keyFile, ca: authority.certFile } });
    assert.ok('identities' in result, linesOf(result).join('\n'));
    assert.deepEqual(result.identities, { it: { cert, key, ca: authority.cert } });
    for (const file of [certFile, keyFile, authority.certFile]) assert.ok(result.files.includes(file), file);
  });

  test('are faults with a pointer where they are missing, no certificates, or do not fit', async () => {
    const [gate, other] = [authority.issue('gate'), authority.issue('other')];
    const lines = linesOf(
      await load({
        missing: { kind: 'mtls', cert: './nowhere.pem', key: gate.keyFile },
        swapped: { kind: 'mtls', cert: gate.keyFile, key: gate.certFile },
        unfit: { kind: 'mtls', cert: gate.certFile, key: other.keyFile },
        authority: { kind: 'mtls', cert: gate.certFile, key: gate.keyFile, ca: gate.keyFile },
      }),
    );
    const expected = ['missing/cert', 'swapped/cert', 'unfit', 'authority/ca'];
    assert.equal(lines.length, expected.length, lines.join('\n'));
    for (const pointer of expected) {
      assert.ok(
        lines.some((line) => line.includes(`/credentials/${pointer}: `)),
        lines.join('\n'),
      );
    }
    assert.equal(lines.join().includes('PRIVATE'), false);
  });
});
