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

export interface ResultRoutesPorts {
  readonly access: AccessPorts;
  readonly clock: Clock;
  readonly rests: Pick<ResultRests, 'read'>;
  /** Whether a token is good for the operation of that name, which there still is. */
  readonly covers: (scope: Caller['scope'], operation: string) => boolean;
  readonly denySuspended: (record: TaskRecord) => Promise<Denial | undefined>;
  readonly record: (record: TaskRecord, found: FoundPage, context: RequestContext) => Promise<void>;
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
    const { access, clock, rests, covers, denySuspended, record: note } = this.#ports;
    const own = await ownTask(access, credential, clock.nowMs());
    if (isDenial(own)) return own;
    const { record, scope } = own;
    const suspended = await denySuspended(record);
    if (suspended !== undefined) return suspended;
    const found = record.id === id ? await rests.read(record, cursor) : undefined;
    if (found === undefined || !covers(scope, found.operation)) {
      return deny('route_unknown', 'There is no such rest of a result.', {
        reasons: [{ code: 'result_absent', message: 'It is kept for some minutes, for its task alone.' }],
      });
    }
    await note(record, found, context);
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
