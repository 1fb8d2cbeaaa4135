/**
 * A call to a server that is a program of this machine. There is no HTTP here: an attempt has the status 200 once the
 * program has answered. What a reader would get wrong: the session is everybody's, so nobody's unsubscribing reaches it.
 */
import type { Admitted, Attempt, Target } from '../../call.ts';
import type { Tried } from '../../outcome.ts';
import type { RpcResponse } from '../../wire/mcp/message.ts';
import { withInputs } from '../../wire/mcp/outbound.ts';
import { isModern } from '../../wire/mcp/versions.ts';
import { DialError } from '../exchange.ts';
import { denialOfFault } from '../send.ts';
import { type Asked, askedOf, keptByGate, whole } from './asked.ts';
import { responseAfterInput } from './input-rounds.ts';
import type { McpPorts } from './ports.ts';
import type { ProgramServer } from './program.ts';
import { Questions } from './questions.ts';
import { isSubscription, type Subscriptions } from './subscriptions.ts';

export class ProgramCalls {
  readonly #ports: Pick<McpPorts, 'clock'>;
  readonly #subscriptions: Subscriptions;

  constructor(ports: Pick<McpPorts, 'clock'>, subscriptions: Subscriptions) {
    this.#ports = ports;
    this.#subscriptions = subscriptions;
  }

  /** One attempt; the body of its answer is one JSON-RPC response. Rejects with `StoreUnavailable`. */
  async attempt(call: Admitted, target: Target, program: ProgramServer): Promise<Tried> {
    const { clock } = this.#ports;
    const startMs = clock.monotonicMs();
    const attempt = (status: number | null, error: string | null, sent: boolean): Attempt => {
      return { target: target.name, status, error, sent, latencyMs: clock.monotonicMs() - startMs };
    };
    const abort = new AbortController();
    const { signal } = call.abort;
    const given = () => abort.abort();
    const timer = clock.after(target.timeoutMs.total, given);
    signal.addEventListener('abort', given, { once: true });
    if (signal.aborted) given();
    try {
      const spoken: Target = { ...target, mcp: await program.ready() };
      const asked = askedOf(call.resolved.payload.encode(spoken));
      if (isSubscription(asked)) {
        await this.#subscriptions.take(call, target, asked);
        if (asked.method === 'resources/unsubscribe' || isModern(spoken.mcp?.version ?? '')) {
          return keptByGate(target, asked.id, clock.monotonicMs() - startMs);
        }
      }
      const response = await this.#response(call, spoken, asked, program, abort.signal);
      return { answer: whole(target, response), attempt: attempt(200, null, true) };
    } catch (fault) {
      if (!(fault instanceof DialError)) throw fault;
      const late = fault.kind === 'aborted' && !signal.aborted;
      const error = late ? new DialError('timeout', `not over within ${target.timeoutMs.total} ms`, fault.sent) : fault;
      return { failed: attempt(null, error.kind, error.sent), denial: denialOfFault(error, target) };
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', given);
    }
  }

  #response(
    { conversation }: Admitted,
    target: Target,
    { id, request }: Asked,
    program: ProgramServer,
    signal: AbortSignal,
  ): Promise<RpcResponse> {
    const text = (body: Buffer | null) => body?.toString('utf8') ?? '';
    const first = () => program.ask({ id, text: text(request.body), target, conversation, signal });
    if (conversation !== undefined && isModern(conversation.version)) return first();
    let repeats = 0;
    return responseAfterInput({
      questions: new Questions(conversation, target),
      first,
      again: (inputResponses, requestState) => {
        const next = `${id}.${++repeats}`;
        const again = withInputs(request, next, inputResponses, requestState);
        return program.ask({ id: next, text: text(again.body), target, conversation, signal });
      },
    });
  }
}
