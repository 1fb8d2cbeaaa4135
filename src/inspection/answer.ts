/**
 * The return path of buffered answers: findings for the response policy, and its obligations met. What an answer
 * holds is told like what a request holds, so that one policy can speak of both.
 */
import type { Answer, Decision, Finding } from '../call.ts';
import type { Denial } from '../denial.ts';
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

/** Obeys the response policy's decision on `findings`. Denies `pii_blocked` or `secret_blocked`. */
export function obeyAnswer(
  inspector: Inspector,
  answer: Answer,
  findings: readonly Finding[],
  decision: Decision,
  digestKey: string,
): Obeyed | Denial {
  return obey(inspector, answer, findings, decision, digestKey);
}
