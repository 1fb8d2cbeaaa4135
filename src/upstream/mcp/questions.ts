/**
 * What a server asks while a call runs: handed to the client of that call, if it said that it can answer such a thing, and
 * the answer handed back. A `ping` the gate answers itself. What a reader would get wrong: a question that is refused is
 * answered too, with an error, or the server would wait for it.
 */
import type { Conversation, JsonObject, McpReply, Target } from '../../call.ts';
import { type RpcId, rpcCodes } from '../../wire/mcp/fault.ts';
import { errorText, type RpcError, type RpcRequest, resultText } from '../../wire/mcp/message.ts';
import { missingFor } from '../../wire/mcp/translate.ts';
import { DialError } from '../exchange.ts';

/** The most questions of one call that wait for their answers. */
export const openQuestionsMax = 8;

/** Whether a client that can do so much may be asked this. */
export function mayAsk(capabilities: JsonObject, { method, params }: Pick<RpcRequest, 'method' | 'params'>): boolean {
  return Object.keys(missingFor({ inputRequests: { one: { method, params } } }, capabilities)).length === 0;
}

/** The questions of one call. */
export class Questions {
  readonly #conversation: Conversation | undefined;
  readonly #target: Target;
  #open = 0;

  constructor(conversation: Conversation | undefined, target: Target) {
    this.#conversation = conversation;
    this.#target = target;
  }

  /** The text of the response to `question`. Never rejects. */
  async answer(question: RpcRequest): Promise<string> {
    if (question.method === 'ping') return resultText(question.id, {});
    return replyText(question.id, await this.reply(question));
  }

  /** What the client says to a question, or why it is not asked. Never rejects. */
  async reply(question: Pick<RpcRequest, 'method' | 'params'>): Promise<McpReply> {
    const { method, params } = question;
    const conversation = this.#conversation;
    if (conversation === undefined || !mayAsk(conversation.capabilities, question)) {
      return refusal(rpcCodes.methodNotFound, 'The client cannot be asked this');
    }
    if (this.#open >= openQuestionsMax) return refusal(rpcCodes.internalError, 'Too many questions wait for an answer');
    this.#open += 1;
    try {
      return await conversation.ask({ method, params: withoutMeta(params) }, this.#target);
    } catch {
      return refusal(rpcCodes.internalError, 'The client could not be asked');
    } finally {
      this.#open -= 1;
    }
  }
}

/** The most replies to one server, of one stream, that it has not taken yet: it may ask faster than it listens. */
const repliesMax = 32;

/** Replies on their way. */
export class Replies {
  #open = 0;

  /** Sends one by `send`, which never rejects. Throws DialError `protocol` where too many are on their way. */
  take(send: () => Promise<void>): void {
    if (this.#open >= repliesMax) throw new DialError('protocol', 'the server asks faster than it listens', true);
    this.#open += 1;
    void send().finally(() => {
      this.#open -= 1;
    });
  }
}

/** A question that is not asked. */
export function refusal(code: number, message: string): McpReply {
  return { error: { code, message } };
}

/** The response that a reply is. */
export function replyText(id: RpcId, reply: McpReply): string {
  if ('result' in reply) return resultText(id, reply.result);
  const { code, message, data } = reply.error;
  const error: RpcError = {
    code: typeof code === 'number' ? code : rpcCodes.internalError,
    message: typeof message === 'string' ? message : 'The client gave no answer',
    ...(data === undefined ? {} : { data }),
  };
  return errorText(id, error);
}

/** What stands in `_meta` is between the server and the gate. */
function withoutMeta({ _meta: _ours, ...params }: JsonObject): JsonObject {
  return params as JsonObject;
}
