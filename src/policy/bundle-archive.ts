/**
 * The files of a bundle archive (a gzip tar), under bounds. Names are taken as they stand or not at all: where two
 * programs could read a name in two ways (`./a`, `a//b`, `a/../b`, a link), one of them would check another file than
 * the other one runs.
 */
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { BundleError } from './sources.ts';

export const packedBytesMax = 32 * 1_048_576;
const unpackedBytesMax = 128 * 1_048_576;
const entriesMax = 4_096;
const nameCharsMax = 1_024;

/** The name without the one slash that OPA puts before it; undefined where it is not the one way to write it. */
export function canonicalName(name: string): string | undefined {
  const bare = name.startsWith('/') ? name.slice(1) : name;
  if (bare.length === 0 || bare.length > nameCharsMax || bare !== bare.normalize('NFC')) return undefined;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f\\\ufffd]/.test(bare)) return undefined;
  const segments = bare.split('/');
  return segments.some((segment) => segment === '' || segment === '.' || segment === '..') ? undefined : bare;
}

/** Every file of the archive, by its name. Throws BundleError for what breaks a bound or could be read in two ways. */
export async function readArchive(packed: Buffer): Promise<Map<string, Buffer>> {
  if (packed.length > packedBytesMax) throw new BundleError(`the bundle is larger than ${packedBytesMax} bytes`);
  const files = new Map<string, Buffer>();
  let entries = 0;
  const tar = extract();
  tar.on('entry', (header, content, next) => {
    // The fault of an archive comes out of the pipeline; without a listener here it would also end the process.
    content.on('error', () => undefined);
    entries += 1;
    if (entries > entriesMax) return next(new BundleError(`the bundle holds more than ${entriesMax} files`));
    const folder = header.type === 'directory';
    if (!folder && header.type !== 'file') {
      return next(new BundleError(`the bundle holds a ${header.type}: expected plain files`));
    }
    const name = canonicalName(folder ? header.name.replace(/\/$/, '') : header.name);
    if (name === undefined) {
      const told = JSON.stringify(header.name.slice(0, 100));
      return next(new BundleError(`the bundle names a file ${told}: expected a plain path, with no . or .. in it`));
    }
    if (files.has(name)) return next(new BundleError(`the bundle holds ${name} twice`));
    const chunks: Buffer[] = [];
    content.on('data', (chunk) => {
      chunks.push(chunk as Buffer);
    });
    content.on('end', () => {
      if (!folder) files.set(name, Buffer.concat(chunks));
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
    await pipeline(Readable.from([packed]), createGunzip(), bounded, tar);
  } catch (fault) {
    if (fault instanceof BundleError) throw fault;
    throw new BundleError(`the bundle cannot be read: ${(fault as Error).message}`);
  }
  return files;
}
