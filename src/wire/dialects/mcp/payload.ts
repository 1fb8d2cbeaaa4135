/**
 * The payload of a call to an MCP server: the arguments of a tool, or the params of a method, written anew into one
 * JSON-RPC request in the version of the target. What a reader would get wrong: what a client answers to the questions of
 * a modern server (`inputResponses`), and the state that comes back with it, are no arguments; they stand below `/$inputs`
 * in pointers, and are inspected like everything else that is sent.
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
} from '../../../call.ts';
import { type Denial, deny } from '../../../denial.ts';
import { argumentsDenial } from '../../arguments-denial.ts';
import { writeParamHeaders } from '../../mcp/headers.ts';
import { encodeAsking } from '../../mcp/outbound.ts';
import { isModern } from '../../mcp/versions.ts';
import { EditableJson } from '../../segments.ts';
import { McpAnswer } from './answer.ts';
import type { McpAsked } from './asked.ts';
import { opaqueReading } from './inputs.ts';
import { type McpMethodOperation, McpToolOperation } from './operation.ts';
import { wholeAnswer } from './whole-answer.ts';

/** What comes back with the second try of a request that a modern server had questions about. */
export interface McpInputs {
  readonly inputResponses?: JsonObject;
  readonly requestState?: string;
}

const inputsPointer = '/$inputs';

export class McpPayload implements Payload {
  readonly stream = false;
  readonly model = null;
  readonly path = '/';
  readonly #operation: McpToolOperation | McpMethodOperation;
  readonly #asked: McpAsked;
  readonly #arguments: EditableJson;
  readonly #inputs: EditableJson;
  /** A retry of the same call is another request to the server. */
  #encoded = 0;

  constructor(operation: McpToolOperation | McpMethodOperation, args: JsonObject, inputs: McpInputs, asked: McpAsked) {
    this.#operation = operation;
    this.#asked = asked;
    this.#arguments = new EditableJson(args);
    this.#inputs = new EditableJson(inputs as JsonObject, opaqueReading);
  }

  get args(): JsonObject {
    return this.#arguments.value as JsonObject;
  }

  /** Of JSON-RPC. */
  get method(): string {
    return this.#asked.message.method;
  }

  document(): Json {
    return { method: this.method, params: { ...this.#params(), ...(this.#inputs.value as JsonObject) } };
  }

  segments(): readonly Segment[] {
    return [...this.#arguments.segments(), ...this.#inputs.segments().map(belowInputs)];
  }

  drop(where: string): void {
    if (where.startsWith(`${inputsPointer}/`)) this.#inputs.drop(where.slice(inputsPointer.length));
    else this.#arguments.drop(where);
  }

  /** Tools do not answer in tokens. */
  limitTokens(): void {}

  /** Denies `args_invalid` with every fault, up to a bound, as a reason. */
  validate(): Denial | undefined {
    // It is refused for that, whatever its arguments are: the schema itself is in doubt.
    if ('drift' in this.#operation && this.#operation.drift === 'blocked') return undefined;
    return argumentsDenial(this.#operation, this.#operation.faults(this.args));
  }

  /** Denies `tool_drifted` for a target whose tool of that name is another one, `operation_unknown` where it has none. */
  unfit({ name }: Target): Denial | undefined {
    const operation = this.#operation;
    if (!(operation instanceof McpToolOperation)) return undefined;
    const standing = operation.drift === 'blocked' ? 'drifted' : operation.standing(name);
    if (standing === 'offered') return undefined;
    if (standing === 'away') {
      return deny(
        'upstream_unavailable',
        `Whether ${operation.name} is still what was accepted cannot be told: its server is away.`,
      );
    }
    if (standing === 'missing') return deny('operation_unknown', `${operation.name} is not offered by its server.`);
    const message = `The definition of ${operation.name} has changed since it was accepted. An operator must look at it.`;
    return deny('tool_drifted', message, { reasons: [{ code: 'definition_changed', message }] });
  }

  encode(target: Target): OutboundRequest {
    const { message, client, meta, callKey, gate } = this.#asked;
    this.#encoded += 1;
    const inputs = this.#inputs.value as JsonObject;
    const operation = this.#operation;
    const repeated = operation instanceof McpToolOperation ? writeParamHeaders(operation.headers, this.args) : {};
    return encodeAsking(
      {
        id: `${callKey}.${this.#encoded}`,
        method: message.method,
        // A server of an older version has asked by other means, and knows no answers here.
        params: isModern(target.mcp?.version ?? '') ? { ...this.#params(), ...inputs } : this.#params(),
        client,
        progress: meta.progressToken !== undefined,
        gate,
        headers: repeated,
      },
      target,
    );
  }

  readAnswer(head: AnswerHead, body: Buffer): Answer {
    return new McpAnswer(head, body, this.#asked, this.#operation.route);
  }

  /** One JSON-RPC response flows no further than its end: read whole, it is one frame. */
  readStream(head: AnswerHead, body: AsyncIterable<Uint8Array>): AnswerStream {
    return wholeAnswer(body, (bytes) => this.readAnswer(head, bytes));
  }

  #params(): JsonObject {
    const operation = this.#operation;
    if (!(operation instanceof McpToolOperation)) return this.args;
    return { name: operation.definition.name, arguments: this.args };
  }
}

function belowInputs(segment: Segment): Segment {
  return {
    where: `${inputsPointer}${segment.where}`,
    get text() {
      return segment.text;
    },
    write: (text) => segment.write(text),
  };
}
