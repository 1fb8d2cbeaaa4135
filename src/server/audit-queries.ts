/**
 * The audit lists of the admin plane: reads filters and paging from a query, and denies what is not one, instead of
 * answering another question than was asked.
 */

import { type EventType, eventTypes } from '../audit/event.ts';
import type { EventFilter } from '../audit/sinks/sink.ts';
import { type PayloadKind, payloadKinds } from '../audit/task-key.ts';
import type { AuditTrail, PageOptions } from '../audit/trail.ts';
import { QueryInvalid } from '../audit/trail.ts';
import type { Json } from '../call.ts';
import type { TaskId } from '../clock.ts';
import { type Denial, type DenialCode, denials, deny, isDenial } from '../denial.ts';
import type { Query } from './admin-routes.ts';

const textFilters = ['task', 'agent', 'tenant', 'subject', 'operation', 'decision', 'trace_id', 'call'] as const;
const matches = ['exact', 'changed', 'name', 'none', 'observed', 'reported'] as const;
const pagingNames = ['limit', 'cursor', 'order'];

/** The audit trail as people ask it; denies `args_invalid` for filters and cursors that are none. */
export interface AuditQueries {
  readonly events: (query: Query) => Promise<Json | Denial>;
  readonly story: (taskId: string) => Promise<Json | undefined>;
  /** What was recorded apart from the events of a task: policy inputs, arguments, thoughts; redacted. */
  readonly payloads: (taskId: string, query: Query) => Promise<Json | Denial>;
  /** Destroys the key of a task's payloads; false if there was none. The chain still verifies. */
  readonly erase: (taskId: TaskId) => Promise<boolean>;
  readonly trace: (traceId: string, query: Query) => Promise<Json | Denial>;
  readonly checkpoints: (query: Query) => Promise<Json | Denial>;
  readonly exportNdjson: (query: Query) => AsyncIterable<string> | Denial;
  readonly exportCsv: (query: Query) => AsyncIterable<string> | Denial;
}

/** The questions of people, over `trail`. */
export function auditQueries(trail: AuditTrail): AuditQueries {
  return {
    events: (query) => page(query, true, (filter, options) => trail.events(filter, options)),
    story: async (taskId) => (await trail.story(taskId)) as unknown as Json | undefined,
    payloads: (taskId, query) => payloads(trail, taskId, query),
    erase: (taskId) => trail.eraseTask(taskId),
    trace: (traceId, query) => page(query, false, (_filter, options) => trail.trace(traceId, options)),
    checkpoints: (query) => page(query, false, (_filter, options) => trail.checkpoints(options)),
    exportNdjson: (query) => stream(query, (filter) => trail.exportNdjson(filter)),
    exportCsv: (query) => stream(query, (filter) => trail.exportCsv(filter)),
  };
}

async function page(
  query: Query,
  filters: boolean,
  find: (filter: EventFilter, options: PageOptions) => Promise<unknown>,
): Promise<Json | Denial> {
  const { limit, cursor, order, ...rest } = query;
  const filter = readFilter(filters ? rest : {}, filters ? [] : Object.keys(rest));
  if (isDenial(filter)) return filter;
  if (order !== undefined && order !== 'oldest_first' && order !== 'newest_first') {
    return deny('args_invalid', 'order is oldest_first or newest_first.');
  }
  try {
    const options: PageOptions = {
      ...(limit === undefined ? {} : { limit: Number(limit) }),
      ...(cursor === undefined ? {} : { cursor }),
      ...(order === undefined ? {} : { order }),
    };
    return (await find(filter, options)) as Json;
  } catch (fault) {
    if (fault instanceof QueryInvalid) return deny('args_invalid', `The query is not valid: ${fault.message}.`);
    throw fault;
  }
}

async function payloads(trail: AuditTrail, task: string, query: Query): Promise<Json | Denial> {
  const { limit, cursor, call, kind, ...rest } = query;
  const unknown = Object.keys(rest);
  if (unknown.length > 0)
    return deny('args_invalid', `There is no filter ${unknown.join(', ')}.`, { allowed: ['call', 'kind'] });
  if (kind !== undefined && !(payloadKinds as readonly string[]).includes(kind)) {
    return deny('args_invalid', `kind is one of: ${payloadKinds.join(', ')}.`);
  }
  try {
    const found = await trail.payloads({
      task,
      ...(call === undefined ? {} : { call }),
      ...(kind === undefined ? {} : { kind: kind as PayloadKind }),
      ...(limit === undefined ? {} : { limit: Number(limit) }),
      ...(cursor === undefined ? {} : { cursor }),
    });
    return found as unknown as Json;
  } catch (fault) {
    if (fault instanceof QueryInvalid) return deny('args_invalid', `The query is not valid: ${fault.message}.`);
    throw fault;
  }
}

function stream(query: Query, open: (filter: EventFilter) => AsyncIterable<string>): AsyncIterable<string> | Denial {
  const filter = readFilter(query, []);
  return isDenial(filter) ? filter : open(filter);
}

/** The filter of a query. Denies `args_invalid` for names that are none, `unknownNames` among them. */
export function readFilter(query: Query, unknownNames: readonly string[]): EventFilter | Denial {
  const filter: { -readonly [Name in keyof EventFilter]: EventFilter[Name] } = {};
  for (const [name, value] of Object.entries(query)) {
    if ((textFilters as readonly string[]).includes(name)) {
      filter[name as (typeof textFilters)[number]] = value;
    } else if (name === 'code') {
      if (!Object.hasOwn(denials, value)) return deny('args_invalid', `There is no denial code ${value}.`);
      filter.code = value as DenialCode;
    } else if (name === 'match') {
      if (!(matches as readonly string[]).includes(value)) {
        return deny('args_invalid', `match is one of: ${matches.join(', ')}.`, { allowed: matches });
      }
      filter.match = value as (typeof matches)[number];
    } else if (name === 'type') {
      if (!(eventTypes as readonly string[]).includes(value)) {
        return deny('args_invalid', `type is one of: ${eventTypes.join(', ')}.`);
      }
      filter.type = value as EventType;
    } else if (name === 'from' || name === 'to') {
      const ms = Date.parse(value);
      if (Number.isNaN(ms))
        return deny('args_invalid', `${name} must be a time as in RFC 3339, for example 2026-11-02T09:00:00Z.`);
      filter[name === 'from' ? 'fromMs' : 'toMs'] = ms;
    } else {
      unknownNames = [...unknownNames, name];
    }
  }
  if (unknownNames.length === 0) return filter;
  return deny('args_invalid', `There is no filter ${unknownNames.join(', ')}.`, {
    allowed: [...textFilters, 'code', 'match', 'type', 'from', 'to', ...pagingNames],
  });
}
