/**
 * What goes on between a client and a server of MCP beside the one answer to a call: what the server tells meanwhile, and
 * what it asks its client. Whoever speaks with the client (`server/mcp/`) makes it, and it travels on the arrival; whoever
 * speaks with the server (`upstream/mcp/`) uses it. What a reader would get wrong: both sides may speak other versions of
 * MCP. Messages here have the shape they have in every version; how each side is told is its own matter.
 */
import type { JsonObject, Target } from './payload.ts';

/** What a server tells its client without expecting an answer: progress, log messages. */
export interface McpNotice {
  readonly method: string;
  readonly params: JsonObject;
}

/** What a server asks its client while a call runs: `elicitation/create`, `sampling/createMessage`, `roots/list`. */
export interface McpQuestion {
  readonly method: string;
  readonly params: JsonObject;
}

/** What the client answered, as JSON-RPC has it. */
export type McpReply = { readonly result: JsonObject } | { readonly error: JsonObject };

/** The client of an MCP call, as far as whoever calls its server has to know it. */
export interface Conversation {
  /** The version that the client speaks; from `2026-07-28` on it is stateless. */
  readonly version: string;
  /** What it says it can do; what it did not say, no server may ask it. */
  readonly capabilities: JsonObject;
  /** Name and version of the client, as it says; absent where it says nothing. */
  readonly info?: JsonObject;
  /** The client's session of an older version; null for a stateless client. */
  readonly sessionId: string | null;
  /** The least severe log messages that it wants; absent where it has not said. */
  readonly logLevel?: string;
  /** Hands on what the server tells. Never rejects; what may not pass is dropped. */
  readonly tell: (notice: McpNotice, target: Target) => Promise<void>;
  /** Asks the client and waits for its answer; an answer that may not pass, and a client that is gone, are an error reply. */
  readonly ask: (question: McpQuestion, target: Target) => Promise<McpReply>;
  /** Told of each target before the call is sent to it. */
  readonly sentTo?: (target: Target) => void;
  /**
   * Only of a call that is itself what the client answers to a question of a server: hands the answer, as it stands after
   * all judgements, to the call that waits for it; nothing is sent to a target. False where nobody waits any more.
   */
  readonly handOver?: (reply: McpReply) => Promise<boolean>;
}

/** How a target is spoken to, once that has been found out. */
export interface McpSpoken {
  readonly version: string;
  /** The session with the server; absent where it keeps none. */
  readonly sessionId?: string;
}

/** A tool as its server defines it, in the shape of every version. */
export interface ToolDefinition {
  readonly name: string;
  readonly title?: string;
  readonly description?: string;
  readonly inputSchema: JsonObject;
  readonly outputSchema?: JsonObject;
  readonly annotations?: JsonObject;
  /** Everything else that came with it, `_meta` and icons among it. */
  readonly rest?: JsonObject;
}

/** A tool as the gate offers it: what stands in the catalogue of its route. */
export interface OfferedTool {
  /** As agents see it: suspicious text is taken out of it, and `_meta` is never part of it. */
  readonly definition: ToolDefinition;
  /** Lower-case hex SHA-256 over the JCS form of the definition as its server gave it. */
  readonly hash: string;
  /** How a target stands to it, by its name: it defines it exactly so, not at all, otherwise; `away`: it could not be asked. */
  readonly standing: (target: string) => 'offered' | 'missing' | 'drifted' | 'away';
  /** Its definition is not the accepted one: it is called no more, or goes on and the policy is told. Absent: it is. */
  readonly drift?: 'blocked' | 'flagged';
}
