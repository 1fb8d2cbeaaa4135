/** Bundles that the real OPA builds and signs, taken apart and put together again as an attacker would. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { readArchive } from '../../../src/policy/bundle-archive.ts';
import type { SigningAlgorithm, SigningKey } from '../../../src/policy/signing-key.ts';
import { bundleOf, runOpa, temporaryFolder, writeFiles } from './bundles.ts';

export interface Signer {
  readonly privateKey: KeyObject;
  readonly key: SigningKey;
}

/** A key pair; its public half as it stands in `policy.signing_keys`. */
export function signerFor(algorithm: SigningAlgorithm, kid: string, scope?: string): Signer {
  const pair = algorithm.startsWith('ES')
    ? generateKeyPairSync('ec', { namedCurve: { ES256: 'P-256', ES384: 'P-384' }[algorithm as string] ?? 'P-521' })
    : generateKeyPairSync('rsa', { modulusLength: 2048 });
  const public_key = pair.publicKey.export({ type: 'spki', format: 'pem' }) as string;
  return {
    privateKey: pair.privateKey,
    key: { kid, algorithm, public_key, ...(scope === undefined ? {} : { scope }) },
  };
}

const allowing = (mark: string) => `decision := {"allow": true, "reasons": [{"code": "${mark}", "message": "x"}]}`;

export interface BuildSigned {
  /** What decisions give as their reason. */
  readonly mark?: string;
  readonly revision?: string;
  readonly terms?: Readonly<Record<string, unknown>>;
  readonly signer?: Signer;
  /** Claims in place of a key id in the header. */
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly files?: Readonly<Record<string, string>>;
  /** Besides `tollgate`. */
  readonly roots?: readonly string[];
  /** Besides those of tasks and calls. */
  readonly entrypoints?: readonly string[];
  /** `rego` is what an OPA without a WASM engine runs. */
  readonly target?: 'wasm' | 'rego';
}

/** The bytes of a bundle that `opa build` made, signed where there is a signer. */
export async function opaBundle(t: TestContext, options: BuildSigned = {}): Promise<Buffer> {
  const { mark = 'a', revision = mark, terms, signer, claims, files = {}, target = 'wasm' } = options;
  const roots = ['tollgate', ...(options.roots ?? [])];
  const folder = await temporaryFolder(t);
  const manifest = { roots, revision, ...(terms === undefined ? {} : { metadata: { tollgate: terms } }) };
  await writeFiles(join(folder, 'sources'), {
    ...bundleOf(allowing(mark)),
    'tollgate/marks/data.json': `{"mark": "${mark}"}`,
    ...files,
    '.manifest': JSON.stringify(manifest),
  });
  const file = join(folder, 'bundle.tar.gz');
  const args = ['build', '-t', target, '-O', '0', '-b', '.', '-o', file];
  const entrypoints = ['tollgate/task/decision', 'tollgate/call/decision', ...(options.entrypoints ?? [])];
  if (target === 'wasm') for (const entrypoint of entrypoints) args.push('-e', entrypoint);
  if (signer !== undefined) {
    const pem = join(folder, 'key.pem');
    await writeFile(pem, signer.privateKey.export({ type: 'pkcs8', format: 'pem' }));
    args.push('--signing-key', pem, '--signing-alg', signer.key.algorithm);
    if (claims === undefined) args.push('--verification-key-id', signer.key.kid);
    else {
      await writeFile(join(folder, 'claims.json'), JSON.stringify(claims));
      args.push('--claims-file', join(folder, 'claims.json'));
    }
  }
  await runOpa(args, join(folder, 'sources'));
  return readFile(file);
}

export type Entry = readonly [name: string, content: Buffer | string, type?: 'file' | 'symlink' | 'directory'];

/** A gzip tar of `entries`, in their order and under their names. */
export async function archiveOf(entries: readonly Entry[]): Promise<Buffer> {
  const tar = pack();
  for (const [name, content, type = 'file'] of entries) {
    if (type === 'file') tar.entry({ name }, content);
    else tar.entry({ name, type, ...(type === 'symlink' ? { linkname: 'policy.wasm' } : {}) });
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return gzipSync(Buffer.concat(chunks));
}

/** The files of a bundle, to be changed. */
export function filesOf(packed: Buffer): Promise<Map<string, Buffer>> {
  return readArchive(packed);
}

interface Token {
  head: Record<string, unknown>;
  claims: { files: { name: string; hash: string; algorithm: string }[]; [claim: string]: unknown };
}

/** What the token of `.signatures.json` says. */
export function tokenOf(signatures: Buffer): Token & { readonly mark: string } {
  const [token] = (JSON.parse(signatures.toString()) as { signatures: [string] }).signatures;
  const [head = '', body = '', mark = ''] = token.split('.');
  const read = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString());
  return { head: read(head), claims: read(body), mark };
}

/** The file after `change` of its token, signed anew by `signer`, or with its old signature. */
export function resigned(signatures: Buffer, change: (token: Token) => void, signer?: Signer): Buffer {
  const { mark, ...parts } = tokenOf(signatures);
  change(parts);
  const write = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const signed = `${write(parts.head)}.${write(parts.claims)}`;
  const fresh = (by: Signer) =>
    sign('sha256', Buffer.from(signed), { key: by.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url');
  return Buffer.from(JSON.stringify({ signatures: [`${signed}.${signer === undefined ? mark : fresh(signer)}`] }));
}
