/**
 * How a command reaches the admin plane of a gate that is up, and turns what it is refused into a sentence. What a
 * reader would get wrong: a token is never an argument, for everybody on the machine sees those; nor does it go
 * unencrypted anywhere but to this machine, nor along a redirect.
 */
import { readFile } from 'node:fs/promises';
import type { AdminAddress } from './admin-address.ts';
import { type Surroundings, Usage } from './command.ts';
import { denyUnencrypted, type Tls, webRequest } from './web-request.ts';

/** The options that every command with a gate to talk to has, for `parseArgs`. */
export const adminOptions = {
  config: { type: 'string', short: 'c' },
  'admin-url': { type: 'string' },
  'token-file': { type: 'string' },
  ca: { type: 'string' },
  cert: { type: 'string' },
  key: { type: 'string' },
  json: { type: 'boolean' },
} as const;

export const adminHelp = `Which gate, and who you are:
  --config F        a tollgate.yaml: the address is its gateway.admin, the token that in its data_dir
  --admin-url U     the admin plane, in place of --config; http:// on this machine only
  --token-file F    file with your token; or the environment variable TOLLGATE_ADMIN_TOKEN. Where people sign in by
                    OIDC, it is a token of their issuer, and the one in data_dir opens nothing
  --ca F            authorities (PEM) that vouch for the certificate of the admin plane
  --cert F --key F  your client certificate (PEM), where the admin plane asks for one
  --json            the answer of the gate as it is, for programs

Exit 0 done, 1 the gate said no or cannot be reached, 2 usage.`;

interface AdminValues {
  readonly config?: string | undefined;
  readonly 'admin-url'?: string | undefined;
  readonly 'token-file'?: string | undefined;
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** A denial as problem+json tells it (RFC 9457). */
interface Problem {
  readonly code?: string;
  readonly message?: string;
  readonly reasons?: readonly { readonly message: string; readonly path?: string }[];
  readonly allowed?: readonly string[];
}

const tokenVariable = 'TOLLGATE_ADMIN_TOKEN';

/** The admin plane of one gate, asked as one person. */
export class AdminClient {
  readonly #base: URL;
  readonly #token: string;
  /** Where the token came from, for whoever has to find out why it is not accepted. */
  readonly #tokenFrom: string;
  readonly #tls: Tls;

  constructor(base: URL, token: { readonly text: string; readonly from: string }, tls: Tls) {
    this.#base = base;
    this.#token = token.text;
    this.#tokenFrom = token.from;
    this.#tls = tls;
  }

  get<T>(path: string, query: Readonly<Record<string, string | undefined>> = {}): Promise<T> {
    const said = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
    return this.#ask<T>('GET', said.length === 0 ? path : `${path}?${new URLSearchParams(said)}`, undefined);
  }

  post<T>(path: string, body?: object): Promise<T> {
    return this.#ask<T>('POST', path, body);
  }

  /** Throws what a person can act on: where the gate is not up, who may, what is wrong with the request. */
  async #ask<T>(method: string, path: string, body: object | undefined): Promise<T> {
    const { status, text } = await this.#send(method, path, body);
    let document: unknown;
    try {
      document = JSON.parse(text);
    } catch {
      throw new Error(`${this.#base.href} answered ${status}, and not as an admin plane does; is it one?`);
    }
    if (status >= 200 && status < 300) return document as T;
    throw new Error(this.#refusal(status, document as Problem));
  }

  #refusal(status: number, { code, message, reasons = [], allowed = [] }: Problem): string {
    const details = reasons
      .filter((reason) => reason.message !== message)
      .map((reason) => `\n  ${reason.path === undefined ? '' : `${reason.path}: `}${reason.message}`);
    switch (code) {
      case 'unauthenticated':
        return `the token is not accepted (it came from ${this.#tokenFrom}): ${message}${details.join('')}`;
      case 'insufficient_scope':
        return `your roles do not allow this; it takes one of: ${allowed.join(', ')}`;
      default: {
        const choices = allowed.length === 0 ? '' : `\n  one of: ${allowed.slice(0, 50).join(', ')}`;
        return `${code ?? status}: ${message ?? 'the gate refused'}${details.join('')}${choices}`;
      }
    }
  }

  async #send(method: string, path: string, body: object | undefined): Promise<{ status: number; text: string }> {
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const headers = {
      authorization: `Bearer ${this.#token}`,
      accept: 'application/json',
      ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
    };
    const asked = { method, headers, body: payload, tls: this.#tls, plane: 'the admin plane' };
    return webRequest(new URL(path, this.#base), asked);
  }
}

/** The admin plane that the options name. Throws `Usage` where they name none, or say too much. */
export async function connect(values: AdminValues, { env }: Surroundings): Promise<AdminClient> {
  const { config, 'admin-url': adminUrl, ca, cert, key } = values;
  if ((config === undefined) === (adminUrl === undefined))
    throw new Usage('name the gate: --config F or --admin-url U');
  if ((cert === undefined) !== (key === undefined)) throw new Usage('--cert and --key go together');
  const own = config === undefined ? undefined : await addressOf(config, env);
  const base = own?.url ?? urlOf(adminUrl as string);
  denyUnencrypted(base);
  const token = await tokenOf(values['token-file'], env, own);
  const tls = {
    ...(ca === undefined ? {} : { ca: await readFile(ca) }),
    ...(cert === undefined ? {} : { cert: await readFile(cert) }),
    ...(key === undefined ? {} : { key: await readFile(key) }),
  };
  return new AdminClient(base, token, tls);
}

/** Reading a configuration takes most of the gate; who names a URL shall not wait for it. */
async function addressOf(file: string, env: Surroundings['env']): Promise<AdminAddress> {
  return (await import('./admin-address.ts')).adminAddress(file, env);
}

/** An address alone. Throws `Usage`. */
export function urlOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const plain =
    url !== undefined && url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '';
  if (url === undefined || !plain || !/^https?:$/.test(url.protocol)) {
    throw new Usage(`${text} is not the URL of an admin plane: expected for example https://gate.example.com:8081`);
  }
  return url;
}

async function tokenOf(
  file: string | undefined,
  env: Surroundings['env'],
  own: AdminAddress | undefined,
): Promise<{ readonly text: string; readonly from: string }> {
  const given = env[tokenVariable] ?? '';
  if (file === undefined && given !== '') return { text: fit(given, tokenVariable), from: tokenVariable };
  const source = file ?? own?.tokenFile;
  if (source === undefined) throw new Usage(`name your token: --token-file F, or ${tokenVariable} in the environment`);
  if (source === null) {
    throw new Usage(`people sign in by OIDC at this gate: --token-file F, or ${tokenVariable} in the environment`);
  }
  try {
    return { text: fit(await readFile(source, 'utf8'), source), from: source };
  } catch (fault) {
    const { code } = fault as NodeJS.ErrnoException;
    if (code === undefined) throw fault;
    throw new Error(
      `the token in ${source} cannot be read (${code})${file === undefined ? '; was the gate ever up?' : ''}`,
    );
  }
}

/** What would break the header, or is nothing, is not a token. */
export function fit(text: string, from: string): string {
  const token = text.trim();
  if (!/^[\x21-\x7e]+$/.test(token)) throw new Error(`${from} does not hold a token`);
  return token;
}
