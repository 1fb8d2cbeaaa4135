/**
 * The admin plane: what people see, on loopback unless configured. A bearer token opens it; Host and Origin are
 * checked on loopback too, so that no web page a person visits can reach it through their browser.
 */
import type { Json, TaskRecord } from '../call.ts';
import type { Clock } from '../clock.ts';
import { type Denial, denialHeaders, denialMembers, deny, isDenial } from '../denial.ts';
import type { Reply } from '../pipeline.ts';
import { startTrace, traceparentOf } from '../telemetry/trace.ts';
import type { EncodedDenial, RawRequest } from '../wire/dialect.ts';
import { isToken } from './admin-token.ts';
import { credentialOf } from './credential.ts';
import type { Readiness } from './readiness.ts';
import { jsonReply } from './reply.ts';

/** Filter and paging of a list, as they stand in the query. */
export type Query = Readonly<Record<string, string>>;

export interface AdminPlanePorts {
  readonly clock: Clock;
  readonly token: string;
  /** `host:port` values of the Host header that are ours. */
  readonly hosts: () => readonly string[];
  readonly readiness: Readiness;
  /** The audit trail; denies `args_invalid` for filters and cursors that are none. */
  readonly audit: {
    readonly events: (query: Query) => Promise<Json | Denial>;
    readonly story: (taskId: string) => Promise<Json | undefined>;
    /** What was recorded apart from the events of a task: policy inputs, arguments, thoughts; redacted. */
    readonly payloads: (taskId: string, query: Query) => Promise<Json | Denial>;
    /** Destroys the key of a task's payloads; false if there was none. The chain still verifies. */
    readonly erase: (taskId: string) => Promise<boolean>;
    readonly trace: (traceId: string, query: Query) => Promise<Json | Denial>;
    readonly checkpoints: (query: Query) => Promise<Json | Denial>;
    readonly exportNdjson: (query: Query) => AsyncIterable<string> | Denial;
    readonly exportCsv: (query: Query) => AsyncIterable<string> | Denial;
  };
  readonly tasks: {
    readonly find: (id: string) => Promise<TaskRecord | undefined>;
    readonly document: (record: TaskRecord) => Promise<Json>;
    readonly kill: (record: TaskRecord) => Promise<TaskRecord | Denial>;
  };
  /** What Prometheus scrapes, and the token that opens it besides the admin token; null where it is switched off. */
  readonly metrics: { readonly exposition: () => string; readonly token: string | null } | null;
  readonly problem: (denial: Denial, members: ReturnType<typeof denialMembers>) => EncodedDenial;
  readonly faulted: (where: string, fault: unknown) => void;
}

const payloadsRoute = /^\/audit\/tasks\/([^/]+)\/payloads$/;
const taskRoute = /^\/tasks\/([^/]+)(\/kill)?$/;

export class AdminPlane {
  readonly #ports: AdminPlanePorts;

  constructor(ports: AdminPlanePorts) {
    this.#ports = ports;
  }

  /** Answers one request. Never rejects. */
  async answer(request: RawRequest): Promise<Reply> {
    try {
      const reply = await this.#dispatch(request);
      return isDenial(reply) ? this.refuse(request, reply) : reply;
    } catch (fault) {
      this.#ports.faulted('admin', fault);
      return this.refuse(request, deny('audit_unavailable', 'The gate could not complete this request.'));
    }
  }

