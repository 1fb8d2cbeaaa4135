/** What servers tell without being asked, sorted: what goes to the client of the call, and what the catalogue is told of. */
import type { Conversation, Target } from '../../call.ts';
import type { RpcNotification } from '../../wire/mcp/message.ts';
import type { McpPorts } from './ports.ts';

const changes: ReadonlySet<string> = new Set([
  'notifications/tools/list_changed',
  'notifications/resources/list_changed',
  'notifications/prompts/list_changed',
]);
/** What a client may be told on the stream of its call. */
const told: ReadonlySet<string> = new Set([
  ...changes,
  'notifications/progress',
  'notifications/message',
  'notifications/resources/updated',
  'notifications/elicitation/complete',
]);

/** Hands on what a server tells; what is of no known kind, or between server and gate, is dropped. Never rejects. */
export async function handOn(
  { changed }: Pick<McpPorts, 'changed'>,
  target: Target,
  { method, params }: RpcNotification,
  tell: Conversation['tell'] | undefined,
): Promise<void> {
  if (changes.has(method)) changed(target, method);
  if (told.has(method)) await tell?.({ method, params }, target);
}
