/**
 * The OpenAPI documents of http routes, with every document that their `$ref`s lead to. Where they may lead is settled
 * here, before anything is read: to files below the folder of the configuration or of the document itself, and to hosts
 * that the configuration names. A document from the network reaches no file. Anything else makes the document refused.
 */
import { createHash } from 'node:crypto';
import { readFile, realpath } from 'node:fs/promises';
import { dirname, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { parse } from 'yaml';
import type { HttpRouteConfig } from '../route/section.ts';
import { absolute, OpenApiDocuments, referencesOf, splitFragment } from '../wire/dialects/http/references.ts';

/** Gets a document from the network. Rejects with an Error that says why. */
export type FetchDocument = (
  url: string,
  options: { readonly bytesMax: number; readonly dataDir: string },
) => Promise<string>;

export interface OpenApiSource {
  /** The folder of the configuration. */
  readonly directory: string;
  readonly dataDir: string;
  /** Left out: documents from the network are left out too, by those who do not need them. */
  readonly fetch: FetchDocument | undefined;
}

const documentBytesMax = 16 * 1_048_576;
/** Of one route together. */
const totalBytesMax = 64 * 1_048_576;
const documentsMax = 100;
/** Longer YAML is parsed in a thread of its own: what it takes grows with the square of its members. */
const yamlBytesMax = 16 * 1024;

export function isUrl(place: string): boolean {
  return /^https?:\/\//i.test(place);
}

/** Reads the documents of `route`; undefined where they are left out. `files` gets every file that was looked at. */
export async function readOpenApi(
  route: Pick<HttpRouteConfig, 'openapi' | 'openapi_hosts'>,
  source: OpenApiSource,
  files: string[],
  fault: (key: 'openapi' | 'openapi_hosts', message: string) => void,
): Promise<OpenApiDocuments | undefined> {
  const root = isUrl(route.openapi) ? URL.parse(route.openapi)?.href : pathToFileURL(route.openapi).href;
  const origins = originsOf(route, (message) => fault('openapi_hosts', message));
  if (root === undefined || (isUrl(root) && !isSafe(new URL(root)))) {
    fault('openapi', 'expected a path or an https URL (http on loopback only)');
    return undefined;
  }
  const reading = new Reading(root, origins, source, files);
  try {
    return await reading.all();
  } catch (error) {
    fault('openapi', `the OpenAPI document ${route.openapi} cannot be read: ${(error as Error).message}`);
    return undefined;
  }
}

/** What a reference names, and where it stands. */
interface Pending {
  readonly uri: string;
  readonly from: string;
}

class Reading {
  readonly #root: string;
  readonly #origins: ReadonlySet<string>;
  readonly #source: OpenApiSource;
  readonly #files: string[];
  readonly #documents = new Map<string, unknown>();
  /** All that references can name: documents, and schemas with an `$id`. */
  readonly #known = new Set<string>();
  readonly #pending = new Map<string, Pending>();
  readonly #digest = createHash('sha256');
  #bytes = 0;

  constructor(root: string, origins: ReadonlySet<string>, source: OpenApiSource, files: string[]) {
    this.#root = root;
    this.#origins = new Set([...origins, new URL(root).origin]);
    this.#source = source;
    this.#files = files;
  }

  /** Everything that can be reached from the root. Throws an Error for what may not, or cannot. */
  async all(): Promise<OpenApiDocuments | undefined> {
    if (isUrl(this.#root) && this.#source.fetch === undefined) return undefined;
    await this.#read(this.#root, '');
    for (;;) {
      const [next] = this.#pending.values();
      if (next === undefined) break;
      this.#pending.delete(next.uri);
      if (this.#known.has(next.uri)) continue;
      if (this.#documents.size === documentsMax) throw new Error(`it is made of more than ${documentsMax} documents`);
      await this.#read(next.uri, next.from);
    }
    return new OpenApiDocuments(this.#root, this.#documents, this.#digest.digest('hex'));
  }

  async #read(uri: string, from: string): Promise<void> {
    const text = await this.#text(uri, from);
    if (text === undefined) return;
    this.#bytes += text.length;
    if (text.length > documentBytesMax) throw new Error(`${uri} is larger than ${documentBytesMax} bytes`);
    if (this.#bytes > totalBytesMax) throw new Error(`it and what it refers to are larger than ${totalBytesMax} bytes`);
    this.#digest.update(`${uri} ${text.length} ${text}`);
    const document = await parsed(text).catch((fault: unknown) => {
      throw new Error(`${uri === this.#root ? 'it' : uri} is neither JSON nor YAML: ${(fault as Error).message}`);
    });
    this.#documents.set(uri, document);
    const pieces = referencesOf(document, uri);
    let piece = pieces.next();
    while (piece.done !== true) {
      // Calls go on meanwhile.
      await new Promise((resolve) => setImmediate(resolve));
      piece = pieces.next();
    }
    for (const name of piece.value.resources.keys()) this.#known.add(name);
    for (const { ref, base, pointer } of piece.value.refs) {
      const target = splitFragment(absolute(ref, base) ?? '');
      if (target === undefined || target.resource === '') throw new Error(`the $ref at ${uri}#${pointer} is no URI`);
      if (!this.#known.has(target.resource) && !this.#pending.has(target.resource)) {
        this.#pending.set(target.resource, { uri: target.resource, from: `${uri}#${pointer}` });
      }
    }
  }

  async #text(uri: string, from: string): Promise<string | undefined> {
    const refused = (why: string) => new Error(from === '' ? why : `the $ref at ${from} leads to ${uri}, ${why}`);
    const url = new URL(uri);
    if (url.protocol === 'file:') {
      if (!this.#root.startsWith('file:')) throw refused('which is no document of the network');
      const path = fileURLToPath(url);
      this.#files.push(path);
      if (from !== '' && !(await this.#isBelow(path))) {
        throw refused('which is neither below the folder of the configuration nor below that of the document');
      }
      return await readFile(path, 'utf8').catch((fault: unknown) => {
        throw refused(from === '' ? (fault as Error).message : `which cannot be read: ${(fault as Error).message}`);
      });
    }
    if (!isUrl(uri) || !isSafe(url)) throw refused('which is neither a file nor an https URL');
    if (!this.#origins.has(url.origin)) throw refused('whose host is not among openapi_hosts');
    const { fetch, dataDir } = this.#source;
    if (fetch === undefined) {
      this.#known.add(uri);
      return undefined;
    }
    return await fetch(uri, { bytesMax: documentBytesMax, dataDir }).catch((fault: unknown) => {
      throw refused(from === '' ? (fault as Error).message : `which cannot be read: ${(fault as Error).message}`);
    });
  }

  /** Links are followed first: what counts is where the file is. */
  async #isBelow(path: string): Promise<boolean> {
    const folders = [this.#source.directory, dirname(fileURLToPath(this.#root))];
    const [real, ...allowed] = await Promise.all([path, ...folders].map((one) => realpath(one).catch(() => undefined)));
    // What is not there cannot be read; that says more than that it may not.
    if (real === undefined) return folders.some((folder) => path.startsWith(folder + sep));
    return allowed.some(
      (folder) => folder !== undefined && real.startsWith(folder.endsWith(sep) ? folder : folder + sep),
    );
  }
}

function originsOf(route: Pick<HttpRouteConfig, 'openapi_hosts'>, fault: (message: string) => void): Set<string> {
  const origins = new Set<string>();
  for (const host of route.openapi_hosts ?? []) {
    const url = URL.parse(isUrl(host) ? host : `https://${host}`);
    if (url === null || !isSafe(url) || url.pathname !== '/' || url.search !== '' || url.hash !== '') {
      fault(`expected a host, or an https origin (http on loopback only), found ${host}`);
    } else origins.add(url.origin);
  }
  return origins;
}

function isSafe({ protocol, hostname, username, password }: URL): boolean {
  const isLoopback = hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d+){3}$/.test(hostname);
  return username === '' && password === '' && (protocol === 'https:' || (protocol === 'http:' && isLoopback));
}

async function parsed(text: string): Promise<unknown> {
  if (/^\s*[{[]/.test(text)) {
    try {
      return JSON.parse(text);
    } catch (fault) {
      // Flow style begins so, too.
      if (text.length > yamlBytesMax) throw fault;
    }
  }
  return text.length > yamlBytesMax ? await parsedBeside(text) : parse(text, { maxAliasCount: 100 });
}

function parsedBeside(text: string): Promise<unknown> {
  const file = new URL(`./yaml-worker${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`, import.meta.url);
  return new Promise((resolve, reject) => {
    const worker = new Worker(file, {
      workerData: text,
      execArgv: [],
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: 1024 },
    });
    worker.once('message', (answer: { readonly value: unknown } | { readonly message: string }) => {
      if ('message' in answer) reject(new Error(answer.message));
      else resolve(answer.value);
    });
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('it could not be parsed')));
  });
}
