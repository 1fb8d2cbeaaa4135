/**
 * Sessions with servers of older versions, in the shared store: one for each session of a client, or for each task of a
 * stateless client, at each target, and for what that client can do. Whichever gateway gets the next call goes on with
 * it. What a reader would get wrong: of two gateways that begin one at once, the second gives its own up again.
 */
import { createHash } from 'node:crypto';
import type { Json, McpSpoken, Target } from '../../call.ts';
import { storeKey } from '../../store/store.ts';
import { canonical } from '../../wire/canonical.ts';
import { objectIn } from '../../wire/mcp/message.ts';
import { declaredCapabilities } from '../../wire/mcp/translate.ts';
import type { Errand } from '../send.ts';
import type { Client, McpPorts } from './ports.ts';

/** How long a session that nobody uses is remembered, how often its use is written down, in milliseconds. */
const idleMs = 2 * 3600_000;
const renewedEveryMs = 10 * 60_000;
/** The most sessions of one task that are ended with it. */
const endedMax = 256;

export interface ServerSession extends McpSpoken {
  /** What the server was last told to log. */
  readonly logLevel?: string;
  /** Whether it has said that it logs. */
  readonly logs: boolean;
}

/** Whose session, and with which target. */
export interface Seat {
  readonly tenant: string;
  readonly taskId: string;
  readonly key: string;
  /** As in the index of its task: of the client's session, route, target, and the rest. */
  readonly member: string;
}

/** What the next call of the same client finds. */
export function seatOf({ task: { record } }: Errand, target: Target, conversation?: Client): Seat {
  const { tenant } = record.agent;
  const able = digest(canonical(declaredCapabilities(conversation?.capabilities ?? {})));
  const member = [digest(conversation?.sessionId ?? ''), target.route, target.name, able].join('.');
  return { tenant, taskId: record.id, key: storeKey(tenant, 'mcp-session', record.id, member), member };
}

/** The first part of `Seat.member`, which tells sessions of a client apart. */
export function clientPart(sessionId: string): string {
  return `${digest(sessionId)}.`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}

function indexKey(tenant: string, taskId: string): string {
  return storeKey(tenant, 'mcp-sessions', taskId);
}

/** Channel on which listeners of every gateway hear that a session has begun; the message is its key. */
export const begunChannel = 'tg:mcp-session-begun';

interface Found {
  readonly session: ServerSession;
  readonly version: number;
  /** When it was last written, in milliseconds since 1970. */
  readonly atMs: number;
}

export class ServerSessions {
  readonly #ports: Pick<McpPorts, 'store' | 'sealOf' | 'clock'>;

  constructor(ports: Pick<McpPorts, 'store' | 'sealOf' | 'clock'>) {
    this.#ports = ports;
  }

  /** The session of `seat`, if there is one. Rejects with `StoreUnavailable`. */
  async find(seat: Seat): Promise<ServerSession | undefined> {
    const found = await this.#read(seat);
    if (found !== undefined) this.#renew(seat, found);
    return found?.session;
  }

  /** Puts a new session in place, or gives the one that stands there already. Rejects with `StoreUnavailable`. */
  async begin(seat: Seat, session: ServerSession): Promise<ServerSession> {
    const { store } = this.#ports;
    const written = await store.compareAndSet(seat.key, 0, this.#closed(seat, session), idleMs);
    if (!written.ok) {
      const other = await this.#read(seat);
      if (other !== undefined) return other.session;
      // What cannot be read is of no use to anybody.
      await store.delete(seat.key);
      await store.compareAndSet(seat.key, 0, this.#closed(seat, session), idleMs);
    }
    await store.indexAdd(indexKey(seat.tenant, seat.taskId), seat.member, idleMs);
    await store.publish(begunChannel, seat.key);
    return session;
  }

  /** Writes down what has changed of a session. */
  async change(seat: Seat, session: ServerSession): Promise<void> {
    const found = await this.#read(seat);
    if (found === undefined || found.session.sessionId !== session.sessionId) return;
    await this.#ports.store.compareAndSet(seat.key, found.version, this.#closed(seat, session), idleMs);
  }

  /** Takes a session away that its server does not know any more; not the one that another gateway began meanwhile. */
  async forget(seat: Seat, session: McpSpoken): Promise<void> {
    const found = await this.#read(seat);
    if (found?.session.sessionId === session.sessionId) await this.#ports.store.delete(seat.key);
  }

  /** Takes away the sessions of a task, of one client alone where `client` is given, and gives them, to be ended. */
  async taken(tenant: string, taskId: string, client = ''): Promise<readonly (Taken & ServerSession)[]> {
    const { store } = this.#ports;
    const index = indexKey(tenant, taskId);
    const members = await store.indexRange(index, { limit: endedMax });
    const ended: (Taken & ServerSession)[] = [];
    for (const member of members.filter((one) => one.startsWith(client))) {
      const seat: Seat = { tenant, taskId, member, key: storeKey(tenant, 'mcp-session', taskId, member) };
      const found = await this.#read(seat);
      await store.indexRemove(index, member);
      if (found === undefined) continue;
      // Of several gateways that hear of the end, the one that takes the record away ends the session.
      const taken = await store.compareAndSet(seat.key, found.version, { v: 0 }, 1_000);
      if (!taken.ok) continue;
      await store.delete(seat.key);
      const [, route = '', target = ''] = member.split('.');
      ended.push({ ...found.session, route, target });
    }
    return ended;
  }

  async #read(seat: Seat): Promise<Found | undefined> {
    const record = await this.#ports.store.get(seat.key);
    const stored = objectIn(record?.value);
    if (record === undefined || stored === undefined) return undefined;
    const { sealed } = stored;
    const seal = this.#ports.sealOf?.(seat.taskId);
    const opened = typeof sealed === 'string' ? seal?.open(seat.member, sealed) : undefined;
    // Where there is a seal, what lies there without one is nobody's.
    const said = objectIn((seal === undefined ? stored.open : opened) as Json | undefined);
    if (typeof said?.version !== 'string' || typeof said.logs !== 'boolean') return undefined;
    const { version, logs, sessionId, logLevel } = said;
    const session: ServerSession = {
      ...{ version, logs },
      ...(typeof sessionId === 'string' ? { sessionId } : {}),
      ...(typeof logLevel === 'string' ? { logLevel } : {}),
    };
    return { session, version: record.version, atMs: typeof stored.at === 'number' ? stored.at : 0 };
  }

  #closed(seat: Seat, session: ServerSession): Json {
    const value = { ...session };
    const seal = this.#ports.sealOf?.(seat.taskId);
    const at = this.#ports.clock.nowMs();
    return seal === undefined ? { v: 1, at, open: value } : { v: 1, at, sealed: seal.close(seat.member, value) };
  }

  /** Once in a while, so that what is in use is not forgotten; it is not waited for. */
  #renew(seat: Seat, { session, version, atMs }: Found): void {
    const { store, clock } = this.#ports;
    if (clock.nowMs() - atMs < renewedEveryMs) return;
    store
      .compareAndSet(seat.key, version, this.#closed(seat, session), idleMs)
      .then(() => store.indexAdd(indexKey(seat.tenant, seat.taskId), seat.member, idleMs))
      .catch(() => undefined);
  }
}

/** Where a session is that was taken away. */
export interface Taken {
  readonly route: string;
  readonly target: string;
}
