/** Signed bundles as an attacker would change them, one change a row, and what the gate says of each. */
import { createHmac } from 'node:crypto';
import { type Entry, resigned, type Signer, signerFor } from './signed.ts';

export const ours = signerFor('ES256', 'team');
export const theirs = signerFor('ES256', 'other');

export interface Row {
  readonly what: string;
  readonly refused: RegExp;
  readonly change: (files: Map<string, Buffer>) => Entry[] | undefined;
}

const signatures = '.signatures.json';
export const signedAnew = (
  files: Map<string, Buffer>,
  change: Parameters<typeof resigned>[1],
  by: Signer | null = ours,
) => files.set(signatures, resigned(files.get(signatures) as Buffer, change, by ?? undefined));
export const asEntries = (files: Map<string, Buffer>): Entry[] =>
  [...files].map(([name, content]) => [`/${name}`, content]);
const sameButMarked = (files: Map<string, Buffer>, name: string) =>
  files.set(name, Buffer.from(String(files.get(name)).replace('"a"', '"b"')));

/** Each row is one change of a bundle that is taken without it. */
export const forgeries: readonly Row[] = [
  { what: 'no signature', refused: /is not signed/, change: (files) => void files.delete(signatures) },
  {
    what: 'an empty list of signatures',
    refused: /exactly one JWT/,
    change: (files) => void files.set(signatures, Buffer.from('{"signatures":[]}')),
  },
  {
    what: 'two signatures',
    refused: /exactly one JWT/,
    change: (files) => {
      const [one] = JSON.parse(String(files.get(signatures))).signatures;
      files.set(signatures, Buffer.from(JSON.stringify({ signatures: [one, one] })));
    },
  },
  {
    what: 'signatures named twice',
    refused: /not proper JSON/,
    change: (files) =>
      void files.set(signatures, Buffer.from(String(files.get(signatures)).replace('{', '{"signatures":[],'))),
  },
  {
    what: 'a plugin of OPA',
    refused: /by a plugin/,
    change: (files) =>
      void files.set(
        signatures,
        Buffer.from(
          String(files.get(signatures)).replace('{', '{"plugin":"mine",').replace('"plugin": "_default"', '"x": 1'),
        ),
      ),
  },
  {
    what: 'no key id at all',
    refused: /it names no key/,
    change: (files) =>
      void signedAnew(files, ({ head, claims }) => {
        delete head.kid;
        delete claims.keyid;
      }),
  },
  {
    what: 'an empty key id',
    refused: /it names no key/,
    change: (files) =>
      void signedAnew(files, ({ head, claims }) => {
        head.kid = '';
        claims.keyid = '';
      }),
  },
  {
    what: 'two key ids',
    refused: /it names two keys/,
    change: (files) =>
      void signedAnew(files, ({ claims }) => {
        claims.keyid = 'other';
      }),
  },
  {
    what: 'a key that is not configured',
    refused: /"other" is not one of policy\.signing_keys/,
    change: (files) =>
      void signedAnew(
        files,
        ({ head, claims }) => {
          head.kid = 'other';
          claims.keyid = 'other';
        },
        theirs,
      ),
  },
  {
    what: 'another key under our name',
    refused: /it was not made with team/,
    change: (files) => void signedAnew(files, () => undefined, theirs),
  },
  {
    what: 'a claim changed under the old signature',
    refused: /it was not made with team/,
    change: (files) =>
      void signedAnew(
        files,
        ({ claims }) => {
          claims.more = 1;
        },
        null,
      ),
  },
  {
    what: 'alg none',
    refused: /expected ES256/,
    change: (files) =>
      void signedAnew(files, ({ head }) => {
        head.alg = 'none';
      }),
  },
  {
    what: 'the public key as a secret of HS256',
    refused: /expected ES256/,
    change: (files) => {
      const changed = resigned(files.get(signatures) as Buffer, ({ head }) => {
        head.alg = 'HS256';
      });
      const [token = ''] = JSON.parse(changed.toString()).signatures;
      const [head, body] = token.split('.');
      const mark = createHmac('sha256', ours.key.public_key).update(`${head}.${body}`).digest('base64url');
      files.set(signatures, Buffer.from(JSON.stringify({ signatures: [`${head}.${body}.${mark}`] })));
    },
  },
  {
    what: 'a key in the header',
    refused: /header of its JWT holds jwk/,
    change: (files) =>
      void signedAnew(files, ({ head }) => {
        head.jwk = {};
      }),
  },
  {
    what: 'crit',
    refused: /holds crit/,
    change: (files) =>
      void signedAnew(files, ({ head }) => {
        head.crit = ['b64'];
      }),
  },
  {
    what: 'a signature of no bytes',
    refused: /it was not made with team/,
    change: (files) => {
      const [token = ''] = JSON.parse(String(files.get(signatures))).signatures;
      const bare = token.slice(0, token.lastIndexOf('.') + 1);
      files.set(signatures, Buffer.from(JSON.stringify({ signatures: [bare] })));
    },
  },
  {
    what: 'a signature written in another way',
    refused: /not base64url/,
    change: (files) => {
      const [token = ''] = JSON.parse(String(files.get(signatures))).signatures;
      files.set(signatures, Buffer.from(JSON.stringify({ signatures: [`${token}==`] })));
    },
  },
  {
    what: 'a scope nobody asked for',
    refused: /its scope/,
    change: (files) =>
      void signedAnew(files, ({ claims }) => {
        claims.scope = 'x';
      }),
  },
  {
    what: 'another module',
    refused: /policy\.wasm is not what was signed/,
    change: (files) => void files.set('policy.wasm', Buffer.from('x')),
  },
  {
    what: 'other data',
    refused: /data\.json is not what was signed/,
    change: (files) => void sameButMarked(files, 'data.json'),
  },
  {
    what: 'another manifest',
    refused: /\.manifest is not what was signed/,
    change: (files) => void files.set('.manifest', Buffer.from(String(files.get('.manifest')).replace('"a"', '"b"'))),
  },
  {
    what: 'another source',
    refused: /call\.rego is not what was signed/,
    change: (files) => void files.set('tollgate/call/call.rego', Buffer.from('package x')),
  },
  {
    what: 'one file more',
    refused: /extra\.txt is in the bundle and was not signed/,
    change: (files) => void files.set('extra.txt', Buffer.from('x')),
  },
  {
    what: 'one data file more',
    refused: /b\/data\.json is in the bundle/,
    change: (files) => void files.set('b/data.json', Buffer.from('{}')),
  },
  {
    what: 'one file less',
    refused: /call\.rego was signed and is not/,
    change: (files) => void files.delete('tollgate/call/call.rego'),
  },
  { what: 'no data', refused: /data\.json was signed and is not/, change: (files) => void files.delete('data.json') },
  {
    what: 'a file listed twice',
    refused: /it lists data\.json twice/,
    change: (files) =>
      void signedAnew(files, ({ claims }) =>
        claims.files.push({
          ...(claims.files.find(({ name }) => name === 'data.json') as (typeof claims.files)[number]),
        }),
      ),
  },
  {
    what: 'a weak hash',
    refused: /expected SHA-256/,
    change: (files) =>
      void signedAnew(files, ({ claims }) => {
        for (const file of claims.files) file.algorithm = 'MD5';
      }),
  },
  {
    what: 'a hash without an algorithm',
    refused: /expected name, hash and algorithm/,
    change: (files) =>
      void signedAnew(files, ({ claims }) => {
        for (const file of claims.files) delete (file as { algorithm?: string }).algorithm;
      }),
  },
  {
    what: 'no list of files',
    refused: /it lists no files/,
    change: (files) =>
      void signedAnew(files, ({ claims }) => {
        claims.files = null as never;
      }),
  },
  {
    what: 'a name that climbs, signed',
    refused: /no plain path/,
    change: (files) =>
      void signedAnew(files, ({ claims }) => claims.files.push({ name: '../x', hash: '00', algorithm: 'SHA-256' })),
  },
  {
    what: 'a file twice',
    refused: /holds data\.json twice/,
    change: (files) => [...asEntries(files), ['data.json', '{}']],
  },
  {
    what: 'a second file under another spelling',
    refused: /expected a plain path/,
    change: (files) => [...asEntries(files), ['/./data.json', '{}']],
  },
  {
    what: 'a name that climbs',
    refused: /expected a plain path/,
    change: (files) => [...asEntries(files), ['/a/../data.json', '{}']],
  },
  {
    what: 'a name with two slashes',
    refused: /expected a plain path/,
    change: (files) => [...asEntries(files), ['//data.json', '{}']],
  },
  {
    what: 'a name with a backslash',
    refused: /expected a plain path/,
    change: (files) => [...asEntries(files), ['a\\data.json', '{}']],
  },
  { what: 'a link', refused: /holds a symlink/, change: (files) => [...asEntries(files), ['/x', '', 'symlink']] },
];
