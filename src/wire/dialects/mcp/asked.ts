/** What is known of the request that a call came in by, for whoever answers it. */
import type { JsonObject } from '../../../call.ts';
import type { RpcRequest } from '../../mcp/message.ts';
import type { McpClient, RequestMeta } from '../../mcp/meta.ts';

export interface McpAsked {
  readonly message: RpcRequest;
  readonly client: McpClient;
  readonly meta: RequestMeta;
  /** Whether the client sees many routes in one list, and names of each are told apart. */
  readonly aggregated: boolean;
  /** Begins the ids of requests to servers; another for each call. */
  readonly callKey: string;
  /** Name and version of the gate. */
  readonly gate: JsonObject;
}
