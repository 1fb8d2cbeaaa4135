/**
 * What of a task goes into a federation assertion, by the list in the configuration, and so what a token depends on:
 * two tasks that differ in it never share one. Nothing is shortened or rewritten, because two values that became equal
 * would be one to the cloud.
 */
import Type from 'typebox';
import type { JsonObject } from '../../call.ts';
import type { Behalf } from './credential.ts';

export const behalfParts = ['task', 'subject', 'agent', 'purpose'] as const;

export type BehalfPart = (typeof behalfParts)[number];

/** A list of parts in the configuration. */
export function behalfSchema(description: string) {
  const [task, subject, agent, purpose] = behalfParts;
  const part = Type.Union([Type.Literal(task), Type.Literal(subject), Type.Literal(agent), Type.Literal(purpose)]);
  return Type.Array(part, {
    default: [],
    uniqueItems: true,
    description,
  });
}

/**
 * The parts that are asked for, each with what tells it apart: a subject with its type, its assurance, since one that an
 * agent only asserts must never pass for a verified one, and who vouches for it; an agent with its issuer. A task without a subject has none.
 */
export function behalfOf(parts: readonly BehalfPart[], behalf: Behalf): Readonly<Record<string, string>> {
  const { taskId, subject, agent, purpose } = behalf;
  const told: Record<string, string> = {};
  for (const part of behalfParts) {
    if (!parts.includes(part)) continue;
    if (part === 'task') told.task = taskId;
    else if (part === 'agent') Object.assign(told, { agent: agent.id, agent_issuer: agent.issuer });
    else if (part === 'purpose') told.purpose = purpose;
    else if (subject !== null) {
      const { id, type, assurance, issuer } = subject;
      Object.assign(told, { subject: id, subject_type: type, subject_assurance: assurance });
      if (issuer !== undefined) told.subject_issuer = issuer;
    }
  }
  return told;
}

/** The same as a claim for token services of one's own, named as in a Txn-Token. Absent where nothing is told. */
export function transactionContext({ task, ...rest }: Readonly<Record<string, string>>): JsonObject {
  const context = { ...(task === undefined ? {} : { task_id: task }), ...rest };
  return Object.keys(context).length === 0 ? {} : { tctx: context };
}
