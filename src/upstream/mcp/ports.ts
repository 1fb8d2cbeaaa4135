/** What speaking with servers of MCP stands on, handed in by the assembly; and the requests that are the gate's own. */
import type { Attempt, Conversation, JsonObject, Target, Trace } from '../../call.ts';
import type { Clock, TaskId } from '../../clock.ts';
import { newId } from '../../clock.ts';
import { type Denial, deny } from '../../denial.ts';
import type { Store } from '../../store/store.ts';
import type { Log } from '../../telemetry/log.ts';
import { freshTrace } from '../../telemetry/trace.ts';
import { metaKeys } from '../../wire/mcp/meta.ts';
import { declaredCapabilities } from '../../wire/mcp/translate.ts';
import { modernVersion } from '../../wire/mcp/versions.ts';
import type { Errand, Upstream } from '../send.ts';

/** What opens only with the same label, or not at all. */
interface Seal {
  close(label: string, value: JsonObject): string;
  /** Undefined for what was not sealed so. Never throws. */
  open(label: string, sealed: string): unknown;
}

/** The client of a call, as far as making a server ready for it asks. */
export type Client = Pick<Conversation, 'capabilities' | 'sessionId' | 'logLevel'>;

export interface McpPorts {
  readonly send: Upstream['send'];
  readonly clock: Clock;
  readonly store: Pick<
    Store,
    'get' | 'compareAndSet' | 'delete' | 'indexAdd' | 'indexRemove' | 'indexRange' | 'publish' | 'subscribe'
  >;
  /** What sessions lie under in the store, by their task; null where the gateways of the store have no secret together. */
  readonly sealOf: ((taskId: string) => Seal) | null;
  readonly log: Log;
  /** Name and version of the gate, which is the client of every server. */
  readonly info: JsonObject;
  /** Whom it says it acts for where no agent asks. */
  readonly gate: { readonly id: string; readonly cloud: string };
  /** Told whenever a server says that what it offers has changed. */
  readonly changed: (target: Target, method: string) => void;
}

/** Nothing was answered that could go on to anybody. */
export interface Failed {
  readonly failed: Attempt;
  readonly denial: Denial;
}

/** What every modern request that the gate makes of its own accord carries in `_meta`. */
export function modernMeta({ info }: Pick<McpPorts, 'info'>, conversation?: Client): JsonObject {
  return {
    [metaKeys.version]: modernVersion,
    [metaKeys.clientInfo]: info,
    [metaKeys.capabilities]: declaredCapabilities(conversation?.capabilities ?? {}),
  };
}

/** An errand of the gate itself: nothing of any agent is in it. */
export function ownErrand(
  { clock, gate }: Pick<McpPorts, 'clock' | 'gate'>,
  name: string,
  signal: AbortSignal,
): Errand {
  const agent = {
    ...{ id: `gateway:${gate.id}`, issuer: 'tollgate', tenant: 'tollgate', cloud: gate.cloud },
    ...{ claims: {}, actors: [], verifiedAtMs: clock.nowMs() },
  };
  const record = { id: `gateway:${gate.id}` as TaskId, agent, subject: null, purpose: 'tool_catalogue', ancestors: [] };
  return taskErrand({ clock }, record, name, signal);
}

/** A failure for want of an answer that could be read. Nothing of the call itself was sent. */
export function unspoken({ name }: Target, why: string, attempt: Attempt): Failed {
  const denial = deny('upstream_error', `target ${name} ${why}`, {
    ...(attempt.retryAfterMs === undefined ? {} : { retryAfterMs: attempt.retryAfterMs }),
  });
  return { failed: { ...attempt, status: null, error: 'protocol', sent: false }, denial };
}

/** An errand for a task that is no call of it. */
export function taskErrand(
  { clock }: Pick<McpPorts, 'clock'>,
  record: Errand['task']['record'],
  name: string,
  signal: AbortSignal,
): Errand {
  const id = newId(clock, 'call');
  const trace: Trace = { ...freshTrace(clock), parentSpanId: null, sampled: false, state: null };
  const resolved = { operation: { name }, payload: { args: {} } };
  return { id, requestId: id, trace, abort: { signal }, task: { record }, resolved };
}
