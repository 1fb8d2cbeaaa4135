/**
 * `POST /oauth/token`: the standard face of opening and renewing tasks (RFC 8693). The same mechanism as `POST /tasks`
 * stands behind it; what only this face has is the sub-task: a task token as `subject_token` and another agent's
 * workload token as `actor_token` give that agent a part of the task.
 */
import type { TaskRecord } from '../call.ts';
import { type Denial, denialHeaders, denialMembers, deny, isDenial } from '../denial.ts';
import type { Reply } from '../pipeline.ts';
import { type OpeningPorts, openTask, renewableTask, type TaskVerdict } from '../task/open.ts';
import type { RawRequest } from '../wire/dialect.ts';
import type { TaskRequests } from '../wire/task-request.ts';
import { accessTokenType, type ExchangeRequest, exchangeError, readExchange } from '../wire/token-exchange.ts';
import { jsonReply } from './reply.ts';
import { type IssuedToken, saidByPolicy, type TaskContext } from './task-routes.ts';

export interface OauthRoutesPorts<Verdict extends TaskVerdict> {
  readonly publicUrl: string;
  readonly requests: TaskRequests;
  readonly opening: OpeningPorts<Verdict>;
  readonly issue: (record: TaskRecord) => IssuedToken;
  readonly recordRenewed: (record: TaskRecord) => Promise<void>;
  /** Told of what was refused, for the sampled part of the trail. */
  readonly refused: (denial: Denial, context: TaskContext) => void;
}

export const tokenPath = '/oauth/token';

export class OauthRoutes<Verdict extends TaskVerdict> {
  readonly #ports: OauthRoutesPorts<Verdict>;

  constructor(ports: OauthRoutesPorts<Verdict>) {
    this.#ports = ports;
  }

  /** Answers a token request. Errors are RFC 6749 §5.2 documents, never denials for the caller to encode. */
  async answer(request: RawRequest, context: TaskContext): Promise<Reply> {
    const asked = readExchange(request, this.#ports.publicUrl);
    if ('error' in asked) {
      return jsonReply(400, { error: asked.error, error_description: asked.description }, { pragma: 'no-cache' });
    }
    const record = await this.#exchange(asked, context);
    if (isDenial(record)) return this.#refuse(record, context);
    const { token, expiresInSeconds, tools } = this.#ports.issue(record);
    const document = {
      access_token: token,
      issued_token_type: accessTokenType,
      token_type: 'Bearer',
      expires_in: expiresInSeconds,
      scope: tools.join(' '),
      task_id: record.id,
    };
    return jsonReply(200, document, { pragma: 'no-cache' });
  }

  async #exchange(asked: ExchangeRequest, context: TaskContext): Promise<TaskRecord | Denial> {
    const { subjectToken, actorToken, task } = asked;
    const { opening, requests } = this.#ports;
    // Whose token the subject's is, is told by verifying it, never by its type parameter.
    const parent = opening.verifyTask(subjectToken);
    if (isDenial(parent)) {
      if (actorToken !== null) {
        return deny('request_invalid', 'With an actor_token, the subject_token must be a task token of this gate.');
      }
      const body = requests.taskOf(task ?? {});
      return isDenial(body)
        ? body
        : openTask(opening, { credential: subjectToken, parentToken: null, request: body, ...context });
    }
    if (actorToken === null) {
      return deny(
        'request_invalid',
        'With a task token as subject_token, the actor_token (a workload token) is needed.',
      );
    }
    if (task === null) return this.#renew(subjectToken, actorToken);
    const body = requests.taskOf(task);
    if (isDenial(body)) return body;
    return openTask(opening, { credential: actorToken, parentToken: subjectToken, request: body, ...context });
  }

  /** Nothing new was asked for: the agent of the task gets another token for it. */
  async #renew(subjectToken: string, actorToken: string): Promise<TaskRecord | Denial> {
    const { opening, recordRenewed } = this.#ports;
    const record = await renewableTask(opening, subjectToken, actorToken);
    if (!isDenial(record)) await recordRenewed(record);
    return record;
  }

  #refuse(denial: Denial, context: TaskContext): Reply {
    if (!saidByPolicy.has(denial.code)) this.#ports.refused(denial, context);
    const { status, document } = exchangeError(denial, denialMembers(denial, { trace_id: context.trace.traceId }));
    return jsonReply(status, document, { pragma: 'no-cache', ...denialHeaders(denial) });
  }
}
