/**
 * What a stream has said so far, gathered from its events: text, proposed tool calls, usage. Bounded: a stream that
 * goes on past the bounds is still passed on, but no more of it is remembered.
 */
import type { Frame, ProposedCall, Usage } from '../call.ts';

const textCharsMax = 64 * 1024;
const argumentsCharsMax = 256 * 1024;
const proposalsMax = 32;
const givenIdsMax = 256;

interface Proposing {
  id: string;
  name: string;
  arguments: string;
}

export class StreamRecord {
  #text = '';
  #usage: Usage | null = null;
  readonly #proposals = new Map<number, Proposing>();
  readonly #givenIds = new Set<string>();

  add(frame: Frame): void {
    for (const id of frame.givenIds ?? []) if (this.#givenIds.size < givenIdsMax) this.#givenIds.add(id);
    for (const event of frame.events) {
      switch (event.type) {
        case 'text':
        case 'reasoning':
          if (this.#text.length < textCharsMax) this.#text += event.text;
          break;
        case 'tool_arguments': {
          const known = this.#proposals.get(event.index);
          if (known === undefined && this.#proposals.size >= proposalsMax) break;
          const proposal = known ?? { id: '', name: '', arguments: '' };
          if (event.id !== undefined && event.id !== '') proposal.id = event.id;
          if (event.name !== undefined) proposal.name += event.name;
          if (proposal.arguments.length < argumentsCharsMax) proposal.arguments += event.text;
          this.#proposals.set(event.index, proposal);
          break;
        }
        case 'usage':
          this.#usage = event.usage;
          break;
        case 'end':
          break;
      }
    }
  }

  summary(): {
    readonly text: string;
    readonly proposals: readonly ProposedCall[];
    readonly usage: Usage | null;
    readonly givenIds: readonly string[];
  } {
    const proposals = [...this.#proposals]
      .sort(([left], [right]) => left - right)
      .map(([, proposal]) => ({ ...proposal }));
    return { text: this.#text, proposals, usage: this.#usage, givenIds: [...this.#givenIds] };
  }
}
