/**
 * How a command calls as an agent does: with a task token, or with a workload token by which it opens a task of its own
 * and completes it when it is done. Tools are called by MCP (2026-07-28), which serves tools of every kind. What a reader
 * would get wrong: what is refused is an answer here, and not a fault of the command.
 */
import { readFile } from 'node:fs/promises';
import { standardHeaders } from '../wire/mcp/headers.ts';
import { metaKeys } from '../wire/mcp/meta.ts';
import { modernVersion } from '../wire/mcp/versions.ts';
import { fit, urlOf } from './admin-client.ts';
import { type Surroundings, Usage } from './command.ts';
import { denyUnencrypted, type Tls, type WebAnswer, webRequest } from './web-request.ts';

/** The options that every command has that calls as an agent, for `parseArgs`. */
export const taskOptions = {
  config: { type: 'string', short: 'c' },
  url: { type: 'string' },
  'task-token-file': { type: 'string' },
  'workload-token-file': { type: 'string' },
  purpose: { type: 'string' },
  subject: { type: 'string' },
  ca: { type: 'string' },
  cert: { type: 'string' },
  key: { type: 'string' },
  json: { type: 'boolean' },
} as const;

export const taskHelp = `Which gate, and as whom:
  --config F               a tollgate.yaml: the address is its gateway.listen
  --url U                  the data plane, in place of --config; http:// on this machine only
  --task-token-file F      a task token, F may be - for the standard input; or TOLLGATE_TASK_TOKEN in the environment
  --workload-token-file F  a workload token: a task is opened with it, for --purpose P and perhaps --subject ID, and
                           completed at the end; or TOLLGATE_WORKLOAD_TOKEN in the environment
  --ca F                   authorities (PEM) that vouch for the certificate of the data plane
  --cert F --key F         your client certificate (PEM), where your token belongs to one
  --json                   the answer of the gate as it is, for programs

Exit 0 done, 1 the gate or the tool said no, or cannot be reached, 2 usage.`;

export interface TaskValues {
  readonly config?: string | undefined;
  readonly url?: string | undefined;
  readonly 'task-token-file'?: string | undefined;
  readonly 'workload-token-file'?: string | undefined;
  readonly purpose?: string | undefined;
  readonly subject?: string | undefined;
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** A refusal or a fault as the gate tells it, on whichever surface. */
export interface Refusal {
  readonly code?: string;
  readonly message?: string;
  readonly detail?: string;
  readonly reasons?: readonly { readonly message: string; readonly path?: string }[];
  readonly allowed?: readonly string[];
}

export class Refused extends Error {
  override readonly name = 'Refused';
}

/** For people: what was refused, why, and what may be done instead. */
export function refusalText({ code, message, detail, reasons = [], allowed = [] }: Refusal): string {
  const details = reasons
    .filter((reason) => reason.message !== message)
    .map((reason) => `\n  ${reason.path === undefined ? '' : `${reason.path}: `}${reason.message}`);
  const choices = allowed.length === 0 ? '' : `\n  you may use: ${allowed.slice(0, 50).join(', ')}`;
  return `${code ?? 'refused'}: ${message ?? detail ?? 'the gate refused'}${details.join('')}${choices}`;
}

export interface RpcAnswer {
  /** Of the request that was answered; absent for an error. */
  readonly result?: Readonly<Record<string, unknown>>;
  readonly callId: string | null;
  readonly taskId: string | null;
  readonly replayed: boolean;
}

export class TaskClient implements AsyncDisposable {
  readonly #base: URL;
  readonly #tls: Tls;
  readonly #token: string;
  /** The task that was opened for this command alone. */
  readonly #ownTask: string | null;
  #calls = 0;

  constructor(base: URL, tls: Tls, token: string, ownTask: string | null) {
    this.#base = base;
    this.#tls = tls;
    this.#token = token;
    this.#ownTask = ownTask;
  }

  /** One request to `/mcp`, or to `/mcp/{route}`. Throws `Refused` for what is no result. */
  async rpc(
    route: string | null,
    method: string,
    params: Readonly<Record<string, unknown>>,
    more: { readonly meta?: object; readonly headers?: Readonly<Record<string, string>> } = {},
  ): Promise<RpcAnswer> {
    const id = ++this.#calls;
    const _meta = {
      [metaKeys.version]: modernVersion,
      [metaKeys.capabilities]: {},
      [metaKeys.clientInfo]: { name: 'tollgate', version: '0' },
      ...more.meta,
    };
    const message = { jsonrpc: '2.0', id, method, params: { ...params, _meta } };
    const answer = await send(this.#base, this.#tls, this.#token, {
      path: route === null ? '/mcp' : `/mcp/${encodeURIComponent(route)}`,
      headers: {
        accept: 'application/json, text/event-stream',
        ...standardHeaders(modernVersion, method, params as Parameters<typeof standardHeaders>[2]),
        ...more.headers,
      },
      body: message,
    });
    const said = messageOf(answer, id);
    const { error } = said as { error?: { message?: string; data?: Refusal } };
    if (error !== undefined) throw new Refused(refusalText(error.data?.code === undefined ? error : error.data));
    const { result } = said as { result?: RpcAnswer['result'] };
    if (result === undefined) throw new Refused(refusalText(said as Refusal));
    const header = (name: string) =>
      typeof answer.headers[name] === 'string' ? (answer.headers[name] as string) : null;
    return {
      result,
      callId: header('x-tollgate-call-id'),
      taskId: header('x-tollgate-task-id'),
      replayed: header('idempotent-replayed') === 'true',
    };
  }

