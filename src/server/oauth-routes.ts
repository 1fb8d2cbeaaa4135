/**
 * `POST /oauth/token`: the standard face of opening tasks, of renewing and narrowing their tokens, and of parts of tasks
 * for other agents (RFC 8693). The same mechanism as the task routes stands behind it. What a reader would get wrong:
 * whose a token is, is told by verifying it; the request only says which part it plays.
 */
import type { JsonObject, Shown, Trace } from '../call.ts';
import { type Denial, denialHeaders, denialMembers, deny, isDenial } from '../denial.ts';
import type { Reply } from '../pipeline.ts';
import type { Claim } from '../task/claimant.ts';
import { type IssuedToken, ofSubjectToken, renewByExchange, type Ticket } from '../task/issue.ts';
import { type OpeningPorts, openTask, type TaskVerdict } from '../task/open.ts';
import type { RawRequest } from '../wire/dialect.ts';
import type { OauthError } from '../wire/oauth-form.ts';
import type { TaskRequestBody, TaskRequests } from '../wire/task-request.ts';
import {
  accessTokenType,
  type ExchangeManner,
  type ExchangeRequest,
  exchangeError,
  isExchangeFault,
  readExchange,
} from '../wire/token-exchange.ts';
import { shownBy } from './credential.ts';
import { jsonReply } from './reply.ts';
import { saidByPolicy, type TaskContext } from './task-routes.ts';

export interface OauthRoutesPorts<Verdict extends TaskVerdict> {
  readonly publicUrl: string;
  readonly requests: TaskRequests;
  readonly opening: OpeningPorts<Verdict>;
  /** A token of a task, and what it is good for. It is recorded, durably, before it is there. */
  readonly issue: (ticket: Ticket, trace: Trace) => Promise<IssuedToken | Denial>;
  /** Told of what was refused, for the sampled part of the trail. */
  readonly refused: (denial: Denial, context: TaskContext) => void;
  readonly faulted: (where: string, fault: unknown) => void;
}

export const tokenPath = '/oauth/token';

export class OauthRoutes<Verdict extends TaskVerdict> {
  readonly #ports: OauthRoutesPorts<Verdict>;

  constructor(ports: OauthRoutesPorts<Verdict>) {
    this.#ports = ports;
  }

  /** Answers a token request. Errors are RFC 6749 §5.2 documents, never denials for the caller to encode. */
  async answer(request: RawRequest, context: TaskContext): Promise<Reply> {
    const { authorization } = request.headers;
    if (authorization !== undefined) return refuseHeader(authorization);
    const asked = readExchange(request, this.#ports.publicUrl);
    if (isExchangeFault(asked)) {
      return fault(asked.error === 'invalid_client' ? 401 : 400, asked.error, asked.description);
    }
    const document = await this.#document(asked, shownBy(request, null), context);
    return isDenial(document) ? this.#refuse(document, context, mannerOf(asked)) : jsonReply(200, document, noCache);
  }

  /** The answer of RFC 8693 §2.2.1. A fault is an answer as well: OAuth clients read no other kind. */
  async #document(asked: ExchangeRequest, shown: Shown, context: TaskContext): Promise<JsonObject | Denial> {
    try {
      const ticket = await this.#exchange(asked, shown, context);
      if (isDenial(ticket)) return ticket;
      const issued = await this.#ports.issue(ticket, context.trace);
      if (isDenial(issued)) return issued;
      return {
        access_token: issued.token,
        issued_token_type: accessTokenType,
        token_type: issued.tokenType,
        expires_in: issued.expiresInSeconds,
        scope: issued.tools.join(' '),
        task_id: ticket.record.id,
      };
    } catch (fault) {
      this.#ports.faulted('server', fault);
      return deny('store_unavailable', 'The gate could not complete this request.');
    }
  }

  async #exchange(asked: ExchangeRequest, shown: Shown, context: TaskContext): Promise<Ticket | Denial> {
    const { subjectToken, actorToken, clientAssertion, clientId, scope } = asked;
    const byWorkload = actorToken ?? clientAssertion;
    const claim: Claim = {
      credential: { token: byWorkload ?? subjectToken, shown },
      assertion: actorToken === null ? null : clientAssertion,
      clientId,
    };
    const caller = this.#ports.opening.readTask(subjectToken);
    if (isDenial(caller)) {
      if (caller.reasons[0]?.code === 'token_expired') return ofSubjectToken(caller);
      return this.#open(asked, claim, byWorkload === null ? null : subjectToken, context);
    }
    if (byWorkload === null) {
      return deny('request_invalid', 'A task token is exchanged with a workload token, as actor or client_assertion.');
    }
    if (asked.details !== null) return this.#openPart(asked, claim, context);
    return renewByExchange(this.#ports.opening, claim, subjectToken, scope);
  }

  /** A task of its own; `subjectToken` is the subject's, null where the workload stands for nobody else. */
  async #open(
    asked: ExchangeRequest,
    claim: Claim,
    subjectToken: string | null,
    context: TaskContext,
  ): Promise<Ticket | Denial> {
    const request = this.#request(asked);
    if (isDenial(request)) return request;
    if (subjectToken === null) return openTask(this.#ports.opening, { claim, parentToken: null, request, ...context });
    if (request.subject !== null) {
      return deny('request_invalid', 'The subject is named twice: by subject_token, and in authorization_details.');
    }
    const withSubject = { ...request, subject: { token: subjectToken } };
    return openTask(this.#ports.opening, { claim, parentToken: null, request: withSubject, ...context });
  }

  /** A part of the task of the task token, for whoever the workload token names. */
  async #openPart(asked: ExchangeRequest, claim: Claim, context: TaskContext): Promise<Ticket | Denial> {
    const request = this.#request(asked);
    if (isDenial(request)) return request;
    return openTask(this.#ports.opening, { claim, parentToken: asked.subjectToken, request, ...context });
  }

  #request({ details, scope }: ExchangeRequest): TaskRequestBody | Denial {
    return this.#ports.requests.taskOf({ ...details, ...(scope === null ? {} : { tools: scope }) });
  }

  #refuse(denial: Denial, context: TaskContext, manner: ExchangeManner): Reply {
    if (!saidByPolicy.has(denial.code)) this.#ports.refused(denial, context);
    const members = denialMembers(denial, { trace_id: context.trace.traceId });
    const { status, document } = exchangeError(denial, members, manner);
    return jsonReply(status, document, { ...noCache, ...denialHeaders(denial) });
  }
}

function mannerOf({ clientAssertion, clientId, scope }: ExchangeRequest): ExchangeManner {
  return { asClient: clientAssertion !== null || clientId !== null, scoped: scope !== null };
}

/** RFC 6749 §5.1. */
const noCache = { pragma: 'no-cache' };

function fault(status: 400 | 401, error: OauthError, description: string, headers: Record<string, string> = {}): Reply {
  const document: JsonObject = { error, error_description: description };
  return jsonReply(status, document, { ...noCache, ...headers });
}

/** Clients are known by their workload tokens alone; whoever tried a header is told so in its terms (RFC 6749 §5.2). */
function refuseHeader(authorization: string | readonly string[]): Reply {
  const [scheme = 'Basic'] = /^[A-Za-z][A-Za-z0-9-]{0,31}/.exec(String(authorization)) ?? [];
  const description = 'the workload token goes in actor_token or client_assertion, not in the Authorization header';
  return fault(401, 'invalid_client', description, { 'www-authenticate': `${scheme} realm="tollgate"` });
}
