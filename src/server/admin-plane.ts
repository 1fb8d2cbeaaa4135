/**
 * The admin plane: what people see and do, on loopback unless configured. In this order: is it a request that a browser
 * was led to make, who is it, is there such a route, may they take it. What a reader would get wrong: what changes
 * something is on disk as an event before it is answered, also where it was refused; and no route records itself.
 */
import type { Trace } from '../call.ts';
import type { Clock } from '../clock.ts';
import { type Denial, denialHeaders, denialMembers, deny, isDenial } from '../denial.ts';
import type { Reply } from '../pipeline.ts';
import type { Person, ShownToken } from '../principal.ts';
import { StoreUnavailable } from '../store/store.ts';
import { startTrace, traceparentOf } from '../telemetry/trace.ts';
import type { EncodedDenial, RawRequest } from '../wire/dialect.ts';
import { denyForeignBody, denyStranger } from './admin-origin.ts';
import {
  type About,
  type AdminAnswers,
  type AdminRoute,
  type AdminRouteName,
  type Answered,
  type Asked,
  adminRoutes,
  denyUnlessMay,
  findAdminRoute,
  openAdminPaths,
} from './admin-routes.ts';
import { isToken } from './admin-token.ts';
import { type ConsolePages, consolePath } from './console.ts';
import { credentialOf } from './credential.ts';
import { challengeHeader } from './encode.ts';
import type { Readiness } from './readiness.ts';
import { jsonReply } from './reply.ts';

/** What somebody did, and how it was answered. */
export interface AdminDeed {
  readonly operation: string;
  readonly person: Person;
  readonly about: About;
  readonly status: number;
  /** Why it was refused; absent where it was not. */
  readonly denial?: Denial;
  readonly trace: Trace;
}

/** A request that was turned away before any route was asked; `person` where it is known who it was. */
export interface AdminRefusal {
  readonly denial: Denial;
  readonly trace: Trace;
  readonly person: Person | null;
  readonly operation: string | null;
}

export interface AdminPlanePorts {
  readonly clock: Clock;
  /** Values of the Host header that are ours, in lower case. */
  readonly hosts: () => readonly string[];
  readonly readiness: Readiness;
  /** The web pages; without a credential, for they hold no data. */
  readonly pages: Pick<ConsolePages, 'answer'>;
  /** Who shows this token, or the denial `unauthenticated`. */
  readonly who: (shown: ShownToken) => Promise<Person | Denial>;
  /** Opens `metrics` and nothing else, for a scraper that is no person; null where there is none. */
  readonly scrapeToken: string | null;
  readonly answers: AdminAnswers<AdminRouteName>;
  /** Resolves once the trail has it, if `durable` on disk. Rejects with `AuditUnavailable`. */
  readonly record: (deed: AdminDeed, durable: boolean) => Promise<void>;
  /** Whether the trail takes events now. */
  readonly canRecord: () => boolean;
  /** Told of what was turned away: counted, and sampled into the trail. */
  readonly refused: (refusal: AdminRefusal) => void;
  /** Told of every denial, for the metrics. */
  readonly denied: (denial: Denial) => void;
  readonly problem: (denial: Denial, members: ReturnType<typeof denialMembers>) => EncodedDenial;
  readonly faulted: (where: string, fault: unknown) => void;
}

/** Which route was asked, and by whom; as far as it is known. */
interface Seen {
  readonly trace: Trace;
  person: Person | null;
  name: AdminRouteName | null;
  shown: boolean;
}

const scraper: Person = { id: 'prometheus', issuer: 'prometheus', roles: [] };

export class AdminPlane {
  readonly #ports: AdminPlanePorts;

  constructor(ports: AdminPlanePorts) {
    this.#ports = ports;
  }

  /** Answers one request, under the id that it brought (AuthZEN 1.0 §10.1). Never rejects. */
  async answer(request: RawRequest): Promise<Reply> {
    const reply = await this.#answer(request);
    return { ...reply, headers: { ...reply.headers, ...requestIdOf(request) } };
  }

  async #answer(request: RawRequest): Promise<Reply> {
    const seen: Seen = {
      trace: startTrace(this.#ports.clock, request.headers),
      person: null,
      name: null,
      shown: false,
    };
    try {
      const admitted = await this.#admit(request, seen);
      if (isDenial(admitted)) return this.#turnAway(admitted, seen);
      if ('status' in admitted) return admitted;
      const { reply } = await this.#carryOut(admitted.route, admitted.asked, seen);
      return isDenial(reply) ? this.#encode(reply, seen) : reply;
    } catch (fault) {
      this.#ports.faulted('admin', fault);
      return this.#encode(denialOf(fault), seen);
    }
  }