  /** Completes the task that was opened for this command. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ownTask === null) return;
    await send(this.#base, this.#tls, this.#token, { path: `/tasks/${this.#ownTask}/complete`, headers: {} });
  }
}

/** As whom the options say; `tools` are what a task that is opened asks for. Throws `Usage`, and `Refused`. */
export async function connectTask(
  values: TaskValues,
  { env }: Surroundings,
  tools: readonly string[] | null,
): Promise<TaskClient> {
  const { config, url, ca, cert, key } = values;
  if ((config === undefined) === (url === undefined)) throw new Usage('name the gate: --config F or --url U');
  if ((cert === undefined) !== (key === undefined)) throw new Usage('--cert and --key go together');
  const base = config === undefined ? urlOf(url as string) : await dataPlaneOf(config, env);
  denyUnencrypted(base);
  const tls = {
    ...(ca === undefined ? {} : { ca: await readFile(ca) }),
    ...(cert === undefined ? {} : { cert: await readFile(cert) }),
    ...(key === undefined ? {} : { key: await readFile(key) }),
  };
  const task = await tokenIn(values['task-token-file'], env.TOLLGATE_TASK_TOKEN, 'TOLLGATE_TASK_TOKEN');
  if (task !== null && values['workload-token-file'] === undefined) return new TaskClient(base, tls, task, null);
  if (values['task-token-file'] !== undefined) throw new Usage('a task token or a workload token, not both');
  const workload = await tokenIn(values['workload-token-file'], env.TOLLGATE_WORKLOAD_TOKEN, 'TOLLGATE_WORKLOAD_TOKEN');
  if (workload === null) throw new Usage('name your token: --task-token-file F or --workload-token-file F');
  const { purpose, subject } = values;
  if (purpose === undefined) throw new Usage('a task is opened with a workload token: --purpose P');
  const wish = {
    purpose,
    ...(subject === undefined ? {} : { subject: { id: subject } }),
    ...(tools === null ? {} : { tools }),
  };
  const answer = await send(base, tls, workload, {
    path: '/tasks',
    headers: { accept: 'application/json' },
    body: wish,
  });
  const opened = documentOf(answer) as { task_id?: string; task_token?: string } & Refusal;
  if (opened.task_id === undefined || opened.task_token === undefined) throw new Refused(refusalText(opened));
  return new TaskClient(base, tls, opened.task_token, opened.task_id);
}

/** Reading a configuration takes most of the gate; who names a URL shall not wait for it. */
async function dataPlaneOf(file: string, env: Surroundings['env']): Promise<URL> {
  return (await import('./admin-address.ts')).dataAddress(file, env);
}

async function tokenIn(file: string | undefined, own: string | undefined, variable: string): Promise<string | null> {
  if (file === undefined) return own === undefined || own === '' ? null : fit(own, variable);
  const source = file === '-' ? '/dev/stdin' : file;
  return fit(await readFile(source, 'utf8'), file === '-' ? 'the standard input' : file);
}

function send(
  base: URL,
  tls: Tls,
  token: string,
  asked: { readonly path: string; readonly headers: Readonly<Record<string, string>>; readonly body?: object },
): Promise<WebAnswer> {
  const body = asked.body === undefined ? undefined : Buffer.from(JSON.stringify(asked.body));
  return webRequest(new URL(asked.path, base), {
    ...{ method: 'POST', body, tls, plane: 'the data plane', answerMs: 600_000 },
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...asked.headers,
    },
  });
}

function documentOf({ status, text }: WebAnswer): object {
  try {
    const read: unknown = JSON.parse(text);
    if (typeof read === 'object' && read !== null) return read;
  } catch {
    // Told below.
  }
  throw new Error(`the data plane answered ${status}, and not as a gate does; is it one?`);
}

/** The answer to request `id`: the whole body, or the last event of a stream. */
function messageOf(answer: WebAnswer, id: number): object {
  if (!(answer.headers['content-type'] ?? '').startsWith('text/event-stream')) return documentOf(answer);
  const events = answer.text.split(/\r?\n\r?\n/).map((event) =>
    event
      .split(/\r?\n/)
      .filter((line) => line.startsWith('data:'))
      .map((line) => line.slice(5).trimStart())
      .join('\n'),
  );
  for (const text of events.toReversed()) {
    if (text === '') continue;
    const read = documentOf({ ...answer, text }) as { id?: unknown };
    if (read.id === id) return read;
  }
  throw new Error('the stream of the data plane ended without an answer');
}
