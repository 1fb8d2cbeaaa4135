/**
 * A buffered message, or whatever a target answered instead; and a count of tokens. `model` is the route's name again;
 * all other bytes stay unless inspection changed something.
 */
import type { Answer, AnswerHead, Json, JsonObject, ProposedCall, Segment, Usage } from '../../../call.ts';
import { AnswerBody } from '../../answer.ts';
import { parseAnswerJson } from '../../json.ts';
import { listOf, objectOf, textOf } from '../../json-value.ts';
import { withMembers } from '../../members.ts';
import { classify } from './classify.ts';
import { givenIds } from './ids.ts';
import { readUsage } from './usage.ts';

/** What both answers have: a body in pieces. */
abstract class BodyAnswer implements Answer {
  readonly head: AnswerHead;
  protected readonly whole: AnswerBody;

  constructor(head: AnswerHead, body: Buffer) {
    this.head = head;
    this.whole = new AnswerBody(head, body, classify);
  }

  abstract readonly usage: Usage | null;
  abstract readonly proposals: readonly ProposedCall[];
  abstract readonly text: string;
  abstract encode(): { readonly head: AnswerHead; readonly body: Buffer };

  get body(): Json {
    return this.whole.json;
  }

  segments(): readonly Segment[] {
    return this.whole.segments();
  }

  drop(where: string): void {
    this.whole.drop(where);
  }
}

export class MessageAnswer extends BodyAnswer {
  readonly #route: string;
  readonly #kept: boolean;

  /** `kept`: whether the provider keeps it, so that a later request may name it. */
  constructor(route: string, head: AnswerHead, body: Buffer, kept = false) {
    super(head, body);
    this.#route = route;
    this.#kept = kept;
  }

  get givenIds(): readonly string[] {
    return givenIds(objectOf(this.body), this.#kept);
  }

  get usage(): Usage | null {
    return readUsage(objectOf(this.body).usage);
  }

  /** The calls of tools that the agent is to make; those that the provider made itself are none. */
  get proposals(): readonly ProposedCall[] {
    if (!this.#blocks(this.body).some(isToolUse)) return [];
    // Written out with the numbers as they came: the arguments of a call are compared as a whole.
    const exact = parseAnswerJson(Buffer.from(this.whole.text()))?.exact ?? null;
    return this.#blocks(exact)
      .filter(isToolUse)
      .map(({ id, name, input = {} }) => ({ id: textOf(id), name: textOf(name), arguments: JSON.stringify(input) }));
  }

  /** What it says, thinking included, in order. */
  get text(): string {
    return this.#blocks(this.body)
      .map(({ type, text, thinking }) => (type === 'text' ? textOf(text) : type === 'thinking' ? textOf(thinking) : ''))
      .filter((text) => text !== '')
      .join('\n');
  }

  encode(): { readonly head: AnswerHead; readonly body: Buffer } {
    if (this.whole.jsonText === null) return this.whole.encode();
    const { model } = objectOf(this.body);
    if (typeof model !== 'string' || model === this.#route) return this.whole.encode();
    return this.whole.encode(withMembers(this.whole.text(), { model: JSON.stringify(this.#route) }));
  }

  #blocks(body: Json): readonly JsonObject[] {
    return listOf(objectOf(body).content).map(objectOf);
  }
}

/** How long a prompt is. Nothing of it is billed, and nothing was said. */
export class CountAnswer extends BodyAnswer {
  readonly usage = null;
  readonly proposals: readonly ProposedCall[] = [];
  readonly text = '';

  encode(): { readonly head: AnswerHead; readonly body: Buffer } {
    return this.whole.encode();
  }
}

function isToolUse({ type }: JsonObject): boolean {
  return type === 'tool_use';
}