  /** Answers what could not be taken in: too large, unreadable. */
  refuse(_request: RawRequest, denial: Denial): EncodedDenial {
    const trace = startTrace(this.#ports.clock);
    return this.#turnAway(denial, { trace, person: null, name: null, shown: false });
  }

  /** What may be carried out; a reply where there is nothing to carry out. */
  async #admit(
    request: RawRequest,
    seen: Seen,
  ): Promise<{ readonly route: AdminRouteName; readonly asked: Asked } | Reply | Denial> {
    const { path, method, query } = request;
    const stranger = denyStranger(request, this.#ports.hosts(), path === consolePath);
    if (stranger !== undefined) return stranger;
    if ((openAdminPaths as readonly string[]).includes(path)) return this.#health(request);
    const page = this.#ports.pages.answer(request);
    if (page !== undefined) return page;
    const credential = credentialOf(request);
    if (isDenial(credential)) return credential;
    seen.shown = credential !== null;
    const found = findAdminRoute(method, path);
    const scrapes = !isDenial(found) && found.name === 'metrics' && this.#isScraper(credential);
    const person = scrapes ? scraper : await this.#who(credential);
    if (isDenial(person)) return person;
    seen.person = person;
    // Not before: whoever may not come in is told nothing of what is here.
    if (isDenial(found)) return found;
    seen.name = found.name;
    const route: AdminRoute = adminRoutes[found.name];
    const denial = (scrapes ? undefined : denyUnlessMay(person, route)) ?? denyForeignBody(request, route);
    if (denial !== undefined) return denial;
    const { host } = request.headers;
    const asked: Asked = {
      ...{ person, id: found.id, query: Object.fromEntries(new URLSearchParams(query)), body: request.body },
      host: typeof host === 'string' ? host : '',
    };
    return { route: found.name, asked };
  }

  async #who(credential: ShownToken | null): Promise<Person | Denial> {
    if (credential !== null && credential.shown.scheme === 'bearer') return this.#ports.who(credential);
    return deny('unauthenticated', 'The admin plane takes Authorization: Bearer <token>, and nothing else.', {
      reasons: [{ code: 'token_missing', message: 'No bearer token was shown.' }],
    });
  }

  #isScraper(credential: ShownToken | null): boolean {
    const { scrapeToken } = this.#ports;
    return scrapeToken !== null && credential?.shown.scheme === 'bearer' && isToken(credential.token, scrapeToken);
  }

  #health({ path, method }: RawRequest): Promise<Reply> | Denial | Reply {
    if (method !== 'GET') return deny('method_not_allowed', 'This route takes GET.', { allowed: ['GET'] });
    return path === '/livez' ? jsonReply(200, { status: 'alive' }) : this.#ports.readiness.reply();
  }

  async #carryOut(name: AdminRouteName, asked: Asked, { trace }: Seen): Promise<Answered> {
    const { answers, record, canRecord, faulted } = this.#ports;
    const { records, stops }: AdminRoute = adminRoutes[name];
    // What cannot be recorded is not done; only a stop switch works whatever is broken.
    if (records === 'durable' && stops === undefined && !canRecord()) {
      return { reply: deny('audit_unavailable', 'This cannot be recorded now, so it was not done.') };
    }
    let answered: Answered;
    try {
      answered = await answers[name](asked);
    } catch (fault) {
      // It may have been done in part: what is known is that somebody wanted it.
      faulted('admin', fault);
      answered = { reply: denialOf(fault) };
    }
    if (records === null) return answered;
    const { reply, about = {} } = answered;
    const { operation = name, ...known } = about;
    const refusal = isDenial(reply) ? { denial: reply } : {};
    const deed = { operation, person: asked.person, about: known, status: reply.status, trace, ...refusal };
    await record(deed, records === 'durable');
    return answered;
  }

  #turnAway(denial: Denial, seen: Seen): EncodedDenial {
    const { trace, person, name } = seen;
    this.#ports.refused({ denial, trace, person, operation: name });
    return this.#encode(denial, seen);
  }

  #encode(denial: Denial, { trace, shown }: Seen): EncodedDenial {
    this.#ports.denied(denial);
    const { status, headers, body } = this.#ports.problem(denial, denialMembers(denial, { trace_id: trace.traceId }));
    return {
      status,
      headers: {
        ...denialHeaders(denial),
        ...headers,
        ...challengeHeader(denial.code === 'unauthenticated' ? challenge(shown) : undefined),
        ...(denial.code === 'method_not_allowed' ? { allow: denial.details.allowed?.join(', ') ?? 'GET' } : {}),
        traceresponse: traceparentOf(trace),
      },
      body,
    };
  }
}

/** The id of a request, given back as it came; what is too long or no plain text is none. */
function requestIdOf({ headers: { 'x-request-id': id } }: RawRequest): Record<string, string> {
  return typeof id === 'string' && /^[\x20-\x7e]{1,255}$/.test(id) ? { 'x-request-id': id } : {};
}

/** RFC 6750 §3: no error is named to somebody who showed nothing. */
function challenge(shown: boolean): string {
  return `Bearer realm="tollgate admin"${shown ? ', error="invalid_token"' : ''}`;
}

function denialOf(fault: unknown): Denial {
  return fault instanceof StoreUnavailable
    ? deny('store_unavailable', 'The shared state cannot be reached, so this could not be completed.')
    : deny('audit_unavailable', 'The gate could not complete this request.');
}
