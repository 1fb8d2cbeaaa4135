/**
 * What a gate remembers of the bundle that was last in force, per source, in `data_dir/bundles/kept`: the sequence that
 * newer ones may not fall behind, and of a served bundle the file itself, for a start while its server is away. It is
 * written before the bundle decides anything. A kept file is read with all checks of a new one.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { parseJsonText } from '../wire/json.ts';
import type { BundleTerms } from './bundle-terms.ts';
import { BundleError } from './sources.ts';

const recordBytesMax = 16_384;

/** What was last in force. */
export interface Recorded {
  /** Where it came from, as configured. */
  readonly source: string;
  readonly sequence: number | null;
  /** Digest of what was published: of the file, or of the sources. */
  readonly content: string;
  /** Whether the file is kept. */
  readonly kept: boolean;
  readonly etag: string | null;
}

function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function isRecorded(value: unknown, source: string): value is Recorded {
  if (typeof value !== 'object' || value === null) return false;
  const record = value as Record<keyof Recorded, unknown>;
  return (
    record.source === source &&
    (record.sequence === null || (Number.isSafeInteger(record.sequence) && (record.sequence as number) >= 0)) &&
    typeof record.content === 'string' &&
    /^[0-9a-f]{64}$/.test(record.content) &&
    typeof record.kept === 'boolean' &&
    (record.etag === null || typeof record.etag === 'string')
  );
}

export class BundleRecord {
  readonly #source: string;
  readonly #folder: string;
  readonly #clock: Clock;

  constructor(options: { readonly dataDir: string; readonly source: string; readonly clock: Clock }) {
    this.#source = options.source;
    this.#folder = join(options.dataDir, 'bundles', 'kept', sha256(options.source).slice(0, 32));
    this.#clock = options.clock;
  }

  /** Null if no bundle of this source was in force. Throws BundleError for a record that cannot be believed. */
  async read(): Promise<Recorded | null> {
    const file = join(this.#folder, 'record.json');
    let text: string;
    try {
      text = await readFile(file, 'utf8');
    } catch (fault) {
      if ((fault as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw new BundleError(`the record of the last bundle cannot be read: ${(fault as Error).message}`);
    }
    const read = text.length > recordBytesMax ? null : parseJsonText(text);
    const value: unknown = read !== null && 'value' in read ? read.value : null;
    if (isRecorded(value, this.#source)) return value;
    throw new BundleError(`the record of the last bundle is damaged: see ${file}`);
  }

  /** The bundle that was last in force; null where none is kept. Throws BundleError if it is not the one recorded. */
  async kept(): Promise<{ readonly packed: Buffer; readonly recorded: Recorded } | null> {
    const recorded = await this.read();
    if (recorded === null || !recorded.kept) return null;
    const packed = await readFile(this.#packedFile(recorded.content)).catch(() => null);
    if (packed === null || sha256(packed) !== recorded.content) throw new BundleError('the kept bundle is damaged');
    return { packed, recorded };
  }

  /**
   * Refuses what would go back: a sequence lower than the last, none where there was one, and the same one for another
   * content. Throws BundleError; `force` lets all of it pass.
   */
  async admit(
    { sequence }: Pick<BundleTerms, 'sequence' | 'expiresAtMs'>,
    content: string,
    force: boolean,
  ): Promise<void> {
    const last = await this.read();
    if (last === null || last.sequence === null || force) return;
    const told = `the bundle goes back, and policy.allow_rollback is false: sequence ${last.sequence} was in force`;
    if (sequence === null) throw new BundleError(`${told}, this one has none`);
    if (sequence < last.sequence) throw new BundleError(`${told}, this one has ${sequence}`);
    if (sequence === last.sequence && content !== last.content) {
      throw new BundleError(`${told}, and this one has the same with another content`);
    }
  }

  /** Remembers what comes into force, durably. `packed` is kept for a start without the server. */
  async write(next: Omit<Recorded, 'source' | 'kept'>, packed: Buffer | null): Promise<void> {
    const last = await this.read();
    // Most folders have no sequence, and nothing to remember.
    if (packed === null && next.sequence === null && (last === null || last.sequence === null)) return;
    const recorded: Recorded = { source: this.#source, ...next, kept: packed !== null };
    if (JSON.stringify(last) === JSON.stringify(recorded)) return;
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const current = this.#packedFile(next.content);
    if (packed !== null && !(last?.kept === true && last.content === next.content)) await this.#put(current, packed);
    await this.#put(join(this.#folder, 'record.json'), JSON.stringify(recorded));
    for (const name of await readdir(this.#folder)) {
      const path = join(this.#folder, name);
      // What a crash left half written goes too.
      if (path !== current && /\.(?:tar\.gz|new)$/.test(name)) await rm(path, { force: true });
    }
  }

  #packedFile(content: string): string {
    return join(this.#folder, `${content}.tar.gz`);
  }

  /** Renamed when whole and on disk, so that a crash leaves either the old file or the new one. */
  async #put(file: string, bytes: Buffer | string): Promise<void> {
    const fresh = `${file}.${this.#clock.randomBytes(6).toString('hex')}.new`;
    try {
      const handle = await open(fresh, 'w', 0o600);
      try {
        await handle.writeFile(bytes);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(fresh, file);
      const folder = await open(this.#folder, 'r');
      await folder.sync().finally(() => folder.close());
    } catch (fault) {
      await rm(fresh, { force: true });
      throw fault;
    }
  }
}
