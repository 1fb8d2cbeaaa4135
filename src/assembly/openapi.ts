/**
 * OpenAPI documents from the network: fetched by a dialer that reaches the one host alone, follows no redirect, and is
 * bounded in size and time. The last copies that made a good routing table are kept in data_dir; a host that cannot be
 * reached, or does not answer 200, is made up for by them. What it answers instead of a document is a fault, not a gap.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { FetchDocument } from '../config/openapi.ts';
import type { Log } from '../telemetry/log.ts';
import { allowedHost, Dialer } from '../upstream/dialer.ts';
import { ReadOpenApi } from '../wire/dialects/http/operation.ts';

const fetchMs = 15_000;

/** A kept copy that stands in for what could not be fetched. */
interface Stale {
  readonly url: string;
  readonly message: string;
}

export class OpenApiFetch {
  readonly #clock: Clock;
  /** What was read since the last table, by URL. */
  #read = new Map<string, string>();
  #stale: Stale[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Gets one document; from the kept copy where its host cannot be asked. */
  readonly fetch: FetchDocument = async (url, { bytesMax, dataDir }) => {
    let text: string;
    try {
      text = await this.#get(url, bytesMax);
    } catch (fault) {
      const kept = await keptCopy(dataDir, url);
      if (kept === undefined) throw fault;
      this.#stale.push({ url, message: (fault as Error).message });
      text = kept;
    }
    this.#read.set(url, text);
    return text;
  };

  /** The documents of the last load are good: they are kept, and those of before are not. Logs what could not be had. */
  async settle(dataDir: string, log: Log): Promise<void> {
    const read = this.#read;
    for (const { url, message } of this.#stale) {
      log('warn', 'an OpenAPI document could not be fetched; its last good copy is used', { url, fault: message });
    }
    this.forget();
    const folder = folderOf(dataDir);
    const names = new Set([...read.keys()].map(nameOf));
    try {
      if (read.size > 0) await mkdir(folder, { recursive: true, mode: 0o700 });
      for (const [url, text] of read) {
        const temporary = join(folder, `${nameOf(url)}.${this.#clock.randomBytes(6).toString('hex')}`);
        await writeFile(temporary, JSON.stringify({ url, text }), { mode: 0o600 });
        await rename(temporary, join(folder, nameOf(url)));
      }
      const old = await readdir(folder).catch(() => []);
      for (const name of old) if (!names.has(name)) await rm(join(folder, name), { force: true });
    } catch (fault) {
      log('warn', 'OpenAPI documents could not be kept in data_dir', { fault });
    }
  }

  /** What was read is of no use: nothing of it is kept. */
  forget(): void {
    this.#read = new Map();
    this.#stale = [];
  }

  async #get(url: string, bytesMax: number): Promise<string> {
    await using dialer = new Dialer({
      clock: this.#clock,
      allow: [allowedHost(url)],
      ...{ connectionsMax: 1, inFlightMax: 1, bodyBytesMax: bytesMax },
    });
    const { status, body } = await dialer.send({
      ...{ url, method: 'GET', body: null, signal: new AbortController().signal },
      headers: {
        ...{ accept: 'application/vnd.oai.openapi+json, application/json, application/yaml;q=0.9, */*;q=0.1' },
        ...{ 'accept-encoding': 'identity', 'user-agent': 'tollgate' },
      },
      timeoutMs: { connect: fetchMs, firstByte: fetchMs, total: fetchMs },
    });
    if (status !== 200) throw new Error(`HTTP ${status} where a document was expected`);
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk);
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  }
}

/** The documents as they are read in pieces, so that calls go on meanwhile. */
export async function readInPieces(
  documents: Readonly<Record<string, unknown>>,
  clock: Clock,
): Promise<Record<string, ReadOpenApi>> {
  const read: Record<string, ReadOpenApi> = {};
  for (const [name, source] of Object.entries(documents)) {
    read[name] = await ReadOpenApi.of(source, () => new Promise((resolve) => setImmediate(resolve)), clock);
  }
  return read;
}

function folderOf(dataDir: string): string {
  return join(dataDir, 'openapi');
}

function nameOf(url: string): string {
  return `${createHash('sha256').update(url).digest('hex').slice(0, 40)}.json`;
}

async function keptCopy(dataDir: string, url: string): Promise<string | undefined> {
  try {
    const kept = JSON.parse(await readFile(join(folderOf(dataDir), nameOf(url)), 'utf8')) as Record<string, unknown>;
    return kept.url === url && typeof kept.text === 'string' ? kept.text : undefined;
  } catch {
    return undefined;
  }
}
