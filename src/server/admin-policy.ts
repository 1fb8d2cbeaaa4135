/**
 * Policies, as people see them and roll them out: what each gateway runs, where the candidate stands, how it compares.
 * What a reader would get wrong: going back works whatever is broken, and so the route is a stop switch; every other
 * stage is refused here while it could not be recorded.
 */
import type { JsonObject } from '../call.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { StoreUnavailable } from '../store/store.ts';
import type { AdminRequests, RolloutRequest } from '../wire/admin-request.ts';
import type { About, AdminAnswers, Answered, Asked } from './admin-routes.ts';
import { jsonReply } from './reply.ts';

export interface AdminPolicyPorts {
  /** What this gateway runs. */
  readonly own: () => JsonObject;
  /** What every gateway of the store last said it runs. Rejects with `StoreUnavailable`. */
  readonly reports: () => Promise<readonly JsonObject[]>;
  /** Where the rollout stands as far as this gateway knows, and why it may not know. */
  readonly rollout: () => { readonly state: JsonObject | null; readonly note: string | null };
  readonly comparison: () => JsonObject;
  /** Goes a step; gives the state. Rejects with `StoreUnavailable`. */
  readonly change: (asked: RolloutRequest, by: string) => Promise<JsonObject | Denial>;
  /** Whether the trail takes events now. */
  readonly canRecord: () => boolean;
  readonly requests: AdminRequests;
}

/** The answers of `/policy…`. */
export function adminPolicy(ports: AdminPolicyPorts): AdminAnswers<'policy.show' | 'policy.rollout'> {
  return {
    'policy.show': async () => ({ reply: jsonReply(200, await document(ports)) }),
    'policy.rollout': (asked) => rollout(ports, asked),
  };
}

async function document(ports: AdminPolicyPorts): Promise<JsonObject> {
  const { state, note } = ports.rollout();
  const own = ports.own();
  // Who asks while the store is away wants to know what runs here all the more.
  const gateways = await ports.reports().catch((fault: unknown) => {
    if (fault instanceof StoreUnavailable) return null;
    throw fault;
  });
  return {
    ...{ gateway: own, rollout: state, rollout_note: note, comparison: ports.comparison() },
    ...{ gateways: gateways ?? [own], gateways_known: gateways !== null },
  };
}

async function rollout(ports: AdminPolicyPorts, { body, person }: Asked): Promise<Answered> {
  const read = ports.requests.rollout(body);
  if (isDenial(read)) return { reply: read };
  const about = aboutOf(read);
  if (read.stage !== 'rolled_back' && !ports.canRecord()) {
    return { reply: deny('audit_unavailable', 'This cannot be recorded now, so it was not done.'), about };
  }
  const state = await ports.change(read, person.id);
  if (isDenial(state)) return { reply: state, about };
  return { reply: jsonReply(200, { rollout: state }), about: aboutOf(read, state) };
}

function aboutOf(asked: RolloutRequest, state?: JsonObject): About {
  const { stage, percent, reason, force } = asked;
  const revision = state?.revision ?? asked.revision;
  const content = state?.content ?? asked.content;
  return {
    notes: {
      stage,
      ...(percent === undefined ? {} : { percent: String(percent) }),
      ...(typeof revision === 'string' ? { revision } : {}),
      ...(typeof content === 'string' ? { content } : {}),
      ...(reason === undefined ? {} : { reason_given: reason }),
      ...(force === true ? { force: 'true' } : {}),
    },
  };
}
