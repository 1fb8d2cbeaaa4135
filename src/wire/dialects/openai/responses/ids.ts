/**
 * Ids that stand for what lies at the provider: which ones a request names, and which ones an answer gives. What a reader
 * would get wrong: most ids in a request are only names in a history that is all there (`call_id`, the id of a message);
 * an id counts where the provider would look something up by it. Stored prompts, vector stores and skills are the
 * operator's: no answer ever gives them, and the policy alone says who may name them.
 */
import type { Json, JsonObject, NamedId } from '../../../../call.ts';
import { listOf, objectOf, textOf } from '../../../json-value.ts';
import { child } from '../../../pointer.ts';

/** How many ids of one answer are told. */
const givenMax = 256;
/** Members that name what lies at the provider, wherever they stand; documents are bounded in depth and size before. */
const holders: ReadonlySet<string> = new Set(['container_id', 'file_id']);
/** What is written by the agent, its users or a model, and what is only told of earlier work. */
const passedOver: ReadonlySet<string> = new Set([
  ...['parameters', 'output_schema', 'input_schema', 'arguments', 'metadata', 'annotations', 'results', 'format'],
  'env',
]);
/** Members of an answer that the provider itself writes; in all others its model, or somebody's server, could name anything. */
const ofProvider: ReadonlySet<string> = new Set([
  ...['content', 'annotations', 'environment', 'outputs', 'results', 'output'],
]);

/** The ids that `body` names, in its order; one that `forgets` loses hollow reasoning on its way, which names nothing. */
export function namedIds(body: JsonObject, forgets = false): readonly NamedId[] {
  const named: NamedId[] = [];
  const add = (where: string, id: Json | undefined, standsFor?: NamedId['standsFor']): void => {
    if (typeof id === 'string') named.push({ where, id, ...(standsFor === undefined ? {} : { standsFor }) });
  };
  add('/previous_response_id', body.previous_response_id, 'conversation');
  const { conversation } = body;
  if (typeof conversation === 'string') add('/conversation', conversation);
  else add('/conversation/id', objectOf(conversation).id);
  const approvals = new Set(
    listOf(body.input).map((item) => (objectOf(item).type === 'mcp_approval_request' ? objectOf(item).id : null)),
  );
  add('/prompt_cache_options/comparison_response_id', objectOf(body.prompt_cache_options).comparison_response_id);
  for (const [index, value] of listOf(body.input).entries()) {
    const item = objectOf(value);
    const where = `/input/${index}`;
    if (isReference(item) && !(forgets && isHollow(item))) add(`${where}/id`, item.id, 'answer');
    // What is asked for may stand in the request itself.
    if (item.type === 'mcp_approval_response' && !approvals.has(item.approval_request_id ?? null)) {
      add(`${where}/approval_request_id`, item.approval_request_id);
    }
    heldIn(item, where, add);
  }
  for (const [index, value] of listOf(body.tools).entries()) {
    heldIn(value, `/tools/${index}`, add);
  }
  heldIn(objectOf(body.prompt).variables ?? null, '/prompt/variables', add);
  return named;
}

/** Whether an item of the input is to be filled in by what the provider has kept under its id. */
export function isReference(item: JsonObject): boolean {
  switch (typeOf(item)) {
    case 'item_reference':
      return true;
    case 'reasoning':
      return isHollow(item);
    case 'image_generation_call':
      return textOf(item.result) === '';
    default:
      return false;
  }
}

/** Reasoning of which only id and summary are there. */
export function isHollow(item: JsonObject): boolean {
  const { encrypted_content, content } = item;
  return typeOf(item) === 'reasoning' && textOf(encrypted_content) === '' && listOf(content).length === 0;
}

/** The type of an item; without one it is a message, or, where it says nothing but an id, a reference. */
export function typeOf(item: JsonObject): string {
  const type = textOf(item.type);
  if (type !== '') return type;
  return item.role === undefined && item.content === undefined ? 'item_reference' : 'message';
}

function heldIn(value: Json, where: string, add: (where: string, id: Json | undefined) => void): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, inner] of Object.entries(value)) {
    const at = child(where, Array.isArray(value) ? Number(name) : name);
    // Of a tool, wherever it is offered, it is the id itself or what describes a new one.
    if (holders.has(name) || (name === 'container' && typeof inner === 'string')) add(at, inner as Json);
    else if (name === 'file_ids') listOf(inner as Json).forEach((id, index) => void add(`${at}/${index}`, id));
    else if (!passedOver.has(name)) heldIn(inner as Json, at, add);
  }
}

/** Whether the provider keeps the response to `body`, so that a later request may name it and its items. */
export function keepsResponse({ store, background, conversation }: JsonObject): boolean {
  return store === true || background === true || (conversation ?? null) !== null;
}

/** The ids that a whole response gives: those of files and containers, and, where it is `kept`, its own and its items'. */
export function givenIds(response: JsonObject, kept: boolean): readonly string[] {
  const given = new Set<string>();
  if (kept) give(given, response.id);
  give(given, objectOf(response.conversation).id);
  for (const item of listOf(response.output)) for (const id of idsOfItem(objectOf(item), kept)) give(given, id);
  return [...given];
}

/** The same of one item, or of an annotation. */
export function idsOfItem(item: JsonObject, kept: boolean): readonly string[] {
  const given = new Set<string>();
  if (kept) give(given, item.id);
  const walk = (value: Json): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [name, inner] of Object.entries(value)) {
      if (holders.has(name)) give(given, inner as Json);
      else if (Array.isArray(value) || ofProvider.has(name)) walk(inner as Json);
    }
  };
  // What a server somewhere answers is not the provider's word.
  if (!textOf(item.type).startsWith('mcp_')) walk(item);
  return [...given];
}

function give(given: Set<string>, id: Json | undefined): void {
  if (typeof id === 'string' && id !== '' && given.size < givenMax) given.add(id);
}
