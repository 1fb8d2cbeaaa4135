/**
 * Serves the console: the web pages of the admin plane. What a reader would get wrong: the pages hold no data and need
 * no credential; all they show comes from the admin API, by the token that the person has given them. No path of a
 * request ever reaches the file system: the files are read once, into a closed map, when the first of them is asked for.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { fileURLToPath } from 'node:url';
import { type Denial, deny } from '../denial.ts';
import type { Reply } from '../pipeline.ts';
import type { RawRequest } from '../wire/dialect.ts';
import { jsonReply } from './reply.ts';

/** Where the document lies that a link from elsewhere may lead to. */
export const consolePath = '/console/';

/** Who lets people in, told to whoever asks: they must know which token to bring. */
export type SignIn =
  | { readonly way: 'admin_token' }
  | { readonly way: 'oidc'; readonly issuer: string; readonly audience: string };

interface Page {
  readonly body: Buffer;
  readonly type: string;
  readonly etag: string;
}

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};

/** By the name that a module imports them by: the name they are served under. */
const packages: Readonly<Record<string, string>> = {
  preact: 'preact.js',
  'preact/hooks': 'preact-hooks.js',
  htm: 'htm.js',
};

const headers = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; " +
    "form-action 'self'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-cache',
};

/** Beside the sources as beside what is emitted from them, the pages lie two folders up. */
const pagesFolder = new URL('../../console/', import.meta.url);
const emittedFolder = new URL('../console/', import.meta.url);

export class ConsolePages {
  readonly #signIn: () => SignIn;
  #pages: Promise<ReadonlyMap<string, Page>> | undefined;

  constructor(signIn: () => SignIn) {
    this.#signIn = signIn;
  }

  /** The answer to a request for a page; undefined for a path that is none of the console. */
  answer(request: Pick<RawRequest, 'method' | 'path' | 'headers'>): Promise<Reply | Denial> | undefined {
    const { path } = request;
    return path === '/console' || path.startsWith(consolePath) ? this.#answer(request) : undefined;
  }

  async #answer({
    method,
    path,
    headers: asked,
  }: Pick<RawRequest, 'method' | 'path' | 'headers'>): Promise<Reply | Denial> {
    if (method !== 'GET') return deny('method_not_allowed', 'The console takes GET.', { allowed: ['GET'] });
    if (path === '/console') {
      return { status: 308, headers: { ...headers, location: consolePath }, body: Buffer.alloc(0) };
    }
    const name = path.slice(consolePath.length) || 'index.html';
    if (name === 'sign-in.json') return jsonReply(200, { ...this.#signIn() }, { 'x-content-type-options': 'nosniff' });
    const page = (await this.#read()).get(name);
    if (page === undefined) return deny('route_unknown', 'There is no such page of the console.');
    const { body, type, etag } = page;
    const known = asked['if-none-match'] === etag;
    return {
      status: known ? 304 : 200,
      headers: { ...headers, 'content-type': type, etag },
      body: known ? Buffer.alloc(0) : body,
    };
  }

  #read(): Promise<ReadonlyMap<string, Page>> {
    if (this.#pages !== undefined) return this.#pages;
    const pages = readPages();
    this.#pages = pages;
    // What could not be read once may be there the next time.
    pages.catch(() => {
      this.#pages = undefined;
    });
    return pages;
  }
}

/** All files of the console, by the names they are served under. Rejects if one cannot be read. */
async function readPages(): Promise<ReadonlyMap<string, Page>> {
  const pages = new Map<string, Page>();
  const add = (name: string, body: Buffer): void => {
    const type = types[name.split('.').at(-1) ?? ''] as string;
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
    pages.set(name, { body, type, etag });
  };
  const fromSource = import.meta.url.endsWith('.ts');
  for (const name of await readdir(pagesFolder)) {
    if (/\.(?:html|css|svg)$/.test(name)) add(name, await readFile(new URL(name, pagesFolder)));
    if (!fromSource || !name.endsWith('.ts')) continue;
    const text = await readFile(new URL(name, pagesFolder), 'utf8');
    add(name.replace(/\.ts$/, '.js'), served(stripTypeScriptTypes(text)));
  }
  for (const name of fromSource ? [] : await readdir(emittedFolder)) {
    if (name.endsWith('.js')) add(name, served(await readFile(new URL(name, emittedFolder), 'utf8')));
  }
  for (const [name, as] of Object.entries(packages)) {
    add(as, served(await readFile(fileURLToPath(import.meta.resolve(name)), 'utf8')));
  }
  return pages;
}

/**
 * A module as browsers take it: each import by the name it is served under. An import map would do the same, but is a
 * script in the page, which the policy of the page forbids.
 */
function served(text: string): Buffer {
  const named = text.replaceAll(
    /(\b(?:from|import)\s*)(["'])([^"'\n]+)\2/g,
    (whole, word: string, quote: string, from: string) => {
      if (from.startsWith('./')) return `${word}${quote}${from.replace(/\.ts$/, '.js')}${quote}`;
      const as = Object.hasOwn(packages, from) ? packages[from] : undefined;
      return as === undefined ? whole : `${word}${quote}./${as}${quote}`;
    },
  );
  // Maps are not served.
  return Buffer.from(named.replaceAll(/\n?\/\/# sourceMappingURL=\S*/g, ''));
}
