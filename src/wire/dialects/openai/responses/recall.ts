/**
 * Ids in a responses request that stand for what the gate remembers: which ones there are, and the request with what they
 * stand for in their place. What a reader would get wrong: a request of a few bytes can name the same long item a thousand
 * times, so what is put in place is counted as it will be written, each time.
 */
import type { Json, JsonObject, Recalled, Told, Wanted } from '../../../../call.ts';
import { type Denial, deny } from '../../../../denial.ts';
import { listOf, objectOf, textOf } from '../../../json-value.ts';
import { isReference } from './ids.ts';

/** The longest id that is taken for one. */
const idCharsMax = 128;

/** What `body` names; null for nothing. */
export function wantedIn(body: JsonObject): Wanted | null {
  const answer = textOf(body.previous_response_id) || null;
  const items = listOf(body.input).flatMap((item) => referredTo(item) ?? []);
  return answer === null && items.length === 0 ? null : { answer, items: [...new Set(items)] };
}

function referredTo(item: Json): string | undefined {
  const { id } = objectOf(item);
  return isReference(objectOf(item)) && typeof id === 'string' && id !== '' ? id : undefined;
}

/** The items of an input; a text is one message of the user. */
export function inputItems({ input = null }: JsonObject): readonly Json[] {
  return typeof input === 'string' ? [{ role: 'user', content: input }] : listOf(input);
}

export interface Filled {
  readonly input: readonly Json[];
  /** Whether what was said before stands in the input, and its id is to go. */
  readonly continued: boolean;
  /** How many items were put in place, and the ids that they have. */
  readonly count: number;
  readonly ids: ReadonlySet<string>;
}

/** `body` with what was `found` in place; null where none of it was. Denies `too_large` for an input beyond `bytesMax`. */
export function filled(body: JsonObject, found: Recalled, bytesMax: number): Filled | null | Denial {
  const before = textOf(body.previous_response_id) === '' ? null : found.conversation;
  const input: Json[] = [];
  const ids = new Set<string>();
  const sizes = new Map<Json, number>();
  let bytes = 0;
  let count = 0;
  const put = (item: Json, isOurs: boolean): void => {
    const size = sizes.get(item) ?? Buffer.byteLength(JSON.stringify(item)) + 1;
    sizes.set(item, size);
    bytes += size;
    if (bytes > bytesMax) return;
    input.push(item);
    if (!isOurs) return;
    count += 1;
    const { id } = objectOf(item);
    if (typeof id === 'string' && found.items.has(id)) ids.add(id);
  };
  for (const item of before ?? []) put(item, true);
  for (const item of inputItems(body)) {
    const known = found.items.get(referredTo(item) ?? '');
    put(known ?? item, known !== undefined);
  }
  if (bytes > bytesMax) {
    const message = `With what it names by ids the request has more than ${bytesMax} bytes.`;
    return deny('too_large', message, { reasons: [{ code: 'recalled_too_large', message }] });
  }
  return count === 0 && before === null ? null : { input, continued: before !== null, count, ids };
}

/** `items` with the id alone in place of each that was put there by its id, if only one has that id. */
export function withReferences(items: readonly Json[], ids: ReadonlySet<string>): readonly Json[] {
  const times = new Map<string, number>();
  for (const item of items) {
    const id = textOf(objectOf(item).id);
    if (ids.has(id)) times.set(id, (times.get(id) ?? 0) + 1);
  }
  return items.map((item) => {
    const id = textOf(objectOf(item).id);
    return times.get(id) === 1 ? { type: 'item_reference', id } : item;
  });
}

/** `response` as it is remembered; undefined for what failed, or has no id. The odds of its tokens are left out. */
export function toldOf(response: JsonObject, output: Json | undefined = response.output): Told | undefined {
  const { id, object, status = 'completed' } = response;
  const ended = status === 'completed' || status === 'incomplete';
  if (object !== 'response' || !ended || typeof id !== 'string' || id === '' || id.length > idCharsMax)
    return undefined;
  const items = listOf(output).map((item) => withoutLogprobs(objectOf(item)));
  return { id, items };
}

function withoutLogprobs(item: JsonObject): JsonObject {
  if (!listOf(item.content).some((part) => listOf(objectOf(part).logprobs).length > 0)) return item;
  const content = listOf(item.content).map((part) => {
    const said = objectOf(part);
    return said.logprobs === undefined ? part : { ...said, logprobs: [] };
  });
  return { ...item, content };
}
