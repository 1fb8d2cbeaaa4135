/**
 * Reads a bundle in OPA's format (a gzip tar with `policy.wasm`, `data.json`, `.manifest`), and, where keys are
 * configured, believes nothing of it before its signature is checked. A large bundle, or one from elsewhere, belongs
 * in a thread of its own: see bundle-reader.ts.
 */
import { readFile, stat } from 'node:fs/promises';
import { packedBytesMax, readArchive } from './bundle-archive.ts';
import { signaturesFile, verifiedFiles } from './bundle-signature.ts';
import { type BundleTerms, noTerms, termsOf } from './bundle-terms.ts';
import type { Readied } from './readiness.ts';
import type { SigningKey } from './signing-key.ts';
import { BundleError, type SourceFile, sourceBytesMax } from './sources.ts';

const requiredEntrypoints = ['tollgate/task/decision', 'tollgate/call/decision'] as const;

export interface Bundle {
  readonly wasm: Buffer;
  /** JSON text of the data document. */
  readonly data: Buffer;
  /** As the manifest says; null where it says none. */
  readonly revision: string | null;
  /** Left out: none. */
  readonly terms?: BundleTerms;
  /** The Rego in it and `data.json`, in the order of the archive; none where that is more than a folder may hold. */
  readonly sources: readonly SourceFile[];
  /** `data.tollgate.purposes`, which the lint looks at. */
  readonly purposes?: unknown;
  /** What a thread made of it, so that loading it holds nobody up. */
  readonly readied?: Readied;
  /** It is signed and no key was given to look at it with. */
  readonly unchecked?: boolean;
}

/** Reads and checks the bundle file at `file`, which must be small. Throws BundleError for what is no usable bundle. */
export async function readBundle(file: string, keys: readonly SigningKey[] = []): Promise<Bundle> {
  return parseBundle(await packedBundle(file), keys);
}

/** The bytes of a bundle file, within the bound. */
export async function packedBundle(file: string): Promise<Buffer> {
  const { size } = await stat(file);
  if (size > packedBytesMax) throw new BundleError(`the bundle is larger than ${packedBytesMax} bytes`);
  return readFile(file);
}

/** The bundle that `packed` holds; with `keys` only one signed under one of them. Throws BundleError. */
export async function parseBundle(packed: Buffer, keys: readonly SigningKey[] = []): Promise<Bundle> {
  const unpacked = await readArchive(packed);
  const files = keys.length === 0 ? unpacked : verifiedFiles(unpacked, keys);
  const wasm = files.get('policy.wasm');
  if (wasm === undefined) throw new BundleError('the bundle has no policy.wasm: build it with `opa build -t wasm`');
  const manifest = parseObject(files.get('.manifest') ?? Buffer.from('{}'), '.manifest');
  const data = files.get('data.json') ?? Buffer.from('{}');
  const { tollgate } = parseObject(data, 'data.json') as { tollgate?: { purposes?: unknown } | null };
  const { revision, wasm: modules } = manifest;
  const named = Array.isArray(modules) ? modules.map((row: { entrypoint?: unknown } | null) => row?.entrypoint) : [];
  const missing = requiredEntrypoints.filter((entrypoint) => !named.includes(entrypoint));
  if (missing.length > 0) throw new BundleError(`the bundle has no entry point ${missing.join(' and no ')}`);
  return {
    ...{ wasm, data },
    revision: typeof revision === 'string' && revision !== '' ? revision : null,
    terms: termsOf(manifest) ?? noTerms,
    sources: sourcesOf(files),
    purposes: tollgate?.purposes,
    unchecked: keys.length === 0 && unpacked.has(signaturesFile),
  };
}

/** What it was made from, as far as it decides: no tests, and no data but what is read above. Those are no copies. */
function sourcesOf(files: ReadonlyMap<string, Buffer>): SourceFile[] {
  const sources: SourceFile[] = [];
  let bytes = 0;
  for (const [path, content] of files) {
    if (path !== 'data.json' && (!path.endsWith('.rego') || path.endsWith('_test.rego'))) continue;
    bytes += content.length;
    sources.push({ path, content });
  }
  return bytes > sourceBytesMax ? [] : sources;
}

function parseObject(bytes: Buffer, name: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new BundleError(`${name} of the bundle is not JSON`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new BundleError(`${name} of the bundle is not a JSON object`);
  }
  return value as Record<string, unknown>;
}
