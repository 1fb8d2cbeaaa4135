/**
 * A call to a server of MCP over HTTP: made ready, sent, and its answer read down to the one JSON-RPC response, which is
 * all that the rooms on the way back see. What a reader would get wrong: only what the server said it did nothing with is
 * sent a second time (a session that is gone, a version it does not speak); that is one attempt with the first.
 */
import type { Admitted, Attempt, Target, UpstreamAnswer } from '../../call.ts';
import type { Tried } from '../../outcome.ts';
import type { RpcId } from '../../wire/mcp/fault.ts';
import { notificationText, type RpcResponse } from '../../wire/mcp/message.ts';
import { withInputs } from '../../wire/mcp/outbound.ts';
import { isModern } from '../../wire/mcp/versions.ts';
import { DialError } from '../exchange.ts';
import { denialOfFault, type Errand } from '../send.ts';
import { type Asked, askedOf, bytesOf, keptByGate, responseHead, whole } from './asked.ts';
import { Dialogue } from './dialogue.ts';
import { isOtherEra } from './era.ts';
import { type Rounds, responseAfterInput } from './input-rounds.ts';
import type { McpPorts } from './ports.ts';
import type { Ready, ReadyServers } from './ready.ts';
import { isSubscription, type Subscriptions } from './subscriptions.ts';
import { refusalOf, refusedDenial, sessionHeaders, tell, unanswered } from './talk.ts';

/** How long telling a server that a call was given up may take, in milliseconds. */
const cancelMsMax = 3_000;

interface Sent {
  readonly answer: UpstreamAnswer;
  readonly attempt: Attempt;
}

export class HttpCalls {
  readonly #ports: McpPorts;
  readonly #servers: ReadyServers;
  readonly #subscriptions: Subscriptions;

  constructor(ports: McpPorts, servers: ReadyServers, subscriptions: Subscriptions) {
    this.#ports = ports;
    this.#servers = servers;
    this.#subscriptions = subscriptions;
  }

