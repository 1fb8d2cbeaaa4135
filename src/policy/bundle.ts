/**
 * Reads a bundle in OPA's format (a gzip tar with `policy.wasm`, `data.json`, `.manifest`) under bounds: a small file
 * that unpacks to gigabytes, or that names a file twice, is refused before it is used.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { posix } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { BundleError } from './sources.ts';

const packedBytesMax = 32 * 1_048_576;
const unpackedBytesMax = 128 * 1_048_576;
const entriesMax = 4_096;
const neededEntries = new Set(['policy.wasm', 'data.json', '.manifest']);
const requiredEntrypoints = ['tollgate/task/decision', 'tollgate/call/decision'] as const;

export interface Bundle {
  readonly wasm: Buffer;
  /** JSON text of the data document. */
  readonly data: Buffer;
  /** As the manifest says; null where it says none. */
  readonly revision: string | null;
}

/** Reads and checks the bundle at `file`. Throws BundleError for what is no usable bundle. */
export async function readBundle(file: string): Promise<Bundle> {
  const entries = await readEntries(file);
  const wasm = entries.get('policy.wasm');
  if (wasm === undefined) throw new BundleError('the bundle has no policy.wasm: build it with `opa build -t wasm`');
  const manifest = parseObject(entries.get('.manifest') ?? Buffer.from('{}'), '.manifest');
  const data = entries.get('data.json') ?? Buffer.from('{}');
  parseObject(data, 'data.json');
  const { revision, wasm: modules } = manifest;
  const named = Array.isArray(modules) ? modules.map((row: { entrypoint?: unknown } | null) => row?.entrypoint) : [];
  const missing = requiredEntrypoints.filter((entrypoint) => !named.includes(entrypoint));
  if (missing.length > 0) throw new BundleError(`the bundle has no entry point ${missing.join(' and no ')}`);
  return { wasm, data, revision: typeof revision === 'string' && revision !== '' ? revision : null };
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

async function readEntries(file: string): Promise<Map<string, Buffer>> {
  const { size } = await stat(file);
  if (size > packedBytesMax) throw new BundleError(`the bundle is larger than ${packedBytesMax} bytes`);
  const entries = new Map<string, Buffer>();
  const seen = new Set<string>();
  const tar = extract();
  tar.on('entry', (header, content, next) => {
    // The fault of an archive comes out of the pipeline; without a listener here it would also end the process.
    content.on('error', () => undefined);
    const name = posix.normalize(header.name).replace(/^\/+/, '');
    if (seen.size >= entriesMax) return next(new BundleError(`the bundle holds more than ${entriesMax} files`));
    if (header.type === 'file' && seen.has(name)) return next(new BundleError(`the bundle holds ${name} twice`));
    seen.add(name);
    const chunks: Buffer[] = [];
    content.on('data', (chunk) => {
      if (neededEntries.has(name)) chunks.push(chunk as Buffer);
    });
    content.on('end', () => {
      if (neededEntries.has(name) && header.type === 'file') entries.set(name, Buffer.concat(chunks));
      next();
    });
  });
  let unpacked = 0;
  const bounded = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      unpacked += chunk.length;
      if (unpacked > unpackedBytesMax) done(new BundleError(`the bundle unpacks to over ${unpackedBytesMax} bytes`));
      else done(null, chunk);
    },
  });
  try {
    await pipeline(createReadStream(file), createGunzip(), bounded, tar);
  } catch (fault) {
    if (fault instanceof BundleError) throw fault;
    throw new BundleError(`the bundle cannot be read: ${(fault as Error).message}`);
  }
  return entries;
}
