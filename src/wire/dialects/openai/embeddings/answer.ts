/**
 * Embeddings as a model answers them, or whatever a target answered instead. `model` is the route's name again; all other
 * bytes stay. What a reader would get wrong: vectors are no text, and a single answer can hold a million numbers. So they
 * are taken out before anything looks at the answer: inspection and policy see `null` in their place.
 */
import type { Answer, AnswerHead, Json, JsonObject, ProposedCall, Segment, Usage } from '../../../../call.ts';
import { AnswerBody } from '../../../answer.ts';
import { parseAnswerJson } from '../../../json.ts';
import { isCount, listOf, objectOf, textOf } from '../../../json-value.ts';
import { withMembers } from '../../../members.ts';

/** How many values one answer may hold: 2,048 vectors of 4,096 dimensions. Its bytes are bounded before. */
const valuesMax = 10_000_000;
const depthMax = 64;
const base64 = /^[A-Za-z0-9+/]*={0,2}$/;

interface Vectors {
  /** The JSON text as it came. */
  readonly text: string;
  readonly vectors: readonly Json[];
}

export class EmbeddingsAnswer implements Answer {
  readonly proposals: readonly ProposedCall[] = [];
  readonly text = '';
  readonly #route: string;
  /** All of the answer but its vectors; the whole answer where it is none of embeddings. */
  readonly #body: AnswerBody;
  readonly #taken: Vectors | null;
  /** Items, by their place in the answer as it came. */
  readonly #dropped = new Set<number>();

  constructor(route: string, head: AnswerHead, bytes: Buffer) {
    this.#route = route;
    const read = withoutVectors(head, bytes);
    this.#taken = read?.taken ?? null;
    this.#body = new AnswerBody(head, read?.rest ?? bytes);
  }

  get head(): AnswerHead {
    return this.#body.head;
  }

  get body(): Json {
    return this.#body.json;
  }

  get usage(): Usage | null {
    const { prompt_tokens: prompt, total_tokens: total } = objectOf(objectOf(this.body).usage);
    if (!isCount(prompt)) return null;
    return { inputTokens: isCount(total) ? Math.max(prompt, total) : prompt, outputTokens: 0, cachedInputTokens: 0 };
  }

  segments(): readonly Segment[] {
    return this.#body.segments();
  }

  drop(where: string): void {
    const item = /^\/data\/(\d+)$/.exec(where)?.[1];
    if (item !== undefined) this.#dropped.add(Number(item));
    this.#body.drop(where);
  }

  encode(): { readonly head: AnswerHead; readonly body: Buffer } {
    const document = objectOf(this.body);
    const renamed = typeof document.model === 'string' && document.model !== this.#route;
    const changes: Record<string, string> = renamed ? { model: JSON.stringify(this.#route) } : {};
    if (this.#taken === null)
      return renamed ? this.#body.encode(withMembers(this.#body.text(), changes)) : this.#body.encode();
    const { text, vectors } = this.#taken;
    if (!this.#body.changed) return this.#body.encode(renamed ? withMembers(text, changes) : text);
    const left = vectors.filter((_vector, index) => !this.#dropped.has(index));
    const data = listOf(document.data).map((item, index) => withVector(objectOf(item), left[index]));
    return this.#body.encode(JSON.stringify({ ...document, ...(renamed ? { model: this.#route } : {}), data }));
  }
}

function withVector(item: JsonObject, vector: Json | undefined): JsonObject {
  return vector === undefined || !Object.hasOwn(item, 'embedding') ? item : { ...item, embedding: vector };
}

/** Undefined for what is no answer of embeddings, and for what has two readings. */
function withoutVectors(
  head: AnswerHead,
  bytes: Buffer,
): { readonly rest: Buffer; readonly taken: Vectors } | undefined {
  if (head.status < 200 || head.status > 299) return undefined;
  const parsed = parseAnswerJson(bytes, { depth: depthMax, values: valuesMax });
  const document = objectOf(parsed?.value);
  if (parsed === undefined || !Array.isArray(document.data)) return undefined;
  const vectors = document.data.map((item: Json) => objectOf(item).embedding ?? null);
  if (!vectors.every(isVector)) return undefined;
  const data = document.data.map((item: Json) =>
    objectOf(item).embedding === undefined ? item : { ...objectOf(item), embedding: null },
  );
  return { rest: Buffer.from(JSON.stringify({ ...document, data })), taken: { text: parsed.text, vectors } };
}

function isVector(value: Json): boolean {
  if (value === null || (typeof value === 'string' && base64.test(textOf(value)))) return true;
  return Array.isArray(value) && value.every((number) => typeof number === 'number');
}
