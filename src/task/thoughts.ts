/**
 * Finds the thought that proposed a call: by the model's id of the tool call, else by operation and arguments, else
 * by name. `exact` is earned, not claimed: observed in a model's answer of this task, equal arguments, not used
 * before. What an agent only reports is never exact.
 */
import type { JsonObject, Operation, Proposal, ProposedCall, TaskRecord, Thought, ThoughtMatch } from '../call.ts';
import type { CallId } from '../clock.ts';
import { parseJsonText } from '../wire/json.ts';
import { argumentDigests, digestOf, isNamed, toolNames } from './digest.ts';

/** How many thoughts a task remembers; older ones are in the audit trail alone. */
export const thoughtsMax = 50;
const proposalsMax = 32;
const proposalCharsMax = 257;

interface Candidate {
  readonly thought: Thought;
  readonly proposal: Proposal;
}

function newestFirst(record: TaskRecord): Candidate[] {
  const candidates: Candidate[] = [];
  for (let index = record.thoughts.length - 1; index >= 0; index--) {
    const thought = record.thoughts[index] as Thought;
    for (const proposal of thought.proposals) candidates.push({ thought, proposal });
  }
  return candidates;
}

/** The thought behind a call to `operation`, or null if nothing in this task proposed it. */
export function matchThought(
  record: TaskRecord,
  operation: Operation,
  args: JsonObject,
  toolCallId: string | null,
  /** The call that this one repeats, and is. */
  first: CallId | null = null,
): ThoughtMatch | null {
  const candidates = newestFirst(record);
  if (candidates.length === 0) return null;
  const names = toolNames(operation);
  const digests = argumentDigests(record.digestKey, args);
  const named = ({ proposal }: Candidate) => isNamed(names, proposal.name);
  const equal = ({ proposal }: Candidate) => digests.includes(proposal.digest);
  const unused = ({ proposal }: Candidate) => proposal.usedBy === undefined || proposal.usedBy === first;

  const byId = toolCallId === null ? undefined : candidates.find(({ proposal }) => proposal.id === toolCallId);
  const found =
    byId ??
    candidates.find((candidate) => named(candidate) && equal(candidate) && unused(candidate)) ??
    candidates.find(named);
  if (found === undefined) return null;

  const { thought, proposal } = found;
  let match: ThoughtMatch['match'] = 'none';
  if (named(found)) {
    if (equal(found)) match = unused(found) && thought.source === 'observed' ? 'exact' : 'name';
    else match = found === byId ? 'changed' : 'name';
  }
  const span = thought.span === undefined ? {} : { span: thought.span };
  return { id: thought.id, source: thought.source, match, toolCallId: proposal.id, ...span };
}

/** The record with a proposal marked as carried out by `callId`, or, with null, as free again. */
export function markUsed(
  record: TaskRecord,
  match: ThoughtMatch,
  callId: CallId,
  use: 'take' | 'give back',
): readonly Thought[] {
  if (match.match === 'none' || match.match === 'name') return record.thoughts;
  return record.thoughts.map((thought) => {
    if (thought.id !== match.id) return thought;
    const proposals = thought.proposals.map((proposal) => {
      if (proposal.id !== match.toolCallId) return proposal;
      if (use === 'take') return { ...proposal, usedBy: callId };
      if (proposal.usedBy !== callId) return proposal;
      const { usedBy: _, ...free } = proposal;
      return free;
    });
    return { ...thought, proposals };
  });
}

export type NewThought = Pick<Thought, 'id' | 'callId' | 'source' | 'atMs' | 'span'>;

/** What a task keeps of a thought: ids, names and keyed digests, never the arguments themselves. */
export function rememberThought(
  record: TaskRecord,
  thought: NewThought,
  proposed: readonly ProposedCall[],
): readonly Thought[] {
  return addThought(record, { ...thought, proposals: proposalsOf(record.digestKey, proposed) });
}

export function addThought(record: TaskRecord, thought: Thought): readonly Thought[] {
  return [...record.thoughts, thought].slice(-thoughtsMax);
}

/** Proposals as a task keeps them; `digestKey` is that of the task. */
export function proposalsOf(digestKey: string, proposed: readonly ProposedCall[]): readonly Proposal[] {
  return proposed.slice(0, proposalsMax).map((call): Proposal => {
    const parsed = parseJsonText(call.arguments === '' ? '{}' : call.arguments);
    const value = 'value' in parsed ? parsed.value : call.arguments;
    // Both come from a model, which bounds neither; no call names a longer id, and no operation has a longer name.
    const [id = '', name = ''] = [call.id, call.name].map((text) => text.slice(0, proposalCharsMax));
    return { id, name, digest: digestOf(digestKey, value) };
  });
}