  refuse(_request: RawRequest, denial: Denial): EncodedDenial {
    const trace = startTrace(this.#ports.clock);
    const { status, headers, body } = this.#ports.problem(denial, denialMembers(denial, { trace_id: trace.traceId }));
    return { status, headers: { ...denialHeaders(denial), ...headers, traceresponse: traceparentOf(trace) }, body };
  }

  async #dispatch(request: RawRequest): Promise<Reply | Denial> {
    const { path, method } = request;
    const stranger = this.#stranger(request);
    if (stranger !== undefined) return stranger;
    if (path === '/livez') return jsonReply(200, { status: 'alive' });
    if (path === '/readyz') return this.#ports.readiness.reply();
    const credential = credentialOf(request);
    if (isDenial(credential)) return credential;
    const scrapeToken = this.#ports.metrics?.token ?? null;
    if (path === '/metrics' && scrapeToken !== null && credential !== null && isToken(credential, scrapeToken)) {
      return this.#metrics(method);
    }
    if (credential === null || !isToken(credential, this.#ports.token)) {
      return deny('unauthenticated', 'Show the admin token: Authorization: Bearer <content of data_dir/admin-token>.');
    }
    const [, ofTask] = payloadsRoute.exec(path) ?? [];
    if (ofTask !== undefined) return this.#payloads(ofTask, request);
    if (path.startsWith('/audit/')) return method === 'GET' ? this.#audit(request) : wrongMethod('GET');
    if (path === '/metrics') return this.#metrics(method);
    const [, id, kill] = taskRoute.exec(path) ?? [];
    if (id !== undefined) return this.#task(id, kill !== undefined, method);
    return deny('route_unknown', 'There is no such route on the admin plane.');
  }

  async #audit({ path, query }: RawRequest): Promise<Reply | Denial> {
    const { audit } = this.#ports;
    const asked: Query = Object.fromEntries(new URLSearchParams(query));
    const [, , list, id] = path.split('/');
    const part = id === undefined ? '' : decodeURIComponent(id);
    if (list === 'events' && id === undefined) return document(await audit.events(asked));
    if (list === 'checkpoints' && id === undefined) return document(await audit.checkpoints(asked));
    if (list === 'traces' && part !== '') return document(await audit.trace(part, asked));
    if (list === 'tasks' && part !== '') {
      return document((await audit.story(part)) ?? deny('task_unknown', 'Nothing is recorded of such a task.'));
    }
    if (list === 'export' && id === undefined) return this.#export(asked);
    return deny('route_unknown', 'There is no such list of the audit trail.');
  }

  #metrics(method: string): Reply | Denial {
    const { metrics } = this.#ports;
    if (metrics === null) return deny('route_unknown', 'telemetry.prometheus is off.');
    if (method !== 'GET') return wrongMethod('GET');
    const headers = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'cache-control': 'no-store' };
    return { status: 200, headers, body: Buffer.from(metrics.exposition()) };
  }

  async #payloads(taskId: string, { method, query }: RawRequest): Promise<Reply | Denial> {
    const { payloads, erase } = this.#ports.audit;
    if (method === 'GET') return document(await payloads(taskId, Object.fromEntries(new URLSearchParams(query))));
    if (method !== 'DELETE') return wrongMethod('GET, DELETE');
    if (await erase(taskId)) return jsonReply(200, { task: taskId, erased: true });
    return deny('task_unknown', 'Nothing is kept of such a task.');
  }

  #export(asked: Query): Reply | Denial {
    const { format = 'ndjson', ...filter } = asked;
    if (format !== 'ndjson' && format !== 'csv') return deny('args_invalid', 'format is ndjson or csv.');
    const { exportNdjson, exportCsv } = this.#ports.audit;
    const lines = format === 'csv' ? exportCsv(filter) : exportNdjson(filter);
    if (isDenial(lines)) return lines;
    const type = format === 'csv' ? 'text/csv; charset=utf-8; header=present' : 'application/x-ndjson; charset=utf-8';
    return { status: 200, headers: { 'content-type': type, 'cache-control': 'no-store' }, body: encoded(lines) };
  }

  async #task(id: string, kill: boolean, method: string): Promise<Reply | Denial> {
    if (method !== (kill ? 'POST' : 'GET')) return wrongMethod(kill ? 'POST' : 'GET');
    const { find, document: describe, kill: end } = this.#ports.tasks;
    const record = await find(id);
    if (record === undefined) return deny('task_unknown', 'There is no such task.');
    const ended = kill ? await end(record) : record;
    return isDenial(ended) ? ended : jsonReply(200, await describe(ended));
  }

  /** Requests that a browser was led to make: another Host (DNS rebinding), or from another Origin. */
  #stranger({ headers }: RawRequest): Denial | undefined {
    const hosts = this.#ports.hosts();
    if (typeof headers.host !== 'string' || !hosts.includes(headers.host)) {
      return deny('request_invalid', 'The Host header is not one of the admin plane.');
    }
    const { origin } = headers;
    if (origin !== undefined && !hosts.some((host) => origin === `http://${host}` || origin === `https://${host}`)) {
      return deny('request_invalid', 'Requests from other origins are not answered.');
    }
    return undefined;
  }
}

function document(found: Json | Denial): Reply | Denial {
  return isDenial(found) ? found : jsonReply(200, found);
}

async function* encoded(lines: AsyncIterable<string>): AsyncIterable<Uint8Array> {
  for await (const line of lines) yield Buffer.from(line);
}

function wrongMethod(allowed: string): Denial {
  return deny('method_not_allowed', `This route takes ${allowed}.`, { allowed: [allowed] });
}
