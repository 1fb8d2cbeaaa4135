/**
 * What an agent answers to the question of a server, as the call that it is: it sends something to that server, and is
 * inspected and decided on like any other. What a reader would get wrong: it has no answer of its own. Once it is let
 * through it is handed to the call that waits for it, and the agent hears no more than that it was taken.
 */
import type {
  Answer,
  AnswerHead,
  AnswerStream,
  Json,
  JsonObject,
  OutboundRequest,
  Payload,
  Segment,
  Target,
  WireRequest,
} from '../../../call.ts';
import { type Denial, deny } from '../../../denial.ts';
import { argumentsDenial } from '../../arguments-denial.ts';
import { type McpFault, paramsFault, type RpcId } from '../../mcp/fault.ts';
import { type RpcRequest, resultText } from '../../mcp/message.ts';
import type { McpClient } from '../../mcp/meta.ts';
import { legacyHeaders } from '../../mcp/outbound.ts';
import { EditableJson } from '../../segments.ts';
import { addressedDenial } from './denial.ts';
import { opaqueReading } from './inputs.ts';
import { answerMethod } from './methods.ts';
import { McpMethodOperation } from './operation.ts';
import { wholeAnswer } from './whole-answer.ts';

/** An answer to a question. */
export interface McpReplyCall {
  /** Whose server asked. */
  readonly route: string;
  /** What it asked for: `elicitation/create`, `sampling/createMessage`, `roots/list`. */
  readonly method: string;
  /** Of the question. */
  readonly id: RpcId;
  readonly result: JsonObject;
  readonly client: McpClient;
  /** Name and version of the gate. */
  readonly gate: JsonObject;
  /** The request that brought the answer, which a denial answers; left out where it came by itself. */
  readonly asked?: RpcRequest;
}

/** The call that an answer is; a fault for an answer to what servers do not ask. */
export function mcpReply({ route, method, id, result, client, gate, asked }: McpReplyCall): WireRequest | McpFault {
  if (answerMethod(method) === undefined) return paramsFault(id, 'This is no answer to what a server may ask');
  const addressed: RpcRequest = asked ?? { kind: 'request', id, method, params: {} };
  return {
    kind: 'tool',
    route,
    resolve: (registry) => {
      const operation = registry.get(`${route}.${method}`);
      if (!(operation instanceof McpMethodOperation)) return deny('route_unknown', `there is no MCP server ${route}`);
      const payload = new ReplyPayload(operation, id, result);
      return payload.validate() ?? { operation, payload };
    },
    denial: (denial, members) => addressedDenial(addressed, client, gate, denial, members),
  };
}

class ReplyPayload implements Payload {
  readonly stream = false;
  readonly model = null;
  readonly path = '/';
  readonly #operation: McpMethodOperation;
  readonly #id: RpcId;
  readonly #document: EditableJson;

  constructor(operation: McpMethodOperation, id: RpcId, result: JsonObject) {
    this.#operation = operation;
    this.#id = id;
    this.#document = new EditableJson(result, opaqueReading);
  }

  /** The result as it is handed over, once obligations have changed it. */
  get args(): JsonObject {
    return this.#document.value as JsonObject;
  }

  get method(): string {
    return this.#operation.method.name;
  }

  document(): Json {
    return { method: this.method, result: this.args };
  }

  segments(): readonly Segment[] {
    return this.#document.segments();
  }

  drop(where: string): void {
    this.#document.drop(where);
  }

  limitTokens(): void {}

  /** Denies `args_invalid` with every fault, up to a bound, as a reason. */
  validate(): Denial | undefined {
    return argumentsDenial(this.#operation, this.#operation.faults(this.args));
  }

  encode({ mcp }: Target): OutboundRequest {
    const headers = mcp === undefined ? {} : legacyHeaders(mcp.version, mcp.sessionId);
    return {
      method: 'POST',
      path: '',
      headers: { accept: 'application/json, text/event-stream', 'content-type': 'application/json', ...headers },
      body: Buffer.from(resultText(this.#id, this.args)),
    };
  }

  /** Whatever comes back, the agent is told no more than that its answer was taken. */
  readAnswer(head: AnswerHead): Answer {
    const taken = head.status < 400;
    return {
      head,
      body: null,
      usage: null,
      proposals: [],
      text: '',
      failed: !taken,
      segments: () => [],
      drop: () => undefined,
      encode: () => ({ head: { status: taken ? 202 : head.status, headers: {} }, body: Buffer.alloc(0) }),
    };
  }

  readStream(head: AnswerHead, body: AsyncIterable<Uint8Array>): AnswerStream {
    return wholeAnswer(body, () => this.readAnswer(head));
  }
}
