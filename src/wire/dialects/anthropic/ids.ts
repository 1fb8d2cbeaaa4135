/**
 * Ids of messages that stand for what lies at the provider: containers, files, and, where a conversation is kept there,
 * the messages of it. What a reader would get wrong: most ids in a request are only names in a history that is all there;
 * an id counts where the provider would look something up by it.
 */
import type { Json, JsonObject, NamedId } from '../../../call.ts';
import { objectOf } from '../../json-value.ts';
import { child } from '../../pointer.ts';

/** How many ids of one answer are told. */
const givenMax = 256;

/** The ids that the request `body` names, in its order. */
export function namedIds(body: JsonObject): readonly NamedId[] {
  const named: NamedId[] = [];
  const add = (where: string, id: Json | undefined): void => {
    if (typeof id === 'string') named.push({ where, id });
  };
  if (typeof body.container === 'string') add('/container', body.container);
  else add('/container/id', objectOf(body.container).id);
  add('/thread/previous_message_id', objectOf(body.thread).previous_message_id);
  add('/diagnostics/previous_message_id', objectOf(body.diagnostics).previous_message_id);
  for (const name of ['system', 'messages']) filesIn(body[name] ?? null, `/${name}`, add);
  return named;
}

/** Files that blocks are read from. What tools are given, and what the provider's own left behind, names nothing. */
function filesIn(value: Json, where: string, add: (where: string, id: Json | undefined) => void): void {
  if (typeof value !== 'object' || value === null) return;
  const { type, file_id } = objectOf(value);
  if (type === 'file' || type === 'container_upload') add(`${where}/file_id`, file_id);
  for (const [name, inner] of Object.entries(value)) {
    if (name === 'input' || name === 'input_schema' || typeof inner !== 'object') continue;
    filesIn(inner as Json, child(where, Array.isArray(value) ? Number(name) : name), add);
  }
}

/** Whether the provider keeps the messages of a request and its answer, so that a later one may name them. */
export function keepsMessages({ thread, diagnostics }: JsonObject): boolean {
  return (thread ?? diagnostics ?? null) !== null;
}

/** The ids that a message gives, or what an event of one holds: its own only where it is `kept`. */
export function givenIds(message: JsonObject, kept: boolean): readonly string[] {
  const given = new Set<string>();
  const give = (id: Json | undefined): void => {
    if (typeof id === 'string' && id !== '' && given.size < givenMax) given.add(id);
  };
  if (kept) give(message.id);
  give(objectOf(message.container).id);
  const walk = (value: Json): void => {
    // What a server somewhere answers is not the provider's word, whatever it names.
    if (typeof value !== 'object' || value === null || objectOf(value).type === 'mcp_tool_result') return;
    for (const [name, inner] of Object.entries(value)) {
      if (name === 'file_id') give(inner as Json);
      else if (name !== 'input') walk(inner as Json);
    }
  };
  walk(message.content ?? null);
  return [...given];
}
