/**
 * Streams on which a client hears that lists have changed: the GET stream of a session, and `subscriptions/listen`. What a
 * reader would get wrong: they live as long as the client likes, and hold the configuration they began with. So they end by
 * themselves when that has changed, the gateway stops, or the token is good no more; the client opens them anew.
 */
import { createHash } from 'node:crypto';
import type { JsonObject, McpNotice, Route } from '../../call.ts';
import { deny } from '../../denial.ts';
import type { Reply } from '../../pipeline.ts';
import { isMcpFault, McpFault, paramsFault, type RpcId, rpcCodes } from '../../wire/mcp/fault.ts';
import { faultReply, objectIn, type RpcRequest } from '../../wire/mcp/message.ts';
import { type McpClient, metaKeys } from '../../wire/mcp/meta.ts';
import { noticeFor } from '../../wire/mcp/outbound.ts';
import { eventId, keepAlive, keepAliveMs, messageEvent, primingEvent, streamHeaders } from './event-frames.ts';
import type { McpEndpointPorts, OwnTask } from './ports.ts';
import { endOfSession } from './running-call.ts';

/** Such streams of one gateway, and of one task. */
const streamsMax = 2_000;
const streamsOfTaskMax = 16;
/** The longest that a change goes unnoticed where no news of it came, in milliseconds; and how soon a stream ends. */
const lookEveryMs = 30_000;
const leaveEveryMs = 1_000;
/** Between what a client is told and what it is told next, in milliseconds, however often servers say that it is news. */
const tellEveryMs = 500;
/** Resources that have changed while the client does not read; of more it is not told. */
const updatesMax = 256;
const updatedMethod = 'notifications/resources/updated';
/** Names the stream of a session in the ids of its events. */
const sessionStream = 'changes';

export type ListKind = 'tools' | 'prompts' | 'resources';
const kinds: readonly ListKind[] = ['tools', 'prompts', 'resources'];

/** What wakes those who listen for changes of a list of a route. */
export function changeOf(route: string, kind: ListKind): string {
  return `changed ${kind} ${route}`;
}

/** The notification that a list of such a kind has changed. */
function changedMethod(kind: ListKind): string {
  return `notifications/${kind}/list_changed`;
}

/** Who listens. */
export interface Listening {
  readonly own: OwnTask;
  readonly client: McpClient & { readonly sessionId: string | null };
  /** The routes whose lists it is about. */
  readonly routes: readonly Route[];
  /** Whether the client knows the names of many routes. */
  readonly aggregated: boolean;
  /** The tools as they are listed now. */
  readonly listed: () => Promise<readonly JsonObject[]>;
  readonly signal: AbortSignal;
}

export class ChangeStreams {
  readonly #ports: McpEndpointPorts;
  readonly #ofTask = new Map<string, number>();
  #count = 0;

  constructor(ports: McpEndpointPorts) {
    this.#ports = ports;
  }

  /** The GET stream of a session; `after` is the id of the last event that its client has seen, where it says so. */
  async ofSession(listening: Listening, priming: boolean, after: string | undefined): Promise<Reply> {
    const enter = this.enter(listening.own);
    if (isMcpFault(enter)) return faultReply(enter);
    const first = await digest(listening, enter);
    const id = (now: string) => eventId(`${sessionStream}-${now}`, 0);
    const changed = (kind: ListKind, now: string) =>
      messageEvent({ jsonrpc: '2.0', method: changedMethod(kind) }, id(now));
    const missed = after?.startsWith(`${sessionStream}-`) === true && after !== id(first);
    // What shows the client at once that it is heard.
    const begin = [priming ? primingEvent(id(first)) : keepAlive, ...(missed ? [changed('tools', first)] : [])];
    const updated = (params: JsonObject) => messageEvent({ jsonrpc: '2.0', method: updatedMethod, params });
    const said = { begin, kinds: new Set(kinds), changed, updated, end: [] };
    const body = this.#events(listening, enter, first, said);
    return { status: 200, headers: streamHeaders, body };
  }

