/**
 * `GET /tasks/{id}/results/{cursor}`: the next page of a result that was too long for one answer, for whoever holds a
 * token of the task that is good for the operation. It is no new call: what stands in it was decided on, counted, and
 * has tainted its task. That it was read stands in the trail.
 */
import type { Caller, ShownToken, TaskRecord } from '../call.ts';
import type { Clock } from '../clock.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import type { Reply } from '../pipeline.ts';
import { type AccessPorts, ownTask } from '../task/access.ts';
import type { FoundPage, ResultRests } from '../task/results.ts';
import type { RequestContext } from './arrival.ts';

/** What a page is found and recorded by. */
export interface RestPorts {
  readonly rests: Pick<ResultRests, 'read'>;
  /** Whether a token is good for the operation of that name, which there still is. */
  readonly covers: (scope: Caller['scope'], operation: string) => boolean;
  readonly record: (record: TaskRecord, found: FoundPage, context: Pick<RequestContext, 'trace'>) => Promise<void>;
}

export interface ResultRoutesPorts extends RestPorts {
  readonly access: AccessPorts;
  readonly clock: Clock;
  readonly denySuspended: (record: TaskRecord) => Promise<Denial | undefined>;
}

/**
 * A page of a task that is alive, recorded as read; undefined where it is not there, not of this task, or not for a token
 * of this scope, or not of `route`. Rejects with `StoreUnavailable`.
 */
export async function restOf(
  { rests, covers, record: note }: RestPorts,
  { record, scope }: { readonly record: TaskRecord; readonly scope: Caller['scope'] },
  cursor: string,
  context: Pick<RequestContext, 'trace'>,
  route: string | null = null,
): Promise<FoundPage | undefined> {
  const found = await rests.read(record, cursor);
  if (route !== null && found?.operation.startsWith(`${route}.`) !== true) return undefined;
  if (found === undefined || !covers(scope, found.operation)) return undefined;
  await note(record, found, context);
  return found;
}

export class ResultRoutes {
  readonly #ports: ResultRoutesPorts;

  constructor(ports: ResultRoutesPorts) {
    this.#ports = ports;
  }

  /** The page; what is not there, not of this task, or not for this token is `route_unknown`. */
  async answer(
    credential: ShownToken | null,
    id: string,
    cursor: string,
    context: RequestContext,
  ): Promise<Reply | Denial> {
    const { access, clock, denySuspended } = this.#ports;
    const own = await ownTask(access, credential, clock.nowMs());
    if (isDenial(own)) return own;
    const { record, scope } = own;
    const suspended = await denySuspended(record);
    if (suspended !== undefined) return suspended;
    const found = record.id === id ? await restOf(this.#ports, { record, scope }, cursor, context) : undefined;
    if (found === undefined) {
      return deny('route_unknown', 'There is no such rest of a result.', {
        reasons: [{ code: 'result_absent', message: 'It is kept for some minutes, for its task alone.' }],
      });
    }
    const { page, next } = found;
    const headers = {
      'content-type': page.contentType,
      'cache-control': 'no-store',
      'x-tollgate-result-part': page.part,
      ...(next === null ? {} : { 'x-tollgate-result-cursor': next }),
    };
    return { status: 200, headers, body: Buffer.from(page.text) };
  }
}
