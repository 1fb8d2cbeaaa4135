/**
 * What people do on the admin plane, as events: who, vouched for by whom, what, and about what. What a reader would get
 * wrong: `agent`, `issuer` and `tenant` of such an event are those it is about; who did it is its `subject`.
 */
import type { Trace } from '../call.ts';
import type { Denial } from '../denial.ts';
import { blankEvent, type EventReason, type NewEvent } from './event.ts';
import { askedRoute, refusalOf } from './facts.ts';
import type { Sampler } from './sampler.ts';
import { counted, type Recorder } from './stage.ts';

const reasonsMax = 64;

/** What somebody did, or wanted to do, on the admin plane; or what a signal or a changed file did. */
export interface AdminHappening {
  readonly operation: string;
  /** Who: the id of a person, or the name of what is none. */
  readonly actor: string;
  /** Who vouches for the person: the URL of their issuer. */
  readonly vouchedBy?: string;
  /** What it was about. */
  readonly task?: string;
  readonly agent?: string;
  readonly issuer?: string;
  readonly tenant?: string;
  readonly route?: string;
  /** What else is known of it; redacted already. */
  readonly notes?: Readonly<Record<string, string>>;
  readonly denial?: Denial | undefined;
  readonly status?: number;
  readonly trace?: Trace;
}

/** What a person did on the admin plane, as their token says who they are. */
export function adminEvent(happening: AdminHappening, more: readonly EventReason[] = []): NewEvent {
  const { operation, actor, vouchedBy, denial, trace, route, notes = {} } = happening;
  const noted: EventReason[] = Object.entries(notes).map(([code, message]) => ({ code, message }));
  const reasons = [...noted, ...more].slice(0, reasonsMax);
  const carriedOut = { id: null, allow: true, reasons, obligations: {}, bundle: null, revision: null };
  return {
    ...blankEvent('admin'),
    operation,
    subject: {
      ...{ id: actor, type: 'operator', assurance: 'operator' },
      ...(vouchedBy === undefined ? {} : { issuer: vouchedBy }),
    },
    task: happening.task ?? null,
    agent: happening.agent ?? null,
    issuer: happening.issuer ?? null,
    tenant: happening.tenant ?? null,
    target: route === undefined ? null : { route: askedRoute(route), name: null, cloud: null, region: null },
    trace_id: trace?.traceId ?? null,
    span_id: trace?.spanId ?? null,
    decision: denial !== undefined ? refusalOf(denial, undefined, reasons) : reasons.length === 0 ? null : carriedOut,
    status: happening.status ?? null,
  };
}

/** Records what a person did on the admin plane; if `durable`, on disk before it resolves. Rejects with AuditUnavailable. */
export async function recordAdmin(trail: Recorder, happening: AdminHappening, durable: boolean): Promise<void> {
  await trail.append(adminEvent(happening), { durable });
}

/** Records, within the sampler's bound, what a person wanted to do on the admin plane and may not. */
export async function recordRefusedPerson(trail: Recorder, happening: AdminHappening, sampler: Sampler): Promise<void> {
  const turn = sampler.take();
  if (turn.record) await trail.append(adminEvent(happening, counted(turn.skipped)), { durable: false });
}
