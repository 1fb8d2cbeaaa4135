/**
 * How the story asserts a refusal, three ways: what the agent was answered, that no program behind the gate received
 * anything, and what the audit trail says. A denial that is only an answer would be a promise nobody kept.
 */

import { type AuditEvent, denialCodeOf } from '../../../src/audit/event.ts';
import { type DenialCode, denials } from '../../../src/denial.ts';
import type { Answered } from '../agent.ts';
import type { Scene } from './scene.ts';
import type { Step } from './step.ts';

export interface Refusal {
  readonly code: DenialCode;
  /** Code of one of the reasons: what the agent can act on. */
  readonly reason?: string;
  readonly call: () => Promise<Answered>;
}

export interface Members {
  readonly code?: string;
  readonly message?: string;
  readonly reasons?: readonly { readonly code: string; readonly message: string }[];
  readonly call_id?: string | null;
  readonly task_id?: string | null;
}

/** The members of a denial, whatever the surface wraps them in. */
function membersOf({ body }: Answered): Members {
  return (body?.error ?? body ?? {}) as Members;
}

/** Makes the call and checks that it was refused as it should be. Gives the members of the denial. */
export async function refused(scene: Scene, step: Step, refusal: Refusal): Promise<Members> {
  const { code } = refusal;
  const before = scene.receivedCounts();
  const answer = await refusal.call();
  const members = membersOf(answer);
  step.equal([answer.status, members.code], [denials[code].status, code], 'status and code');
  await checkRefusal(scene, step, { ...refusal, before, members });
  if (code !== 'unauthenticated') {
    step.equal(answer.headers.get('x-tollgate-call-id'), members.call_id ?? '', 'x-tollgate-call-id');
  }
  return members;
}

/** What holds of every refusal, however the agent was told: why, that nothing was received, and the audit event. */
export async function checkRefusal(
  scene: Scene,
  step: Step,
  refusal: Pick<Refusal, 'code' | 'reason'> & {
    readonly members: Members;
    /** How many requests each program had received before the call. */
    readonly before: Readonly<Record<string, number>>;
  },
): Promise<void> {
  const { code, reason, members, before } = refusal;
  if (reason !== undefined) {
    const found = members.reasons?.find((given) => given.code === reason);
    step.holds(found !== undefined, `the reasons name ${reason}: got ${JSON.stringify(members.reasons)}`);
    step.holds((found?.message ?? '').length > 20, `the reason ${reason} tells the agent what it can do`);
    step.note = found?.message ?? '';
  } else step.note = members.message ?? '';
  step.equal(scene.receivedCounts(), before, 'requests received behind the gate');
  if (code === 'unauthenticated') return;

  const call = members.call_id ?? '';
  const task = members.task_id ?? '';
  const isOfCall = (event: AuditEvent) => event.call === call;
  const events = (await scene.eventsUntil({ task }, (found) => found.some(isOfCall))).filter(isOfCall);
  // No intent: nothing was about to be sent.
  step.equal(
    events.map((event) => [event.type, denialCodeOf(event)]),
    [['denial', code]],
    'type and code of the audit events of this call',
  );
  if (reason !== undefined) {
    const inTrail = events[0]?.decision?.reasons.some((given) => given.code === reason) ?? false;
    step.holds(inTrail, `the audit event names the reason ${reason}`);
  }
}