  /** One attempt; the body of its answer is one JSON-RPC response. Rejects with `StoreUnavailable`. */
  async attempt(call: Admitted, target: Target): Promise<Tried> {
    const { clock } = this.#ports;
    const startMs = clock.monotonicMs();
    const limit = new Limit(this.#ports, call, target);
    let flows = false;
    try {
      for (let round = 0; ; round++) {
        const ready = await this.#servers.ready(limit.errand, target, call.conversation);
        const latencyMs = () => clock.monotonicMs() - startMs;
        if ('failed' in ready) {
          return { ...ready, failed: { ...ready.failed, target: target.name, latencyMs: latencyMs() } };
        }
        const spoken: Target = { ...target, mcp: ready.spoken };
        const asked = askedOf(call.resolved.payload.encode(spoken));
        if (isModern(ready.spoken.version) && isSubscription(asked)) {
          await this.#subscriptions.take(call, target, asked);
          return keptByGate(target, asked.id, latencyMs());
        }
        limit.begun(asked.id, spoken);
        const sent = await this.#ports.send(limit.errand, spoken, asked.request);
        // Of what was never sent nobody has to be told.
        if ('failed' in sent && !sent.failed.sent) limit.done();
        if ('failed' in sent) return { ...sent, failed: { ...sent.failed, latencyMs: latencyMs() } };
        const attempt: Attempt = { ...sent.attempt, latencyMs: latencyMs() };
        if (sent.answer.head.status < 300) {
          flows = true;
          const answered = { answer: { ...sent.answer, target: spoken }, attempt };
          return { answer: { target, head: responseHead, body: this.#body(call, asked, answered, limit) }, attempt };
        }
        const response = await refusalOf(sent.answer);
        limit.done();
        if (round === 0 && (await this.#stale(target, ready, attempt.status ?? 0, response))) continue;
        if (response === undefined) return { failed: unanswered(attempt), denial: refusedDenial(target, attempt) };
        return { answer: whole(target, response), attempt };
      }
    } catch (fault) {
      if (!(fault instanceof DialError)) throw fault;
      const latencyMs = clock.monotonicMs() - startMs;
      const failed = { target: target.name, status: null, error: fault.kind, latencyMs, sent: true };
      return { failed, denial: denialOfFault(fault, target) };
    } finally {
      if (!flows) limit.end();
    }
  }

  /** Whether what was known of the server does not hold any more; then it is forgotten. */
  async #stale(target: Target, ready: Ready, status: number, response: RpcResponse | undefined): Promise<boolean> {
    const { spoken, seat } = ready;
    const gone = spoken.sessionId !== undefined && (status === 404 || (status === 400 && isNoSession(response)));
    const other = isOtherEra(spoken.version, status, response);
    if (!gone && !other) return false;
    if (seat !== undefined) await this.#servers.sessions.forget(seat, spoken);
    if (other) this.#servers.eras.forget(target);
    return true;
  }

  async *#body(call: Admitted, asked: Asked, sent: Sent, limit: Limit): AsyncGenerator<Uint8Array> {
    const { conversation } = call;
    const { target } = sent.answer;
    const dialogue = new Dialogue({ ports: this.#ports, errand: limit.errand, target, conversation });
    let repeats = 0;
    try {
      const rounds: Rounds = {
        questions: dialogue.questions,
        first: () => dialogue.response(asked.id, sent.answer),
        again: async (inputResponses, requestState) => {
          const id = `${asked.id}.${++repeats}`;
          limit.begun(id, target);
          const request = withInputs(asked.request, id, inputResponses, requestState);
          const again = await this.#ports.send(limit.errand, target, request);
          if ('failed' in again) throw new DialError('reset', 'the call could not go on with what was answered', true);
          if (again.answer.head.status < 300) return dialogue.response(id, again.answer);
          const response = await refusalOf(again.answer);
          if (response !== undefined) return response;
          throw new DialError('protocol', `HTTP ${again.answer.head.status} to what was answered`, true);
        },
      };
      const passes = conversation !== undefined && isModern(conversation.version);
      const response = passes ? await rounds.first() : await responseAfterInput(rounds);
      limit.done();
      yield bytesOf(response);
    } finally {
      limit.end();
    }
  }
}

/**
 * The time of one call, and its end: when it is given up before the response, the connection closes, and an older server
 * is told (`notifications/cancelled`), for which a connection that closes is no sign.
 */
class Limit {
  readonly errand: Errand;
  readonly #ports: McpPorts;
  readonly #abort = new AbortController();
  readonly #undo: () => void;
  #open: { readonly id: RpcId; readonly target: Target } | undefined;

  constructor(ports: McpPorts, call: Admitted, target: Target) {
    this.#ports = ports;
    this.errand = { ...call, abort: this.#abort };
    const { signal } = call.abort;
    const given = () => this.#abort.abort(signal.reason);
    const { total } = target.timeoutMs;
    const late = new DialError('timeout', `not over within ${total} ms`, true);
    const timer = ports.clock.after(total, () => this.#abort.abort(late));
    this.#abort.signal.addEventListener('abort', () => this.#cancel(), { once: true });
    this.#undo = () => {
      timer.cancel();
      signal.removeEventListener('abort', given);
    };
    if (signal.aborted) given();
    else signal.addEventListener('abort', given, { once: true });
  }

  /** A request was sent, or is about to be. */
  begun(id: RpcId, target: Target): void {
    this.#open = { id, target };
  }

  /** Its response has come. */
  done(): void {
    this.#open = undefined;
  }

  end(): void {
    this.#undo();
    this.#cancel();
  }

  #cancel(): void {
    const open = this.#open;
    this.#open = undefined;
    if (open?.target.mcp === undefined || isModern(open.target.mcp.version)) return;
    const abort = new AbortController();
    const timer = this.#ports.clock.after(cancelMsMax, () => abort.abort());
    const text = notificationText('notifications/cancelled', { requestId: open.id, reason: 'The call was given up.' });
    const own: Errand = { ...this.errand, abort };
    void tell(this.#ports, own, open.target, text, sessionHeaders(open.target.mcp)).then(() => timer.cancel());
  }
}

function isNoSession(response: RpcResponse | undefined): boolean {
  return response !== undefined && 'error' in response && /\bsession\b/i.test(response.error.message);
}
