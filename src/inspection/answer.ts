/**
 * The return path of buffered answers: findings for the response policy, and its obligations met. What an answer
 * holds is told like what a request holds, so that one policy can speak of both.
 */
import type { Answer, Decision, Finding } from '../call.ts';
import { type Denial, deny } from '../denial.ts';
import { limited } from './finding_limit.ts';
import { type Obeyed, obey } from './obey.ts';
import type { Inspector } from './scan.ts';

/**
 * What is found in an answer. Answers are not refused for having many findings: beyond `findingsMax` places, the
 * findings of a type are told as one, under the empty pointer.
 */
export function inspectAnswer(inspector: Inspector, answer: Answer): Finding[] {
  return [...limited(inspector.scan(answer.segments()))];
}

/**
 * Obeys the response policy's decision on `findings`. Denies `pii_blocked` or `secret_blocked`, and `policy_denied` where
 * fields are to be dropped from a good answer that has none, because it is no JSON: what they hold may stand in it.
 */
export function obeyAnswer(
  inspector: Inspector,
  answer: Answer,
  findings: readonly Finding[],
  decision: Decision,
  digestKey: string,
): Obeyed | Denial {
  const path = (decision.obligations.drop ?? []).find((one) => one !== '');
  const isGood = answer.head.status >= 200 && answer.head.status <= 299;
  if (path !== undefined && isGood && answer.body === null && answer.segments().length > 0) {
    const message = 'fields can only be dropped from answers that are JSON';
    return deny('policy_denied', 'The answer cannot be changed as the policy demands.', {
      reasons: [{ code: 'obligation_unmet', message, path }],
    });
  }
  return obey(inspector, answer, findings, decision, digestKey);
}
