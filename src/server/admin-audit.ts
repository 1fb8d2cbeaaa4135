/** The audit part of the admin plane: what auditors read and take away, and what operators erase. */
import type { TaskId } from '../clock.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import type { AdminRequests } from '../wire/admin-request.ts';
import type { About, AdminAnswers, Answered, Asked, Query } from './admin-routes.ts';
import type { AuditQueries } from './audit-queries.ts';
import { jsonReply } from './reply.ts';

export interface AdminAuditPorts {
  readonly audit: AuditQueries;
  readonly requests: AdminRequests;
}

type AuditRoute = `audit.${'events' | 'story' | 'trace' | 'checkpoints' | 'export' | 'payloads' | 'erase'}`;

const taskIdForm = /^task_[0-9a-hjkmnp-tv-z]{26}$/;
const shownFilterMax = 512;

/** The answers of `/audit/…`. */
export function adminAudit({ audit, requests }: AdminAuditPorts): AdminAnswers<AuditRoute> {
  return {
    'audit.events': async ({ query }) => documentOf(await audit.events(query)),
    'audit.story': async ({ id }) =>
      documentOf((await audit.story(id)) ?? deny('task_unknown', 'Nothing is recorded of such a task.')),
    'audit.trace': async ({ id, query }) => documentOf(await audit.trace(id, query)),
    'audit.checkpoints': async ({ query }) => documentOf(await audit.checkpoints(query)),
    'audit.export': async ({ query }) => ({ ...exported(audit, query), about: aboutFilter(query) }),
    'audit.payloads': async ({ id, query }) => {
      const { reply } = documentOf(await audit.payloads(id, query));
      return { reply, about: aboutTask(id) };
    },
    'audit.erase': async (asked) => erase({ audit, requests }, asked),
  };
}

async function erase({ audit, requests }: AdminAuditPorts, { id, body }: Asked): Promise<Answered> {
  const read = requests.reason(body);
  if (isDenial(read)) return { reply: read, about: aboutTask(id) };
  const about = { ...aboutTask(id), ...(read.reason === null ? {} : { notes: { reason_given: read.reason } }) };
  // What was never a task's id has no key, and shall not be remembered as one that was destroyed.
  const erased = taskIdForm.test(id) && (await audit.erase(id as TaskId));
  if (!erased) return { reply: deny('task_unknown', 'Nothing is kept of such a task.'), about };
  return { reply: jsonReply(200, { task: id, erased: true }), about };
}

function exported(audit: AuditQueries, asked: Query): Answered {
  const { format = 'ndjson', ...filter } = asked;
  if (format !== 'ndjson' && format !== 'csv') return { reply: deny('args_invalid', 'format is ndjson or csv.') };
  const lines = format === 'csv' ? audit.exportCsv(filter) : audit.exportNdjson(filter);
  if (isDenial(lines)) return { reply: lines };
  const type = format === 'csv' ? 'text/csv; charset=utf-8; header=present' : 'application/x-ndjson; charset=utf-8';
  const headers = { 'content-type': type, 'cache-control': 'no-store' };
  return { reply: { status: 200, headers, body: encoded(lines) } };
}

function documentOf(found: Parameters<typeof jsonReply>[1] | Denial): Answered {
  return { reply: isDenial(found) ? found : jsonReply(200, found) };
}

/** An event of a task stands in its story; what is no id of a task stands nowhere. */
function aboutTask(id: string): About {
  return taskIdForm.test(id) ? { task: id } : {};
}

/** What was taken away, by its filter. */
function aboutFilter(query: Query): About {
  const filter = new URLSearchParams(query).toString().slice(0, shownFilterMax);
  return filter === '' ? {} : { notes: { filter } };
}

async function* encoded(lines: AsyncIterable<string>): AsyncIterable<Uint8Array> {
  for await (const line of lines) yield Buffer.from(line);
}
