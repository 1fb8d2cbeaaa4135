/**
 * Tool calls that models proposed, as events show them. What a reader would get wrong: their names and ids are the word of a
 * model or an agent, and events are for ever; what could be somebody's data does not stand in them.
 */
import type { Outcome, TaskRecord } from '../call.ts';
import { isPlainName } from '../wire/segments.ts';
import type { EventProposal, NewEvent } from './event.ts';

const proposalsMax = 32;
const unusedMax = 256;
/** As providers make ids of tool calls: nothing that could be anybody's data fits in. */
const toolCallForm = /^[A-Za-z0-9_.:|-]{1,128}$/;

/** What was proposed in a thought. */
export function proposedIn(proposals: Outcome['proposals']): Pick<NewEvent, 'proposals'> {
  return listed(proposals.slice(0, proposalsMax).map((proposal) => shownProposal(proposal)));
}

/** What the thoughts of a task have proposed and no call has carried out, as far as the task remembers them. */
export function neverMade({ thoughts }: TaskRecord): Pick<NewEvent, 'proposals'> {
  const left = thoughts.flatMap(({ id, proposals }) =>
    proposals
      .filter(({ usedBy }) => usedBy === undefined)
      .map((proposal) => ({ ...shownProposal(proposal), thought: id })),
  );
  return listed(left.slice(-unusedMax));
}

/** The model's id of a tool call; `{}` for what may be anything else. */
export function shownToolCall(id: string): string {
  return toolCallForm.test(id) ? id : '{}';
}

function shownProposal({ id, name }: { readonly id: string; readonly name: string }): EventProposal {
  return { id: shownToolCall(id), name: isPlainName(name) ? name : '{}' };
}

function listed(proposals: readonly EventProposal[]): Pick<NewEvent, 'proposals'> {
  return proposals.length === 0 ? {} : { proposals };
}
