/**
 * Which resources a client wants to be told of, in the shared store, for servers that do not keep that by session: modern
 * ones, which are told it with every stream, and programs, which have one session for everybody. By client's session or,
 * for stateless clients, by task; and by route.
 */
import type { Admitted, Conversation, Json, Target } from '../../call.ts';
import { isDenial } from '../../denial.ts';
import { storeKey } from '../../store/store.ts';
import { updateRecord } from '../../store/update.ts';
import { listOf } from '../../wire/json-value.ts';
import type { Errand } from '../send.ts';
import type { Asked } from './asked.ts';
import type { McpPorts } from './ports.ts';
import { clientPart } from './sessions.ts';

/** The most resources of one client at one route; of more the oldest is told no more. */
const resourcesMax = 256;
const keptMs = 2 * 3600_000;

/** Channel on which it is told that they have changed; the message is the key. */
export const subscribedChannel = 'tg:mcp-subscribed';

/** Whether a request is about being told of a resource. */
export function isSubscription({ method }: Pick<Asked, 'method'>): boolean {
  return method === 'resources/subscribe' || method === 'resources/unsubscribe';
}

export class Subscriptions {
  readonly #store: McpPorts['store'];

  constructor({ store }: Pick<McpPorts, 'store'>) {
    this.#store = store;
  }

  keyOf({ task: { record } }: Errand, route: string, client: Pick<Conversation, 'sessionId'> | undefined): string {
    const part = `${clientPart(client?.sessionId ?? '')}${route}`;
    return storeKey(record.agent.tenant, 'mcp-subscribed', record.id, part);
  }

  async of(key: string): Promise<readonly string[]> {
    return urisIn((await this.#store.get(key))?.value);
  }

  /** Does what a request about being told of a resource says. Rejects with `StoreUnavailable`. */
  async take(call: Errand & Pick<Admitted, 'conversation'>, target: Target, { method, params }: Asked): Promise<void> {
    const key = this.keyOf(call, target.route, call.conversation);
    await this.change(key, String(params.uri), method === 'resources/subscribe');
  }

  /** Writes down one more, or one less. Rejects with `StoreUnavailable`. */
  async change(key: string, uri: string, wanted: boolean): Promise<void> {
    const updated = await updateRecord<Json>(this.#store, key, keptMs, (current) => {
      const others = urisIn(current).filter((one) => one !== uri);
      return wanted ? [...others, uri].slice(-resourcesMax) : others;
    });
    if (!isDenial(updated)) await this.#store.publish(subscribedChannel, key);
  }
}

function urisIn(value: Json | undefined): readonly string[] {
  return listOf(value).filter((uri) => typeof uri === 'string');
}