  /** `subscriptions/listen` (2026-07-28): the streams of stateless clients. */
  async listen(listening: Listening, { id, params }: RpcRequest, uris: readonly string[]): Promise<Reply> {
    const filter = objectIn(params.notifications);
    if (filter === undefined) return faultReply(paramsFault(id, 'params.notifications says what to be told of'));
    const enter = this.enter(listening.own, id);
    if (isMcpFault(enter)) return faultReply(enter);
    const wanted = kinds.filter((kind) => filter[`${kind}ListChanged`] === true);
    const honored = {
      ...Object.fromEntries(wanted.map((kind) => [`${kind}ListChanged`, true])),
      ...(uris.length === 0 ? {} : { resourceSubscriptions: uris }),
    };
    const _meta = { [metaKeys.subscriptionId]: id };
    const note = (method: string, more: JsonObject = {}) =>
      messageEvent({ jsonrpc: '2.0', method, params: { ...more, _meta } });
    const complete = { resultType: 'complete', _meta: { ..._meta, [metaKeys.serverInfo]: this.#ports.gate } };
    const end = [messageEvent({ jsonrpc: '2.0', id, result: complete })];
    const begin = [note('notifications/subscriptions/acknowledged', { notifications: honored })];
    if (wanted.length + uris.length === 0) {
      enter();
      return { status: 200, headers: streamHeaders, body: Buffer.concat([...begin, ...end]) };
    }
    const first = await digest(listening, enter);
    const changed = (kind: ListKind) => note(changedMethod(kind));
    const updated = (what: JsonObject) => (uris.includes(String(what.uri)) ? note(updatedMethod, what) : undefined);
    const said = { begin, kinds: new Set(wanted), changed, updated, end };
    const body = this.#events(listening, enter, first, said);
    return { status: 200, headers: streamHeaders, body };
  }

  async *#events(
    { own, client, routes, aggregated, listed, signal }: Listening,
    leave: () => void,
    first: string,
    said: {
      readonly begin: readonly Buffer[];
      readonly kinds: ReadonlySet<ListKind>;
      readonly changed: (kind: ListKind, now: string) => Buffer;
      /** Undefined for what the client has not asked for. */
      readonly updated: (params: JsonObject) => Buffer | undefined;
      readonly end: readonly Buffer[];
    },
  ): AsyncIterable<Uint8Array> {
    const { clock, wakes, guard, leaving, listen, faulted } = this.#ports;
    const ended = new AbortController();
    const whole = AbortSignal.any([signal, ended.signal]);
    const news = new Set<ListKind>();
    let wake: () => void = () => undefined;
    let stop: () => void = () => undefined;
    const updates: Buffer[] = [];
    const heard = (route: string, notice: McpNotice) => {
      const kind = kinds.find((one) => changedMethod(one) === notice.method);
      const told = noticeFor(notice, aggregated ? { aggregatedRoute: route } : {});
      const update = notice.method === updatedMethod && told !== undefined ? said.updated(told.params) : undefined;
      if (kind !== undefined) news.add(kind);
      else if (update !== undefined && updates.length < updatesMax) updates.push(update);
      else return;
      wake();
    };
    const deaf = routes.flatMap(({ name: route }) =>
      kinds.map((kind) =>
        wakes.on(changeOf(route, kind), () => {
          news.add(kind);
          wake();
        }),
      ),
    );
    const { sessionId } = client;
    if (sessionId !== null) deaf.push(wakes.on(endOfSession(sessionId), () => ended.abort()));
    const unguard = routes.map(({ name }) => guard(own, name, ended));
    const expiry = clock.after(Math.max(1, own.caller.expiresAtMs - clock.nowMs()), () =>
      ended.abort(deny('unauthenticated', 'The token of this stream has expired.')),
    );
    const onAbort = () => {
      wake();
      stop();
    };
    whole.addEventListener('abort', onAbort);
    try {
      for (const { name, kind } of routes) {
        if (kind !== 'mcp') continue;
        listen(own, name, client, (notice) => heard(name, notice), whole).catch((fault) => faulted('session', fault));
      }
      let now = first;
      let sentMs = clock.monotonicMs();
      let lookedMs = sentMs;
      let toldMs = Number.NEGATIVE_INFINITY;
      yield* said.begin;
      while (!whole.aborted && !leaving()) {
        const pause = Promise.withResolvers<void>();
        wake = pause.resolve;
        const timer = clock.after(leaveEveryMs, pause.resolve);
        if (news.size + updates.length === 0 && !whole.aborted) await pause.promise;
        timer.cancel();
        const restMs = toldMs + tellEveryMs - clock.monotonicMs();
        if (news.size + updates.length > 0 && restMs > 0 && !whole.aborted) {
          const rest = Promise.withResolvers<void>();
          stop = rest.resolve;
          const until = clock.after(restMs, rest.resolve);
          await rest.promise;
          until.cancel();
          if (whole.aborted) break;
        }
        if (news.size + updates.length > 0) toldMs = clock.monotonicMs();
        const told = new Set([...news].filter((kind) => kind !== 'tools' && said.kinds.has(kind)));
        const look = news.has('tools') || clock.monotonicMs() - lookedMs >= lookEveryMs;
        news.clear();
        if (look) {
          lookedMs = clock.monotonicMs();
          const then = await digestOf(listed);
          if (then !== now && said.kinds.has('tools')) told.add('tools');
          now = then;
        }
        for (const kind of told) yield said.changed(kind, now);
        const sent = told.size + updates.length;
        yield* updates.splice(0);
        if (sent > 0) sentMs = clock.monotonicMs();
        else if (clock.monotonicMs() - sentMs >= keepAliveMs) {
          yield keepAlive;
          sentMs = clock.monotonicMs();
        }
      }
      // Another configuration may well have other tools.
      if (!whole.aborted && said.kinds.has('tools')) yield said.changed('tools', now);
      yield* said.end;
    } catch (fault) {
      // That the store is away ends the stream; its client comes again.
      faulted('session', fault);
    } finally {
      whole.removeEventListener('abort', onAbort);
      ended.abort();
      expiry.cancel();
      for (const stop of [...deaf, ...unguard]) stop();
      leave();
    }
  }

  /** Counts one more stream of any kind that waits for news, until the returned function is called; faults where there are too many. */
  enter({ record }: OwnTask, id: RpcId | null = null): (() => void) | McpFault {
    const ofTask = this.#ofTask.get(record.id) ?? 0;
    if (this.#count >= streamsMax || ofTask >= streamsOfTaskMax) {
      return new McpFault(id, rpcCodes.internalError, 'There are too many streams already', 429);
    }
    this.#count++;
    this.#ofTask.set(record.id, ofTask + 1);
    let entered = true;
    return () => {
      if (!entered) return;
      entered = false;
      this.#count--;
      const left = (this.#ofTask.get(record.id) ?? 1) - 1;
      if (left === 0) this.#ofTask.delete(record.id);
      else this.#ofTask.set(record.id, left);
    };
  }
}

/** The list as a stream begins; `leave` gives its place back where there is none to begin with. */
async function digest({ listed }: Listening, leave: () => void): Promise<string> {
  try {
    return await digestOf(listed);
  } catch (fault) {
    leave();
    throw fault;
  }
}

/** Tells lists of tools apart. */
async function digestOf(listed: Listening['listed']): Promise<string> {
  return createHash('sha256')
    .update(JSON.stringify(await listed()))
    .digest('base64url')
    .slice(0, 22);
}
