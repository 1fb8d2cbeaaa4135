/**
 * A buffered response, or whatever a target answered instead. `model` is the route's name again; all other bytes stay
 * unless inspection changed something. Then `logprobs` go too, which spell out the text once more.
 */
import type { Answer, AnswerHead, Json, JsonObject, ProposedCall, Segment, Told, Usage } from '../../../../call.ts';
import { AnswerBody } from '../../../answer.ts';
import { listOf, objectOf } from '../../../json-value.ts';
import { withMembers } from '../../../members.ts';
import { classify } from './classify.ts';
import { givenIds } from './ids.ts';
import { proposalOf, saidIn } from './item.ts';
import { toldOf } from './recall.ts';
import { readUsage } from './usage.ts';

export class ResponseAnswer implements Answer {
  readonly head: AnswerHead;
  readonly #route: string;
  readonly #kept: boolean;
  readonly #body: AnswerBody;

  /** `kept`: whether the provider keeps it, so that a later request may name it. */
  constructor(route: string, head: AnswerHead, body: Buffer, kept: boolean) {
    this.head = head;
    this.#route = route;
    this.#kept = kept;
    this.#body = new AnswerBody(head, body, classify);
  }

  get body(): Json {
    return this.#body.json;
  }

  get usage(): Usage | null {
    const { usage, service_tier: tier } = objectOf(this.body);
    return readUsage(usage, tier);
  }

  get proposals(): readonly ProposedCall[] {
    return this.#items.map(proposalOf).filter((call) => call !== null);
  }

  /** What it says, reasoning included, in order. */
  get text(): string {
    return this.#items
      .flatMap(saidIn)
      .filter(({ kind }) => kind !== 'call')
      .map(({ text }) => text)
      .join('\n');
  }

  get givenIds(): readonly string[] {
    const document = objectOf(this.body);
    return document.object === 'response' ? givenIds(document, this.#kept) : [];
  }

  get told(): Told | undefined {
    return toldOf(objectOf(this.body));
  }

  segments(): readonly Segment[] {
    return this.#body.segments();
  }

  drop(where: string): void {
    this.#body.drop(where);
  }

  encode(): { readonly head: AnswerHead; readonly body: Buffer } {
    const { jsonText, changed } = this.#body;
    if (jsonText === null) return this.#body.encode();
    let text = this.#body.text();
    const document = objectOf(this.body);
    if (changed && Array.isArray(document.output)) {
      text = withMembers(text, { output: textWithoutLogprobs(document.output) });
    }
    if (typeof document.model === 'string' && document.model !== this.#route) {
      text = withMembers(text, { model: JSON.stringify(this.#route) });
    }
    return text === jsonText ? this.#body.encode() : this.#body.encode(text);
  }

  get #items(): readonly JsonObject[] {
    return listOf(objectOf(this.body).output).map(objectOf);
  }
}

/** The JSON text of `value` with every list of logprobs in it emptied. */
export function textWithoutLogprobs(value: Json): string {
  return JSON.stringify(value, (name, inner: unknown) => (name === 'logprobs' && Array.isArray(inner) ? [] : inner));
}
