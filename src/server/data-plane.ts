/**
 * The data plane: what agents see. Sends each request where it belongs: health, keys, the task routes, or a dialect
 * and from there up the ladder. It never throws: whatever goes wrong comes back in the shape of the surface.
 */
import type { JsonObject, Shown, ShownToken, Trace, Watch } from '../call.ts';
import { type Clock, newId } from '../clock.ts';
import { type Denial, denialHeaders, denialMembers, deny, isDenial } from '../denial.ts';
import type { Pipeline, Reply } from '../pipeline.ts';
import { type Headers, traceparentOf } from '../telemetry/trace.ts';
import type { Dialect, EncodedDenial, RawRequest } from '../wire/dialect.ts';
import { arrivalOf, dialectOf, hintsOf, single } from './arrival.ts';
import { credentialOf, shownBy } from './credential.ts';
import { challengeHeader, requestIdHeader } from './encode.ts';
import { tokenPath } from './oauth-routes.ts';
import type { Readiness } from './readiness.ts';
import { jsonReply } from './reply.ts';
import { saidByPolicy, type TaskContext } from './task-routes.ts';

export interface DataPlanePorts {
  readonly clock: Clock;
  readonly pipeline: Pick<Pipeline, 'run'>;
  readonly dialects: readonly Dialect[];
  /** Encodes denials of the gate's own routes. */
  readonly problem: (denial: Denial, members: ReturnType<typeof denialMembers>) => EncodedDenial;
  readonly tasks: {
    handles(path: string): boolean;
    answer(request: RawRequest, context: TaskContext): Promise<Reply | Denial>;
  };
  /** `POST /oauth/token`; encodes its own errors. */
  readonly oauth: { answer(request: RawRequest, context: TaskContext): Promise<Reply> };
  /** `POST /oauth/revoke` and `/oauth/introspect`; encodes its own errors. */
  readonly oauthLife: {
    handles(path: string): boolean;
    answer(request: RawRequest, context: TaskContext): Promise<Reply>;
  };
  /** `/mcp`: answers in JSON-RPC, but for what is no message of MCP. */
  readonly mcp: {
    handles(path: string): boolean;
    answer(request: RawRequest, context: TaskContext, abort: AbortController): Promise<Reply | Denial>;
  };
  /** Documents by path: keys and metadata. */
  readonly documents: Readonly<Record<string, () => JsonObject>>;
  /** The models that the task of this credential may use by a surface, as this one lists them. */
  readonly models: (credential: ShownToken | null, surface: string) => Promise<JsonObject | Denial>;
  readonly readiness: Readiness;
  /** The challenge of a denial, where it has one (RFC 9728 §5.1). */
  readonly challenge: (denial: Denial, shown: Shown) => string | undefined;
  /** Told of what was refused before anybody knew whose call it was: counted, and sampled into the trail. */
  readonly refused: (denial: Denial, request: TaskContext) => void;
  /** Requests under way on this plane, this one included, until their answers are gone; and the most there may be. */
  readonly underWay: () => number;
  readonly concurrencyMax: number;
  readonly telemetry: {
    readonly trace: (headers: Headers) => Trace;
    /** Watches a call from its arrival. */
    readonly watch: (trace: Trace) => Watch;
    /** Told of every refusal that is not a call's. */
    readonly denied: (denial: Denial) => void;
  };
  readonly faulted: (where: string, fault: unknown) => void;
}

const requestIdForm = /^[\x21-\x7e]{1,128}$/;
/** Answered whatever else is refused: who asks them decides whether this gateway lives. */
const healthPaths: ReadonlySet<string> = new Set(['/livez', '/readyz']);

export class DataPlane {
  readonly #ports: DataPlanePorts;

  constructor(ports: DataPlanePorts) {
    this.#ports = ports;
  }

