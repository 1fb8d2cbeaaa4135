/**
 * Makes a target ready for a call: its era, and in the older one a session that stands. Everything here is sent for that
 * call, with its credentials; what fails here has sent nothing of the call itself, so another target may be tried.
 */
import type { JsonObject, McpSpoken, Target } from '../../call.ts';
import { notificationText, objectIn } from '../../wire/mcp/message.ts';
import { declaredCapabilities } from '../../wire/mcp/translate.ts';
import { legacyVersions, modernVersion } from '../../wire/mcp/versions.ts';
import type { Errand } from '../send.ts';
import { Eras } from './era.ts';
import { type Client, type Failed, type McpPorts, unspoken } from './ports.ts';
import { type Seat, type ServerSession, ServerSessions, seatOf } from './sessions.ts';
import { inHandshake, pathOf, refusedDenial, request, sessionHeaders, tell, unanswered } from './talk.ts';

/** How long a session that is given up may take to end, in milliseconds. */
const endMsMax = 5_000;

/** A server that is ready for calls. */
export interface Ready {
  readonly spoken: McpSpoken;
  /** Where its session is kept; absent for a modern server. */
  readonly seat?: Seat;
}

export class ReadyServers {
  readonly eras: Eras;
  readonly sessions: ServerSessions;
  readonly #ports: McpPorts;
  readonly #beginning = new Map<string, Promise<ServerSession | Failed>>();

  constructor(ports: McpPorts) {
    this.#ports = ports;
    this.eras = new Eras(ports);
    this.sessions = new ServerSessions(ports);
  }

  /** How `target` is spoken to for this call. Rejects with `StoreUnavailable`. */
  async ready(errand: Errand, target: Target, conversation?: Client): Promise<Ready | Failed> {
    const modern: Ready = { spoken: { version: modernVersion } };
    if (this.eras.known(target) === 'modern') return modern;
    const seat = seatOf(errand, target, conversation);
    const standing = await this.sessions.find(seat);
    if (standing !== undefined) return this.#seated(errand, target, seat, standing, conversation);
    const era = await this.eras.of(errand, target, conversation);
    if (typeof era !== 'string') return era;
    if (era === 'modern') return modern;
    const session = await this.#begun(errand, target, seat, conversation);
    return 'failed' in session ? session : this.#seated(errand, target, seat, session, conversation);
  }

  /** Agrees on an older version, and has a session of it that nobody else uses, if the server keeps sessions. */
  async initialize(errand: Errand, target: Target, conversation?: Client): Promise<ServerSession | Failed> {
    const params: JsonObject = {
      protocolVersion: legacyVersions[0] as string,
      capabilities: declaredCapabilities(conversation?.capabilities ?? {}),
      clientInfo: this.#ports.info,
    };
    const asked = { id: 'initialize', method: 'initialize', params };
    // No header says a version yet; naming it lets the headers of MCP through.
    const said = await request(this.#ports, errand, inHandshake(target, { version: '' }), asked, {});
    if ('failed' in said) return { ...said, failed: { ...said.failed, sent: false } };
    if ('refused' in said) {
      const { refused } = said;
      return { failed: { ...unanswered(refused), sent: false }, denial: refusedDenial(target, refused) };
    }
    const { response, attempt, session } = said;
    if ('error' in response) return unspoken(target, 'refused to begin a session of MCP', attempt);
    const { protocolVersion, capabilities } = response.result;
    if (typeof protocolVersion !== 'string' || !legacyVersions.includes(protocolVersion)) {
      return unspoken(target, 'speaks no version of MCP that the gate speaks', attempt);
    }
    const begun: ServerSession = {
      version: protocolVersion,
      logs: objectIn(objectIn(capabilities)?.logging) !== undefined,
      ...(session === undefined ? {} : { sessionId: session }),
    };
    const text = notificationText('notifications/initialized', {});
    const taken = await tell(this.#ports, errand, inHandshake(target, begun), text, sessionHeaders(begun));
    return taken ? begun : unspoken(target, 'did not take up the session of MCP it had begun', attempt);
  }

  /** Tells a server that a session is over, best effort. */
  async end(errand: Errand, target: Target, session: McpSpoken): Promise<void> {
    if (session.sessionId === undefined) return;
    const { send, clock } = this.#ports;
    const abort = new AbortController();
    const timer = clock.after(endMsMax, () => abort.abort());
    try {
      const headers = sessionHeaders(session);
      const own = { ...errand, abort };
      const sent = await send(
        own,
        { ...target, mcp: session },
        { method: 'DELETE', path: pathOf(target), headers, body: null },
      );
      if ('answer' in sent) for await (const _chunk of sent.answer.body) break;
    } catch {
      // It ends by itself once nobody uses it.
    } finally {
      timer.cancel();
    }
  }

  /** One beginning at a time for each seat; who comes meanwhile waits for it, and begins one where that failed. */
  async #begun(errand: Errand, target: Target, seat: Seat, conversation?: Client): Promise<ServerSession | Failed> {
    const other = await this.#beginning.get(seat.key)?.catch(() => undefined);
    if (other !== undefined && !('failed' in other)) return other;
    const beginning = this.#begin(errand, target, seat, conversation);
    this.#beginning.set(seat.key, beginning);
    try {
      return await beginning;
    } finally {
      if (this.#beginning.get(seat.key) === beginning) this.#beginning.delete(seat.key);
    }
  }

  async #begin(errand: Errand, target: Target, seat: Seat, conversation?: Client): Promise<ServerSession | Failed> {
    const own = await this.initialize(errand, target, conversation);
    if ('failed' in own) {
      // It may have changed its era; the next call finds out.
      if (own.denial.code === 'upstream_error') this.eras.forget(target);
      return own;
    }
    const stands = await this.sessions.begin(seat, own);
    if (stands.sessionId !== own.sessionId) void this.end(errand, target, own);
    return stands;
  }

  /** The session as it stands, and the server told what its client wants logged. */
  async #seated(
    errand: Errand,
    target: Target,
    seat: Seat,
    session: ServerSession,
    conversation?: Client,
  ): Promise<Ready> {
    const { version, sessionId, logs, logLevel } = session;
    const spoken: McpSpoken = { version, ...(sessionId === undefined ? {} : { sessionId }) };
    const wanted = conversation?.logLevel;
    if (logs && wanted !== undefined && wanted !== logLevel) {
      const id = `log-${this.#ports.clock.randomBytes(6).toString('base64url')}`;
      const asked = { id, method: 'logging/setLevel', params: { level: wanted } };
      const said = await request(this.#ports, errand, inHandshake(target, spoken), asked, sessionHeaders(spoken));
      // A session that is gone shows in the call itself.
      if ('response' in said && 'result' in said.response) {
        await this.sessions.change(seat, { ...session, logLevel: wanted });
      }
    }
    return { spoken, seat };
  }
}
