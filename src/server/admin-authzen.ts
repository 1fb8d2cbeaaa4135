/**
 * The AuthZEN Authorization API 1.0 on the admin plane: others ask what the policy would say, by a standard. A denial
 * is an answer here, 200 with `decision: false` (§10.1.2), and so is a question about what this gate has not; 4xx is for
 * what is no question of the standard's, and for whoever may not ask. Nothing of it has an effect.
 */
import type { JsonObject } from '../call.ts';
import { type Denial, denialMembers, isDenial } from '../denial.ts';
import type { Asked, AuthzenRequests, Evaluation, EvaluationsSemantic } from '../wire/authzen-request.ts';
import type { About, AdminAnswers } from './admin-routes.ts';
import { jsonReply } from './reply.ts';

/** What the policy would say, and of what: whether the task may be opened at all, or the call be made in it. */
export interface Evaluated {
  readonly phase: 'task' | 'call';
  readonly denial: Denial | undefined;
  /** Undefined where no policy was asked. */
  readonly decision: JsonObject | undefined;
  /** The revision that decides now. */
  readonly revision: string;
}

export interface AdminAuthzenPorts {
  readonly requests: AuthzenRequests;
  /** Judges without any effect. A denial itself is a question that cannot be asked. */
  readonly evaluate: (evaluation: Evaluation) => Promise<Evaluated | Denial>;
  readonly scheme: () => 'http' | 'https';
}

/** The answers of `/access/v1/…`, and the metadata document (§9). */
export function adminAuthzen({
  requests,
  evaluate,
  scheme,
}: AdminAuthzenPorts): AdminAnswers<`authzen.${'metadata' | 'evaluation' | 'evaluations'}`> {
  const answer = async (asked: Evaluation | { readonly unanswerable: Denial }): Promise<JsonObject> => {
    if ('unanswerable' in asked) return errorOf(asked.unanswerable, []);
    const evaluated = await evaluate(asked);
    return isDenial(evaluated) ? errorOf(evaluated, asked.ignored) : documentOf(evaluated, asked.ignored);
  };
  const single = async (asked: Asked) => {
    if (isDenial(asked)) return { reply: asked };
    const about = 'unanswerable' in asked ? {} : { about: aboutOf(asked) };
    return { reply: jsonReply(200, await answer(asked)), ...about };
  };
  return {
    'authzen.metadata': async ({ host }) => {
      const base = `${scheme()}://${host}`;
      return {
        reply: jsonReply(200, {
          policy_decision_point: base,
          access_evaluation_endpoint: `${base}/access/v1/evaluation`,
          access_evaluations_endpoint: `${base}/access/v1/evaluations`,
        }),
      };
    },
    'authzen.evaluation': async ({ body }) => single(requests.evaluation(body)),
    'authzen.evaluations': async ({ body }) => {
      const read = requests.evaluations(body);
      if (isDenial(read) || !('evaluations' in read)) return single(read);
      const answers: JsonObject[] = [];
      for (const asked of read.evaluations) {
        const said = isDenial(asked) ? errorOf(asked, []) : await answer(asked);
        answers.push(said);
        if (said.decision === endsAt[read.semantic]) break;
      }
      return {
        reply: jsonReply(200, { evaluations: answers }),
        about: { notes: { evaluations: `${answers.length}` } },
      };
    },
  };
}

/** The decision at which no more are looked at (§7.1.2.1). */
const endsAt: Readonly<Record<EvaluationsSemantic, boolean | undefined>> = {
  execute_all: undefined,
  deny_on_first_deny: false,
  permit_on_first_permit: true,
};

function documentOf({ phase, denial, decision, revision }: Evaluated, ignored: readonly string[]): JsonObject {
  const refused = denial === undefined ? {} : { code: denial.code, message: denial.message };
  return {
    decision: denial === undefined,
    context: {
      ...{ phase, ...refused },
      reasons: (denial?.reasons ?? decision?.reasons ?? []) as JsonObject[],
      obligations: decision?.obligations ?? {},
      policy_revision: revision,
      ...toldOf(ignored),
    },
  };
}

/** What could not be judged (§7.2.1): decisions default to no. */
function errorOf(denial: Denial, ignored: readonly string[]): JsonObject {
  const { code, message, reasons } = denialMembers(denial, {});
  const error = { status: denial.status, message };
  return {
    decision: false,
    context: { error, code, reasons: reasons as unknown as JsonObject[], ...toldOf(ignored) },
  };
}

/** A member that nobody looked at may have been meant to say something. */
function toldOf(ignored: readonly string[]): JsonObject {
  return ignored.length === 0 ? {} : { ignored: [...ignored] };
}

function aboutOf({ agent, operation, context }: Evaluation): About {
  const { task_id: task } = context;
  return {
    agent: agent.id,
    ...(agent.issuer === null ? {} : { issuer: agent.issuer }),
    ...(agent.tenant === null ? {} : { tenant: agent.tenant }),
    ...(typeof task === 'string' && /^task_[0-9a-hjkmnp-tv-z]{26}$/.test(task) ? { task } : {}),
    notes: { operation: operation.slice(0, 255) },
  };
}
