/**
 * A buffered chat completion, or whatever a target answered instead. `model` is the route's name again; all other bytes
 * stay unless inspection changed something. Then `logprobs` go too, which spell out the text once more.
 */
import type { Answer, AnswerHead, Json, JsonObject, ProposedCall, Segment, Usage } from '../../../call.ts';
import { AnswerBody } from '../../answer.ts';
import { isCount, listOf, objectOf, textOf } from '../../json-value.ts';
import { withMembers } from '../../members.ts';
import type { Reading } from '../../segments.ts';
import { notedServices, tierServices } from '../../services.ts';
import { givenIds } from './ids.ts';

export class ChatAnswer implements Answer {
  readonly head: AnswerHead;
  readonly #route: string;
  readonly #body: AnswerBody;

  constructor(route: string, head: AnswerHead, body: Buffer) {
    this.head = head;
    this.#route = route;
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
    return messagesOf(this.body).flatMap(proposalsOf);
  }

  get givenIds(): readonly string[] {
    return givenIds(objectOf(this.body));
  }

  /** What all choices say, refusals included, in order. */
  get text(): string {
    return messagesOf(this.body)
      .flatMap((message) => [textOf(message.content), textOf(message.refusal)])
      .filter((text) => text !== '')
      .join('\n');
  }

  /** Why the first choice ended; null where the answer does not say. */
  get finishReason(): string | null {
    return textOf(objectOf(listOf(objectOf(this.body).choices)[0]).finish_reason) || null;
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
    if (changed && Array.isArray(document.choices)) {
      const choices = document.choices.map((choice: Json) => ({ ...objectOf(choice), logprobs: null }));
      text = withMembers(text, { choices: JSON.stringify(choices) });
    }
    if (typeof document.model === 'string' && document.model !== this.#route) {
      text = withMembers(text, { model: JSON.stringify(this.#route) });
    }
    return text === jsonText ? this.#body.encode() : this.#body.encode(text);
  }
}

function messagesOf(body: Json): readonly JsonObject[] {
  return listOf(objectOf(body).choices).map((choice) => objectOf(objectOf(choice).message));
}

function proposalsOf(message: JsonObject): ProposedCall[] {
  const proposals = listOf(message.tool_calls).map((item): ProposedCall => {
    const call = objectOf(item);
    const made = call.function === undefined ? objectOf(call.custom) : objectOf(call.function);
    return {
      id: textOf(call.id),
      name: textOf(made.name),
      arguments: textOf(made.arguments ?? made.input),
    };
  });
  const legacy = objectOf(message.function_call);
  if (typeof legacy.name === 'string') {
    proposals.push({ id: '', name: legacy.name, arguments: textOf(legacy.arguments) });
  }
  return proposals;
}

/**
 * The provider's own count; null if there is none or it is not made of whole numbers. Some servers leave hidden
 * reasoning out of `completion_tokens` but not out of the total: the larger count holds.
 */
export function readUsage(value: Json | undefined, tier?: Json): Usage | null {
  const usage = objectOf(value);
  const input = usage.prompt_tokens;
  const output = usage.completion_tokens;
  if (!isCount(input) || !isCount(output)) return null;
  const total = isCount(usage.total_tokens) ? usage.total_tokens : 0;
  const {
    cached_tokens: read,
    cache_write_tokens: written,
    cache_write_1h_tokens,
  } = objectOf(usage.prompt_tokens_details);
  const outputTokens = Math.max(output, total - input);
  const told = objectOf(usage.completion_tokens_details).reasoning_tokens;
  const reasoning = Math.max(isCount(told) ? Math.min(told, outputTokens) : 0, outputTokens - output);
  const cachedInputTokens = isCount(read) ? Math.min(read, input) : 0;
  return {
    inputTokens: input,
    outputTokens,
    cachedInputTokens,
    ...cacheWrites(isCount(written) ? Math.min(written, input - cachedInputTokens) : 0, cache_write_1h_tokens),
    ...(reasoning > 0 ? { reasoningTokens: reasoning } : {}),
    ...tierServices(tier),
    ...notedServices(usage),
  };
}

/** How much is kept for an hour is told by targets of another API alone. */
function cacheWrites(written: number, forAnHour: Json | undefined): Partial<Usage> {
  const hour = isCount(forAnHour) ? Math.min(forAnHour, written) : 0;
  return {
    ...(written > 0 ? { cacheWriteTokens: written } : {}),
    ...(hour > 0 ? { cacheWriteHourTokens: hour } : {}),
  };
}

const idFields = new Set(['/id', '/object', '/model', '/system_fingerprint', '/service_tier']);

function classify(_text: string, key: string | number, where: string, siblings: Json): Reading {
  if (key === 'arguments') return 'json';
  if (idFields.has(where)) return 'skip';
  if (key === 'data' && Object.hasOwn(siblings as object, 'transcript')) return 'skip';
  return where.includes('/logprobs/') ? 'skip' : 'text';
}