  /** Answers one request. Never rejects. */
  async answer(request: RawRequest, abort: AbortController): Promise<Reply> {
    const context = this.#context(request);
    const turnedAway = healthPaths.has(request.path) ? undefined : this.#turnAway();
    if (turnedAway !== undefined) {
      const reply = this.#deny(request, turnedAway, context);
      // Its next request is for another gateway.
      const leave = this.#ports.readiness.draining ? { connection: 'close' } : {};
      return { ...reply, headers: { ...reply.headers, ...leave } };
    }
    try {
      const reply = await this.#dispatch(request, context, abort);
      return isDenial(reply)
        ? this.#deny(request, reply, context)
        : { ...reply, headers: { ...this.#common(request, context), ...reply.headers } };
    } catch (fault) {
      this.#ports.faulted('server', fault);
      return this.#deny(request, deny('store_unavailable', 'The gate could not complete this request.'), context);
    }
  }

  /** Answers what could not be taken in: too large, unreadable. */
  refuse(request: RawRequest, denial: Denial): EncodedDenial {
    const context = this.#context(request);
    this.#ports.refused(denial, context);
    return this.#deny(request, denial, context);
  }

  #turnAway(): Denial | undefined {
    const { readiness, underWay, concurrencyMax } = this.#ports;
    if (readiness.draining) {
      return deny('upstream_unavailable', 'This gateway is stopping and takes no new calls.', {
        reasons: [{ code: 'gateway_stopping', message: 'Another gateway, or this one after its restart, takes it.' }],
        retryAfterMs: 1000,
      });
    }
    if (underWay() <= concurrencyMax) return undefined;
    return deny('rate_limited', 'The gate has as many calls under way as it takes.', { retryAfterMs: 1000 });
  }

  async #dispatch(request: RawRequest, context: TaskContext, abort: AbortController): Promise<Reply | Denial> {
    const { path, method } = request;
    const { readiness, documents, tasks, oauth, oauthLife, mcp, dialects } = this.#ports;
    if (path === '/livez') return jsonReply(200, { status: 'alive' });
    if (path === '/readyz') return readiness.reply();
    const document = documents[path];
    if (document !== undefined)
      return method === 'GET' ? jsonReply(200, document()) : deny('method_not_allowed', 'This route takes GET.');
    if (path === tokenPath && method === 'POST') return oauth.answer(request, context);
    if (oauthLife.handles(path) && method === 'POST') return oauthLife.answer(request, context);
    if (tasks.handles(path)) return this.#own(tasks.answer(request, context), context);
    if (path === '/v1/models' && method === 'GET') return this.#own(this.#models(request), context);
    if (mcp.handles(path)) return this.#own(mcp.answer(request, context, abort), context);
    const dialect = dialectOf(dialects, request);
    if (isDenial(dialect)) return this.#own(dialect, context);
    return this.#call(dialect, request, context, abort);
  }

  async #models(request: RawRequest): Promise<Reply | Denial> {
    const credential = credentialOf(request);
    if (isDenial(credential)) return credential;
    const dialect = dialectOf(this.#ports.dialects, request);
    if (isDenial(dialect)) return dialect;
    const models = await this.#ports.models(credential, dialect.name);
    return isDenial(models) ? models : jsonReply(200, models);
  }

  /** A denial of the gate's own routes is counted here; those of calls are settled by the pipeline. */
  async #own(answered: Denial | Promise<Reply | Denial>, context: TaskContext): Promise<Reply | Denial> {
    const reply = await answered;
    // What the policy said of a task stands in the trail with its agent already.
    if (isDenial(reply) && !saidByPolicy.has(reply.code)) this.#ports.refused(reply, context);
    return reply;
  }

  async #call(
    dialect: Dialect,
    request: RawRequest,
    context: TaskContext,
    abort: AbortController,
  ): Promise<Reply | Denial> {
    const wire = dialect.parse(request);
    if (isDenial(wire)) return this.#own(wire, context);
    const credential = credentialOf(request);
    if (isDenial(credential)) return this.#own(credential, context);
    const hints = hintsOf(request);
    if (isDenial(hints)) return this.#own(hints, context);
    const arrival = arrivalOf(this.#ports.clock, context, {
      surface: dialect.name,
      request: wire,
      hints,
      credential: credential?.token ?? null,
      shown: credential?.shown ?? shownBy(request, null),
      abort,
      watch: this.#ports.telemetry.watch(context.trace),
    });
    return this.#ports.pipeline.run(arrival);
  }

  #dialectOf(request: RawRequest): Dialect | undefined {
    const dialect = dialectOf(this.#ports.dialects, request);
    return isDenial(dialect) ? undefined : dialect;
  }

  #context(request: RawRequest): TaskContext {
    const trace = this.#ports.telemetry.trace(request.headers);
    const requestId = single(request, 'x-request-id');
    const ownId = () => newId(this.#ports.clock, 'call').replace('call_', 'req_');
    return { trace, requestId: requestId !== null && requestIdForm.test(requestId) ? requestId : ownId() };
  }

  #common(request: RawRequest, { trace, requestId }: TaskContext): Record<string, string> {
    const own = requestIdHeader(this.#dialectOf(request), requestId);
    return { 'x-request-id': requestId, traceresponse: traceparentOf(trace), ...own };
  }

  #deny(request: RawRequest, denial: Denial, context: TaskContext): EncodedDenial {
    this.#ports.telemetry.denied(denial);
    const members = denialMembers(denial, { trace_id: context.trace.traceId });
    const encoded = this.#dialectOf(request)?.denial(denial, members, context.requestId);
    const { status, headers, body } = encoded ?? this.#ports.problem(denial, members);
    const credential = credentialOf(request);
    const shown = credential === null || isDenial(credential) ? shownBy(request, null) : credential.shown;
    const challenge = this.#ports.challenge(denial, shown);
    return {
      status,
      headers: {
        ...this.#common(request, context),
        ...denialHeaders(denial),
        ...challengeHeader(challenge),
        ...(denial.code === 'method_not_allowed' && denial.details.allowed !== undefined
          ? { allow: denial.details.allowed.join(', ') }
          : {}),
        ...headers,
      },
      body,
    };
  }
}
