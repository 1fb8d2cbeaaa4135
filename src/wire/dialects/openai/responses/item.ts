/**
 * What an item of a response's output says: its texts with their places in the item, and the call that it proposes. The
 * same for a whole answer and for the events of a stream that repeat an item.
 */
import type { JsonObject, ProposedCall } from '../../../../call.ts';
import { listOf, objectOf, textOf } from '../../../json-value.ts';
import { child } from '../../../pointer.ts';

/** `text`: the answer itself. `reasoning`: what else the model wrote. `call`: the arguments of a call it proposes. */
export interface Said {
  /** JSON pointer below the item. */
  readonly where: string;
  readonly kind: 'text' | 'reasoning' | 'call';
  readonly text: string;
}

/** Calls that the client makes, by the type of their item: the member that says what is asked for. */
const callMembers: Readonly<Record<string, string>> = {
  function_call: 'arguments',
  custom_tool_call: 'input',
  local_shell_call: 'action',
  shell_call: 'action',
  computer_call: 'action',
  apply_patch_call: 'operation',
};

/** Where the arguments of a call stand in its item; undefined where `item` is none that the client makes. */
export function callMember({ type, environment }: JsonObject): string | undefined {
  // The provider runs it where a container of its own is named.
  if (type === 'shell_call' && objectOf(environment).type === 'container_reference') return undefined;
  return Object.hasOwn(callMembers, textOf(type)) ? callMembers[textOf(type)] : undefined;
}

/** The call that `item` proposes; null where it is none. */
export function proposalOf(item: JsonObject): ProposedCall | null {
  const member = callMember(item);
  if (member === undefined) return null;
  const value = item[member] ?? item.actions ?? '';
  return {
    id: textOf(item.call_id) || textOf(item.id),
    name: textOf(item.name) || textOf(item.type),
    arguments: typeof value === 'string' ? value : JSON.stringify(value),
  };
}

/** What `item` says, in its order; texts that are empty are left out. */
export function saidIn(item: JsonObject): readonly Said[] {
  const said: Said[] = [];
  const add = (where: string, kind: Said['kind'], text: string): void => {
    if (text !== '') said.push({ where, kind, text });
  };
  const kind = item.type === 'message' ? 'text' : 'reasoning';
  for (const name of ['summary', 'content']) {
    for (const [index, value] of listOf(item[name]).entries()) {
      const part = objectOf(value);
      for (const member of ['text', 'refusal', 'transcript'])
        add(`/${name}/${index}/${member}`, kind, textOf(part[member]));
    }
  }
  const call = proposalOf(item);
  if (call !== null) add(child('', callMember(item) ?? ''), 'call', call.arguments);
  // What the model wrote for tools that the provider runs; their results are no words of the model.
  if (item.type === 'code_interpreter_call') add('/code', 'reasoning', textOf(item.code));
  if (item.type === 'mcp_call' || item.type === 'mcp_approval_request')
    add('/arguments', 'reasoning', textOf(item.arguments));
  return said;
}
