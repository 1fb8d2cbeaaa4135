/**
 * A task as a story: what its models thought and, under each thought, what the agent then did. Intent and outcome of
 * a call are one entry; an action that no thought proposed stands by itself, which is what an auditor looks for.
 */
import type { CallKind } from '../call.ts';
import type { AuditEvent, EventDecision } from './event.ts';

/** The longest story that is told; what comes later is in the events. */
export const storyEventsMax = 5_000;

export interface StoryEntry {
  /** When it began, RFC 3339. */
  readonly at: string;
  readonly kind: 'thought' | 'action' | 'denial' | 'event';
  readonly call_id: string | null;
  readonly thought_id?: string;
  readonly match?: NonNullable<AuditEvent['match']>;
  /** Of an action: the model's id of the proposed tool call that it fits. */
  readonly tool_call?: string;
  /** What this thought proposed, and the call that carried it out; null where none did. */
  readonly proposals?: readonly StoryProposal[];
  readonly operation: string | null;
  readonly decision: EventDecision | null;
  readonly cost_usd: number | null;
  /** HTTP status; null while the call runs, and for ever if it was interrupted. */
  readonly status: number | null;
  /** The actions and denials that this thought led to. */
  readonly children?: readonly StoryEntry[];
}

export interface StoryProposal {
  readonly id: string;
  readonly name: string;
  readonly call_id: string | null;
}

export interface Story {
  readonly task: string;
  readonly entries: readonly StoryEntry[];
  /** Only there if the task has more events than a story tells. */
  readonly truncated?: true;
}

type Draft = { -readonly [Member in keyof StoryEntry]: StoryEntry[Member] } & { children?: Draft[] };

function entryOf(kind: StoryEntry['kind'], event: AuditEvent): Draft {
  return {
    at: event.time,
    kind,
    call_id: event.call,
    ...(event.thought === null ? {} : { thought_id: event.thought }),
    ...(event.match === null ? {} : { match: event.match }),
    ...(event.tool_call === undefined ? {} : { tool_call: event.tool_call }),
    operation: event.operation,
    decision: event.decision,
    cost_usd: event.cost_usd,
    status: event.status,
  };
}

function isModelCall(event: AuditEvent, kindOf: ((operation: string) => CallKind | undefined) | undefined): boolean {
  const kind = event.operation === null ? undefined : kindOf?.(event.operation);
  // The operation may have left the routing table since; only models are paid by the token.
  return kind === undefined ? event.usage !== null : kind === 'model';
}

/** Tells the story of `task` from its events, given oldest first. */
export function buildStory(
  task: string,
  events: readonly AuditEvent[],
  kindOf?: (operation: string) => CallKind | undefined,
): Story {
  const told = events.slice(0, storyEventsMax);
  const entries: Draft[] = [];
  const calls = new Map<string, Draft>();
  for (const event of told) {
    const call = event.call === null ? undefined : calls.get(event.call);
    switch (event.type) {
      case 'intent': {
        const entry = entryOf(isModelCall(event, kindOf) ? 'event' : 'action', event);
        entries.push(entry);
        if (event.call !== null) calls.set(event.call, entry);
        break;
      }
      case 'outcome':
      case 'interrupted':
        if (call === undefined) break;
        if (call.kind === 'action' && isModelCall(event, kindOf)) call.kind = 'event';
        if (event.decision !== null) call.decision = event.decision;
        call.cost_usd = event.cost_usd;
        call.status = event.status;
        break;
      case 'thought': {
        // The model call and what was said in it are one entry: the thought, with what it cost.
        const entry = call ?? entryOf('thought', event);
        entry.kind = 'thought';
        if (event.thought !== null) entry.thought_id = event.thought;
        if (event.match !== null) entry.match = event.match;
        entry.children = [];
        const { proposals } = event;
        if (proposals !== undefined) entry.proposals = proposals.map(({ id, name }) => ({ id, name, call_id: null }));
        if (call === undefined) entries.push(entry);
        break;
      }
      case 'denial':
        entries.push(entryOf('denial', event));
        break;
      case 'task':
      case 'policy':
      case 'admin':
        entries.push(entryOf('event', event));
        break;
    }
  }
  return {
    task,
    entries: nest(entries),
    ...(events.length > storyEventsMax ? { truncated: true as const } : {}),
  };
}

function nest(entries: readonly Draft[]): Draft[] {
  const thoughts = new Map<string, Draft>();
  for (const entry of entries) {
    if (entry.kind === 'thought' && entry.thought_id !== undefined) thoughts.set(entry.thought_id, entry);
  }
  return entries.filter((entry) => {
    if (entry.kind !== 'action' && entry.kind !== 'denial') return true;
    const parent = entry.thought_id === undefined ? undefined : thoughts.get(entry.thought_id);
    parent?.children?.push(entry);
    if (parent !== undefined && entry.kind === 'action') carryOut(parent, entry);
    return parent === undefined;
  });
}

/** The first action that fits a proposal carries it out; one whose arguments the agent changed does so, too. */
function carryOut(thought: Draft, { tool_call: id, match, call_id: callId }: Draft): void {
  if (match !== 'exact' && match !== 'changed') return;
  const at = thought.proposals?.findIndex((proposal) => proposal.id === id && proposal.call_id === null) ?? -1;
  if (thought.proposals === undefined || at < 0) return;
  thought.proposals = thought.proposals.map((one, index) => (index === at ? { ...one, call_id: callId } : one));
}
